package metrics

import (
	"sync"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// bounds are the upper bounds of the buckets of latencies, in seconds: a start of
// a small program takes one or two milliseconds, a large one says that it is ready
// after many seconds.
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// histogram counts durations.
type histogram struct {
	buckets [len(bounds)]uint64 // not cumulative
	count   uint64
	sum     time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.sum += d
	for i, bound := range bounds {
		if d.Seconds() <= bound {
			h.buckets[i]++
			return
		}
	}
}

// cumulative is what Prometheus wants to know.
func (h *histogram) cumulative() map[float64]uint64 {
	out := make(map[float64]uint64, len(bounds))
	var n uint64
	for i, bound := range bounds {
		n += h.buckets[i]
		out[bound] = n
	}
	return out
}

// socketTimes is what happened to one socket, as far as the engine, which has no
// clock, does not know.
type socketTimes struct {
	accessed time.Time // of the access that nobody has been started for; zero: none

	started, ready histogram // from an access

	pauses    uint64
	failures  uint64
	held      time.Duration // until heldSince
	heldSince time.Time     // zero: not held
}

// exits are how processes of one service ended.
type exits struct{ succeeded, failed, killed uint64 }

// activation is a start of a service because of accesses.
type activation struct {
	sockets []plan.Name
	since   []time.Time
}

// timings follows the events and effects of a loop. Whoever reads takes the lock
// for one unit at a time, so that the loop never waits for a whole scrape.
type timings struct {
	now func() time.Time

	mu       sync.Mutex
	sockets  map[plan.Name]*socketTimes
	services map[plan.Name]*exits
	starts   map[flow.ProcessID]activation // that are not ready yet

	connections map[uint64]connection // of sockets that accept, until a process has them
}

// connection is one that waits for a process of its own.
type connection struct {
	socket plan.Name
	since  time.Time
}

func (t *timings) step(ev flow.Event, effects []flow.Effect) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.happened(ev, now)
	for _, f := range effects {
		t.done(f, now)
	}
}

// happened follows an event.
func (t *timings) happened(ev flow.Event, now time.Time) {
	switch ev := ev.(type) {
	case flow.Accessed:
		if s := t.socket(ev.Socket); s.accessed.IsZero() {
			s.accessed = now
		}
	case flow.Connected:
		t.connections[ev.Connection] = connection{ev.Socket, now}
	case flow.ProcessStarted:
		a := t.starts[ev.Process]
		for i, name := range a.sockets {
			t.socket(name).started.add(now.Sub(a.since[i]))
		}
	case flow.ProcessFailed:
		delete(t.starts, ev.Process)
	case flow.ProcessExited:
		delete(t.starts, ev.Process)
		t.exited(ev)
	default: // takes no time that is measured
	}
}

// done follows an effect.
func (t *timings) done(f flow.Effect, now time.Time) {
	switch f := f.(type) {
	case flow.Watch:
		// What was waiting has been looked after, without a start.
		t.socket(f.Socket).accessed = time.Time{}
	case flow.Dismiss:
		delete(t.connections, f.Connection)
	case flow.Spawn:
		t.spawned(f)
	case flow.Transition:
		switch f.Kind {
		case "socket":
			t.moved(f, now)
		case "service":
			if f.To == string(flow.ServiceActive) {
				t.active(f, now)
			}
		}
	default: // takes no time that is measured
	}
}

// spawned takes a start down as that of the accesses that wait for it.
func (t *timings) spawned(f flow.Spawn) {
	var a activation
	if c, ok := t.connections[f.Connection]; ok {
		a.sockets, a.since = append(a.sockets, c.socket), append(a.since, c.since)
	}
	for _, name := range f.Sockets {
		if s := t.socket(name); !s.accessed.IsZero() {
			a.sockets = append(a.sockets, name)
			a.since = append(a.since, s.accessed)
			s.accessed = time.Time{}
		}
	}
	if len(a.sockets) > 0 {
		t.starts[f.Process] = a
	}
}

// active ends the starts of an instance that has become active.
func (t *timings) active(f flow.Transition, now time.Time) {
	for id, a := range t.starts {
		if id.Service != f.Name || id.Instance != f.Instance {
			continue
		}
		delete(t.starts, id)
		for i, name := range a.sockets {
			t.socket(name).ready.add(now.Sub(a.since[i]))
		}
	}
}

// moved follows a socket from state to state.
func (t *timings) moved(f flow.Transition, now time.Time) {
	s := t.socket(f.Name)
	if !s.heldSince.IsZero() {
		s.held += now.Sub(s.heldSince)
		s.heldSince = time.Time{}
	}
	switch flow.SocketState(f.To) {
	case flow.SocketHeld:
		s.heldSince = now
	case flow.SocketPaused:
		s.pauses++
	case flow.SocketFailed:
		s.failures++
	case flow.SocketInactive, flow.SocketStopping:
		s.accessed = time.Time{}
	case flow.SocketStarting, flow.SocketListening:
	}
}

func (t *timings) exited(ev flow.ProcessExited) {
	s := t.services[ev.Process.Service]
	if s == nil {
		s = &exits{}
		t.services[ev.Process.Service] = s
	}
	switch {
	case ev.Status.Signal != "":
		s.killed++
	case ev.Status.Failed():
		s.failed++
	default:
		s.succeeded++
	}
}

func (t *timings) socket(name plan.Name) *socketTimes {
	s := t.sockets[name]
	if s == nil {
		s = &socketTimes{}
		t.sockets[name] = s
	}
	return s
}

// ofSocket returns what is known of a socket at this moment.
func (t *timings) ofSocket(name plan.Name) socketTimes {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sockets[name]
	if s == nil {
		return socketTimes{}
	}
	out := *s
	if !out.heldSince.IsZero() {
		out.held += max(0, now.Sub(out.heldSince))
	}
	return out
}

// ofService returns how processes of a service have ended.
func (t *timings) ofService(name plan.Name) exits {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.services[name]; s != nil {
		return *s
	}
	return exits{}
}
