package flow

// A socket whose address or interface is not there yet stays starting. It is tried
// again when addresses change, and from time to time in case nobody tells that.

// nextAttempt is when a socket is tried again, before a duration.
func nextAttempt(absent bool) string {
	if absent {
		return "next attempt when addresses change, at the latest in"
	}
	return "next attempt in"
}

// addressesChanged tries again what waits for an address.
func (e *Engine) addressesChanged() {
	if e.stopping {
		return
	}
	for _, s := range e.order.sockets {
		if s.absent && s.state == SocketStarting && s.awaits == awaitNothing {
			e.cancel(s.timer(TimerReopen))
			s.retries, s.cause = 0, "addresses have changed"
			e.openSocket(s)
		}
	}
}
