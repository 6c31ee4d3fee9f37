package loop

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rind-sockets/rind/runtime/flow"
)

const (
	// maxHeld is how many steps may wait for the disk before requests are refused.
	// What happens inside is never refused: while effects wait, little can happen.
	maxHeld = 4096

	// maxHold is how long effects wait for a disk that does not answer. Sockets and
	// services matter more than what becomes of them after a power cut.
	maxHold = 10 * time.Second
)

// errSlow says that a disk did not answer within maxHold.
var errSlow = fmt.Errorf("the disk has not answered within %v", maxHold)

// UnsavedError answers a request that was carried out and whose states are not on
// disk. The store goes on trying.
type UnsavedError struct {
	Message string // "set"
	Err     error
}

func (e *UnsavedError) Error() string {
	return fmt.Sprintf("%s, but not saved: %v; it is tried again until it is", e.Message, e.Err)
}

func (e *UnsavedError) Unwrap() error { return e.Err }

// Store saves states. Persist does not block, and is called on the loop's
// goroutine. done is called once, on any goroutine, when the changes are on disk or
// could not be saved; in the order of the calls.
type Store interface {
	Persist(changes []flow.Persist, done func(error))

	// Trouble is why something that was to be saved is not, after its done; nil if
	// there is nothing.
	Trouble() error
}

// outbox has the effects that wait for the disk, in order. It belongs to the
// loop's goroutine.
type outbox struct {
	steps []held
	saves uint64 // given to the store
	late  int    // of these, given up and still without an answer
}

// held are the effects of one step.
type held struct {
	event   flow.Event
	effects []flow.Effect
	save    uint64 // of these saves, the one that it waits for; 0 is none
	saved   bool
	err     error // why it is not on disk
}

// holdTimer is the timer of the loop itself among those of the engine.
var holdTimer flow.TimerID

// persists reports whether a step has to be saved. States that are set before Boot
// are on disk already: that is where they come from.
func (l *Loop) persists(effects []flow.Effect) bool {
	if l.store == nil || !l.begun {
		return false
	}
	return slices.ContainsFunc(effects, func(f flow.Effect) bool { _, ok := f.(flow.Persist); return ok })
}

// hold puts off the effects of a step until everything before them, and what it
// changed itself, is on disk.
func (l *Loop) hold(ev flow.Event, effects []flow.Effect) {
	h := held{event: ev, effects: slices.Clone(effects)}
	var changes []flow.Persist
	for _, f := range effects {
		switch f := f.(type) { //nolint:gochecksumtype // the others wait
		case flow.Persist:
			changes = append(changes, f)
		// A timer that is armed anew or cancelled must not fire while that waits:
		// the engine would take it for the new one.
		case flow.ArmTimer:
			l.timers.cancel(f.Timer)
		case flow.CancelTimer:
			l.timers.cancel(f.Timer)
		}
	}
	if len(changes) > 0 {
		l.out.saves++
		save := l.out.saves
		h.save = save
		l.store.Persist(changes, func(err error) { l.inbox.put(entry{save: save, saveErr: err}) })
	}
	l.out.steps = append(l.out.steps, h)
	if len(l.out.steps) == 1 {
		l.timers.arm(holdTimer, time.Now().Add(maxHold))
	}
	l.inbox.limit(len(l.out.steps) >= maxHeld)
}

// saved notes the answer of the store and carries out what waited for it. It
// reports whether the end was among that.
func (l *Loop) saved(ctx context.Context, save uint64, err error) (exit bool) {
	for i := range l.out.steps {
		if h := &l.out.steps[i]; h.save == save {
			h.saved, h.err = true, err
			return l.release(ctx)
		}
	}
	l.out.late-- // it was given up
	return false
}

// giveUp carries out what waits for a disk that does not answer.
func (l *Loop) giveUp(ctx context.Context) (exit bool) {
	for i := range l.out.steps {
		if h := &l.out.steps[i]; h.save != 0 && !h.saved {
			h.saved, h.err = true, errSlow
			l.out.late++
		}
	}
	return l.release(ctx)
}

// unsaved returns why the answer to an event cannot promise that it survives a
// restart. err is that of its own changes. A state that has the wanted value
// already may be one that is not on disk yet.
func (l *Loop) unsaved(ev flow.Event, outcome flow.Outcome, err error) error {
	_, set := ev.(flow.SetState)
	_, remove := ev.(flow.RemoveState)
	switch {
	case outcome == flow.Done:
		return err
	case outcome != flow.Unchanged || !set && !remove || l.store == nil:
		return nil
	case l.out.late > 0:
		return errSlow
	}
	return l.store.Trouble()
}

// release carries out the effects of the steps that need not wait any longer.
func (l *Loop) release(ctx context.Context) (exit bool) {
	n := 0
	for ; n < len(l.out.steps) && !exit; n++ {
		h := &l.out.steps[n]
		if h.save != 0 && !h.saved {
			break
		}
		exit = l.perform(ctx, h.event, h.effects, h.err)
	}
	if n == 0 {
		return false
	}
	l.out.steps = slices.Delete(l.out.steps, 0, n)
	l.inbox.limit(len(l.out.steps) >= maxHeld)
	if len(l.out.steps) == 0 {
		l.timers.cancel(holdTimer)
	} else {
		l.timers.arm(holdTimer, time.Now().Add(maxHold))
	}
	return exit
}
