package flow_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// simService has the processes of a service that are there or on their way, those
// of all instances.
type simService struct {
	def   *plan.Service
	procs []*simProcess
}

type simProcess struct {
	phase phase
	id    flow.ProcessID
	dying bool // its exit is on its way
	told  bool // to end
	ready bool
}

func (w *world) service(name plan.Name) *simService {
	i := slices.IndexFunc(w.services, func(s *simService) bool { return s.def.Name == name })
	if i < 0 {
		w.t.Fatalf("no such service: %s", name)
	}
	return w.services[i]
}

func instanceUnit(name plan.Name, instance string) string {
	return "service " + string(name) + instanceText(instance)
}

func (w *world) transition(f flow.Transition) {
	unit := f.Kind + " " + string(f.Name)
	if f.Kind == "service" {
		unit = instanceUnit(f.Name, f.Instance)
		if w.state[unit] == "" {
			w.state[unit] = string(flow.ServiceInactive) // a new instance
		}
		w.faulty[unit] = f.To == string(flow.ServiceStopping) && f.Failure
	}
	if f.Kind == "socket" {
		w.checkPause(f)
	}
	w.require(w.state[unit] == f.From && f.From != f.To, "%s goes from %s to %s, but is %s", unit, f.From, f.To, w.state[unit])
	w.state[unit] = f.To
	if f.Kind == "service" && f.From == string(flow.ServiceInactive) {
		w.checkCause(f.Cause)
	}
}

// states yields the states of the instances of a service.
func (w *world) states(name plan.Name) func(yield func(string, flow.ServiceState) bool) {
	return func(yield func(string, flow.ServiceState) bool) {
		plain := instanceUnit(name, "")
		for unit, state := range w.state {
			if unit == plain || len(unit) > len(plain) && unit[:len(plain)+1] == plain+"/" {
				if !yield(unit, flow.ServiceState(state)) {
					return
				}
			}
		}
	}
}

func (w *world) is(name plan.Name, ok func(unit string, state flow.ServiceState) bool) bool {
	for unit, state := range w.states(name) {
		if ok(unit, state) {
			return true
		}
	}
	return false
}

// alive reports whether a service is up or about to be.
func (w *world) alive(name plan.Name) bool {
	return w.is(name, func(_ string, state flow.ServiceState) bool {
		return state != flow.ServiceInactive && state != flow.ServiceFailed
	})
}

func (w *world) active(name plan.Name) bool {
	return w.is(name, func(_ string, state flow.ServiceState) bool { return state == flow.ServiceActive })
}

// stays reports whether a service is meant to be up.
func (w *world) stays(name plan.Name) bool {
	return w.is(name, func(unit string, state flow.ServiceState) bool {
		return state == flow.ServiceStarting || state == flow.ServiceActive || state == flow.ServiceWaiting || w.faulty[unit]
	})
}

func (w *world) spawn(f flow.Spawn) {
	svc := w.service(f.Process.Service)
	state := w.state[instanceUnit(f.Process.Service, f.Process.Instance)]
	w.require(state == string(flow.ServiceStarting) || state == string(flow.ServiceWaiting), "spawn %s, which is %s", processText(f.Process), state)
	for _, p := range svc.procs {
		same := p.id.Instance == f.Process.Instance && p.id.Run == f.Process.Run
		w.require(!same, "spawn %s, while %v is %s", processText(f.Process), p.id, p.phase)
	}
	w.require(f.Process.Incarnation > w.lastProc, "incarnation %d is not new", f.Process.Incarnation)
	w.require(!w.ending, "spawn %s during a shutdown", processText(f.Process))
	w.require(f.Command.Exec != "" && f.Command.Variable == "", "spawn %s without a program", processText(f.Process))
	w.lastProc = f.Process.Incarnation
	for _, name := range svc.def.After {
		w.require(w.active(name), "spawn %s before %s is active", processText(f.Process), name)
	}
	for _, s := range w.sockets {
		opening := w.state["socket "+string(s.def.Name)] == string(flow.SocketStarting) && s.phase != absent
		w.require(s.def.Owner != f.Process.Service || s.def.Accept || !opening && !s.flushing, "spawn %s while %s is being opened or flushed", processText(f.Process), s.def.Name)
	}
	w.handOver(f)
	w.checkInherited(f)
	p := &simProcess{phase: coming, id: f.Process}
	svc.procs = append(svc.procs, p)
	w.later("process "+processText(f.Process), func() flow.Event {
		if w.often("spawned") {
			p.phase = present
			if w.calm || rapid.Bool().Draw(w.t, "owner accepts") {
				w.accept(f.Process.Service)
			}
			p.ready = p.ready || !svc.def.Notify
			if w.calm && !p.ready {
				w.later("process "+processText(f.Process), func() flow.Event { return w.sayReady(p) })
			}
			if w.calm && f.Connection != 0 {
				w.exits(svc, p, flow.ExitStatus{})
			}
			return flow.ProcessStarted{Process: f.Process, PID: 100 + int(f.Process.Incarnation)}
		}
		svc.forget(p)
		return flow.ProcessFailed{Process: f.Process, Reason: "no such file"}
	})
}

func (svc *simService) forget(p *simProcess) {
	p.phase = absent
	svc.procs = slices.DeleteFunc(svc.procs, func(other *simProcess) bool { return other == p })
}

// sayReady is a process that says that it is ready, or nothing if it is gone.
func (w *world) sayReady(p *simProcess) flow.Event {
	if p.phase != present {
		return nil
	}
	p.ready = true
	return flow.Notified{Process: p.id, Notice: flow.Notice{Ready: true, Status: "ready"}}
}

// checkInherited checks that a process gets exactly the open sockets of its
// service, in definition order.
func (w *world) checkInherited(f flow.Spawn) {
	var want []plan.Name
	if f.Connection != 0 {
		return // see handOver
	}
	for order := range w.sockets {
		for _, s := range w.sockets {
			if s.def.Owner == f.Process.Service && s.def.Order == order && s.phase == present {
				want = append(want, s.def.Name)
			}
		}
	}
	w.checkScreened(f)
	w.require(slices.Equal(f.Sockets, want), "%s inherits %v, want %v", processText(f.Process), f.Sockets, want)
}

// accept is an owner that takes what waits at its sockets.
func (w *world) accept(owner plan.Name) {
	for _, s := range w.sockets {
		if s.def.Owner == owner && !s.def.Accept {
			s.queue, s.denied = 0, 0 // it takes everybody
		}
	}
}

func (w *world) kill(f flow.Kill) {
	svc := w.service(f.Process.Service)
	i := slices.IndexFunc(svc.procs, func(p *simProcess) bool { return p.id == f.Process })
	w.require(i >= 0 && svc.procs[i].phase == present, "kill %s, which is not there", processText(f.Process))
	p := svc.procs[i]
	switch f.Signal {
	case "SIGKILL":
	case "SIGABRT":
		w.require(svc.def.Watchdog != nil, "SIGABRT for %s, which has no watchdog", processText(f.Process))
	default:
		w.require(!p.told, "%s is told to end twice", processText(f.Process))
		p.told = true
		w.checkOrder(svc, f)
	}
	if p.dying || f.Signal != "SIGKILL" && !w.often("dies of its signal") {
		return
	}
	w.exits(svc, p, flow.ExitStatus{Signal: f.Signal})
}

// checkOrder checks that a service that is stopped ends after those that come
// after it.
func (w *world) checkOrder(svc *simService, f flow.Kill) {
	if w.hurried || w.stays(svc.def.Name) {
		return
	}
	for _, d := range w.services {
		leans := slices.Contains(d.def.After, svc.def.Name) && len(d.procs) > 0
		w.require(!leans, "%s is told to end before %s, which comes after it", processText(f.Process), d.def.Name)
	}
}

// exits ends a running process.
func (w *world) exits(svc *simService, p *simProcess, status flow.ExitStatus) {
	p.dying = true
	w.later("process "+processText(p.id), func() flow.Event {
		svc.forget(p)
		return flow.ProcessExited{Process: p.id, Status: status}
	})
}

// serviceEvent is something that the processes of a service do by themselves.
func (w *world) serviceEvent(svc *simService) {
	for _, p := range slices.Clone(svc.procs) {
		switch {
		case p.phase != present || p.dying:
		case between(w.t, 0, 2, "what a process does") == 0:
			w.exits(svc, p, flow.ExitStatus{Code: between(w.t, 0, 1, "status")})
		default:
			w.speak(svc, p)
		}
	}
}

// speak is a process that says something of itself.
func (w *world) speak(svc *simService, p *simProcess) {
	n := pick(w.t, []flow.Notice{
		{Ready: true},
		{Ready: true, Alive: true, Status: "working"},
		{Alive: true},
		{Failing: true},
		{Reloading: true, Status: "reading"},
		{Stopping: true},
		{Extend: time.Second},
		{Watchdog: time.Minute},
		{MainPID: 7},
	}, "notice")
	w.later("process "+processText(p.id), func() flow.Event {
		if p.phase != present {
			return nil
		}
		p.ready = p.ready || n.Ready && w.state[instanceUnit(svc.def.Name, p.id.Instance)] != string(flow.ServiceStopping)
		return flow.Notified{Process: p.id, Notice: n}
	})
}

// instance draws the name of an instance, mostly that of none.
func (w *world) instance() string {
	return pick(w.t, []string{"", "", "", "a", "b", "1", "2"}, "instance")
}

func (w *world) checkServices(list []flow.ServiceStatus) {
	known := map[string]bool{}
	for i, st := range list {
		svc := w.services[i]
		instances := st.Instances
		if !svc.def.Multiple && svc.def.Branching == nil && !w.accepting(svc.def.Name) {
			instances = []flow.InstanceStatus{st.InstanceStatus}
		}
		engaged := 0
		for _, in := range instances {
			unit := instanceUnit(st.Def.Name, in.Instance)
			known[unit] = true
			if in.State != flow.ServiceInactive || w.state[unit] != "" {
				w.require(w.state[unit] == string(in.State), "%s is %s without a transition", unit, in.State)
			}
			w.checkInstance(svc, unit, in)
			if in.State != flow.ServiceInactive && in.State != flow.ServiceFailed {
				engaged++
			}
		}
		if b := svc.def.Branching; b != nil {
			w.require(b.MaxInstances == 0 || engaged <= b.MaxInstances, "%s has %d instances", st.Def.Name, engaged)
		}
	}
	for _, svc := range w.services {
		for unit := range w.states(svc.def.Name) {
			if !known[unit] {
				delete(w.state, unit) // it is gone
			}
		}
	}
}

func (w *world) checkInstance(svc *simService, unit string, st flow.InstanceStatus) {
	count := map[phase]int{}
	ready := 0
	for _, p := range svc.procs {
		if p.id.Instance == st.Instance {
			count[p.phase]++
			if p.phase == present && p.ready {
				ready++
			}
		}
	}
	armed := func(k flow.TimerKind) bool {
		return slices.ContainsFunc(w.timers, func(id flow.TimerID) bool {
			return id.Kind == k && id.Name == svc.def.Name && id.Instance == st.Instance
		})
	}
	delayed := armed(flow.TimerRestart)
	gathering := slices.ContainsFunc(w.sockets, func(s *simSocket) bool {
		return s.def.Owner == svc.def.Name && (s.phase == coming || s.anew || s.phase == goingOff || s.flushing || s.screen.running || w.rivalGoes(s))
	})
	up := count[coming] + count[present]
	unready := armed(flow.TimerReady)
	ok := map[flow.ServiceState]bool{
		flow.ServiceInactive: up == 0 && !delayed,
		flow.ServiceFailed:   up == 0 && !delayed,
		flow.ServiceStarting: count[coming] > 0 || gathering || delayed || unready,
		flow.ServiceActive:   count[present] > 0 && count[coming] == 0 && !delayed && ready == count[present],
		flow.ServiceStopping: up > 0 && !delayed,
		flow.ServiceWaiting:  delayed || len(st.WaitsFor) > 0,
	}
	w.require(ok[st.State], "%s is %s; processes %v, %d ready, restart timer armed: %v", unit, st.State, count, ready, delayed)
	w.require(!unready || st.State == flow.ServiceStarting, "%s is %s, and has to be ready in time", unit, st.State)
	w.require(!armed(flow.TimerStopGrace) || st.State == flow.ServiceStopping, "%s is %s, and has to end in time", unit, st.State)
	w.require(!armed(flow.TimerWatchdog) || count[present] > 0, "%s has nothing to be watched over", unit)
	w.require(len(st.PIDs) == count[present], "%s has the pids %v, but %d processes run", unit, st.PIDs, count[present])
	for _, name := range st.WaitsFor {
		w.require(slices.Contains(svc.def.After, name) && !w.active(name), "%s waits for %s, which is active", unit, name)
	}
	if st.State == flow.ServiceWaiting && !delayed && !w.ending {
		w.require(slices.ContainsFunc(svc.def.After, func(name plan.Name) bool { return !w.active(name) }), "%s waits for nothing", unit)
	}
}

func drawService(t *rapid.T, p *plan.Plan, svc *plan.Service) {
	svc.Run = slices.Repeat([]plan.Command{{Exec: "/bin/srv"}}, between(t, 1, 2, "run"))
	svc.Restart = plan.Restart{
		Always:     between(t, 0, 3, "always") == 0,
		MaxRetries: between(t, 0, 2, "retries"),
	}
	svc.StartOn, svc.StopOn = drawCondition(t), drawCondition(t)
	svc.OnStart = append(tag("on-start service "+svc.Name), drawActions(t, p)...)
	svc.OnStop = append(tag("on-stop service "+svc.Name), drawActions(t, p)...)
	// A circle now and then: rindc refuses it, and it must not hang anything.
	for i := range p.Services {
		if other := &p.Services[i]; other.Name > svc.Name && rapid.Bool().Draw(t, "after") || between(t, 0, 19, "circle") == 0 {
			svc.After = append(svc.After, other.Name)
		}
	}
	svc.Notify = between(t, 0, 2, "notify") == 0
	if between(t, 0, 3, "stop") == 0 {
		svc.Stop = plan.Stop{Signal: "SIGINT", Timeout: new(plan.Duration)}
	}
	if between(t, 0, 2, "watchdog") == 0 {
		svc.Watchdog = &plan.Watchdog{Interval: plan.Duration(time.Second), Action: pick(t, []string{"restart", "stop", "signal"}, "action")}
	}
	switch between(t, 0, 5, "instances") {
	case 0:
		svc.Multiple = true
	case 1, 2:
		svc.Branching = &plan.Branching{State: "w@json", Key: "id", MaxInstances: between(t, 0, 1, "max-instances")}
	}
	switch between(t, 0, 9, "when it starts") {
	case 0:
		svc.Space = &plan.Space{State: "w@json", Field: "id"}
	case 1:
		svc.Run[0] = plan.Command{Variable: pick(t, []string{"good", "bad"}, "variable")}
	}
}

// hopeless reports whether a service may not come up however calm the world is.
func (w *world) hopeless(name plan.Name) bool {
	def := w.service(name).def
	waits := slices.ContainsFunc(def.After, func(other plan.Name) bool { return !w.active(other) })
	return def.Space != nil || def.Run[0].Variable == "bad" || waits
}

// drawVariables adds what says what to run.
func drawVariables(t *rapid.T, p *plan.Plan) {
	for name, text := range map[string]string{"good": `{"exec":"/bin/other"}`, "bad": `[]`} {
		v, err := cond.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p.Variables = append(p.Variables, plan.Variable{Name: name, Default: &v})
	}
	byName(p.Variables, func(v plan.Variable) plan.Name { return plan.Name(v.Name) })
}
