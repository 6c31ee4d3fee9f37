package loop

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// A step that takes long is seen, for as long as it is recent, and what waits
// meanwhile is counted without asking the loop.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l, cancel, ready, done := start(t, w)
		<-ready
		synctest.Wait()
		before := l.Load()
		l.Deliver(func() flow.Event { <-time.After(3 * time.Second); return nil }, nil) // the clock of the bubble
		synctest.Wait()
		l.Post(flow.Accessed{Socket: plan.Name("t@none")})
		if n := l.Load().Inbox; n != 1 {
			t.Errorf("inbox depth behind a long step is %d, want 1", n)
		}
		<-time.After(4 * time.Second)
		after := l.Load()
		if d := after.Busy - before.Busy; d != 3*time.Second || after.Longest != d {
			t.Errorf("busy for %v, longest step %v, want 3s", d, after.Longest)
		}
		if n := after.Steps - before.Steps; n != 2 || after.Inbox != 0 {
			t.Errorf("%d steps, inbox depth %d, want 2 and 0", n, after.Inbox)
		}
		<-time.After(3 * time.Minute)
		if d := l.Load().Longest; d != 0 {
			t.Errorf("longest step three minutes later is %v, want 0", d)
		}
		cancel()
		<-done
	})
}

func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l, cancel, ready, done := start(t, w)
		<-ready
		looked := 0
		if err := l.Look(t.Context(), func() { looked++ }); err != nil || looked != 1 {
			t.Errorf("Look: %v, called %d times, want once", err, looked)
		}
		cancel()
		<-done
		if err := l.Look(t.Context(), func() { looked++ }); !errors.Is(err, ErrClosed) || looked != 1 {
			t.Errorf("Look after the end: %v, called %d times, want ErrClosed and once", err, looked)
		}
	})
}
