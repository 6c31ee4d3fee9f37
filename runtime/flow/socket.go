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

// Limits of how often accesses start an owner. Over the burst the socket is
// paused, for longer each time.
const (
	triggerBurst  = 200
	triggerWindow = 2 * time.Second
	minPause      = time.Second
	maxPause      = 60 * time.Second

	minReopen = time.Second // a socket that cannot be opened yet
	maxReopen = 30 * time.Second
	minRetry  = 100 * time.Millisecond // an owner that cannot be started
	maxRetry  = 30 * time.Second
)

// socket is one socket of the plan.
type socket struct {
	def   *plan.Socket
	owner *service // nil: the runtime serves it

	state     SocketState
	reason    string // why it is in that state
	lastError string
	addresses []string
	depth     int // how many hooks led to the operation in progress

	opening  bool      // an OpenSocket is not answered yet
	listened bool      // on-start ran, so on-stop must
	wanted   []why     // start it again once it is closed
	waiting  []Request // who waits for the operation in progress
	retries  int       // attempts to open it in a row that may succeed later

	accesses    uint64
	activations uint64
	burst       int // activations within the window
	limited     int // pauses in a row
}

func (s *socket) open() bool {
	return s.state == SocketListening || s.state == SocketHeld || s.state == SocketPaused
}

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
// open socket changes nothing but a pause, which it ends.
func (e *Engine) startSocket(s *socket, w why) {
	if e.stopping {
		e.reply(w.from, Failed, "failed: the daemon is shutting down")
		return
	}
	switch s.state {
	case SocketInactive, SocketFailed:
		s.retries = 0
		e.openSocket(s, w)
	case SocketStarting:
		if !s.opening { // waiting for its next attempt
			e.emit(CancelTimer{TimerID{Kind: TimerReopen, Name: s.def.Name}})
			e.openSocket(s, w)
			return
		}
		s.wait(w.from)
	case SocketStopping:
		s.wanted = append(s.wanted, w)
	case SocketPaused:
		e.emit(CancelTimer{TimerID{Kind: TimerResume, Name: s.def.Name}})
		s.burst, s.limited = 0, 0
		e.resume(s, w.text)
		e.reply(w.from, Done, "resumed")
	case SocketListening, SocketHeld:
		e.reply(w.from, Unchanged, "already active")
	}
}

func (e *Engine) openSocket(s *socket, w why) {
	s.depth = w.depth
	s.opening = true
	s.wait(w.from)
	e.moveSocket(s, SocketStarting, w.text, false)
	e.emit(OpenSocket{s.def.Name})
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
		s.wanted = nil
		s.wait(w.from)
	case SocketStarting:
		e.answer(s, Failed, "failed: stopped before it was open")
		if !s.opening {
			e.emit(CancelTimer{TimerID{Kind: TimerReopen, Name: s.def.Name}})
			e.moveSocket(s, SocketInactive, w.text, false)
			e.reply(w.from, Done, "stopped")
			return
		}
		// The answer to OpenSocket is on its way; it decides what to undo.
		s.wait(w.from)
		e.moveSocket(s, SocketStopping, w.text, false)
	case SocketListening, SocketHeld, SocketPaused:
		s.depth = w.depth
		s.wait(w.from)
		e.emit(CancelTimer{TimerID{Kind: TimerResume, Name: s.def.Name}})
		e.moveSocket(s, SocketStopping, w.text, false)
		e.emit(CloseSocket{s.def.Name})
	}
}

func (e *Engine) socketOpened(ev Opened) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.opening {
		return
	}
	s.opening = false
	if s.state == SocketStopping { // stopped meanwhile: it never listened
		e.emit(CloseSocket{s.def.Name})
		return
	}
	s.addresses, s.lastError, s.retries, s.listened = ev.Addresses, "", 0, true
	if s.owner != nil && s.owner.alive() && !s.owner.gathering {
		e.moveSocket(s, SocketHeld, s.reason, false)
	} else {
		e.moveSocket(s, SocketListening, s.reason, false)
		e.watch(s)
	}
	e.answer(s, Done, "started")
	e.run(s.def.OnStart, "on-start of socket "+string(s.def.Name), s.depth+1, s, nil)
	e.socketSettled(s)
}

func (e *Engine) socketFailed(ev OpenFailed) {
	s := e.sockets[ev.Socket]
	if s == nil || !s.opening {
		return
	}
	s.opening = false
	if s.state == SocketStopping {
		e.closed(s)
		return
	}
	s.lastError = ev.Reason
	if ev.Retry {
		d := doubled(minReopen, s.retries, maxReopen)
		s.retries++
		s.reason = fmt.Sprintf("%s; next attempt in %v", ev.Reason, d)
		e.report("socket not open yet", string(s.def.Name), s.reason)
		e.emit(ArmTimer{TimerID{Kind: TimerReopen, Name: s.def.Name}, d})
	} else {
		e.moveSocket(s, SocketFailed, ev.Reason, true)
	}
	e.answer(s, Failed, "failed: "+ev.Reason)
	e.socketSettled(s)
}

// socketSettled lets an owner go on that waited for its socket (SPEC §4.2: in
// one step sockets are opened before services are started).
func (e *Engine) socketSettled(s *socket) {
	if s.owner != nil && s.owner.gathering {
		e.gather(s.owner)
	}
}

func (e *Engine) socketClosed(ev Closed) {
	s := e.sockets[ev.Socket]
	if s == nil || s.state != SocketStopping {
		return
	}
	hooks := s.listened
	e.closed(s)
	if hooks {
		e.run(s.def.OnStop, "on-stop of socket "+string(s.def.Name), s.depth+1, s, nil)
	}
}

func (e *Engine) closed(s *socket) {
	s.addresses, s.listened = nil, false
	e.moveSocket(s, SocketInactive, s.reason, false)
	e.answer(s, Done, "stopped")
	e.socketSettled(s)
	wanted := s.wanted
	s.wanted = nil
	for _, w := range wanted {
		e.startSocket(s, w)
	}
}

// accessed decides what an access does (SPEC §6.3).
func (e *Engine) accessed(ev Accessed) {
	s := e.sockets[ev.Socket]
	if s == nil || s.state != SocketListening || e.stopping {
		return // it was held, paused or stopped while the report was on its way
	}
	switch {
	case s.owner == nil:
		e.emit(Serve{s.def.Name})
	case s.def.Lifecycle == plan.Owned:
		e.activate(s)
	default:
		s.accesses++
		e.run(s.def.Trigger, "access to socket "+string(s.def.Name), 1, s, nil)
	}
}

// activate starts the owner with all its sockets, then runs the trigger.
func (e *Engine) activate(s *socket) {
	s.accesses++
	if s.burst == 0 {
		e.emit(ArmTimer{TimerID{Kind: TimerWindow, Name: s.def.Name}, triggerWindow})
	}
	s.burst++
	if s.burst > triggerBurst {
		d := doubled(minPause, s.limited, maxPause)
		s.limited++
		s.burst = 0
		e.emit(CancelTimer{TimerID{Kind: TimerWindow, Name: s.def.Name}})
		e.pause(s, d, fmt.Sprintf("trigger-limit: more than %d activations within %v", triggerBurst, triggerWindow))
		return
	}
	s.activations++
	w := why{text: "access to socket " + string(s.def.Name)}
	e.startService(s.owner, w)
	e.run(s.def.Trigger, w.text, 1, s, nil)
}

// pause leaves a socket to the kernel's queue for a while. Nothing that waits
// is thrown away.
func (e *Engine) pause(s *socket, d time.Duration, reason string) {
	if s.state == SocketListening {
		e.emit(Unwatch{s.def.Name})
	}
	e.moveSocket(s, SocketPaused, fmt.Sprintf("%s; resumes in %v", reason, d), true)
	e.emit(ArmTimer{TimerID{Kind: TimerResume, Name: s.def.Name}, d})
}

func (e *Engine) resume(s *socket, cause string) {
	if s.owner != nil && s.owner.alive() {
		e.moveSocket(s, SocketHeld, cause, false)
		return
	}
	e.moveSocket(s, SocketListening, cause, false)
	e.watch(s)
}

// hold takes a socket out of sight while its owner has it.
func (e *Engine) hold(s *socket, cause string) {
	switch s.state {
	case SocketListening:
		e.emit(Unwatch{s.def.Name})
	case SocketPaused:
		e.emit(CancelTimer{TimerID{Kind: TimerResume, Name: s.def.Name}})
	case SocketInactive, SocketStarting, SocketHeld, SocketFailed, SocketStopping:
		return
	}
	e.moveSocket(s, SocketHeld, cause, false)
}

// watch asks for accesses where an access does something. A managed socket's
// queue waits for its owner, so each arrival is one access; everywhere else the
// access takes the socket out of sight until somebody has looked after it.
func (e *Engine) watch(s *socket) {
	switch {
	case e.stopping:
	case s.owner == nil || s.def.Lifecycle == plan.Owned:
		e.emit(Watch{Socket: s.def.Name})
	case len(s.def.Trigger) > 0:
		e.emit(Watch{Socket: s.def.Name, EachArrival: true})
	}
}

func (e *Engine) arrived(ev Arrived) {
	s := e.sockets[ev.Socket]
	if s == nil || s.owner != nil {
		return
	}
	s.accesses++
	e.run(s.def.Trigger, "access to socket "+string(s.def.Name), 1, s, &ev.Access)
}

func (e *Engine) served(ev Served) {
	s := e.sockets[ev.Socket]
	if s == nil || s.state != SocketListening {
		return
	}
	if ev.Reason != "" {
		s.lastError = ev.Reason
		e.pause(s, doubled(minPause, s.limited, maxPause), ev.Reason)
		s.limited++
		return
	}
	s.limited = 0
	e.watch(s)
}

func (e *Engine) socketTimer(s *socket, kind TimerKind) {
	switch {
	case kind == TimerReopen && s.state == SocketStarting && !s.opening && !e.stopping:
		s.opening = true
		e.emit(OpenSocket{s.def.Name})
	case kind == TimerResume && s.state == SocketPaused && !e.stopping:
		e.resume(s, "pause over")
	case kind == TimerWindow:
		s.burst, s.limited = 0, 0
	}
}

func (e *Engine) moveSocket(s *socket, to SocketState, cause string, failure bool) {
	from := s.state
	s.state, s.reason = to, cause
	if failure {
		s.lastError = cause
	}
	if from != to {
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
	d := least << min(n, 20)
	return min(d, most)
}
