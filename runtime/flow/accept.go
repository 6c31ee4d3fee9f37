package flow

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// A socket that accepts is never held: the daemon takes its connections, and each
// one is an instance of the owner, which gets that connection and nothing else.
// Such an instance is started once; when it is down, the connection is over.

// acceptBatch is how many connections are taken at a time, so that a flood of one
// socket does not keep the others waiting.
const acceptBatch = 64

// connection is what an instance of an owner is for.
type connection struct {
	socket *socket
	id     uint64
	source string
	handed bool // the daemon has no copy any more
}

// accepting reports whether a service gets connections instead of sockets.
func accepting(p *plan.Plan, service plan.Name) bool {
	return slices.ContainsFunc(p.Sockets, func(s plan.Socket) bool { return s.Accept && s.Owner == service })
}

// accepts reports whether each connection of a socket is an instance of its owner.
func (s *socket) accepts() bool { return s.def.Accept && s.owner != nil }

// onlyAccepts is why a service that is for connections cannot be started.
func (svc *service) onlyAccepts() string {
	return fmt.Sprintf("failed: service %s is started by connections to its sockets only, with accept = true", svc.def.Name)
}

// accept takes what waits, as far as the limits let it.
func (e *Engine) accept(s *socket) {
	if s.serving {
		return
	}
	lim := s.limits()
	most := acceptBatch
	if lim.onLimit == onLimitPause {
		// What is over a limit stays in the kernel's queue.
		left := lim.burst - s.burst
		if left <= 0 {
			e.limit(s, lim.tooMany())
			return
		}
		if s.live >= lim.connections { // some came from a listener that was replaced
			e.watchConnections(s)
			return
		}
		most = min(most, left, lim.connections-s.live)
	}
	s.serving = true
	e.emit(Accept{s.def.Name, most})
}

// connected starts an instance for a connection, unless that is over a limit or
// the socket is not open any more.
func (e *Engine) connected(ev Connected) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.accepts() || !s.open() || e.stopping {
		e.emit(Dismiss{ev.Connection})
		return
	}
	s.accesses++
	lim := s.limits()
	e.countBurst(s, lim)
	if reason := s.excess(ev.Source, lim); reason != "" {
		e.emit(Dismiss{ev.Connection})
		e.turnAway(s, reason, lim)
		return
	}
	cause := "connection to socket " + string(s.def.Name)
	if ev.Access.Remote != "" {
		cause = "connection from " + ev.Access.Remote + " to socket " + string(s.def.Name)
	}
	svc := s.owner
	svc.numbered++
	in := svc.add(strconv.FormatUint(svc.numbered, 10))
	in.conn = &connection{socket: s, id: ev.Connection, source: ev.Source}
	s.activations++
	s.live++
	if s.sources == nil {
		s.sources = map[string]int{}
	}
	s.sources[ev.Source]++
	e.startInstance(in, why{text: cause})
	e.run(s.def.Trigger, "access to socket "+string(s.def.Name), 1, s, &ev.Access)
}

// excess is why a connection is one too many, or empty. A source that has too many
// is turned away whatever on-limit says: to pause would let it shut out the others.
func (s *socket) excess(source string, lim limits) string {
	switch {
	case s.live >= lim.connections:
		return fmt.Sprintf("max-connections: %d connections are live", s.live)
	case lim.perSource > 0 && source != "" && s.sources[source] >= lim.perSource:
		return fmt.Sprintf("per-source: %s has %d connections", source, s.sources[source])
	case s.burst > lim.burst && lim.onLimit != onLimitPause:
		return lim.tooMany()
	}
	return ""
}

// turnAway counts a connection that was closed, and reports the first one, the
// second, the fourth and so on.
func (e *Engine) turnAway(s *socket, reason string, lim limits) {
	s.refused++
	if lim.onLimit == onLimitFail {
		e.giveUp(s, reason)
		return
	}
	if bits.OnesCount64(s.refused) == 1 {
		e.report("connection refused", string(s.def.Name), fmt.Sprintf("%s; refused so far: %d", reason, s.refused))
	}
}

// handedOver lets go of a connection whose processes have been spawned: when they
// close it, the other end must see that.
func (e *Engine) handedOver(in *instance) {
	if c := in.conn; c != nil && !c.handed && !slices.ContainsFunc(in.procs, func(p process) bool { return p.state == procDue }) {
		c.handed = true
		e.emit(Dismiss{c.id})
	}
}

// disconnected is told that an instance is down: that is the end of its
// connection, and there may be room for another.
func (e *Engine) disconnected(in *instance) {
	c := in.conn
	if c == nil || in.engaged() {
		return
	}
	in.conn = nil
	if !c.handed {
		e.emit(Dismiss{c.id})
	}
	s := c.socket
	s.live--
	if s.sources[c.source]--; s.sources[c.source] == 0 {
		delete(s.sources, c.source)
	}
	if s.full && s.state == SocketPaused && !e.stopping {
		e.resume(s, "a connection has ended")
	}
}

// watchConnections looks for connections as long as there is room for one.
func (e *Engine) watchConnections(s *socket) {
	lim := s.limits()
	switch {
	case s.serving: // Served comes
	case lim.onLimit == onLimitPause && s.live >= lim.connections:
		s.full = true
		e.moveSocket(s, SocketPaused, fmt.Sprintf("max-connections: %d connections are live; resumes when one ends", s.live), false)
	default:
		e.emit(Watch{Socket: s.def.Name})
	}
}

// pauseAccept leaves connections to the kernel's queue while their owner cannot be
// started.
func (e *Engine) pauseAccept(s *socket, d time.Duration, reason string) {
	if s.state != SocketListening || e.stopping {
		return
	}
	if s.serving { // there is no watch to end
		e.moveSocket(s, SocketPaused, fmt.Sprintf("%s; resumes in %v", reason, d), true)
		e.arm(s.timer(TimerResume), d)
		return
	}
	e.pause(s, d, reason)
}
