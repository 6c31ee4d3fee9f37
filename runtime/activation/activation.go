// Package activation follows which accesses a process is started for. The engine has
// no clock and keeps no such thing: that is a matter of those who look on, which are
// the metrics and the spans. It computes, and asks nobody.
package activation

import (
	"strconv"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Activation is the start of one process because of accesses.
type Activation struct {
	Process flow.ProcessID
	Sockets []plan.Name
	Since   []time.Time // of the access at each of Sockets
}

// Begin is when the first of its accesses was.
func (a *Activation) Begin() time.Time {
	first := a.Since[0]
	for _, t := range a.Since[1:] {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// Kind says how far an activation has come.
type Kind uint8

// Kinds, in their order. Ready and Failed are the end.
const (
	_       Kind = iota
	Begun        // the process is about to be started
	Started      // there is one
	Ready        // the service is active
	Failed       // there is no process, or it has ended before it was ready
)

// Change is a step of an activation.
type Change struct {
	*Activation

	Kind   Kind
	PID    int    // of Started
	Reason string // of Failed
}

// connection is one that waits for a process of its own.
type connection struct {
	socket plan.Name
	since  time.Time
}

// Tracker follows the events and effects of one loop. It is not safe for concurrent
// use.
type Tracker struct {
	accessed    map[plan.Name]time.Time // that nobody has been started for
	connections map[uint64]connection
	starts      map[flow.ProcessID]*Activation // that are not over
}

// NewTracker returns a tracker that has seen nothing.
func NewTracker() *Tracker {
	return &Tracker{
		accessed: map[plan.Name]time.Time{}, connections: map[uint64]connection{}, starts: map[flow.ProcessID]*Activation{},
	}
}

// Step follows an event and its effects at a moment, and returns what has become of
// activations, in order.
func (t *Tracker) Step(ev flow.Event, effects []flow.Effect, now time.Time) []Change {
	changes := t.happened(ev, now)
	for _, f := range effects {
		changes = append(changes, t.done(f)...)
	}
	return changes
}

// Pending returns how much is remembered: accesses and connections that nobody has
// been started for, and starts that are not over.
func (t *Tracker) Pending() int { return len(t.accessed) + len(t.connections) + len(t.starts) }

// happened follows an event.
func (t *Tracker) happened(ev flow.Event, now time.Time) []Change {
	switch ev := ev.(type) {
	case flow.Accessed:
		if _, ok := t.accessed[ev.Socket]; !ok {
			t.accessed[ev.Socket] = now
		}
	case flow.Connected:
		t.connections[ev.Connection] = connection{ev.Socket, now}
	case flow.ProcessStarted:
		if a := t.starts[ev.Process]; a != nil {
			return []Change{{Activation: a, Kind: Started, PID: ev.PID}}
		}
	case flow.ProcessFailed:
		return t.failed(ev.Process, ev.Reason)
	case flow.ProcessExited:
		return t.failed(ev.Process, "it ended before it was ready: "+end(ev.Status))
	default: // is about no access and no process
	}
	return nil
}

// done follows an effect.
func (t *Tracker) done(f flow.Effect) []Change {
	switch f := f.(type) {
	case flow.Watch:
		// What was waiting has been looked after, without a start.
		delete(t.accessed, f.Socket)
	case flow.Dismiss:
		delete(t.connections, f.Connection)
	case flow.Spawn:
		return t.spawned(f)
	case flow.Transition:
		switch {
		case f.Kind == "service" && f.To == string(flow.ServiceActive):
			return t.active(f)
		case f.Kind == "socket" && (f.To == string(flow.SocketInactive) || f.To == string(flow.SocketStopping)):
			delete(t.accessed, f.Name)
		}
	default: // is about no access and no process
	}
	return nil
}

// spawned takes a start down as that of the accesses that wait for it.
func (t *Tracker) spawned(f flow.Spawn) []Change {
	a := &Activation{Process: f.Process}
	if c, ok := t.connections[f.Connection]; ok {
		a.Sockets, a.Since = append(a.Sockets, c.socket), append(a.Since, c.since)
	}
	for _, name := range f.Sockets {
		if since, ok := t.accessed[name]; ok {
			a.Sockets, a.Since = append(a.Sockets, name), append(a.Since, since)
			delete(t.accessed, name)
		}
	}
	if len(a.Sockets) == 0 {
		return nil // nobody's access wanted it
	}
	t.starts[f.Process] = a
	return []Change{{Activation: a, Kind: Begun}}
}

// active ends the starts of an instance that has become active.
func (t *Tracker) active(f flow.Transition) []Change {
	var out []Change
	for id, a := range t.starts {
		if id.Service == f.Name && id.Instance == f.Instance {
			delete(t.starts, id)
			out = append(out, Change{Activation: a, Kind: Ready})
		}
	}
	return out
}

// end is how a process ended, for people.
func end(s flow.ExitStatus) string {
	if s.Signal != "" {
		return s.Signal
	}
	return "status " + strconv.Itoa(s.Code)
}

// failed ends a start without success.
func (t *Tracker) failed(id flow.ProcessID, reason string) []Change {
	a := t.starts[id]
	if a == nil {
		return nil
	}
	delete(t.starts, id)
	return []Change{{Activation: a, Kind: Failed, Reason: reason}}
}
