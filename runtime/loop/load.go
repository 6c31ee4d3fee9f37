package loop

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rind-sockets/rind/runtime/flow"
)

// Load is how busy a loop is.
type Load struct {
	Busy    time.Duration // since it runs, spent on entries of its inbox and on timers
	Steps   uint64        // these, since it runs
	Longest time.Duration // the longest of them in this minute and the one before
	Inbox   int           // entries that wait
}

// load is measured on the loop's goroutine and may be read on any.
type load struct {
	busy   atomic.Int64
	steps  atomic.Uint64
	recent [2]struct{ minute, longest atomic.Int64 } // by minute, odd and even
}

// step counts one that began at a time and ends now.
func (l *load) step(begin time.Time) {
	now := time.Now()
	d := int64(now.Sub(begin))
	l.busy.Add(d)
	l.steps.Add(1)
	minute := now.Unix() / 60
	r := &l.recent[minute&1]
	if r.minute.Load() != minute {
		r.longest.Store(0)
		r.minute.Store(minute)
	}
	if d > r.longest.Load() {
		r.longest.Store(d)
	}
}

// Load returns how busy the loop is. It does not ask the loop, so it answers at
// once also when the loop does not.
func (l *Loop) Load() Load {
	out := Load{Busy: time.Duration(l.load.busy.Load()), Steps: l.load.steps.Load(), Inbox: l.inbox.depth()}
	minute := time.Now().Unix() / 60
	for i := range l.load.recent {
		if r := &l.load.recent[i]; r.minute.Load() >= minute-1 {
			out.Longest = max(out.Longest, time.Duration(r.longest.Load()))
		}
	}
	return out
}

// depth is how many entries wait.
func (in *inbox) depth() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.entries)
}

// Look calls look on the loop's goroutine, between two events, and returns when it
// has. It is a request from outside: [ErrBusy] refuses it when too many wait. If
// ctx ends before, look may still be called later.
func (l *Loop) Look(ctx context.Context, look func()) error {
	looked := make(chan error, 1)
	err := l.inbox.submit(entry{
		make: func() flow.Event {
			look()
			looked <- nil
			return nil
		},
		discard: func() { looked <- ErrClosed },
	})
	if err != nil {
		return err
	}
	select {
	case err := <-looked:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
