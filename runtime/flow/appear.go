package flow

import "fmt"

// A socket whose address or interface is not there yet stays starting. It is tried
// again when addresses change, and from time to time in case nobody tells that.

// nextAttempt is when a socket is tried again, before a duration.
func nextAttempt(absent bool) string {
	if absent {
		return "next attempt when addresses change, at the latest in"
	}
	return "next attempt in"
}

// reopenLater tries again to open a socket after a pause, which doubles. That addresses
// change, as often as they like, makes it no longer and is no news.
func (e *Engine) reopenLater(s *socket, known bool) {
	d := doubled(minReopen, s.retries, maxReopen)
	if !s.prompted {
		s.retries++
	}
	s.prompted = false
	s.reason = fmt.Sprintf("%s; %s %v", s.lastError, nextAttempt(s.absent), d)
	if !known {
		e.report("socket not open yet", string(s.def.Name), s.reason)
	}
	e.arm(s.timer(TimerReopen), d)
}

// addressesChanged tries again what waits for an address.
func (e *Engine) addressesChanged() {
	if e.stopping {
		return
	}
	for _, s := range e.order.sockets {
		if s.absent && s.state == SocketStarting && s.awaits == awaitNothing {
			e.cancel(s.timer(TimerReopen))
			s.prompted, s.cause = true, "addresses have changed"
			e.openSocket(s)
		}
	}
}
