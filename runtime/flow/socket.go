package flow

import (
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// SocketState is the state of a socket as the status shows it.
type SocketState string

// States of a socket (SPEC §6.1).
const (
	SocketInactive  SocketState = "inactive"
	SocketStarting  SocketState = "starting"  // being opened, or waiting to be tried again
	SocketListening SocketState = "listening" // open, and the runtime looks at it
	SocketHeld      SocketState = "held"      // open, and the owner has it
	SocketPaused    SocketState = "paused"    // open, and nobody looks at it: the kernel queues
	SocketFailed    SocketState = "failed"
	SocketStopping  SocketState = "stopping"
)

// How long what cannot be opened, or cannot be started, is left alone: doubled
// each time, from the first to the last.
const (
	minReopen = time.Second // a socket that cannot be opened yet
	maxReopen = 30 * time.Second
	minRetry  = 100 * time.Millisecond // an owner that cannot be started
	maxRetry  = 30 * time.Second

	// freeCrashes are forgiven first: many a service that works ends with a failure.
	freeCrashes = 5
)

// socket is one socket of the plan. While it is open and its owner is alive, it
// is held.
type socket struct {
	def   *plan.Socket
	owner *service // nil: the runtime serves it

	state     SocketState
	reason    string // why it is in that state
	lastError string
	addresses []string
	options   []string // what became of them, see [Opened]
	absent    bool     // its address was not there at the last attempt
	prompted  bool     // this attempt is one more, since addresses have changed

	lost string // why nobody can reach its listener, see unreachable.go

	// Of a reload, see reload.go.
	leaving bool // the plan that was loaded last does not have it
	stale   bool // it is bound as an earlier plan says

	// Of the operation in progress.
	awaits await

	followers []*socket // they wait until this one is closed
	cause     string    // of a start, whatever happens on the way
	depth     int       // how many hooks led to it
	waiting   []Request // who waits for it
	wanted    []why     // starts that wait for the end of a stop

	listened bool // on-start ran, so on-stop must
	serving  bool // a Serve or Accept is not answered yet
	flushing bool // a Flush is not answered yet
	screen   screening
	retries  int // attempts to open it in a row that may succeed later

	accesses    uint64
	denials     denials
	refused     uint64         // connections over a limit
	live        int            // connections of a socket that accepts
	sources     map[string]int // the same by where they come from
	full        bool           // it pauses until one of them ends
	parked      string         // who paused it; "" is nobody
	doomed      string         // why it is to fail when it is closed
	activations uint64
	burst       int      // accesses within the window; with the first one it begins
	limited     int      // pauses in a row
	inspecting  bool     // an Inspect is not answered yet
	over        uint64   // activations that were over when it was sent
	gated       bool     // an access waits for the answer
	waited      []uint64 // who waited at the last look, sorted
	looked      uint64   // activations when its answer came
	vain        bool     // all of them had waited before
}

// await is the answer that a socket waits for.
type await uint8

const (
	awaitNothing await = iota
	awaitOpened
	awaitClosed
	awaitRebound // bound anew, while the old listener is still open
	awaitRival   // another socket has the endpoint and is being closed
)

// endpoint is what no two sockets can have at the same time.
func endpoint(s *socket) string { return s.def.Type + " " + s.def.Listen }

func (s *socket) open() bool {
	return s.state == SocketListening || s.state == SocketHeld || s.state == SocketPaused
}

// awaitedByOwner reports whether the owner should not be spawned before it is
// known what becomes of the socket (SPEC §4.2: in one step sockets are opened
// before services are started).
func (s *socket) awaitedByOwner() bool {
	return s.state == SocketStarting && s.awaits != awaitNothing || s.lost != "" && s.awaits == awaitRebound ||
		len(s.wanted) > 0 || s.flushing || s.screen.running
}

func (s *socket) timer(k TimerKind) TimerID { return TimerID{Kind: k, Name: s.def.Name} }

func (e *Engine) startSocketByName(name plan.Name, w why) {
	s, ok := e.sockets[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such socket: %s", name))
		return
	}
	e.startSocket(s, w)
}

func (e *Engine) stopSocketByName(name plan.Name, w why) {
	s, ok := e.sockets[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such socket: %s", name))
		return
	}
	e.stopSocket(s, w)
}

// startSocket makes sure that a socket is open or being opened. Starting an
// open socket changes nothing but a pause, which a command or a condition ends.
func (e *Engine) startSocket(s *socket, w why) {
	if e.stopping || s.leaving {
		e.reply(w.from, Failed, s.noStart(e.stopping))
		return
	}
	switch s.state {
	case SocketInactive, SocketFailed:
		s.retries, s.prompted = 0, false
		e.beginStart(s, w)
	case SocketStarting:
		if s.awaits == awaitNothing { // it waits for its next attempt
			e.cancel(s.timer(TimerReopen))
			e.beginStart(s, w)
			return
		}
		s.wait(w.from)
	case SocketStopping:
		s.wanted = want(s.wanted, w)
	case SocketPaused:
		if w.depth > 0 { // the trigger of an access would undo the pause that it leads to
			return
		}
		e.unpause(s, w)
	case SocketListening, SocketHeld:
		s.parked = ""
		e.reply(w.from, Unchanged, "already active")
	}
}

func (e *Engine) beginStart(s *socket, w why) {
	s.cause, s.depth = w.text, w.depth
	s.wait(w.from)
	e.moveSocket(s, SocketStarting, w.text, false)
	e.openSocket(s)
}

// openSocket asks for the listener, as soon as the endpoint is free: of two
// sockets on one endpoint, one step may stop the one and start the other.
func (e *Engine) openSocket(s *socket) {
	for _, rival := range e.endpoints[endpoint(s)] {
		if rival != s && rival.awaits == awaitClosed {
			s.awaits = awaitRival
			rival.followers = append(rival.followers, s)
			return
		}
	}
	s.awaits = awaitOpened
	e.emit(OpenSocket{s.def.Name})
}

func (e *Engine) closeSocket(s *socket) {
	s.awaits, s.stale, s.lost = awaitClosed, false, ""
	e.emit(CloseSocket{s.def.Name})
}

// stopSocket closes a socket in whatever state it is. A running owner keeps its
// descriptor (SPEC §6.2).
func (e *Engine) stopSocket(s *socket, w why) {
	switch s.state {
	case SocketInactive:
		e.reply(w.from, Unchanged, "already inactive")
	case SocketFailed:
		e.moveSocket(s, SocketInactive, w.text, false)
		e.reply(w.from, Done, "stopped")
	case SocketStopping:
		for _, again := range s.wanted {
			e.reply(again.from, Failed, "failed: stopped before it was opened again")
		}
		s.wanted, s.doomed = nil, ""
		s.wait(w.from)
		e.socketSettled(s)
	case SocketStarting:
		e.answer(s, Failed, "failed: stopped before it was open")
		e.cancel(s.timer(TimerReopen))
		s.depth = w.depth
		s.wait(w.from)
		e.moveSocket(s, SocketStopping, w.text, false)
		if s.awaits == awaitNothing || s.awaits == awaitRival {
			s.awaits = awaitNothing
			e.stopped(s)
			return
		}
		e.socketSettled(s) // the answer on its way decides what to undo
	case SocketListening, SocketHeld, SocketPaused:
		s.depth = w.depth
		s.wait(w.from)
		e.forgetLimit(s)
		s.parked = ""
		e.closeOpen(s, w.text, false)
	}
}

// socketOpened makes the listener useful, or undoes it if it was stopped since.
func (e *Engine) socketOpened(ev Opened) {
	s := e.sockets[ev.Socket]
	if s == nil || s.awaits != awaitOpened && s.awaits != awaitRebound {
		return
	}
	switch {
	case s.state == SocketStopping, s.stale && s.awaits == awaitOpened: // it is opened again then
		e.closeSocket(s)
		return
	case s.awaits == awaitRebound:
		e.rebound(s, ev)
		return
	}
	s.awaits = awaitNothing
	s.addresses, s.options, s.lastError, s.retries, s.prompted = ev.Addresses, ev.Options, "", 0, false
	e.resume(s, s.cause)
	e.answer(s, Done, "started")
	if !s.listened { // else it was only bound anew
		s.listened = true
		e.hook(s, s.def.OnStart, "on-start")
	}
	e.socketSettled(s)
}

// socketFailed tries again later where that may help; else the next start does.
func (e *Engine) socketFailed(ev OpenFailed) {
	s := e.sockets[ev.Socket]
	if s == nil || s.awaits != awaitOpened && s.awaits != awaitRebound {
		return
	}
	if e.missed(s, ev) {
		return
	}
	s.awaits = awaitNothing
	if s.state == SocketStopping {
		e.stopped(s)
		return
	}
	known := s.prompted && s.lastError == ev.Reason
	s.lastError, s.absent = ev.Reason, ev.Retry && ev.Absent
	if ev.Retry {
		e.reopenLater(s, known)
	} else {
		e.moveSocket(s, SocketFailed, ev.Reason, true)
		e.unlisten(s)
	}
	e.answer(s, Failed, "failed: "+ev.Reason)
	e.socketSettled(s)
}

func (e *Engine) socketClosed(ev Closed) {
	s := e.sockets[ev.Socket]
	if s == nil || s.awaits != awaitClosed {
		return
	}
	s.awaits, s.serving, s.flushing, s.addresses, s.options = awaitNothing, false, false, nil, nil
	s.screen = screening{}
	if s.state == SocketStarting { // it was broken
		e.openSocket(s)
	} else {
		e.stopped(s)
	}
	followers := s.followers
	s.followers = nil
	for _, f := range followers {
		if f.awaits == awaitRival { // not stopped meanwhile
			e.openSocket(f)
		}
	}
}

// stopped ends a stop: nothing of the socket is left.
func (e *Engine) stopped(s *socket) {
	if s.doomed != "" {
		e.moveSocket(s, SocketFailed, s.doomed, true)
		s.doomed = ""
	} else {
		e.moveSocket(s, SocketInactive, s.reason, false)
	}
	e.answer(s, Done, "stopped")
	e.unlisten(s)
	if s.leaving {
		e.dropSocket(s)
	}
	wanted := s.wanted
	s.wanted = nil
	for _, w := range wanted {
		e.startSocket(s, w)
	}
	e.socketSettled(s)
}

// unlisten ends what began with the first listening, whose on-start has run.
func (e *Engine) unlisten(s *socket) {
	if s.listened {
		s.listened = false
		e.forgetLimit(s)
		e.hook(s, s.def.OnStop, "on-stop")
	}
}

func (e *Engine) hook(s *socket, list []plan.Action, name string) {
	e.run(list, name+" of socket "+string(s.def.Name), s.depth+1, s, nil)
}

// socketSettled lets an owner go on that waited for its socket.
func (e *Engine) socketSettled(s *socket) {
	if s.owner != nil {
		e.socketsSettled(s.owner)
	}
}

// accessed decides what an access does (SPEC §6.3).
func (e *Engine) accessed(ev Accessed) {
	s := e.sockets[ev.Socket]
	if s == nil || s.state != SocketListening || s.gated || s.flushing || e.stopping {
		return // it was held, paused, emptied or stopped while the report was on its way
	}
	switch {
	case s.accepts():
		e.accept(s)
		return
	case s.owner == nil:
		if !s.serving {
			s.serving = true
			e.emit(Serve{s.def.Name})
		}
		return
	case s.screens():
		e.screen(s)
		return
	}
	e.reached(s)
}

// admit does what an access does.
func (e *Engine) admit(s *socket) {
	cause := "access to socket " + string(s.def.Name)
	if s.def.Lifecycle == plan.Owned {
		e.countActivation(s)
		e.startService(s.owner, why{text: cause})
	}
	e.run(s.def.Trigger, cause, 1, s, nil)
}

// watch asks for accesses where an access does something. A managed socket's
// queue waits for its owner, so each arrival is one access; everywhere else the
// access takes the socket out of sight until somebody has looked after it.
func (e *Engine) watch(s *socket) {
	switch {
	case e.stopping || s.flushing:
	case s.accepts():
		e.watchConnections(s)
	case s.serving: // Served comes
	case s.screen.running: // Screened comes
		s.screen.unwatched = true
	case s.owner == nil || s.def.Lifecycle == plan.Owned:
		e.emit(Watch{Socket: s.def.Name})
	case len(s.def.Trigger) > 0:
		e.emit(Watch{Socket: s.def.Name, EachArrival: true})
	}
}

// arrived runs the trigger for what was taken from the queue, even if the socket
// is being closed since.
func (e *Engine) arrived(ev Arrived) {
	s := e.sockets[ev.Socket]
	if s == nil || s.owner != nil || !s.open() && s.state != SocketStopping {
		return
	}
	s.accesses++
	if !e.turnsAway(s) {
		e.run(s.def.Trigger, "access to socket "+string(s.def.Name), 1, s, &ev.Access)
	}
}

// served watches a socket again whose queue has been emptied.
func (e *Engine) served(ev Served) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.serving {
		return
	}
	s.serving = false
	if s.state != SocketListening || e.stopping {
		return // it is being closed, or will be
	}
	if ev.Reason != "" {
		e.pause(s, doubled(minPause, s.limited, maxPause), ev.Reason)
		s.limited++
		return
	}
	switch {
	case s.accepts():
	case s.overBurst():
		e.limit(s, s.limits().tooMany())
		return
	default:
		s.limited = 0
	}
	e.watch(s)
}

func (e *Engine) socketTimer(s *socket, kind TimerKind) {
	switch {
	case kind == TimerReopen && s.state == SocketStarting:
		e.openSocket(s)
	case kind == TimerResume && s.state == SocketPaused && !e.stopping:
		e.resume(s, "pause over")
	case kind == TimerWindow:
		s.burst = 0
		if s.def.Lifecycle != plan.Owned || s.accepts() {
			s.limited = 0
		}
	}
}

func (e *Engine) moveSocket(s *socket, to SocketState, cause string, failure bool) {
	from := s.state
	s.state, s.reason = to, cause
	if failure {
		s.lastError = cause
	}
	if from != to {
		e.socketsUp += up(to != SocketInactive && to != SocketFailed) - up(from != SocketInactive && from != SocketFailed)
		e.emit(Transition{
			Kind: "socket", Name: s.def.Name, From: string(from), To: string(to),
			Cause: cause, Failure: failure,
		})
	}
}

func (s *socket) wait(r Request) {
	if r.ID != 0 {
		s.waiting = append(s.waiting, r)
	}
}

// answer tells everybody who waits for the operation in progress.
func (e *Engine) answer(s *socket, o Outcome, message string) {
	for _, r := range s.waiting {
		e.reply(r, o, message)
	}
	s.waiting = nil
}

// doubled returns least, doubled n times, at most most.
func doubled(least time.Duration, n int, most time.Duration) time.Duration {
	d := min(least, most)
	for range n {
		if d > most/2 {
			return most
		}
		d *= 2
	}
	return d
}
