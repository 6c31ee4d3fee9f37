package flow

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// What happens over a limit, as the plan says it.
const (
	onLimitPause  = "pause"
	onLimitRefuse = "refuse"
	onLimitFail   = "fail"
)

// maxConnections is the limit of a socket that accepts and says nothing else, as
// in systemd.socket(5).
const maxConnections = 64

// limits are those of one socket, with what they are by themselves.
type limits struct {
	burst       int
	window      time.Duration
	strict      bool // the unit says what the burst is, so that nothing is forgiven
	connections int
	perSource   int // 0: any number
	onLimit     string
}

func (s *socket) limits() limits {
	lim := limits{burst: triggerBurst, window: triggerWindow, connections: maxConnections, onLimit: onLimitPause}
	def := s.def.Limits
	if def == nil {
		return lim
	}
	if def.Burst > 0 {
		lim.burst, lim.window, lim.strict = def.Burst, time.Duration(def.Interval), true
	}
	lim.connections = cmp.Or(def.MaxConnections, maxConnections)
	lim.perSource = def.PerSource
	lim.onLimit = def.OnLimit
	return lim
}

// tooMany is why a socket whose accesses are only counted is over its limit.
func (l limits) tooMany() string {
	return fmt.Sprintf("trigger-limit: more than %d accesses within %v", l.burst, l.window)
}

// countBurst counts an access; the first one begins the window.
func (e *Engine) countBurst(s *socket, lim limits) {
	if s.burst == 0 {
		e.arm(s.timer(TimerWindow), lim.window)
	}
	s.burst++
}

// exceed does what is to be done about an access over the limit of a socket whose
// owner would have got it.
func (e *Engine) exceed(s *socket, lim limits) {
	switch lim.onLimit {
	case onLimitFail:
		e.giveUp(s, lim.tooMany())
	case onLimitRefuse:
		s.refused++
		e.report("accesses refused", string(s.def.Name), lim.tooMany())
		if s.def.Lifecycle != plan.Owned {
			e.emit(Unwatch{s.def.Name}) // of each arrival: the others took it out of sight
		}
		s.flushing = true
		e.emit(Flush{s.def.Name})
	default:
		e.limit(s, lim.tooMany())
	}
}

// giveUp closes a socket for good, until somebody starts it.
func (e *Engine) giveUp(s *socket, reason string) {
	e.forgetLimit(s)
	s.doomed = reason
	s.parked, s.depth = "", 0
	e.closeOpen(s, reason, true)
}

// overBurst reports whether a socket without owner, which has been emptied, is over
// the limit of its unit. What was taken has run its triggers.
func (s *socket) overBurst() bool {
	lim := s.limits()
	return lim.strict && lim.onLimit == onLimitPause && s.burst > lim.burst
}

// turnsAway counts an access to a socket without owner, and reports whether its
// trigger must not run.
func (e *Engine) turnsAway(s *socket) bool {
	lim := s.limits()
	if !lim.strict || !s.open() {
		return false
	}
	e.countBurst(s, lim)
	if s.burst <= lim.burst || lim.onLimit == onLimitPause {
		return false
	}
	e.turnAway(s, lim.tooMany(), lim)
	return true
}
