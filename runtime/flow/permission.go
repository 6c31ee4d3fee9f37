package flow

import "github.com/rind-sockets/rind/plan"

// screening is what goes on at a socket with an owner that is not for everybody:
// before an access does anything it is found out who waits, and those who may not
// are sent away (SPEC §7).
type screening struct {
	running   bool // a Screen is not answered yet
	again     bool // somebody has come since it was asked for
	unwatched bool // a Watch was due meanwhile
}

// denials are those who were turned away from a socket.
type denials struct {
	all     uint64
	unknown uint64 // those of them whom the kernel does not know
	last    int    // the uid of the last of them; -1 is unknown
}

// denied counts somebody who was turned away, which is all that happens.
func (e *Engine) denied(ev Denied) {
	s := e.sockets[ev.Socket]
	if s == nil {
		return
	}
	s.denials.all++
	s.denials.last = ev.Access.UID
	if ev.Access.UID < 0 {
		s.denials.unknown++
	}
}

// screens reports whether those who wait are looked at before an access does
// anything. Sockets without owner, and those whose connections the daemon accepts,
// are checked when a connection is taken; of datagrams nobody knows who sent them.
func (s *socket) screens() bool {
	return s.owner != nil && !s.accepts() && s.def.Restricted() && !s.datagrams()
}

// screen asks who waits. One look at a time.
func (e *Engine) screen(s *socket) {
	if s.screen.running {
		s.screen.again = true
		return
	}
	s.screen.running = true
	e.emit(Screen{s.def.Name})
}

// screened lets those in who may. Without any the access never was one.
func (e *Engine) screened(ev Screened) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.screen.running {
		return
	}
	was := s.screen
	s.screen = screening{}
	defer e.socketSettled(s)
	if s.state != SocketListening || e.stopping {
		return
	}
	switch {
	case ev.Reason != "":
		e.pause(s, doubled(minPause, s.limited, maxPause), ev.Reason)
		s.limited++
		return
	case was.unwatched || ev.Admitted <= 0 && s.def.Lifecycle == plan.Owned:
		e.watch(s)
	}
	if ev.Admitted > 0 {
		e.reached(s)
	}
	if was.again && s.state == SocketListening {
		e.screen(s)
	}
}

// reached counts an access and lets it do something, unless it is over a limit.
func (e *Engine) reached(s *socket) {
	s.accesses++
	if !e.overLimit(s) {
		e.admit(s)
	}
}
