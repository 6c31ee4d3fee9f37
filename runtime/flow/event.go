package flow

import (
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Event is something that happened. The zero value of no event means anything
// but itself: an event says everything that the engine may know of it.
//
//sumtype:decl
type Event interface{ isEvent() }

// Request identifies who asked for an operation. The engine answers a Request
// with an ID in a [Reply]; ID 0 means that nobody waits.
type Request struct {
	ID uint64
	By string // "uid 1000": for the log
}

// Events from outside: the plan's start, the operator, the end.
type (
	// Boot evaluates every condition as a level. States that are set before it
	// are restored ones: they are levels, and cause nothing until Boot.
	Boot struct{}

	// Reload replaces the plan by another valid one, see reload.go.
	Reload struct {
		Plan      *plan.Plan
		Variables map[string]cond.Value // see [Config]
		From      Request
	}

	// SetState sets a state, or the branch of it that Value belongs to.
	SetState struct {
		State plan.Name
		Value cond.Value
		From  Request
	}

	// RemoveState removes the branches that satisfy Filter; nil: all of them.
	RemoveState struct {
		State  plan.Name
		Filter *cond.Guard
		From   Request
	}

	// EmitSignal delivers a signal.
	EmitSignal struct {
		Signal plan.Name
		Value  cond.Value
		From   Request
	}

	// StartSocket starts a socket, or resumes a paused one at once.
	StartSocket struct {
		Socket plan.Name
		From   Request
	}

	// PauseSocket leaves a socket to the kernel's queue until ResumeSocket,
	// StartSocket or StopSocket. One that its owner has pauses when the owner is
	// down.
	PauseSocket struct {
		Socket plan.Name
		From   Request
	}

	// ResumeSocket ends a pause at once, whoever wanted it.
	ResumeSocket struct {
		Socket plan.Name
		From   Request
	}

	// StopSocket stops a socket.
	StopSocket struct {
		Socket plan.Name
		From   Request
	}

	// StartService starts a service, whatever its conditions say; of one that
	// branches, the instance of that name, or all that its state has branches for.
	StartService struct {
		Service  plan.Name
		Instance string
		From     Request
	}

	// StopService stops a service; of one that branches, the instance of that
	// name, or all of them.
	StopService struct {
		Service  plan.Name
		Instance string
		From     Request
	}

	// Shutdown stops everything; the last effect is [Exit], and whoever asks for
	// something afterwards is only told so. A second one stops waiting for
	// services that do not end.
	Shutdown struct{ Cause string }
)

// Events that answer effects.
type (
	// Opened answers [OpenSocket]: the listener is really open.
	Opened struct {
		Socket    plan.Name
		Addresses []string // as the kernel says
		Options   []string // what became of transport options that are not as asked for, for people
	}

	// OpenFailed answers [OpenSocket]: nothing was left behind. Retry means that
	// the same attempt may succeed later without anybody's doing; Absent, that it
	// may when [AddressesChanged].
	OpenFailed struct {
		Socket plan.Name
		Reason string
		Retry  bool
		Absent bool `json:",omitempty"`
	}

	// AddressesChanged says that the machine has other addresses or interfaces than
	// before. It comes only once there was an OpenFailed for that reason.
	AddressesChanged struct{}

	// Closed answers [CloseSocket]: the endpoint is gone.
	Closed struct{ Socket plan.Name }

	// Broken comes in place of [Accessed] or [Served] when a listener is of no
	// use any more: somebody who has it shut it down. It is closed and bound
	// anew.
	Broken struct {
		Socket plan.Name
		Reason string
	}

	// Unreachable says that nobody can reach a listener any more, though it works:
	// its node in the file system is gone or somebody else's. It is bound anew,
	// unless its owner has it; then when that is down.
	Unreachable struct {
		Socket plan.Name
		Reason string // "the node /run/a.sock was deleted"
	}

	// Accessed says that a watched socket has something waiting.
	Accessed struct{ Socket plan.Name }

	// Inspected answers [Inspect]. Waiting has one number for each connection
	// that waits, the same for as long as it does. It is empty if that cannot be
	// known, as for connections that were reset; of datagrams it has the first.
	Inspected struct {
		Socket  plan.Name
		Waiting []uint64
	}

	// Arrived is one connection or datagram that [Serve] took from a socket
	// without owner.
	Arrived struct {
		Socket plan.Name
		Access Access
	}

	// Connected is one connection that [Accept] took. It is the daemon's until
	// [Dismiss], under a number that is never used twice. Source is what
	// connections are counted by: an IPv4 address, an IPv6 prefix or a user; ""
	// is unknown.
	Connected struct {
		Socket     plan.Name
		Connection uint64
		Source     string
		Access     Access // without Data
	}

	// Denied is one connection that [Serve], [Accept] or [Screen] ended, because who
	// came holds none of the socket's permissions.
	Denied struct {
		Socket plan.Name
		Access Access // without Data
	}

	// Screened answers [Screen]. Admitted is how many of those who wait may, and
	// were not counted before. With a Reason it could not be found out now, and the
	// socket wants a pause.
	Screened struct {
		Socket   plan.Name
		Admitted int
		Reason   string
	}

	// Served answers [Serve] and [Accept]: everything that waited has arrived, or
	// as much as was wanted. With a Reason the socket could not be served now and wants a pause. It does not come for
	// a socket that [CloseSocket] closes meanwhile.
	Served struct {
		Socket plan.Name
		Reason string
	}

	// Flushed answers [Flush]: nothing waits, or no more than came meanwhile.
	Flushed struct{ Socket plan.Name }

	// ProcessStarted answers [Spawn].
	ProcessStarted struct {
		Process ProcessID
		PID     int
	}

	// ProcessFailed answers [Spawn]: there is no process.
	ProcessFailed struct {
		Process ProcessID
		Reason  string
	}

	// ProcessExited follows every ProcessStarted.
	ProcessExited struct {
		Process ProcessID
		Status  ExitStatus
	}

	// Notified is what a process of a service says of itself.
	Notified struct {
		Process ProcessID
		Notice  Notice
	}

	// Evaluated answers [Evaluate]: what the program printed, or why it is of no
	// use.
	Evaluated struct {
		Eval   uint64
		Output []byte
		Reason string // "" is success
	}

	// TimerFired follows [ArmTimer], unless the timer was cancelled.
	TimerFired struct{ Timer TimerID }
)

// Access is what is known of one access.
type Access struct {
	Local, Remote string // "" is unknown
	UID, GID, PID int    // -1 is unknown
	Data          []byte // what was sent
}

// Notice is one message of sd_notify(3), as far as it means something to the
// engine. The zero value of a field is that the message does not have it.
type Notice struct {
	Ready     bool          // READY=1
	Reloading bool          // RELOADING=1
	Stopping  bool          // STOPPING=1
	Status    string        // STATUS=…
	MainPID   int           // MAINPID=…, verified
	Alive     bool          // WATCHDOG=1
	Failing   bool          // WATCHDOG=trigger
	Watchdog  time.Duration // WATCHDOG_USEC=…
	Extend    time.Duration // EXTEND_TIMEOUT_USEC=…
}

// ProcessID names one process of a service. Incarnation is never used twice, so
// an answer about an earlier process is never taken for one about a later.
type ProcessID struct {
	Service     plan.Name
	Instance    string // of a service with several; "" is the only one
	Run         int    // index in the plan's list
	Incarnation uint64
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	Code   int    // exit status; meaningless with a Signal
	Signal string // "SIGKILL"; "" if it exited
}

// Failed reports whether the process did not end with status 0.
func (s ExitStatus) Failed() bool { return s.Code != 0 || s.Signal != "" }

// Crashed reports whether the process failed by itself. The signals that people,
// their tools and the kernel's OOM killer end processes with are no crash: a
// service that is killed again and again must not be slow to come back.
func (s ExitStatus) Crashed() bool {
	switch s.Signal {
	case "":
		return s.Code != 0
	case "SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM":
		return false
	}
	return true
}

func (Boot) isEvent()             {}
func (Reload) isEvent()           {}
func (SetState) isEvent()         {}
func (RemoveState) isEvent()      {}
func (EmitSignal) isEvent()       {}
func (StartSocket) isEvent()      {}
func (PauseSocket) isEvent()      {}
func (ResumeSocket) isEvent()     {}
func (StopSocket) isEvent()       {}
func (StartService) isEvent()     {}
func (StopService) isEvent()      {}
func (Shutdown) isEvent()         {}
func (Opened) isEvent()           {}
func (OpenFailed) isEvent()       {}
func (Closed) isEvent()           {}
func (AddressesChanged) isEvent() {}
func (Broken) isEvent()           {}
func (Unreachable) isEvent()      {}
func (Accessed) isEvent()         {}
func (Inspected) isEvent()        {}
func (Arrived) isEvent()          {}
func (Connected) isEvent()        {}
func (Denied) isEvent()           {}
func (Screened) isEvent()         {}
func (Served) isEvent()           {}
func (Flushed) isEvent()          {}
func (ProcessStarted) isEvent()   {}
func (ProcessFailed) isEvent()    {}
func (ProcessExited) isEvent()    {}
func (Notified) isEvent()         {}
func (Evaluated) isEvent()        {}
func (TimerFired) isEvent()       {}
