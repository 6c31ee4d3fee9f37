package flow_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// world is what the effects of one engine meet: a kernel with listeners, clients
// and processes, all of it in memory. It answers every effect, late and in any
// order, and fails the test when an effect makes no sense in the state of things.
type world struct {
	t      *rapid.T
	plan   *plan.Plan
	engine *flow.Engine

	sockets     []*simSocket
	services    []*simService
	timers      []flow.TimerID
	connections []*simConnection // all there ever were, by number
	lanes       []*lane          // answers on their way, in order within each lane
	calm        bool             // nothing fails any more
	hookedCalm  int              // transitions that hooks have caused since it is calm

	asked    map[uint64]bool // answered, by request
	lastID   uint64
	lastProc uint64
	hurried  bool
	state    map[string]string // of every unit, as transitions tell it
	faulty   map[string]bool   // instances that are being stopped because of a fault
	hooked   map[string]bool   // on-start ran, on-stop did not
	cut      bool              // a chain of hooks was cut, so hooks are missing
	ending   bool
	exited   bool

	events  []flow.Event // everything so far, and the effects it had
	effects [][]string
}

// lane has the answers of one unit. An answer is made when it is delivered; a
// nil event is none.
type lane struct {
	name  string
	queue []func() flow.Event
}

// phase is what the kernel knows of a listener or process.
type phase string

const (
	absent   phase = "absent"
	coming   phase = "coming"
	present  phase = "present"
	goingOff phase = "going off"
)

type simSocket struct {
	def        *plan.Socket
	phase      phase
	queue      int // connections that wait
	denied     int // the same of those who may not
	screen     screenWorld
	watched    bool
	early      bool // it was watched while the report of a watch before was on its way
	each       bool
	serving    bool
	flushing   bool
	inspecting bool
	parked     bool // paused by somebody
	admitted   int  // connections within the window of its limit
	told       int  // reports on their way
	lost       bool // nobody can reach the listener
	anew       bool // it is being replaced
	bound      int  // listeners that were replaced
}

func newWorld(t *rapid.T, p *plan.Plan) *world {
	w := &world{
		t: t, plan: p, engine: flow.New(p, flow.Config{}),
		asked: map[uint64]bool{}, state: map[string]string{}, faulty: map[string]bool{}, hooked: map[string]bool{},
	}
	for i := range p.Sockets {
		w.sockets = append(w.sockets, &simSocket{def: &p.Sockets[i], phase: absent})
		w.state["socket "+string(p.Sockets[i].Name)] = string(flow.SocketInactive)
	}
	for i := range p.Timers {
		w.state["timer "+string(p.Timers[i].Name)] = string(flow.TimerInactive)
	}
	for i := range p.Services {
		w.services = append(w.services, &simService{def: &p.Services[i]})
	}
	return w
}

// step applies one event and checks everything.
func (w *world) step(ev flow.Event) {
	effects := w.engine.Step(ev)
	var texts []string
	for _, f := range effects {
		texts = append(texts, effectText(f))
	}
	w.t.Logf("%T%+v\n\t%s", ev, ev, strings.Join(texts, "\n\t"))
	w.events, w.effects = append(w.events, ev), append(w.effects, texts)
	if _, ok := ev.(flow.Shutdown); ok {
		w.ending, w.hurried = true, w.ending
	}
	for i, f := range effects {
		if w.exited {
			w.afterExit(f)
			continue
		}
		w.carryOut(f)
		if w.exited && i != len(effects)-1 {
			w.t.Fatalf("effects follow Exit: %v", texts[i+1:])
		}
	}
	w.notePause(ev)
	w.check()
}

func (w *world) afterExit(f flow.Effect) {
	switch f := f.(type) {
	case flow.Reply:
		w.answer(f)
	case flow.Report:
	default:
		w.t.Fatalf("an effect after Exit: %s", effectText(f))
	}
}

// lane returns the lane with that name.
func (w *world) lane(name string) *lane {
	for _, l := range w.lanes {
		if l.name == name {
			return l
		}
	}
	l := &lane{name: name}
	w.lanes = append(w.lanes, l)
	return l
}

func (w *world) later(name string, answer func() flow.Event) {
	l := w.lane(name)
	l.queue = append(l.queue, answer)
}

// waiting returns the lanes that have something to deliver.
func (w *world) waiting() []*lane {
	return slices.DeleteFunc(slices.Clone(w.lanes), func(l *lane) bool { return len(l.queue) == 0 })
}

func (w *world) deliver(l *lane) {
	answer := l.queue[0]
	l.queue = l.queue[1:]
	if ev := answer(); ev != nil {
		w.step(ev)
	}
}

// often draws true most of the time, and always when the world is calm.
func (w *world) often(label string) bool {
	return w.calm || between(w.t, 0, 3, label) > 0
}

func (w *world) socket(name plan.Name) *simSocket {
	i := slices.IndexFunc(w.sockets, func(s *simSocket) bool { return s.def.Name == name })
	if i < 0 {
		w.t.Fatalf("no such socket: %s", name)
	}
	return w.sockets[i]
}

// carryOut does what an effect asks for, or fails the test if that is impossible.
func (w *world) carryOut(f flow.Effect) {
	switch f := f.(type) {
	case flow.OpenSocket:
		w.open(w.socket(f.Socket))
	case flow.CloseSocket:
		w.close(w.socket(f.Socket))
	case flow.Watch:
		w.watch(w.socket(f.Socket), f.EachArrival)
	case flow.Unwatch:
		s := w.socket(f.Socket)
		w.require(s.phase == present, "unwatch %s, which is %s", f.Socket, s.phase)
		s.watched = false
	case flow.Inspect:
		w.inspect(w.socket(f.Socket))
	case flow.Screen:
		w.screen(w.socket(f.Socket))
	case flow.Serve:
		w.serve(w.socket(f.Socket))
	case flow.Accept:
		w.take(f)
	case flow.Dismiss:
		w.dismiss(f.Connection)
	case flow.Flush:
		w.flush(w.socket(f.Socket))
	case flow.TakePlan, flow.TakeService:
		w.t.Fatalf("%s, which no plan of this test asks for", effectText(f))
	case flow.Spawn:
		w.spawn(f)
	case flow.Kill:
		w.kill(f)
	case flow.RunCommand:
		w.hook(f)
	case flow.ArmTimer:
		w.require(f.D > 0, "arm %s for %v", timerText(f.Timer), f.D)
		w.newWindow(f.Timer)
		if !slices.Contains(w.timers, f.Timer) {
			w.timers = append(w.timers, f.Timer)
		}
	case flow.CancelTimer:
		i := slices.Index(w.timers, f.Timer)
		w.require(i >= 0, "cancel %s, which is not armed", timerText(f.Timer))
		w.timers = slices.Delete(w.timers, i, i+1)
		w.newWindow(f.Timer)
	case flow.Persist, flow.Announce:
	case flow.Evaluate:
		w.evaluate(f)
	case flow.Reply:
		w.answer(f)
	case flow.Transition:
		w.transition(f)
		w.hookedCalm += btoi(w.calm && strings.HasPrefix(f.Cause, "trigger: "))
	case flow.Report:
		w.cut = w.cut || strings.HasPrefix(f.Message, "flow cut")
	case flow.Exit:
		w.exit()
	}
}

func (w *world) require(ok bool, format string, args ...any) {
	if !ok {
		w.t.Fatalf(format, args...)
	}
}

func (w *world) answer(r flow.Reply) {
	answered, ok := w.asked[r.Request]
	w.require(ok && !answered, "request %d gets an answer that nobody waits for", r.Request)
	w.asked[r.Request] = true
}

// rivalGoes reports whether another socket on the same endpoint is being closed.
func (w *world) rivalGoes(s *simSocket) bool {
	return slices.ContainsFunc(w.sockets, func(r *simSocket) bool {
		return r != s && r.def.Listen == s.def.Listen && r.phase == goingOff
	})
}

func (w *world) open(s *simSocket) {
	if s.phase == present {
		w.openAnew(s)
		return
	}
	w.require(s.phase == absent, "open %s, which is %s", s.def.Name, s.phase)
	w.require(!w.rivalGoes(s), "open %s, while another one on %s is being closed", s.def.Name, s.def.Listen)
	s.phase = coming
	w.later("socket "+string(s.def.Name), func() flow.Event {
		if w.often("opened") {
			s.phase = present
			return flow.Opened{Socket: s.def.Name, Addresses: []string{s.def.Listen}}
		}
		s.phase = absent
		return flow.OpenFailed{Socket: s.def.Name, Reason: "in use", Retry: rapid.Bool().Draw(w.t, "retry")}
	})
}

// openAnew replaces a listener that nobody can reach; what waits is brought over, and
// no answer comes any more of whoever served the one before.
func (w *world) openAnew(s *simSocket) {
	w.require(s.lost && !s.anew, "open %s, which is open", s.def.Name)
	s.anew = true
	w.later("socket "+string(s.def.Name), func() flow.Event {
		s.anew = false
		if !w.often("opened anew") {
			return flow.OpenFailed{Socket: s.def.Name, Reason: "in use", Retry: rapid.Bool().Draw(w.t, "retry")}
		}
		s.bound++
		s.lost, s.serving, s.watched, s.flushing = false, false, false, false
		return flow.Opened{Socket: s.def.Name, Addresses: []string{s.def.Listen}}
	})
}

// lose is somebody who removes the node of a socket.
func (w *world) lose(s *simSocket) {
	if s.phase != present || s.lost {
		return
	}
	s.lost = true
	w.later("socket "+string(s.def.Name), func() flow.Event {
		if s.phase != present {
			return nil
		}
		return flow.Unreachable{Socket: s.def.Name, Reason: "deleted"}
	})
}

func (w *world) close(s *simSocket) {
	w.require(s.phase == present, "close %s, which is %s", s.def.Name, s.phase)
	s.phase, s.watched = goingOff, false
	if s.serving && rapid.Bool().Draw(w.t, "serve is abandoned") {
		// Whoever served it noticed: what was taken arrives, no more follows.
		l := w.lane("socket " + string(s.def.Name))
		l.queue = l.queue[:len(l.queue)-1]
		s.serving = false
	}
	w.later("socket "+string(s.def.Name), func() flow.Event {
		s.phase, s.queue, s.denied, s.screen, s.lost = absent, 0, 0, screenWorld{}, false
		return flow.Closed{Socket: s.def.Name}
	})
}

func (w *world) watch(s *simSocket, each bool) {
	w.require(s.phase == present, "watch %s, which is %s", s.def.Name, s.phase)
	w.require(!s.serving && !s.flushing, "watch %s, which is being served (%v) or flushed (%v)", s.def.Name, s.serving, s.flushing)
	w.require(each == (s.def.Owner != "" && !s.def.Accept && s.def.Lifecycle == plan.Managed), "watch %s: each arrival is %v", s.def.Name, each)
	s.watched, s.each, s.early = true, each, s.told > 0
	if s.queue+s.denied > 0 {
		w.report(s)
	}
}

// report tells the engine of what waits, as a watch does.
func (w *world) report(s *simSocket) {
	if !s.each {
		s.watched = false
	}
	s.told++
	bound := s.bound
	w.later("socket "+string(s.def.Name), func() flow.Event {
		s.told--
		if s.bound != bound {
			return nil // of a listener that is closed
		}
		return flow.Accessed{Socket: s.def.Name}
	})
}

func (w *world) evaluate(f flow.Evaluate) {
	w.later("evaluation", func() flow.Event {
		if w.often("evaluated") {
			return flow.Evaluated{Eval: f.Eval, Output: []byte("a")}
		}
		return flow.Evaluated{Eval: f.Eval, Reason: "exited with status 1"}
	})
}

// connect is one client.
func (w *world) connect(s *simSocket) {
	if s.phase != present {
		return // connection refused
	}
	if s.def.Restricted() && rapid.Bool().Draw(w.t, "may not") {
		s.denied++
	} else {
		s.queue++
	}
	if s.watched {
		w.report(s)
	}
}

// breakDown is somebody who shuts the listener down, which the watch reports.
func (w *world) breakDown(s *simSocket) {
	if !s.watched {
		return
	}
	s.watched = false
	s.told++
	bound := s.bound
	w.later("socket "+string(s.def.Name), func() flow.Event {
		s.told--
		if s.bound != bound {
			return nil
		}
		return flow.Broken{Socket: s.def.Name, Reason: "shut down"}
	})
}

func (w *world) inspect(s *simSocket) {
	w.require(s.phase == present && s.def.Lifecycle == plan.Owned && !s.def.Accept, "inspect %s, which is %s and %s", s.def.Name, s.phase, s.def.Lifecycle)
	s.inspecting = true
	w.later("socket "+string(s.def.Name), func() flow.Event {
		s.inspecting = false
		return flow.Inspected{Socket: s.def.Name, Waiting: make([]uint64, s.queue+s.denied)}
	})
}

func (w *world) serve(s *simSocket) {
	w.require(s.phase == present && s.def.Owner == "", "serve %s, which is %s and owned by %q", s.def.Name, s.phase, s.def.Owner)
	w.require(!s.serving, "serve %s, which is being served", s.def.Name)
	s.serving = true
	bound := s.bound
	name := "socket " + string(s.def.Name)
	for range s.denied {
		w.later(name, func() flow.Event { return w.turnAway(s) })
	}
	for range s.queue {
		w.later(name, func() flow.Event {
			s.queue = max(0, s.queue-1)
			return flow.Arrived{Socket: s.def.Name, Access: flow.Access{UID: 1000, GID: -1, PID: -1}}
		})
	}
	w.later(name, func() flow.Event { return w.taken(s, bound) })
}

// taken ends a worker that took what waited.
func (w *world) taken(s *simSocket, bound int) flow.Event {
	if s.bound != bound {
		return nil
	}
	s.serving = false
	switch {
	case w.often("served"):
		return flow.Served{Socket: s.def.Name}
	case rapid.Bool().Draw(w.t, "broken"):
		return flow.Broken{Socket: s.def.Name, Reason: "shut down"}
	}
	return flow.Served{Socket: s.def.Name, Reason: "too many open files"}
}

// hook follows the hooks that drawPlan gives to every unit: "on-start UNIT".
func (w *world) hook(f flow.RunCommand) {
	name, unit, ok := strings.Cut(f.Argv[len(f.Argv)-1], " ")
	if !ok || w.cut {
		return
	}
	w.require(w.hooked[unit] == (name == "on-stop"), "%s of %s, but on-start without on-stop is %v", name, unit, w.hooked[unit])
	w.hooked[unit] = name == "on-start"
	if s, ok := strings.CutPrefix(unit, "socket "); ok {
		want := absent
		if name == "on-start" {
			want = present
		}
		got := w.socket(plan.Name(s)).phase
		w.require(got == want || name == "on-stop" && got == coming, "%s of %s, which is %s", name, unit, got)
	}
}

func (w *world) exit() {
	w.require(w.ending, "exit without a shutdown")
	w.exited = true
	for _, s := range w.sockets {
		w.require(s.phase == absent, "exit while %s is %s", s.def.Name, s.phase)
	}
	for _, svc := range w.services {
		w.require(len(svc.procs) == 0, "exit while %s has processes", svc.def.Name)
	}
	for _, c := range w.connections {
		w.require(c.dismissed, "exit with connection %d of %s", c.id, c.socket.def.Name)
	}
	w.require(len(w.timers) == 0, "exit with timers armed: %v", w.timers)
	w.require(len(w.unanswered()) == 0, "exit without an answer to %v", w.unanswered())
	for unit, on := range w.hooked {
		w.require(!on || w.cut, "exit without on-stop of %s", unit)
	}
}

func (w *world) unanswered() []uint64 {
	var ids []uint64
	for id := range w.lastID {
		if !w.asked[id+1] {
			ids = append(ids, id+1)
		}
	}
	return ids
}

// request is somebody who waits for an answer, or nobody.
func (w *world) request() flow.Request {
	if !rapid.Bool().Draw(w.t, "somebody waits") {
		return flow.Request{}
	}
	w.lastID++
	w.asked[w.lastID] = false
	return flow.Request{ID: w.lastID, By: fmt.Sprintf("uid %d", w.lastID)}
}

// fire lets one timer fire.
func (w *world) fire(i int) {
	id := w.timers[i]
	w.timers = slices.Delete(w.timers, i, i+1)
	w.newWindow(id)
	w.step(flow.TimerFired{Timer: id})
}
