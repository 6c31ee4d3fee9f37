package metrics

import (
	"maps"
	"sync"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/activation"
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
	started, ready histogram // from an access

	pauses    uint64
	failures  uint64
	held      time.Duration // until heldSince
	heldSince time.Time     // zero: not held
}

// exits are how processes of one service ended.
type exits struct{ succeeded, failed, killed uint64 }

// timings follows the events and effects of a loop. Whoever reads takes the lock
// for one unit at a time, so that the loop never waits for a whole scrape.
type timings struct {
	now func() time.Time

	mu       sync.Mutex
	sockets  map[plan.Name]*socketTimes
	services map[plan.Name]*exits
	tracker  *activation.Tracker
}

func (t *timings) step(ev flow.Event, effects []flow.Effect) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.tracker.Step(ev, effects, now) {
		t.changed(c, now)
	}
	if exit, ok := ev.(flow.ProcessExited); ok {
		t.exited(exit)
	}
	for _, f := range effects {
		switch f := f.(type) {
		case flow.Transition:
			if f.Kind == "socket" {
				t.moved(f, now)
			}
		case flow.TakePlan:
			if reload, ok := ev.(flow.Reload); ok {
				t.forget(reload.Plan)
			}
		default: // takes no time that is measured
		}
	}
}

// changed measures an activation.
func (t *timings) changed(c activation.Change, now time.Time) {
	for i, name := range c.Sockets {
		s, d := t.socket(name), now.Sub(c.Since[i])
		switch c.Kind {
		case activation.Started:
			s.started.add(d)
		case activation.Ready:
			s.ready.add(d)
		case activation.Begun, activation.Failed:
		}
	}
}

// forget forgets the units that a plan does not have, lest a daemon that is given
// many plans remembers those of all. Of a unit that is about to end something may
// come in later; the next plan ends that.
func (t *timings) forget(p *plan.Plan) {
	sockets, services := map[plan.Name]bool{}, map[plan.Name]bool{}
	for i := range p.Sockets {
		sockets[p.Sockets[i].Name] = true
	}
	for i := range p.Services {
		services[p.Services[i].Name] = true
	}
	maps.DeleteFunc(t.sockets, func(name plan.Name, _ *socketTimes) bool { return !sockets[name] })
	maps.DeleteFunc(t.services, func(name plan.Name, _ *exits) bool { return !services[name] })
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
	case flow.SocketInactive, flow.SocketStopping, flow.SocketStarting, flow.SocketListening:
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
