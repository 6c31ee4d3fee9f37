package flow

import (
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// pauseByName pauses a socket until somebody resumes, starts or stops it.
func (e *Engine) pauseByName(name plan.Name, w why) {
	s, ok := e.sockets[name]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such socket: %s", name))
	case e.stopping:
		e.reply(w.from, Failed, "failed: the daemon is shutting down")
	case !s.open():
		e.reply(w.from, Failed, fmt.Sprintf("failed: the socket is %s", s.state))
	case s.parked != "":
		e.reply(w.from, Unchanged, "already paused")
	case s.state == SocketHeld:
		s.parked = w.text
		e.reply(w.from, Done, "its owner has it: it pauses when the owner is down")
	default:
		if s.state == SocketListening && !s.busy() {
			e.emit(Unwatch{s.def.Name})
		}
		e.cancel(s.timer(TimerResume)) // of a pause that ends by itself
		s.full, s.parked = false, w.text
		e.moveSocket(s, SocketPaused, w.text, false)
		e.reply(w.from, Done, "paused")
	}
}

// resumeByName ends a pause at once, whoever wanted it.
func (e *Engine) resumeByName(name plan.Name, w why) {
	s, ok := e.sockets[name]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such socket: %s", name))
	case e.stopping:
		e.reply(w.from, Failed, "failed: the daemon is shutting down")
	case !s.open():
		e.reply(w.from, Failed, fmt.Sprintf("failed: the socket is %s", s.state))
	case s.state == SocketPaused:
		e.unpause(s, w)
	case s.parked != "":
		s.parked = ""
		e.reply(w.from, Done, "it does not pause when its owner is down")
	default:
		e.reply(w.from, Unchanged, "not paused")
	}
}

// unpause ends a pause because of a request.
func (e *Engine) unpause(s *socket, w why) {
	e.forgetLimit(s)
	s.parked = ""
	e.resume(s, w.text)
	e.reply(w.from, Done, "resumed")
}

// pause leaves a socket to the kernel's queue for a while. Nothing that waits
// is thrown away.
func (e *Engine) pause(s *socket, d time.Duration, reason string) {
	if s.state == SocketListening {
		e.emit(Unwatch{s.def.Name})
	}
	e.moveSocket(s, SocketPaused, fmt.Sprintf("%s; resumes in %v", reason, d), true)
	s.lastError = reason
	e.arm(s.timer(TimerResume), d)
}

// resume makes an open socket what it is without a pause.
func (e *Engine) resume(s *socket, cause string) {
	s.full = false
	switch {
	case s.owner != nil && s.owner.alive() && !s.accepts():
		e.moveSocket(s, SocketHeld, cause, false)
		return
	case s.stale && s.lost == "" && s.awaits != awaitRebound:
		e.bindAnew(s, cause)
		return
	case s.parked != "":
		e.moveSocket(s, SocketPaused, s.parked, false)
	default:
		e.moveSocket(s, SocketListening, cause, false)
		e.watch(s)
	}
	e.rebindLost(s)
}

// hold takes a socket out of sight while its owner has it.
func (e *Engine) hold(s *socket, cause string) {
	switch s.state {
	case SocketListening:
		e.emit(Unwatch{s.def.Name})
	case SocketPaused:
		e.cancel(s.timer(TimerResume))
	case SocketInactive, SocketStarting, SocketHeld, SocketFailed, SocketStopping:
		return
	}
	e.moveSocket(s, SocketHeld, cause, false)
}

// busy reports whether a worker takes from the socket, so that it must not be
// watched: the worker's answer is waited for.
func (s *socket) busy() bool { return s.serving || s.flushing }

// flush throws away what waits at a socket whose owner has ended, if its unit says
// so.
func (e *Engine) flush(s *socket) {
	// An owner that held the socket during a flush and waited for it may end before
	// that does. There is one flush at a time: its answer gives the socket back.
	if s.def.FlushPending && !e.stopping && !s.flushing {
		s.flushing = true
		e.emit(Flush{s.def.Name})
	}
}

// flushed gives a socket back that was emptied.
func (e *Engine) flushed(ev Flushed) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.flushing {
		return
	}
	s.flushing = false
	if s.state == SocketListening {
		e.watch(s)
	}
	e.socketSettled(s)
}
