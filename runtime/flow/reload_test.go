package flow_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestReloads runs random plans, each replaced by another at any moment, in a system
// that answers in any order. The laws are those of reloading.carryOut; and in the
// end everybody has an answer, what is there is what the last plan says, and a
// shutdown leaves nothing.
func TestReloads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &reloading{
			t: t, opening: map[plan.Name]bool{}, open: map[plan.Name]bool{}, closing: map[plan.Name]bool{}, serving: map[plan.Name]bool{},
			flushing: map[plan.Name]bool{}, spawning: map[flow.ProcessID]bool{}, running: map[flow.ProcessID]bool{}, killed: map[flow.ProcessID]bool{},
			armed: map[flow.TimerID]bool{}, asked: map[uint64]int{},
		}
		r.plan = r.draw()
		r.engine = flow.New(r.plan, flow.Config{})
		r.step(flow.Boot{})
		for range rapid.IntRange(20, 120).Draw(t, "events") {
			r.something()
		}
		r.calm()
		r.check()
		r.step(flow.Shutdown{Cause: "test"})
		r.calm()
		if !r.exited || len(r.open)+len(r.running) > 0 {
			t.Fatalf("after the shutdown: exit %v, open %v, running %v", r.exited, r.open, r.running)
		}
		for id, n := range r.asked {
			if n != 1 {
				t.Fatalf("request %d has %d answers", id, n)
			}
		}
	})
}

// reloading is an engine and a system for it.
type reloading struct {
	t      *rapid.T
	plan   *plan.Plan
	engine *flow.Engine

	opening, open, closing, serving, flushing map[plan.Name]bool
	spawning, running, killed                 map[flow.ProcessID]bool
	armed                                     map[flow.TimerID]bool
	asked                                     map[uint64]int
	calming, exited                           bool
}

// draw makes a plan out of few names, so that two of them have much in common.
func (r *reloading) draw() *plan.Plan {
	t := r.t
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	p := &plan.Plan{Transports: []plan.Transport{{Name: "tcp"}}, States: []plan.State{{Name: "w@up", Payload: cond.None}}}
	up := &cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "w@up"}}
	var owners []plan.Name
	for i := range 3 {
		if !yes("service") {
			continue
		}
		svc := plan.Service{
			Name: plan.Name(fmt.Sprintf("w@srv%d", i)), Run: slices.Repeat([]plan.Command{{Exec: "/bin/srv"}}, rapid.IntRange(1, 2).Draw(t, "run")),
			Notify: yes("notify"), Restart: plan.Restart{Always: yes("always")}, Multiple: yes("multiple"),
		}
		if yes("start-on") {
			svc.StartOn = up
		}
		if len(owners) > 0 && yes("after") {
			svc.After = []plan.Name{rapid.SampledFrom(owners).Draw(t, "after")}
		}
		owners = append(owners, svc.Name)
		p.Services = append(p.Services, svc)
	}
	orders := map[plan.Name]int{}
	for i := range 4 {
		if !yes("socket") {
			continue
		}
		name := fmt.Sprintf("s%d", i)
		s := plan.Socket{
			Name: plan.Name("w@" + name), Type: "tcp", FDName: name, Lifecycle: plan.Managed, Enabled: yes("enabled"),
			// The endpoint is one of two that only this socket has.
			Listen: fmt.Sprintf("127.0.0.1:%d", 10*i+rapid.IntRange(1, 2).Draw(t, "listen")),
		}
		if yes("option") {
			s.Options = map[string]string{"backlog": "5"}
		}
		if yes("condition") {
			s.StartOn = up
		}
		if len(owners) > 0 && yes("owner") {
			s.Owner = rapid.SampledFrom(owners).Draw(t, "owner")
			s.Order = orders[s.Owner]
			orders[s.Owner]++
			if yes("owned") {
				s.Lifecycle = plan.Owned
			}
			s.FlushPending = yes("flush")
		}
		p.Sockets = append(p.Sockets, s)
	}
	p.Requires = p.Needs()
	if err := p.Validate(); err != nil {
		t.Fatalf("the test draws a plan that is not valid: %v", err)
	}
	return p
}

func (r *reloading) from() flow.Request {
	id := uint64(len(r.asked) + 1)
	r.asked[id] = 0
	return flow.Request{ID: id, By: "uid 0"}
}

// something lets one thing happen: somebody asks for something, or an answer comes.
func (r *reloading) something() {
	socket := plan.Name(fmt.Sprintf("w@s%d", rapid.IntRange(0, 3).Draw(r.t, "socket")))
	service := plan.Name(fmt.Sprintf("w@srv%d", rapid.IntRange(0, 2).Draw(r.t, "service")))
	switch rapid.IntRange(0, 15).Draw(r.t, "what") {
	case 0:
		r.plan = r.draw()
		r.step(flow.Reload{Plan: r.plan, From: r.from()})
	case 1:
		r.step(flow.StartSocket{Socket: socket, From: r.from()})
	case 2:
		r.step(flow.StopSocket{Socket: socket, From: r.from()})
	case 3:
		r.step(flow.PauseSocket{Socket: socket, From: r.from()})
	case 4:
		r.step(flow.ResumeSocket{Socket: socket, From: r.from()})
	case 5:
		r.step(flow.StartService{Service: service, From: r.from()})
	case 6:
		r.step(flow.StopService{Service: service, From: r.from()})
	case 7:
		r.step(flow.SetState{State: "w@up", From: r.from(), Value: cond.NoneValue()})
	case 8:
		r.step(flow.RemoveState{State: "w@up", From: r.from()})
	case 9:
		if r.open[socket] {
			r.step(flow.Accessed{Socket: socket})
		}
	default:
		r.answer()
	}
}

// one returns something of a set, or false.
func one[K comparable](t *rapid.T, set map[K]bool, label string) (K, bool) {
	var none K
	if len(set) == 0 {
		return none, false
	}
	list := slices.SortedFunc(maps.Keys(set), func(a, b K) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return rapid.SampledFrom(list).Draw(t, label), true
}

// answer answers an effect, and reports whether one waited for that.
func (r *reloading) answer() bool {
	answers := []func() bool{r.answerOpen, r.answerClose, r.answerServe, r.answerSpawn, r.fire}
	at := rapid.IntRange(0, len(answers)-1).Draw(r.t, "answer")
	for i := range answers {
		if answers[(at+i)%len(answers)]() {
			return true
		}
	}
	return false
}

func (r *reloading) answerOpen() bool {
	name, ok := one(r.t, r.opening, "opened")
	if !ok {
		return false
	}
	delete(r.opening, name)
	if !r.calming && rapid.IntRange(0, 3).Draw(r.t, "fails") == 0 {
		r.step(flow.OpenFailed{Socket: name, Reason: "no", Retry: rapid.Bool().Draw(r.t, "retry")})
		return true
	}
	if r.open[name] { // the old listener goes, and whoever served it
		delete(r.serving, name)
		delete(r.flushing, name)
	}
	r.open[name] = true
	r.step(flow.Opened{Socket: name, Addresses: []string{string(name)}})
	return true
}

func (r *reloading) answerClose() bool {
	name, ok := one(r.t, r.closing, "closed")
	if ok {
		delete(r.closing, name)
		r.step(flow.Closed{Socket: name})
	}
	return ok
}

func (r *reloading) answerServe() bool {
	if name, ok := one(r.t, r.serving, "served"); ok {
		delete(r.serving, name)
		r.step(flow.Served{Socket: name})
		return true
	}
	name, ok := one(r.t, r.flushing, "flushed")
	if ok {
		delete(r.flushing, name)
		r.step(flow.Flushed{Socket: name})
	}
	return ok
}

func (r *reloading) answerSpawn() bool {
	if id, ok := one(r.t, r.spawning, "spawned"); ok {
		delete(r.spawning, id)
		if !r.calming && rapid.IntRange(0, 3).Draw(r.t, "fails") == 0 {
			r.step(flow.ProcessFailed{Process: id, Reason: "no"})
			return true
		}
		r.running[id] = true
		r.step(flow.ProcessStarted{Process: id, PID: 1})
		return true
	}
	if id, ok := one(r.t, r.killed, "killed"); ok {
		r.exit(id)
		return true
	}
	id, ok := one(r.t, r.running, "ends or is ready")
	if !ok || r.calming {
		return false
	}
	if rapid.Bool().Draw(r.t, "ready") {
		r.step(flow.Notified{Process: id, Notice: flow.Notice{Ready: true}})
		return true
	}
	r.exit(id)
	return true
}

func (r *reloading) exit(id flow.ProcessID) {
	delete(r.running, id)
	delete(r.killed, id)
	r.step(flow.ProcessExited{Process: id})
}

func (r *reloading) fire() bool {
	id, ok := one(r.t, r.armed, "fires")
	if !ok {
		return false
	}
	delete(r.armed, id)
	r.step(flow.TimerFired{Timer: id})
	return true
}

// calm answers until nobody waits.
func (r *reloading) calm() {
	r.calming = true
	for range 1000 {
		if r.answerOpen() || r.answerClose() || r.answerServe() || r.answerSpawn() {
			continue
		}
		return
	}
	r.t.Fatal("it never ends")
}

// check compares what is there with the last plan.
func (r *reloading) check() {
	snap := r.engine.Snapshot()
	defs := map[plan.Name]*plan.Socket{}
	for i := range r.plan.Sockets {
		defs[r.plan.Sockets[i].Name] = &r.plan.Sockets[i]
	}
	if len(snap.Sockets) != len(defs) || len(snap.Services) != len(r.plan.Services) {
		r.t.Fatalf("there are %d sockets and %d services, the plan has %d and %d", len(snap.Sockets), len(snap.Services), len(defs), len(r.plan.Services))
	}
	services := map[plan.Name]flow.ServiceStatus{}
	for _, svc := range snap.Services {
		services[svc.Def.Name] = svc
	}
	for _, s := range snap.Sockets {
		if s.Def != defs[s.Def.Name] {
			r.t.Fatalf("socket %s has an old definition", s.Def.Name)
		}
		up := s.State == flow.SocketListening || s.State == flow.SocketHeld || s.State == flow.SocketPaused
		if up != r.open[s.Def.Name] {
			r.t.Fatalf("socket %s is %s, open: %v", s.Def.Name, s.State, r.open[s.Def.Name])
		}
		owner := services[s.Def.Owner].State
		alive := owner != "" && owner != flow.ServiceInactive && owner != flow.ServiceFailed
		if up && alive != (s.State == flow.SocketHeld) {
			r.t.Fatalf("socket %s is %s while its owner %s is %s", s.Def.Name, s.State, s.Def.Owner, owner)
		}
	}
	for i := range r.plan.Services {
		def := &r.plan.Services[i]
		svc := services[def.Name]
		if svc.State == flow.ServiceInactive && svc.Def != def {
			r.t.Fatalf("service %s is down and has an old definition", def.Name)
		}
	}
}

func (r *reloading) step(ev flow.Event) {
	if reload, ok := ev.(flow.Reload); ok {
		text, err := json.Marshal([]any{reload.Plan.Services, reload.Plan.Sockets})
		r.t.Logf("reload %s, %v", text, err)
	} else {
		r.t.Logf("%T%+v", ev, ev)
	}
	for _, f := range r.engine.Step(ev) {
		r.t.Logf("\t%T%+v", f, f)
		r.carryOut(f)
	}
}

func (r *reloading) carryOut(f flow.Effect) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			r.t.Fatalf(format, args...)
		}
	}
	switch f := f.(type) {
	case flow.OpenSocket:
		must(!r.opening[f.Socket] && !r.closing[f.Socket], "open %s while it is being opened or closed", f.Socket)
		must(slices.ContainsFunc(r.plan.Sockets, func(s plan.Socket) bool { return s.Name == f.Socket }), "open %s, which is not in the plan", f.Socket)
		r.opening[f.Socket] = true
	case flow.CloseSocket:
		must(r.open[f.Socket] && !r.opening[f.Socket], "close %s, which is not open or is being opened", f.Socket)
		delete(r.open, f.Socket)
		delete(r.serving, f.Socket)
		delete(r.flushing, f.Socket)
		r.closing[f.Socket] = true
	case flow.Serve:
		must(r.open[f.Socket] && !r.serving[f.Socket], "serve %s, which is not open or is served", f.Socket)
		r.serving[f.Socket] = true
	case flow.Flush:
		must(r.open[f.Socket], "flush %s, which is not open", f.Socket)
		r.flushing[f.Socket] = true
	case flow.Inspect:
		must(r.open[f.Socket], "inspect %s, which is not open", f.Socket)
	case flow.Spawn:
		for _, name := range f.Sockets {
			must(r.open[name], "spawn %v with %s, which is not open", f.Process, name)
		}
		r.spawning[f.Process] = true
	case flow.Kill:
		must(r.running[f.Process], "kill %v, which does not run", f.Process)
		r.killed[f.Process] = true
	case flow.ArmTimer:
		r.armed[f.Timer] = true
	case flow.CancelTimer:
		must(r.armed[f.Timer], "cancel %v, which is not armed", f.Timer)
		delete(r.armed, f.Timer)
	case flow.Reply:
		r.asked[f.Request]++
	case flow.Exit:
		r.exited = true
	default: // nobody waits for an answer
	}
}

// TestReloadIsRecorded shows that the event survives a record.
func TestReloadIsRecorded(t *testing.T) {
	p := parsePlan(t, "state w@up none\nsocket w@a\n  start-on state w@up\n")
	p.Digest = "" // Encode fills in what Decode verifies
	before := flow.Reload{Plan: p, Variables: map[string]cond.Value{"hosts": cond.StringValue("a")}, From: flow.Request{ID: 3, By: "uid 0"}}
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after flow.Reload
	if err := json.Unmarshal(text, &after); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(again)); diff != "" {
		t.Errorf("after a record (-want +got):\n%s", diff)
	}
	if len(after.Plan.Sockets) != 1 || after.Plan.Sockets[0].StartOn == nil || after.From != before.From {
		t.Errorf("after a record: %+v", after)
	}
	broken := strings.Replace(string(text), "w@a", "w@b", 1)
	if err := json.Unmarshal([]byte(broken), &after); err == nil {
		t.Error("a plan with a wrong digest was accepted")
	}
}
