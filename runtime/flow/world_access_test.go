package flow_test

import (
	"cmp"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// simConnection is one that [flow.Accept] took. The daemon has a copy of it until
// that is dismissed.
type simConnection struct {
	id        uint64
	socket    *simSocket
	source    string
	instance  string // of the owner; "" as long as no process was spawned for it
	dismissed bool
	fresh     bool // the engine has just been told
}

// Limits that a socket has without saying so, see docs/operations.md.
const (
	mostConnections = 64
	mostAtOnce      = 64
)

// limits are those of a socket as the plan has them; on-limit is pause without any.
func (s *simSocket) limits() plan.SocketLimits {
	lim := plan.SocketLimits{OnLimit: "pause"}
	if s.def.Limits != nil {
		lim = *s.def.Limits
	}
	lim.MaxConnections = cmp.Or(lim.MaxConnections, mostConnections)
	return lim
}

// accepting reports whether a service is started by connections.
func (w *world) accepting(service plan.Name) bool {
	for _, s := range w.sockets {
		if s.def.Owner == service && s.def.Accept {
			return true
		}
	}
	return false
}

// take is a daemon that accepts connections for an owner that gets each of them.
func (w *world) take(f flow.Accept) {
	s := w.socket(f.Socket)
	w.require(s.phase == present && s.def.Accept, "accept at %s, which is %s", f.Socket, s.phase)
	// A report that has come too late for its own watch looks like one of this watch,
	// which then may report once more: nobody listens to that while he accepts.
	w.require(!s.serving && (!s.watched || s.early), "accept at %s, which is served (%v) or watched (%v)", f.Socket, s.serving, s.watched)
	w.require(f.Most > 0 && f.Most <= mostAtOnce, "accept %d connections at %s", f.Most, f.Socket)
	if lim := s.limits(); lim.OnLimit == "pause" {
		w.require(w.live(s)+f.Most <= lim.MaxConnections, "accept %d connections at %s, of which %d are live, of at most %d", f.Most, f.Socket, w.live(s), lim.MaxConnections)
	}
	s.serving = true
	bound := s.bound
	name := "socket " + string(f.Socket)
	for range min(f.Most, s.denied) {
		w.later(name, func() flow.Event { return w.turnAway(s) })
	}
	for range min(f.Most, s.queue) {
		w.later(name, func() flow.Event {
			s.queue = max(0, s.queue-1)
			c := &simConnection{
				id: uint64(len(w.connections)) + 1, socket: s, fresh: true,
				source: pick(w.t, []string{"", "192.0.2.1", "2001:db8::/64"}, "source"),
			}
			w.connections = append(w.connections, c)
			return flow.Connected{
				Socket: s.def.Name, Connection: c.id, Source: c.source,
				Access: flow.Access{Remote: c.source, UID: -1, GID: -1, PID: -1},
			}
		})
	}
	w.later(name, func() flow.Event { return w.taken(s, bound) })
}

// live counts the connections of a socket that a process has or will have.
func (w *world) live(s *simSocket) int {
	n := 0
	for _, c := range w.connections {
		if c.socket == s && w.lives(c) {
			n++
		}
	}
	return n
}

func (w *world) lives(c *simConnection) bool {
	if !c.dismissed {
		return true
	}
	for _, p := range w.service(c.socket.def.Owner).procs {
		if c.instance != "" && p.id.Instance == c.instance {
			return true
		}
	}
	return false
}

func (w *world) dismiss(id uint64) {
	w.require(id > 0 && id <= uint64(len(w.connections)), "dismiss connection %d, which was never there", id)
	c := w.connections[id-1]
	w.require(!c.dismissed, "dismiss connection %d twice", id)
	c.dismissed = true
}

// handOver checks that a process gets the connection that its instance is for,
// and that nobody else does.
func (w *world) handOver(f flow.Spawn) {
	name := processText(f.Process)
	w.require(w.accepting(f.Process.Service) == (f.Connection != 0), "spawn %s for connection %d", name, f.Connection)
	if f.Connection == 0 {
		return
	}
	w.require(len(f.Sockets) == 0, "%s inherits %v beside its connection", name, f.Sockets)
	w.require(f.Connection <= uint64(len(w.connections)), "%s gets connection %d, which was never there", name, f.Connection)
	c := w.connections[f.Connection-1]
	w.require(!c.dismissed, "%s gets connection %d, which is dismissed", name, c.id)
	w.require(c.socket.def.Owner == f.Process.Service, "%s gets a connection of %s", name, c.socket.def.Name)
	w.require(c.instance == "" || c.instance == f.Process.Instance, "%s gets the connection of instance %s", name, c.instance)
	c.instance = f.Process.Instance
	for _, other := range w.connections {
		same := other != c && other.socket.def.Owner == f.Process.Service && other.instance == c.instance
		w.require(!same || !w.lives(other), "%s is there for another connection already", name)
	}
}

// hangUp ends whoever serves a connection, as a calm world does: a client goes away
// sometime.
func (w *world) hangUp() {
	for _, svc := range w.services {
		if !w.accepting(svc.def.Name) {
			continue
		}
		for _, p := range svc.procs {
			if p.phase == present && !p.dying {
				w.exits(svc, p, flow.ExitStatus{})
			}
		}
	}
}

// flush throws away what waits.
func (w *world) flush(s *simSocket) {
	lim := s.limits()
	w.require(s.def.FlushPending || lim.OnLimit == "refuse", "flush %s, which keeps what waits", s.def.Name)
	w.require(s.phase == present && s.def.Owner != "", "flush %s, which is %s and owned by %q", s.def.Name, s.phase, s.def.Owner)
	w.require(!s.watched && !s.flushing, "flush %s, which is watched (%v) or flushed (%v)", s.def.Name, s.watched, s.flushing)
	up := len(w.service(s.def.Owner).procs)
	w.require(up == 0, "flush %s, while its owner has %d processes", s.def.Name, up)
	s.flushing = true
	bound := s.bound
	w.later("socket "+string(s.def.Name), func() flow.Event {
		if s.bound != bound {
			return nil
		}
		s.flushing = false
		if s.phase != present && rapid.Bool().Draw(w.t, "flush is abandoned") {
			return nil
		}
		s.queue, s.denied = 0, 0
		return flow.Flushed{Socket: s.def.Name}
	})
}

// checkPause follows what somebody paused: no timer, and no end of a connection,
// may resume it.
func (w *world) checkPause(f flow.Transition) {
	s := w.socket(f.Name)
	if f.From != string(flow.SocketPaused) {
		return
	}
	byItself := f.Cause == "pause over" || f.Cause == "a connection has ended"
	w.require(!s.parked || !byItself, "%s goes from paused to %s (%s), but somebody paused it", f.Name, f.To, f.Cause)
	s.parked = false
}

// notePause keeps in mind that a request has paused a socket.
func (w *world) notePause(ev flow.Event) {
	p, ok := ev.(flow.PauseSocket)
	if !ok || w.ending || w.state["socket "+string(p.Socket)] != string(flow.SocketPaused) {
		return
	}
	w.socket(p.Socket).parked = true
}

// newWindow begins a count anew: the window of a limit begins or is over.
func (w *world) newWindow(id flow.TimerID) {
	if id.Kind == flow.TimerWindow {
		w.socket(id.Name).admitted = 0
	}
}

// checkLimits checks what the limits of a socket promise.
func (w *world) checkLimits(s *simSocket, st flow.SocketStatus) {
	lim := s.limits()
	w.require(!s.def.Accept || st.State != flow.SocketHeld, "%s is held, although it accepts", st.Def.Name)
	w.require(st.Refused == 0 || lim.OnLimit != "pause" || lim.PerSource > 0, "%s has refused %d connections", st.Def.Name, st.Refused)
	live := w.live(s)
	w.require(st.Connections == live, "%s counts %d connections, but %d are live", st.Def.Name, st.Connections, live)
	w.require(live <= lim.MaxConnections, "%s has %d connections, of at most %d", st.Def.Name, live, lim.MaxConnections)
	sources := map[string]int{}
	for _, c := range w.connections {
		if c.socket != s {
			continue
		}
		if c.fresh {
			c.fresh = false
			s.admitted += btoi(w.lives(c))
			w.require(lim.Burst == 0 || s.admitted <= lim.Burst, "%s lets %d connections in within its window, of at most %d", st.Def.Name, s.admitted, lim.Burst)
		}
		sources[c.source] += btoi(w.lives(c))
	}
	for source, n := range sources {
		w.require(source == "" || lim.PerSource == 0 || n <= lim.PerSource, "%s has %d connections of %s, of at most %d", st.Def.Name, n, source, lim.PerSource)
	}
}

// checkPaused checks that a socket pauses for a time, for want of room, or because
// somebody wanted it.
func (w *world) checkPaused(s *simSocket, st flow.SocketStatus, timed bool) {
	switch {
	case st.State != flow.SocketPaused:
		w.require(!timed, "%s is %s, and its resume timer is armed", st.Def.Name, st.State)
	case timed || s.parked || strings.HasPrefix(st.Reason, "command"):
	case strings.HasPrefix(st.Reason, "max-connections"):
		w.require(st.Connections > 0 && st.Connections >= s.limits().MaxConnections, "%s is paused with %d connections: %s", st.Def.Name, st.Connections, st.Reason)
	default:
		w.t.Fatalf("%s is paused, and nothing resumes it: %s", st.Def.Name, st.Reason)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// drawAccess makes some services ones that get connections, and draws limits.
func drawAccess(t *rapid.T, p *plan.Plan) {
	accepts := map[plan.Name]bool{}
	for i := range p.Services {
		svc := &p.Services[i]
		accepts[svc.Name] = svc.Branching == nil && between(t, 0, 2, "accept") == 0
	}
	for i := range p.Sockets {
		s := &p.Sockets[i]
		s.Accept = accepts[s.Owner]
		s.FlushPending = s.Owner != "" && !s.Accept && between(t, 0, 2, "flush-pending") == 0
		if !s.Accept && between(t, 0, 2, "limits") > 0 {
			continue
		}
		lim := &plan.SocketLimits{OnLimit: pick(t, []string{"pause", "pause", "refuse", "fail"}, "on-limit")}
		if rapid.Bool().Draw(t, "trigger") {
			lim.Burst, lim.Interval = between(t, 1, 3, "burst"), plan.Duration(time.Second)
		}
		if s.Accept {
			lim.MaxConnections, lim.PerSource = between(t, 0, 2, "max-connections"), between(t, 0, 2, "per-source")
		}
		s.Limits = lim
	}
}
