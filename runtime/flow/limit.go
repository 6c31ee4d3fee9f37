package flow

import (
	"slices"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// Limits of how often accesses start an owner or run a trigger (SPEC §6.5). Over
// them the socket is paused, for longer each time.
//
// An owner may serve one connection and exit, as often as connections come: that
// is no fault, however often it is. An owner that takes nobody who waits is one,
// also when it is slow about it. So from time to time the kernel is asked who
// waits; if everybody who waited at one look still waits at the next, the starts
// between the two were in vain.
const (
	triggerBurst  = 200
	triggerWindow = 2 * time.Second
	lookEvery     = 20 // activations between two looks
	lookAfter     = 2  // the same, when the last ones were in vain
	minPause      = time.Second
	maxPause      = 60 * time.Second
)

// overLimit counts an access and reports whether it was one too many. Arrivals
// at a managed socket then pause it; an activation waits until it is known who
// waits.
func (e *Engine) overLimit(s *socket) bool {
	lim := s.limits()
	e.countBurst(s, lim)
	over := s.burst > lim.burst
	switch {
	case s.def.Lifecycle != plan.Owned || lim.strict && over:
		if over {
			e.exceed(s, lim)
		}
		return over
	case over || s.datagrams() && s.lookIsDue():
		s.gated = true
		e.look(s, s.activations)
		return true
	}
	return false
}

// datagrams reports whether a look changes the socket for a moment, so that the
// owner must not run meanwhile.
func (s *socket) datagrams() bool {
	return s.def.Type == "udp" || s.def.Options["kind"] == "dgram"
}

// lookIsDue reports whether the next activation is one to look at who waits.
func (s *socket) lookIsDue() bool {
	n := s.activations + 1 - s.looked
	return n >= lookEvery || s.limited > 0 && n > lookAfter
}

// countActivation looks at who waits, if it is time to. The start does not wait
// for the answer.
func (e *Engine) countActivation(s *socket) {
	over := s.activations // all of them are over: the owner is down
	if !s.datagrams() && s.lookIsDue() {
		e.look(s, over)
	}
	s.activations++
}

// look asks who waits, when so many activations are over. One look at a time.
func (e *Engine) look(s *socket, over uint64) {
	if !s.inspecting {
		s.inspecting, s.over = true, over
		e.emit(Inspect{s.def.Name})
	}
}

// limit pauses a socket for longer than the last time.
func (e *Engine) limit(s *socket, reason string) {
	s.burst = 0
	e.cancel(s.timer(TimerWindow))
	d := doubled(minPause, s.limited, maxPause)
	s.limited++
	e.pause(s, d, reason)
}

// inspected compares who waits with who waited the last time.
func (e *Engine) inspected(ev Inspected) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.inspecting {
		return
	}
	s.inspecting = false
	if s.gated && s.over < s.activations { // this answer is older than the question
		e.look(s, s.activations)
		return
	}
	gated := s.gated
	s.gated = false
	known := s.compare(slices.Sorted(slices.Values(ev.Waiting)))
	if known && !s.vain || len(ev.Waiting) == 0 && !gated {
		s.limited = 0 // somebody was taken
	}
	if s.state != SocketListening || e.stopping {
		return // a pause that is due comes when the owner is gone
	}
	switch {
	case s.vain:
		e.limitVain(s)
	case !gated:
	case s.burst <= s.limits().burst:
		e.admit(s)
	case len(ev.Waiting) == 0: // nothing can be known: connections that were reset
		e.limit(s, s.limits().tooMany())
	default:
		s.burst = triggerBurst - lookEvery + 1 // with this one
		if known {
			s.burst = 1
		}
		e.arm(s.timer(TimerWindow), triggerWindow)
		e.admit(s)
	}
}

// compare reports whether it is known if the owner takes those who wait, and
// keeps in s.vain that it does not. Two looks tell only if some activations began
// after the first and were over before the second.
func (s *socket) compare(now []uint64) (known bool) {
	switch {
	case len(s.waited) == 0:
		s.vain = false
	case s.over < s.looked+lookAfter:
		return false // too soon: the earlier look stays
	default:
		known = true
		s.vain = subset(s.waited, now)
	}
	s.waited, s.looked = now, s.activations
	return known
}

// limitVain pauses a socket whose owner is started again and again and takes
// nobody.
func (e *Engine) limitVain(s *socket) {
	s.vain = false
	e.limit(s, "trigger-limit: the owner is started and takes nobody who waits")
}

// subset reports whether everything in a is in b; both are sorted.
func subset(a, b []uint64) bool {
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			return false
		}
	}
	return true
}

// forgetLimit makes a socket as if it had never been paused.
func (e *Engine) forgetLimit(s *socket) {
	s.burst, s.limited, s.waited, s.vain, s.looked = 0, 0, nil, false, s.activations
	e.cancel(s.timer(TimerWindow))
	e.cancel(s.timer(TimerResume))
}
