package flow

import "strings"

// broken replaces a listener that somebody has shut down. The socket has not
// stopped, so no hook runs.
func (e *Engine) broken(ev Broken) {
	s := e.sockets[ev.Socket]
	if s == nil || s.state != SocketListening && !s.serving || e.stopping || !s.open() {
		return
	}
	if s.awaits == awaitRebound { // if that fails, it is found to be broken again
		s.serving = false
		return
	}
	e.cancel(s.timer(TimerResume)) // what waited is gone, and with it the reason to pause
	s.cause, s.depth = "bound anew: "+ev.Reason, 0
	e.moveSocket(s, SocketStarting, ev.Reason, true)
	e.closeSocket(s)
}

// unreachable is told that nobody can reach a listener any more. The new one is
// opened before the old one is closed, so that what waits there can be brought over.
func (e *Engine) unreachable(ev Unreachable) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.open() || e.stopping || s.lost != "" {
		return
	}
	s.lost = ev.Reason
	if s.state != SocketHeld {
		e.report("socket cannot be reached", string(s.def.Name), ev.Reason+"; it is bound anew")
		e.rebindLost(s)
		return
	}
	// The owner would not learn of another listener, and whoever connects to that
	// would wait for as long as the owner runs, without knowing.
	s.reason = s.lost + ": nobody can connect until its owner " + string(s.owner.def.Name) + " is down, then it is bound anew"
	s.lastError = s.reason
	e.report("socket cannot be reached", string(s.def.Name), s.reason)
}

// closeOpen closes a socket that is open. If a new listener is on its way, its answer
// decides what there is to close.
func (e *Engine) closeOpen(s *socket, cause string, failure bool) {
	seen := s.state == SocketListening && !s.busy()
	e.moveSocket(s, SocketStopping, cause, failure)
	switch {
	case s.awaits != awaitRebound:
		e.closeSocket(s)
	case seen:
		e.emit(Unwatch{s.def.Name})
	}
}

// rebindLost binds a socket anew that nobody can reach, unless its owner has it.
func (e *Engine) rebindLost(s *socket) {
	if s.lost == "" || !s.open() || s.state == SocketHeld || s.awaits != awaitNothing || e.stopping {
		return
	}
	s.cause, s.awaits = s.lost+": bound anew", awaitRebound
	s.stale = false // it is opened as the plan says now
	e.emit(OpenSocket{s.def.Name})
}

// found is told that a socket has a new listener, and returns the reason for the state
// that it is in, which is also why it is paused.
func (e *Engine) found(s *socket) string {
	if s.lost == "" {
		return s.cause
	}
	e.report("socket bound anew", string(s.def.Name), s.cause)
	s.lost = ""
	switch {
	case s.state != SocketPaused:
		return s.cause
	case strings.Contains(s.reason, s.cause): // not the first time
		return s.reason
	}
	return s.reason + "; " + s.cause
}

// notFound is told that a socket that nobody can reach could not be bound anew.
func (e *Engine) notFound(s *socket, ev OpenFailed) {
	if s.state == SocketHeld {
		// Its owner was started meanwhile: it serves at least those who wait.
		s.awaits = awaitNothing
		s.reason = s.lost + ", and it could not be bound anew: " + ev.Reason
		s.lastError = s.reason
		e.report("socket not bound anew", string(s.def.Name), s.reason)
		e.socketSettled(s)
		e.settleOwner(s, s.cause)
		return
	}
	// From here on it is a socket that is being opened: tried again if that may
	// help, else failed.
	if s.state == SocketListening && !s.busy() {
		e.emit(Unwatch{s.def.Name})
	}
	e.forgetLimit(s)
	s.full = false
	e.moveSocket(s, SocketStarting, s.lost+", and it could not be bound anew: "+ev.Reason, true)
	e.closeSocket(s)
}
