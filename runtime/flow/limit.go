package flow

import (
	"fmt"
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
	if s.burst == 0 {
		e.arm(s.timer(TimerWindow), triggerWindow)
	}
	s.burst++
	switch {
	case s.burst <= triggerBurst:
		return false
	case s.def.Lifecycle == plan.Owned:
		s.gated = true
		e.look(s)
	default:
		e.limit(s, fmt.Sprintf("trigger-limit: more than %d accesses within %v", triggerBurst, triggerWindow))
	}
	return true
}

// countActivation looks at who waits, if it is time to.
func (e *Engine) countActivation(s *socket) {
	s.activations++
	s.unseen++
	if s.unseen >= lookEvery || s.limited > 0 && s.unseen >= lookAfter {
		e.look(s)
	}
}

func (e *Engine) look(s *socket) {
	s.unseen = 0
	if !s.inspecting {
		s.inspecting = true
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
	before, gated := s.waited, s.gated
	s.inspecting, s.gated = false, false
	s.waited = slices.Sorted(slices.Values(ev.Waiting))
	s.vain = len(before) > 0 && subset(before, s.waited)
	if len(before) > 0 && !s.vain || len(s.waited) == 0 && !gated {
		s.limited = 0 // somebody was taken
	}
	if s.state != SocketListening || e.stopping {
		return // a pause that is due comes when the owner is gone
	}
	switch {
	case s.vain:
		e.limitVain(s)
	case !gated:
	case len(s.waited) == 0: // nothing can be known: datagrams, or connections that were reset
		e.limit(s, fmt.Sprintf("trigger-limit: more than %d accesses within %v", triggerBurst, triggerWindow))
	case len(before) == 0:
		s.burst = triggerBurst - lookEvery + 1 // with this one
		e.admit(s)
	default:
		s.burst = 1
		e.arm(s.timer(TimerWindow), triggerWindow)
		e.admit(s)
	}
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
	s.burst, s.limited, s.unseen, s.waited, s.vain = 0, 0, 0, nil, false
	e.cancel(s.timer(TimerWindow))
	e.cancel(s.timer(TimerResume))
}
