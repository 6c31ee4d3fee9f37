package loop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world answers every effect at once, through the inbox as real workers do.
type world struct {
	loop   *Loop
	opened [][]plan.Name // one entry per call of Open
	log    []string
	ends   []bool // one entry per call of Ending

	failSpawn bool
	silent    bool          // Open does not answer
	busy      chan struct{} // Open waits for it to be closed, if it is not nil
}

func (w *world) Open(names []plan.Name) {
	w.opened = append(w.opened, names)
	if w.busy != nil {
		<-w.busy
	}
	if w.silent {
		return
	}
	for _, n := range names {
		w.loop.Post(flow.Opened{Socket: n, Addresses: []string{"here"}})
	}
}

func (w *world) Close(name plan.Name) {
	w.log = append(w.log, "close "+string(name))
	w.loop.Post(flow.Closed{Socket: name})
}

func (w *world) Watch(plan.Name, Watching) {}
func (w *world) Inspect(plan.Name)         {}
func (w *world) Serve(plan.Name)           {}
func (w *world) Screen(plan.Name)          {}
func (w *world) Accept(plan.Name, int)     {}
func (w *world) Dismiss(uint64)            {}
func (w *world) Flush(plan.Name)           {}

func (w *world) Spawn(s flow.Spawn) {
	w.log = append(w.log, "spawn "+string(s.Process.Service))
	if w.failSpawn {
		w.loop.Post(flow.ProcessFailed{Process: s.Process, Reason: "no such file"})
		return
	}
	w.loop.Post(flow.ProcessStarted{Process: s.Process, PID: 7})
}

func (w *world) Kill(k flow.Kill) {
	if k.Signal == "SIGKILL" {
		w.log = append(w.log, "kill "+string(k.Process.Service))
		w.loop.Post(flow.ProcessExited{Process: k.Process, Status: flow.ExitStatus{Signal: "SIGKILL"}})
		return
	}
	w.log = append(w.log, "term "+string(k.Process.Service))
}

func (w *world) Command(flow.RunCommand) {}
func (w *world) Evaluate(flow.Evaluate)  {}

func testPlan() *plan.Plan {
	return &plan.Plan{
		Signals:  []plan.Signal{{Name: "t@go", Payload: cond.None}},
		Services: []plan.Service{{Name: "t@svc", Run: []plan.Command{{Exec: "/bin/true"}}}},
		Sockets: []plan.Socket{
			{Name: "t@a", Type: "tcp", Owner: "t@svc", Lifecycle: plan.Owned, Enabled: true},
			{Name: "t@b", Type: "tcp", Owner: "t@svc", Order: 1, Lifecycle: plan.Owned, Enabled: true},
		},
	}
}

// start runs a loop until the test ends it with cancel; done is closed then.
func start(t *testing.T, w *world) (l *Loop, cancel context.CancelFunc, ready, done chan struct{}) {
	t.Helper()
	l = New(flow.New(testPlan(), flow.Config{}), slog.New(slog.DiscardHandler))
	w.loop = l
	ready, done = make(chan struct{}), make(chan struct{})
	l.Connect(w, w, Hooks{
		Ready:  func() { close(ready) },
		Ending: func(_ string, again bool) { w.ends = append(w.ends, again) },
	})
	l.Post(flow.Boot{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	return l, cancel, ready, done
}

func TestOpensTogetherAndReportsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		_, cancel, ready, done := start(t, w)
		<-ready
		if len(w.opened) != 1 || !slices.Equal(w.opened[0], []plan.Name{"t@a", "t@b"}) {
			t.Errorf("Open was called with %v, want both sockets in one call", w.opened)
		}
		cancel()
		<-done
		if want := []string{"close t@a", "close t@b"}; !slices.Equal(w.log, want) {
			t.Errorf("shutdown did %v, want %v", w.log, want)
		}
	})
}

func TestAskAnswersAfterTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l, cancel, ready, done := start(t, w)
		<-ready
		ask := func(ev func(flow.Request) flow.Event) flow.Reply {
			t.Helper()
			r, err := l.Ask(t.Context(), "uid 0", ev)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		stop := ask(func(r flow.Request) flow.Event { return flow.StopSocket{Socket: "t@a", From: r} })
		if stop.Outcome != flow.Done || !slices.Contains(w.log, "close t@a") {
			t.Errorf("stop answered %v %q before the socket was closed: %v", stop.Outcome, stop.Message, w.log)
		}
		if r := ask(func(r flow.Request) flow.Event { return flow.StartSocket{Socket: "t@none", From: r} }); r.Outcome != flow.Unknown {
			t.Errorf("start of an unknown socket: outcome %v, want Unknown", r.Outcome)
		}
		if r := ask(func(r flow.Request) flow.Event {
			return flow.EmitSignal{Signal: "t@go", Value: cond.NoneValue(), From: r}
		}); r.Outcome != flow.Done {
			t.Errorf("emit: outcome %v (%s), want Done", r.Outcome, r.Message)
		}
		cancel()
		<-done
		if _, err := l.Ask(t.Context(), "", func(r flow.Request) flow.Event { return flow.StopSocket{Socket: "t@a", From: r} }); !errors.Is(err, ErrClosed) {
			t.Errorf("Ask after the end: %v, want ErrClosed", err)
		}
		if _, err := l.Snapshot(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Snapshot after the end: %v, want ErrClosed", err)
		}
		discarded := 0
		l.Deliver(func() flow.Event { t.Error("made an event after the end"); return nil }, func() { discarded++ })
		if discarded != 1 {
			t.Errorf("Deliver after the end: discarded %d times, want once", discarded)
		}
	})
}

// A service that ignores SIGTERM is killed when its time is over: the timer is
// the engine's, the clock is the loop's.
func TestTimersDriveTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l, cancel, ready, done := start(t, w)
		<-ready
		if _, err := l.Ask(t.Context(), "", func(r flow.Request) flow.Event { return flow.StartService{Service: "t@svc", From: r} }); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		cancel()
		<-done
		if d := time.Since(begin); d != plan.StopTimeout {
			t.Errorf("the shutdown took %v, want %v", d, plan.StopTimeout)
		}
		want := []string{"spawn t@svc", "term t@svc", "kill t@svc", "close t@a", "close t@b"}
		if !slices.Equal(w.log, want) {
			t.Errorf("effects %v, want %v", w.log, want)
		}
	})
}

// Requests from outside are refused when too many wait; events from inside are
// not (ARCHITECTURE, event-loop rule 4).
func TestInboxIsBoundedForRequests(t *testing.T) {
	in := newInbox()
	for i := range maxRequests {
		if err := in.submit(entry{look: make(chan flow.Snapshot, 1)}); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := in.submit(entry{look: make(chan flow.Snapshot, 1)}); !errors.Is(err, ErrBusy) {
		t.Errorf("one request too many: %v, want ErrBusy", err)
	}
	if !in.put(entry{event: flow.Boot{}}) {
		t.Error("an event from inside was refused")
	}
	if n := len(in.take()); n != maxRequests+1 {
		t.Errorf("%d entries, want %d", n, maxRequests+1)
	}
	if err := in.submit(entry{look: make(chan flow.Snapshot, 1)}); err != nil {
		t.Errorf("request after the queue was emptied: %v", err)
	}
}

// Who still waits when the loop ends gets an error, not silence.
func TestEndRefusesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{busy: make(chan struct{})}
		l, cancel, _, done := start(t, w) // the loop is stuck in Open until busy is closed
		result := make(chan error, 1)
		go func() {
			_, err := l.Ask(t.Context(), "", func(r flow.Request) flow.Event { return flow.StartService{Service: "t@svc", From: r} })
			result <- err
		}()
		synctest.Wait()
		cancel()
		close(w.busy)
		<-done
		if err := <-result; err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("the waiting request got %v, want an answer or ErrClosed", err)
		}
	})
}

// What stands in the queue behind the event that ends everything is refused, and
// what it was to hand over is given back.
func TestEndGivesBackWhatStandsBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(flow.New(&plan.Plan{}, flow.Config{}), slog.New(slog.DiscardHandler))
		l.Connect(&world{loop: l}, nil, Hooks{})
		var got []string
		l.Post(flow.Boot{})
		l.Deliver(func() flow.Event { got = append(got, "taken"); return nil }, func() { got = append(got, "lost") })
		l.Post(flow.Shutdown{Cause: "test"}) // nothing is up: the end
		l.Deliver(func() flow.Event { t.Error("made an event behind the end"); return nil }, func() { got = append(got, "given back") })
		l.Deliver(func() flow.Event { t.Error("made an event behind the end"); return nil }, nil)
		asked := make(chan error, 1)
		go func() {
			_, err := l.Snapshot(t.Context())
			asked <- err
		}()
		synctest.Wait()
		l.Run(t.Context())
		if err := <-asked; !errors.Is(err, ErrClosed) {
			t.Errorf("the request behind the end got %v, want ErrClosed", err)
		}
		if want := []string{"taken", "given back"}; !slices.Equal(got, want) {
			t.Errorf("deliveries: %v, want %v", got, want)
		}
	})
}

func TestHooksTellOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{silent: true}
		l, cancel, ready, done := start(t, w)
		synctest.Wait()
		cancel()
		synctest.Wait()
		l.Post(flow.Shutdown{Cause: "again"})
		synctest.Wait()
		l.Post(flow.OpenFailed{Socket: "t@a", Reason: "test"})
		l.Post(flow.OpenFailed{Socket: "t@b", Reason: "test"})
		<-done
		select {
		case <-ready:
			t.Error("Ready was called although the end had begun before")
		default:
		}
		if want := []bool{false, true}; !slices.Equal(w.ends, want) {
			t.Errorf("Ending was called with %v, want %v", w.ends, want)
		}
	})
}

func TestTimersFireInOrderAndCanBeMoved(t *testing.T) {
	var ts timers
	ts.start()
	defer ts.stop()
	now := time.Unix(1000, 0)
	a, b, c := flow.TimerID{Kind: flow.TimerResume, Name: "a"}, flow.TimerID{Kind: flow.TimerResume, Name: "b"}, flow.TimerID{Kind: flow.TimerWindow, Name: "a"}
	ts.arm(a, now.Add(3*time.Second))
	ts.arm(b, now.Add(1*time.Second))
	ts.arm(c, now.Add(2*time.Second))
	ts.arm(b, now.Add(4*time.Second)) // moved
	ts.cancel(c)
	ts.cancel(c) // twice is once
	var got []flow.TimerID
	for id, ok := ts.due(now.Add(10 * time.Second)); ok; id, ok = ts.due(now.Add(10 * time.Second)) {
		got = append(got, id)
	}
	if want := []flow.TimerID{a, b}; !slices.Equal(got, want) {
		t.Errorf("fired %v, want %v", got, want)
	}
}
