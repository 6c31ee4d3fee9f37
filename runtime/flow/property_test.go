package flow_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestWorld runs random plans in a world that answers late, in any order and
// with failures. The laws are those of world.carryOut for every effect, those of
// world.check after every event, and in the end: once the world is calm, every
// request has been answered and no access is forgotten; a shutdown ends in Exit
// and leaves nothing behind; the same events have the same effects again, and lead
// to the same state.
//
// Millions of steps, which the seed of a failure reproduces:
//
//	go test -run 'TestWorld$' ./runtime/flow -rapid.checks=50000 -rapid.seed=1
func TestWorld(t *testing.T) {
	steps := 0
	defer func() { t.Logf("%d steps", steps) }()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, drawPlan(t))
		if rapid.Bool().Draw(t, "boot first") {
			w.step(flow.Boot{})
		}
		for range between(t, 50, 250, "events") {
			w.something()
		}
		if w.calmDown() {
			w.checkQuiet()
		}
		w.shutDown()
		for range 5 {
			w.command()
		}
		if ids := w.unanswered(); len(ids) > 0 {
			t.Fatalf("requests %v were never answered", ids)
		}
		w.replay()
		steps += len(w.events)
	})
}

// between draws a number, all of them equally often: rapid prefers small ones,
// and with them the first of everything.
func between(t *rapid.T, least, most int, label string) int {
	n := 0
	for _, bit := range rapid.SliceOfN(rapid.Bool(), 10, 10).Draw(t, label) {
		n <<= 1
		if bit {
			n++
		}
	}
	return least + n%(most-least+1)
}

func pick[T any](t *rapid.T, list []T, label string) T {
	return list[between(t, 0, len(list)-1, label)]
}

// something lets one thing happen.
func (w *world) something() {
	switch between(w.t, 0, 11, "something") {
	case 0, 1, 2:
		if lanes := w.waiting(); len(lanes) > 0 {
			w.deliver(pick(w.t, lanes, "lane"))
		}
	case 3, 4:
		w.command()
	case 5, 6:
		w.connect(pick(w.t, w.sockets, "socket"))
	case 7:
		if len(w.timers) > 0 {
			w.fire(between(w.t, 0, len(w.timers)-1, "timer"))
		}
	case 8:
		w.serviceEvent(pick(w.t, w.services, "service"))
	case 9:
		if s := pick(w.t, w.sockets, "socket"); rapid.Bool().Draw(w.t, "node") {
			w.lose(s)
		} else {
			w.breakDown(s)
		}
	case 10:
		w.noise()
	case 11:
		if between(w.t, 0, 9, "shutdown") == 0 {
			w.step(flow.Shutdown{Cause: "SIGTERM"})
			return
		}
		w.step(flow.Boot{})
	}
}

// command is something that somebody outside asks for.
func (w *world) command() {
	from := w.request()
	state, signal := pick(w.t, w.plan.States, "state"), pick(w.t, w.plan.Signals, "signal")
	socket := pick(w.t, append(names(w.plan.Sockets), "w@none"), "socket")
	service := pick(w.t, append(names(w.plan.Services), "w@none"), "service")
	w.step(pick(w.t, []flow.Event{
		flow.StartSocket{Socket: socket, From: from},
		flow.StopSocket{Socket: socket, From: from},
		flow.PauseSocket{Socket: socket, From: from},
		flow.ResumeSocket{Socket: socket, From: from},
		flow.StartService{Service: service, Instance: w.instance(), From: from},
		flow.StopService{Service: service, Instance: w.instance(), From: from},
		flow.SetState{State: state.Name, Value: drawPayload(w.t, state.Payload), From: from},
		flow.RemoveState{State: state.Name, From: from},
		flow.EmitSignal{Signal: signal.Name, Value: drawPayload(w.t, signal.Payload), From: from},
	}, "command"))
}

func names[T plan.Socket | plan.Service](list []T) []plan.Name {
	var all []plan.Name
	for _, v := range list {
		switch v := any(v).(type) {
		case plan.Socket:
			all = append(all, v.Name)
		case plan.Service:
			all = append(all, v.Name)
		}
	}
	return all
}

// noise is an answer to nothing: it must change nothing.
func (w *world) noise() {
	s := pick(w.t, w.sockets, "socket")
	svc := pick(w.t, w.services, "service")
	stale := flow.ProcessID{Service: svc.def.Name, Run: between(w.t, -1, 2, "run"), Incarnation: w.lastProc + 1}
	events := []flow.Event{
		flow.ProcessStarted{Process: stale},
		flow.ProcessFailed{Process: stale},
		flow.ProcessExited{Process: stale},
		flow.Notified{Process: stale, Notice: flow.Notice{Ready: true, Alive: true, Failing: true, Extend: 1}},
		flow.Opened{Socket: "w@none"},
		flow.Accessed{Socket: "w@none"},
		flow.Broken{Socket: "w@none"},
		flow.Unreachable{Socket: "w@none"},
	}
	if s.phase != coming && !s.anew {
		events = append(events, flow.Opened{Socket: s.def.Name}, flow.OpenFailed{Socket: s.def.Name})
	}
	if !s.serving {
		events = append(events, flow.Served{Socket: s.def.Name, Reason: "too late"})
	}
	if !s.flushing {
		events = append(events, flow.Flushed{Socket: s.def.Name})
	}
	if s.phase != goingOff {
		events = append(events, flow.Closed{Socket: s.def.Name})
	}
	for _, id := range []flow.TimerID{
		{Kind: flow.TimerReopen, Name: s.def.Name},
		{Kind: flow.TimerResume, Name: s.def.Name},
		{Kind: flow.TimerRestart, Name: svc.def.Name, Run: stale.Run},
		{Kind: flow.TimerStopGrace, Name: svc.def.Name},
	} {
		if !slices.Contains(w.timers, id) {
			events = append(events, flow.TimerFired{Timer: id})
		}
	}
	w.step(pick(w.t, events, "noise"))
	if last := w.effects[len(w.effects)-1]; len(last) > 0 {
		w.t.Fatalf("an answer to nothing has effects: %v", last)
	}
}

// maxCalm is how many events a calm world may need to come to rest.
const maxCalm = 5000

// calmDown answers everything, now without failures, until nothing is left to
// answer but what goes on for ever. It reports whether there is rest: hooks of a plan
// may start a service as often as they stop it, process by process.
func (w *world) calmDown() bool {
	w.calm, w.hookedCalm = true, 0
	w.hangUp()
	for range maxCalm {
		if lanes := w.waiting(); len(lanes) > 0 {
			w.deliver(lanes[len(w.events)%len(lanes)]) // each in its turn
			continue
		}
		i := slices.IndexFunc(w.timers, func(id flow.TimerID) bool {
			return !w.endless(id)
		})
		if i < 0 {
			return true
		}
		w.fire(i)
	}
	w.require(!w.ending && w.hookedCalm > maxCalm/100, "the world does not come to rest")
	return false
}

// endless reports whether a timer may go on for ever.
func (w *world) endless(id flow.TimerID) bool {
	switch id.Kind {
	case flow.TimerForgive, flow.TimerWindow, flow.TimerUnit, flow.TimerWatchdog:
		return true
	case flow.TimerRestart:
		return w.hopeless(id.Name)
	case flow.TimerResume:
		owner := w.socket(id.Name).def.Owner
		return owner != "" && w.hopeless(owner)
	case flow.TimerReopen, flow.TimerStopGrace, flow.TimerReady:
	}
	return false
}

// checkQuiet checks what must hold when nothing is on its way.
func (w *world) checkQuiet() {
	if ids := w.unanswered(); len(ids) > 0 {
		w.t.Fatalf("nothing happens any more, but requests %v have no answer", ids)
	}
	for _, s := range w.sockets {
		state := w.state["socket "+string(s.def.Name)]
		if !w.ending && s.queue+s.denied > 0 && state == string(flow.SocketListening) && (s.def.Owner == "" || s.def.Lifecycle == plan.Owned) {
			w.t.Fatalf("%d connections wait at %s, and nobody looks after them", s.queue+s.denied, s.def.Name)
		}
	}
}

func (w *world) shutDown() {
	w.step(flow.Shutdown{Cause: "the end"})
	w.require(w.calmDown(), "the world goes on after its end")
	if !w.exited {
		w.t.Fatalf("everything is answered, but there was no Exit: %v", w.state)
	}
}

// replay gives the same events to a new engine.
func (w *world) replay() {
	again := flow.New(w.plan, flow.Config{})
	for i, ev := range w.events {
		var got []string
		for _, f := range again.Step(ev) {
			got = append(got, effectText(f))
		}
		if diff := cmp.Diff(w.effects[i], got); diff != "" {
			w.t.Fatalf("event %d has other effects the second time (-first +second):\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(status(w.engine.Snapshot()), status(again.Snapshot())); diff != "" {
		w.t.Fatalf("the same events lead to another state the second time (-first +second):\n%s", diff)
	}
}

// check checks what holds after every event.
func (w *world) check() {
	snap := w.engine.Snapshot()
	for i, st := range snap.Sockets {
		w.require(w.state["socket "+string(st.Def.Name)] == string(st.State), "%s is %s without a transition", st.Def.Name, st.State)
		w.checkSocket(w.sockets[i], st)
	}
	w.checkServices(snap.Services)
}

func (w *world) checkSocket(s *simSocket, st flow.SocketStatus) {
	want := map[flow.SocketState][]phase{
		flow.SocketInactive:  {absent},
		flow.SocketStarting:  {coming, goingOff, absent},
		flow.SocketListening: {present},
		flow.SocketHeld:      {present},
		flow.SocketPaused:    {present},
		flow.SocketFailed:    {absent},
		flow.SocketStopping:  {coming, goingOff},
	}
	if s.anew { // a stop waits for the answer
		want[flow.SocketStopping] = append(want[flow.SocketStopping], present)
	}
	w.require(slices.Contains(want[st.State], s.phase), "%s is %s, but its listener is %s", st.Def.Name, st.State, s.phase)
	w.require(!s.watched || !w.ending, "%s is watched during a shutdown", st.Def.Name)
	w.require(!s.watched || s.early || st.State == flow.SocketListening, "%s is %s and watched", st.Def.Name, st.State)
	shown := s.phase == present && st.State != flow.SocketStopping
	w.require(!shown || len(st.Addresses) > 0, "%s is %s without an address", st.Def.Name, st.State)
	w.require(s.phase != absent || len(st.Addresses) == 0, "%s is %s with the addresses %v", st.Def.Name, st.State, st.Addresses)
	alive := w.alive(s.def.Owner)
	w.require(st.State != flow.SocketHeld || alive, "%s is held by an owner that is gone", st.Def.Name)
	w.require(!alive || s.def.Accept || st.State != flow.SocketListening && st.State != flow.SocketPaused, "%s is %s while its owner is up", st.Def.Name, st.State)
	w.checkLimits(s, st)
	if w.ending {
		return
	}
	timer := func(k flow.TimerKind) bool {
		return slices.Contains(w.timers, flow.TimerID{Kind: k, Name: st.Def.Name})
	}
	waits := st.State == flow.SocketStarting && s.phase == absent
	w.require(waits == timer(flow.TimerReopen) || waits && w.rivalGoes(s), "%s is %s, its listener %s; its reopen timer is armed: %v", st.Def.Name, st.State, s.phase, timer(flow.TimerReopen))
	w.checkPaused(s, st, timer(flow.TimerResume))
	if st.State != flow.SocketListening {
		return
	}
	managed := s.def.Owner != "" && s.def.Lifecycle == plan.Managed && !s.def.Accept
	switch {
	case !managed:
		w.require(s.watched || s.serving || s.flushing || s.inspecting || s.screen.running || s.told > 0 || s.anew, "nobody looks after %s", st.Def.Name)
	case len(s.def.Trigger) > 0:
		w.require(s.anew || s.watched || s.flushing || s.screen.running || s.told > 0, "nobody looks at %s", st.Def.Name)
	default:
		w.require(!s.watched, "%s is watched, although an access does nothing", st.Def.Name)
	}
}

// drawPlan draws a small plan in which everything may be connected with
// everything.
func drawPlan(t *rapid.T) *plan.Plan {
	p := &plan.Plan{
		Transports:  []plan.Transport{{Name: "tcp"}},
		Permissions: []plan.Permission{{Name: "w@operators", ID: operators, Users: []string{"4001"}}},
		States: []plan.State{
			{Name: "w@json", Payload: cond.JSON},
			{Name: "w@text", Payload: cond.String},
		},
		Signals: []plan.Signal{
			{Name: "w@bare", Payload: cond.None},
			{Name: "w@said", Payload: cond.String},
		},
	}
	for i := range between(t, 1, 3, "services") {
		p.Services = append(p.Services, plan.Service{Name: plan.Name(fmt.Sprintf("w@srv%d", i))})
	}
	drawFlow(t, p)
	drawVariables(t, p)
	for i := range between(t, 1, 4, "sockets") {
		p.Sockets = append(p.Sockets, plan.Socket{
			Name: plan.Name(fmt.Sprintf("w@sock%d", i)), Type: "tcp", Listen: fmt.Sprintf("127.0.0.1:%d", 8000+i/2), FDName: "s",
		})
	}
	for i := range p.Services {
		drawService(t, p, &p.Services[i])
	}
	for i := range p.Sockets {
		drawSocket(t, p, &p.Sockets[i])
	}
	drawAccess(t, p)
	p.Requires = p.Needs()
	if err := p.Validate(); err != nil {
		t.Fatalf("the test draws invalid plans: %v", err)
	}
	return p
}

func drawSocket(t *rapid.T, p *plan.Plan, s *plan.Socket) {
	s.Lifecycle = plan.Managed
	if between(t, 0, 2, "owner") > 0 {
		s.Owner = pick(t, names(p.Services), "owner")
		s.Lifecycle = pick(t, []plan.Lifecycle{plan.Managed, plan.Owned}, "lifecycle")
		if owner := find(p.Services, func(v plan.Service) bool { return v.Name == s.Owner }); owner.Branching != nil {
			s.Lifecycle = plan.Managed // it is not known which instance an access would start
		}
		// Against the order of names, which is that of the plan.
		for i := range p.Sockets {
			if other := &p.Sockets[i]; other != s && other.Owner == s.Owner {
				other.Order++
			}
		}
	}
	if rapid.Bool().Draw(t, "restricted") {
		s.Permissions = []uint16{operators}
	}
	s.Enabled = rapid.Bool().Draw(t, "enabled")
	s.StartOn, s.StopOn = drawCondition(t), drawCondition(t)
	s.Trigger = drawActions(t, p)
	s.OnStart = append(tag("on-start socket "+s.Name), drawActions(t, p)...)
	s.OnStop = append(tag("on-stop socket "+s.Name), drawActions(t, p)...)
}

// tag is a script that world.hook knows.
func tag(text plan.Name) []plan.Action {
	return []plan.Action{{Do: plan.OpScript, Command: string(text)}}
}

func drawCondition(t *rapid.T) *cond.Expr {
	if rapid.Bool().Draw(t, "no condition") {
		return nil
	}
	x := drawExpr(t, 2, true)
	return &x
}

func drawExpr(t *rapid.T, depth int, signals bool) cond.Expr {
	kind := between(t, 0, 4, "condition")
	if depth == 0 {
		kind = 0
	}
	switch kind {
	case 1:
		return cond.Expr{And: []cond.Expr{drawExpr(t, depth-1, signals), drawExpr(t, depth-1, signals)}}
	case 2:
		return cond.Expr{Or: []cond.Expr{drawExpr(t, depth-1, signals), drawExpr(t, depth-1, signals)}}
	case 3:
		x := drawExpr(t, depth-1, false)
		return cond.Expr{Not: &x}
	}
	atoms, more := flowAtoms()
	atoms = append(
		atoms,
		cond.Atom{Kind: cond.State, Name: "w@text"},
		cond.Atom{Kind: cond.State, Name: "w@text", Guard: &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Op: cond.OpEqual, Lit: "a"}}},
		cond.Atom{Kind: cond.State, Name: "w@json", Guard: &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Op: cond.OpEqual, Lit: "a"}}},
	)
	if signals {
		atoms = append(
			append(atoms, more...),
			cond.Atom{Kind: cond.Signal, Name: "w@bare"},
			cond.Atom{Kind: cond.Signal, Name: "w@said", Guard: &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Op: cond.OpEqual, Lit: "a"}}},
		)
	}
	a := pick(t, atoms, "atom")
	return cond.Expr{Atom: &a}
}

func drawActions(t *rapid.T, p *plan.Plan) []plan.Action {
	var list []plan.Action
	for range between(t, 0, 2, "actions") {
		text, json := drawPayload(t, cond.String), drawPayload(t, cond.JSON)
		none := cond.NoneValue()
		service := pick(t, names(p.Services), "service")
		socket := pick(t, names(p.Sockets), "socket")
		list = append(list, pick(t, []plan.Action{
			{Do: plan.OpScript, Command: "true"},
			{Do: plan.OpExec, Command: "/bin/true"},
			{Do: plan.OpSetState, Target: "w@text", Payload: &text},
			{Do: plan.OpSetState, Target: "w@json", Payload: &json},
			{Do: plan.OpRemoveState, Target: "w@text"},
			{Do: plan.OpRemoveState, Target: "w@json"},
			{Do: plan.OpEmit, Target: "w@bare", Payload: &none},
			{Do: plan.OpEmit, Target: "w@said", Payload: &text},
			{Do: plan.OpStartService, Target: service},
			{Do: plan.OpStopService, Target: service},
			{Do: plan.OpStartSocket, Target: socket},
			{Do: plan.OpStopSocket, Target: socket},
			pick(t, flowActions(), "flow"),
		}, "action"))
	}
	return list
}

func drawPayload(t *rapid.T, k cond.Kind) cond.Value {
	text := pick(t, []string{"a", "b"}, "text")
	switch k {
	case cond.JSON:
		v, err := cond.ParseJSON(fmt.Appendf(nil, `{"id":%q,"n":%d}`, text, between(t, 0, 1, "n")))
		if err != nil {
			t.Fatal(err)
		}
		return v
	case cond.String:
		return cond.StringValue(text)
	case cond.Bytes:
		return cond.BytesValue([]byte(text))
	case cond.None:
	}
	return cond.NoneValue()
}
