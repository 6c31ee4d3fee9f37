package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestFuse shows that one event cannot keep the loop for ever: after 10,000
// actions the rest is dropped, with a report that names the event.
func TestFuse(t *testing.T) {
	p := parsePlan(t, "socket w@a\nsocket w@b\n")
	run := plan.Action{Do: plan.OpExec, Command: "/bin/true"}
	p.Sockets[0].Trigger = slices.Repeat([]plan.Action{run}, 10_003)
	e := flow.New(p, flow.Config{})
	e.Step(flow.Boot{})
	e.Step(flow.Opened{Socket: "w@a"})
	effects := e.Step(flow.Arrived{Socket: "w@a"})
	if len(effects) != 10_001 {
		t.Fatalf("%d effects, want 10000 programs and a report", len(effects))
	}
	want := flow.Report{
		Message: "flow cut: one event caused too many others",
		Name:    "w@a",
		Detail:  "10000 actions were performed and 3 more wait; look for triggers that cause each other",
	}
	if diff := cmp.Diff(want, effects[10_000]); diff != "" {
		t.Errorf("last effect (-want +got):\n%s", diff)
	}
	// Nothing of it is left for the next event.
	if effects := e.Step(flow.Opened{Socket: "w@b"}); len(effects) != 2 {
		t.Errorf("the next event has %d effects, want a transition and a watch", len(effects))
	}
}

// TestFuseNamesTheEvent shows what the report of the fuse is about.
func TestFuseNamesTheEvent(t *testing.T) {
	start := "service w@srv\nsocket w@a owner=w@srv owned\n"
	run := slices.Repeat([]plan.Action{{Do: plan.OpExec, Command: "/bin/true"}}, 10_001)
	tests := []struct {
		name   string
		before []flow.Event
		event  flow.Event
	}{
		{name: "w@a", event: flow.Opened{Socket: "w@a"}},
		{name: "w@a", before: []flow.Event{flow.Opened{Socket: "w@a"}}, event: flow.Accessed{Socket: "w@a"}},
		{
			name:   "w@a",
			before: []flow.Event{flow.Opened{Socket: "w@a"}, flow.StopSocket{Socket: "w@a"}},
			event:  flow.Closed{Socket: "w@a"},
		},
		{
			name:   "w@srv",
			before: []flow.Event{flow.Opened{Socket: "w@a"}, flow.StartService{Service: "w@srv"}},
			event:  flow.ProcessStarted{Process: flow.ProcessID{Service: "w@srv", Incarnation: 1}},
		},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T", tt.event), func(t *testing.T) {
			p := parsePlan(t, start)
			p.Sockets[0].Trigger, p.Sockets[0].OnStart, p.Sockets[0].OnStop = run, run, run
			p.Services[0].OnStart = run
			e := flow.New(p, flow.Config{})
			e.Step(flow.Boot{})
			for _, ev := range tt.before {
				e.Step(ev)
			}
			effects := e.Step(tt.event)
			report, ok := effects[len(effects)-1].(flow.Report)
			if !ok || report.Name != tt.name || !strings.HasPrefix(report.Message, "flow cut") {
				t.Errorf("the last effect is %s, want a report about %s", effectText(effects[len(effects)-1]), tt.name)
			}
		})
	}
}

// TestSnapshotIsACopy shows that a snapshot is of one moment.
func TestSnapshotIsACopy(t *testing.T) {
	e := flow.New(parsePlan(t, "state w@s json\nservice w@srv\nsocket w@a\n"), flow.Config{})
	for _, ev := range []flow.Event{
		flow.Boot{},
		flow.Opened{Socket: "w@a", Addresses: []string{"127.0.0.1:80"}},
		flow.SetState{State: "w@s", Value: document(t, `{"id":1}`)},
		flow.StartService{Service: "w@srv"},
		flow.ProcessStarted{Process: flow.ProcessID{Service: "w@srv", Incarnation: 1}, PID: 7},
	} {
		e.Step(ev)
	}
	snap := e.Snapshot()
	before := status(snap)
	for _, ev := range []flow.Event{
		flow.SetState{State: "w@s", Value: document(t, `{"id":1,"n":2}`)},
		flow.RemoveState{State: "w@s"},
		flow.ProcessExited{Process: flow.ProcessID{Service: "w@srv", Incarnation: 1}},
		flow.StopSocket{Socket: "w@a"},
		flow.Closed{Socket: "w@a"},
	} {
		e.Step(ev)
	}
	if diff := cmp.Diff(before, status(snap)); diff != "" {
		t.Errorf("the snapshot has changed (-then +now):\n%s", diff)
	}
	snap = e.Snapshot()
	if len(snap.States) != 0 {
		t.Errorf("a state without branches is in the snapshot: %v", snap.States)
	}
}

func document(tb testing.TB, text string) cond.Value {
	tb.Helper()
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// manyUnits has n sockets, each with an owner and conditions of its own.
func manyUnits(tb testing.TB, n int) *plan.Plan {
	tb.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "signal w@go none\nsignal w@said string\nstate w@mode string")
	for i := range n / 2 {
		fmt.Fprintf(&b, "service w@srv%05d\n", i)
		fmt.Fprintf(&b, "socket w@sock%05d owner=w@srv%05d owned disabled\n", i, i)
		fmt.Fprintf(&b, "  stop-on state w@mode (target == \"%d\")\n", i)
	}
	return parsePlan(tb, b.String())
}

// BenchmarkStepNoMatch emits a signal that no condition of 10,000 units
// mentions. It must not allocate.
func BenchmarkStepNoMatch(b *testing.B) {
	e := flow.New(manyUnits(b, 10_000), flow.Config{})
	e.Step(flow.Boot{})
	var ev flow.Event = flow.EmitSignal{Signal: "w@said", Value: cond.StringValue("x")}
	b.ReportAllocs()
	for b.Loop() {
		if effects := e.Step(ev); len(effects) != 0 {
			b.Fatalf("%d effects, want none", len(effects))
		}
	}
}

// BenchmarkStepStartSocket starts and stops one of 5,000 sockets.
func BenchmarkStepStartSocket(b *testing.B) {
	e := flow.New(manyUnits(b, 10_000), flow.Config{})
	e.Step(flow.Boot{})
	const name = "w@sock02500"
	cycle := []flow.Event{
		flow.StartSocket{Socket: name},
		flow.Opened{Socket: name, Addresses: []string{"127.0.0.1:80"}},
		flow.StopSocket{Socket: name},
		flow.Closed{Socket: name},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, ev := range cycle {
			if effects := e.Step(ev); len(effects) == 0 {
				b.Fatalf("%T has no effect", ev)
			}
		}
	}
}

// BenchmarkStepSignalStarts starts one of 5,000 sockets with a signal that only
// its conditions mention, and stops it with another: four steps each time.
func BenchmarkStepSignalStarts(b *testing.B) {
	var text strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&text, "signal w@go%05d string\nsignal w@end%05d none\n", i, i)
		fmt.Fprintf(&text, "service w@srv%05d\nsocket w@sock%05d owner=w@srv%05d owned\n", i, i, i)
		fmt.Fprintf(&text, "  start-on signal w@go%05d (target == \"now\")\n  stop-on signal w@end%05d\n", i, i)
	}
	e := flow.New(parsePlan(b, text.String()), flow.Config{})
	e.Step(flow.Boot{})
	cycle := []flow.Event{
		flow.EmitSignal{Signal: "w@go02500", Value: cond.StringValue("now")},
		flow.Opened{Socket: "w@sock02500", Addresses: []string{"127.0.0.1:80"}},
		flow.EmitSignal{Signal: "w@end02500", Value: cond.NoneValue()},
		flow.Closed{Socket: "w@sock02500"},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, ev := range cycle {
			if effects := e.Step(ev); len(effects) == 0 {
				b.Fatalf("%T has no effect", ev)
			}
		}
	}
	b.ReportMetric(float64(b.N*len(cycle))/b.Elapsed().Seconds(), "steps/s")
}

// BenchmarkStepSetState changes one branch of a state that another one follows
// and that units look at.
func BenchmarkStepSetState(b *testing.B) {
	e := flow.New(parsePlan(b, `
state w@net json name
state w@up json name
  after state w@net (target/up == true)
socket w@a disabled
  start-on state w@up
`), flow.Config{})
	e.Step(flow.Boot{})
	events := []flow.Event{
		flow.SetState{State: "w@net", Value: document(b, `{"name":"eth0","up":true}`)},
		flow.SetState{State: "w@net", Value: document(b, `{"name":"eth0","up":false}`)},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, ev := range events {
			if effects := e.Step(ev); len(effects) == 0 {
				b.Fatalf("%T has no effect", ev)
			}
		}
	}
	b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "steps/s")
}

// TestStepNoMatchDoesNotAllocate is the promise of BenchmarkStepNoMatch.
func TestStepNoMatchDoesNotAllocate(t *testing.T) {
	e := flow.New(manyUnits(t, 1000), flow.Config{})
	e.Step(flow.Boot{})
	var ev flow.Event = flow.EmitSignal{Signal: "w@said", Value: cond.StringValue("x")}
	if n := testing.AllocsPerRun(100, func() { e.Step(ev) }); n > 0 {
		t.Errorf("a signal that nobody mentions costs %v allocations, want none", n)
	}
}
