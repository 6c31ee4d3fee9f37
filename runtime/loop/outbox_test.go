package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// disk is a store that answers when the test says so.
type disk struct {
	trouble error
	waiting chan func(error)
}

func newDisk() *disk { return &disk{waiting: make(chan func(error), 2*maxHeld)} }

func (d *disk) Persist(_ []flow.Persist, done func(error)) { d.waiting <- done }

func (d *disk) Trouble() error { return d.trouble }

// answer answers everything that waits and returns how much that was.
func (d *disk) answer(err error) int {
	for n := 0; ; n++ {
		select {
		case done := <-d.waiting:
			done(err)
		default:
			return n
		}
	}
}

// statePlan has a service that is started by a state, and a state for nothing.
func statePlan() *plan.Plan {
	return &plan.Plan{
		States:  []plan.State{{Name: "t@on", Payload: cond.String}, {Name: "t@other", Payload: cond.String}, {Name: "t@brief", Payload: cond.String, Impermanent: true}},
		Signals: []plan.Signal{{Name: "t@go", Payload: cond.None}},
		Services: []plan.Service{{
			Name: "t@svc", Run: []plan.Command{{Exec: "/bin/true"}},
			StartOn: &cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "t@on"}},
		}},
	}
}

// startSaving runs a loop over a disk until the test ends it with cancel.
func startSaving(t *testing.T, w *world, d *disk, restored ...flow.Event) (l *Loop, cancel context.CancelFunc, done chan struct{}) {
	t.Helper()
	l = New(flow.New(statePlan(), flow.Config{Announce: true}), slog.New(slog.DiscardHandler))
	w.loop = l
	l.Connect(w, w, Hooks{})
	l.Save(d)
	for _, ev := range restored {
		l.Post(ev)
	}
	l.Post(flow.Boot{})
	ctx, cancel := context.WithCancel(t.Context())
	done = make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	synctest.Wait()
	return l, cancel, done
}

// end ends the loop; what waits for the disk is saved.
func end(d *disk, cancel context.CancelFunc, done chan struct{}) {
	cancel()
	synctest.Wait()
	for {
		select {
		case <-done:
			return
		case save := <-d.waiting:
			save(nil)
		}
	}
}

type result struct {
	reply flow.Reply
	err   error
}

// setState asks for a state; the answer comes over the channel.
func setState(t *testing.T, l *Loop, name plan.Name, value string) chan result {
	t.Helper()
	return ask(t, l, func(r flow.Request) flow.Event {
		return flow.SetState{State: name, Value: cond.StringValue(value), From: r}
	})
}

func ask(t *testing.T, l *Loop, event func(flow.Request) flow.Event) chan result {
	t.Helper()
	answers := make(chan result, 1)
	go func() {
		r, err := l.Ask(t.Context(), "uid 0", event)
		answers <- result{r, err}
	}()
	synctest.Wait()
	return answers
}

func waits[T any](t *testing.T, what string, ch <-chan T) {
	t.Helper()
	select {
	case r := <-ch:
		t.Errorf("%s: %v before the state is on disk", what, r)
	default:
	}
}

// What a state causes, its answer, and everything after it waits for the disk; then
// it comes in order.
func TestPersistsBeforeActing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		first := setState(t, l, "t@on", "1")
		second := setState(t, l, "t@other", "1")
		later := ask(t, l, func(r flow.Request) flow.Event {
			return flow.EmitSignal{Signal: "t@go", Value: cond.NoneValue(), From: r}
		})
		waits(t, "the first answer", first)
		waits(t, "the second answer", second)
		waits(t, "the answer to a signal behind them", later)
		if len(w.log) > 0 {
			t.Errorf("%v was done before the state is on disk", w.log)
		}
		(<-d.waiting)(nil)
		synctest.Wait()
		if r := <-first; r.err != nil || r.reply.Outcome != flow.Done {
			t.Errorf("the first answer: %+v", r)
		}
		if !slices.Equal(w.log, []string{"spawn t@svc"}) {
			t.Errorf("done: %v, want the service started", w.log)
		}
		waits(t, "the second answer", second)
		(<-d.waiting)(nil)
		if r := <-second; r.err != nil {
			t.Errorf("the second answer: %+v", r)
		}
		if r := <-later; r.err != nil || r.reply.Outcome != flow.Done {
			t.Errorf("the answer to the signal: %+v", r)
		}
		end(d, cancel, done)
	})
}

// With nothing to save there is nothing to wait for.
func TestNothingToSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		for name, answers := range map[string]chan result{
			"signal": ask(t, l, func(r flow.Request) flow.Event {
				return flow.EmitSignal{Signal: "t@go", Value: cond.NoneValue(), From: r}
			}),
			"impermanent state": setState(t, l, "t@brief", "1"),
			"unknown state":     setState(t, l, "t@none", "1"),
		} {
			select {
			case r := <-answers:
				if r.err != nil {
					t.Errorf("%s: %v", name, r.err)
				}
			default:
				t.Errorf("%s: no answer", name)
			}
		}
		if n := d.answer(nil); n != 0 {
			t.Errorf("%d changes were to be saved, want none", n)
		}
		end(d, cancel, done)
	})
}

func TestDirectPathDoesNotAllocate(t *testing.T) {
	l := New(flow.New(statePlan(), flow.Config{}), slog.New(slog.DiscardHandler))
	l.Save(newDisk())
	l.step(t.Context(), flow.Boot{})
	var ev flow.Event = flow.Accessed{Socket: "t@none"}
	if n := testing.AllocsPerRun(1000, func() { l.step(t.Context(), ev) }); n != 0 {
		t.Errorf("%v allocations for a step without effects", n)
	}
	effects := []flow.Effect{flow.Unwatch{}, flow.Report{}, flow.Exit{}}
	if n := testing.AllocsPerRun(1000, func() { l.persists(effects) }); n != 0 {
		t.Errorf("%v allocations to see that nothing is to be saved", n)
	}
}

// Restored states come from the disk: they are not saved again, and cause nothing
// before Boot.
func TestRestoredStatesAreNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		_, cancel, done := startSaving(t, w, d, flow.SetState{State: "t@on", Value: cond.StringValue("1")})
		if n := d.answer(nil); n != 0 {
			t.Errorf("%d restored changes were saved", n)
		}
		if !slices.Equal(w.log, []string{"spawn t@svc"}) {
			t.Errorf("done: %v, want the service started by the level", w.log)
		}
		end(d, cancel, done)
	})
}

// On a full disk everything goes on, and nobody is told that a state is safe.
func TestDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		full := errors.New("no space left on device")
		refused := func(what string, answers chan result) {
			t.Helper()
			r := <-answers
			if unsaved, ok := errors.AsType[*UnsavedError](r.err); !ok || !errors.Is(unsaved, full) {
				t.Errorf("%s: %+v, want an *UnsavedError", what, r)
			}
		}
		first := setState(t, l, "t@on", "1")
		d.trouble = full
		d.answer(full)
		refused("a change", first)
		synctest.Wait()
		if !slices.Equal(w.log, []string{"spawn t@svc"}) {
			t.Errorf("done: %v, want the service started all the same", w.log)
		}
		refused("the same once more", setState(t, l, "t@on", "1"))
		if r := <-setState(t, l, "t@none", "1"); r.err != nil || r.reply.Outcome != flow.Unknown {
			t.Errorf("an unknown state: %+v", r)
		}
		d.trouble = nil
		if r := <-setState(t, l, "t@on", "1"); r.err != nil || r.reply.Outcome != flow.Unchanged {
			t.Errorf("the same when the disk has it: %+v", r)
		}
		end(d, cancel, done)
	})
}

// A disk that does not answer holds things up for a while, not for ever.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		begin := time.Now()
		first := setState(t, l, "t@on", "1")
		r := <-first
		if _, ok := errors.AsType[*UnsavedError](r.err); !ok || time.Since(begin) != maxHold {
			t.Errorf("after %v: %+v, want an *UnsavedError after %v", time.Since(begin), r, maxHold)
		}
		if r := <-setState(t, l, "t@on", "1"); r.err == nil {
			t.Errorf("the same once more: %+v, want an error: it is not on disk yet", r)
		}
		d.answer(nil)
		synctest.Wait()
		if r := <-setState(t, l, "t@on", "1"); r.err != nil {
			t.Errorf("the same after the late answer: %+v", r)
		}
		end(d, cancel, done)
	})
}

// The end is the last effect, and waits like all others.
func TestShutdownWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		answers := setState(t, l, "t@other", "1")
		cancel()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the loop ended before the state is on disk")
		default:
		}
		d.answer(nil)
		<-done
		if r := <-answers; r.err != nil {
			t.Errorf("the answer: %+v", r)
		}
	})
}

// Requests are refused when too many steps wait for the disk; what happens inside
// is not.
func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		for i := range maxHeld {
			l.Post(flow.SetState{State: "t@other", Value: cond.StringValue(fmt.Sprint(i))})
		}
		synctest.Wait()
		if r := <-setState(t, l, "t@other", "x"); !errors.Is(r.err, ErrBusy) {
			t.Errorf("one request too many: %+v, want ErrBusy", r)
		}
		l.Post(flow.SetState{State: "t@other", Value: cond.StringValue("inside")})
		synctest.Wait()
		if n := d.answer(nil); n != maxHeld+1 {
			t.Errorf("%d changes were to be saved, want %d", n, maxHeld+1)
		}
		synctest.Wait()
		answers := setState(t, l, "t@other", "y")
		d.answer(nil)
		if r := <-answers; r.err != nil {
			t.Errorf("a request after that: %+v", r)
		}
		end(d, cancel, done)
	})
}

// A timer that is armed anew while effects wait does not fire at its old time.
func TestHeldTimerDoesNotFireEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(flow.New(statePlan(), flow.Config{}), slog.New(slog.DiscardHandler))
		l.Save(newDisk())
		l.timers.start()
		defer l.timers.stop()
		id := flow.TimerID{Kind: flow.TimerUnit, Name: "t@timer"}
		l.timers.arm(id, time.Now().Add(time.Second))
		l.hold(flow.Accessed{}, []flow.Effect{flow.ArmTimer{Timer: id, D: time.Minute}, flow.Persist{State: "t@on"}})
		if got, ok := l.timers.due(time.Now().Add(5 * time.Second)); ok {
			t.Errorf("%v fired while it was armed anew", got)
		}
		l.saved(t.Context(), l.out.saves, nil)
		if _, ok := l.timers.due(time.Now().Add(59 * time.Second)); ok {
			t.Error("it fired early")
		}
		if got, ok := l.timers.due(time.Now().Add(time.Minute)); !ok || got != id {
			t.Errorf("it did not fire: %v %t", got, ok)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := &world{}, newDisk()
		l, cancel, done := startSaving(t, w, d)
		ctx, stop := context.WithCancel(t.Context())
		slow, err := l.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen, err := l.Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		answers := setState(t, l, "t@other", "1")
		waits(t, "an announcement", seen)
		d.answer(nil)
		<-answers
		a := <-seen
		if a.Kind != cond.State || a.Name != "t@other" || a.Value.Text() != "1" || a.Removed || a.Lost != 0 {
			t.Errorf("announced %+v", a)
		}
		stop()
		synctest.Wait()
		if a, ok := <-seen; ok {
			t.Errorf("%+v after the end of the subscription", a)
		}
		const extra = 5
		for range maxUnread + extra {
			l.Post(flow.EmitSignal{Signal: "t@go", Value: cond.NoneValue()})
		}
		synctest.Wait()
		for range maxUnread {
			if a := <-slow; a.Lost != 0 {
				t.Errorf("%d lost before there was too much", a.Lost)
			}
		}
		l.Post(flow.EmitSignal{Signal: "t@go", Value: cond.NoneValue()})
		if a := <-slow; a.Lost != extra+1 || a.Name != "t@go" { // the state was one of them
			t.Errorf("announced %+v, want %d lost", a, extra+1)
		}
		end(d, cancel, done)
		if a, ok := <-slow; ok {
			t.Errorf("%+v after the end of the loop", a)
		}
		if _, err := l.Watch(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Watch after the end: %v, want ErrClosed", err)
		}
	})
}
