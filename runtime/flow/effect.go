package flow

import (
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Effect is something to do about an event. Effects of one step are carried out
// in order.
//
//sumtype:decl
type Effect interface{ isEffect() }

// Effects on sockets.
type (
	// OpenSocket binds and publishes a listener. Answer: [Opened] or
	// [OpenFailed]. If the socket has one already, that is closed once the new one is
	// open, and stays if it cannot be opened.
	OpenSocket struct{ Socket plan.Name }

	// CloseSocket closes a listener and removes its path; that ends Watch and
	// Serve. Answer: [Closed].
	CloseSocket struct{ Socket plan.Name }

	// Watch asks for one [Accessed] as soon as something waits, or waits
	// already. With EachArrival there is one for everything that arrives, until
	// Unwatch.
	Watch struct {
		Socket      plan.Name
		EachArrival bool
	}

	// Unwatch ends Watch, if there is one. An Accessed that is on its way may
	// still come.
	Unwatch struct{ Socket plan.Name }

	// Inspect asks who waits at a socket, without taking anybody. Answer:
	// [Inspected].
	Inspect struct{ Socket plan.Name }

	// Screen looks at who waits at a socket whose permissions are not everybody's, and
	// ends the connections of those who have none of them: a [Denied] for each. Those
	// who may go on waiting. Answer: [Screened], unless the socket is closed meanwhile.
	// There is one at a time, and the owner is not spawned meanwhile.
	Screen struct{ Socket plan.Name }

	// Serve takes everything that waits at a socket without owner: an [Arrived]
	// for each, then [Served] or [Broken]. There is one at a time.
	Serve struct{ Socket plan.Name }

	// Accept takes at most Most of the connections that wait at a socket whose
	// owner gets each of them: a [Connected] for each, then [Served] or [Broken].
	// There is one at a time.
	Accept struct {
		Socket plan.Name
		Most   int
	}

	// Dismiss closes the daemon's copy of a connection that [Accept] took.
	Dismiss struct{ Connection uint64 }

	// Flush throws away what waits at a socket. Answer: [Flushed], unless the
	// socket is closed meanwhile.
	Flush struct{ Socket plan.Name }
)

// Effects on processes.
type (
	// Spawn starts one process of a service with the listeners of Sockets as
	// descriptors 3, 4, …, or with a copy of Connection, if it is not 0. Answer:
	// [ProcessStarted] or [ProcessFailed].
	Spawn struct {
		Process ProcessID
		Sockets []plan.Name
		Command plan.Command // without references to variables
		User    string       // of a service that belongs to one; "" is that of the plan
		Env     []string     // of an instance; over that of the plan

		Connection uint64
	}

	// Kill signals everything that belongs to a process.
	Kill struct {
		Process ProcessID
		Signal  string // by name: "SIGTERM"
	}

	// Evaluate runs a program for what it prints. Answer: [Evaluated].
	Evaluate struct {
		Eval    uint64
		Exec    string
		Args    []string
		Timeout time.Duration
		Cause   string
	}

	// RunCommand runs the program of a trigger; nobody waits for it.
	RunCommand struct {
		Argv  []string
		Env   []string // beyond the daemon's: RIND_ACCESS_…
		Cause string
	}
)

// Effects on what outlives the daemon.
type (
	// Persist stores a branch of a state, or forgets it. It comes before every
	// effect that its change has, and these wait until it is on disk.
	Persist struct {
		State  plan.Name
		Branch string      // identifies the branch among those of the state
		Value  *cond.Value // nil: it is gone
	}
)

// Effects on time and on those who look on.
type (
	// ArmTimer asks for one [TimerFired] after D. Arming an armed timer moves it.
	ArmTimer struct {
		Timer TimerID
		D     time.Duration
	}

	// CancelTimer takes back an ArmTimer that has not fired.
	CancelTimer struct{ Timer TimerID }

	// Reply answers a [Request]. It comes after the operation.
	Reply struct {
		Request uint64
		Outcome Outcome
		Message string
		Count   int // branches removed
	}

	// Transition says that a unit went from one state to another.
	Transition struct {
		Kind     string // "socket", "service" or "timer"
		Name     plan.Name
		Instance string // of a service with several
		From, To string
		Cause    string
		Failure  bool // an operator wants to know
	}

	// Announce says that a signal was delivered, or a branch of a state was set
	// or removed. Only an engine that is asked for it says so, see [Config].
	Announce struct {
		Kind    cond.AtomKind
		Name    plan.Name
		Value   cond.Value
		Removed bool
		Cause   string
	}

	// Report is something an operator should know that is no transition.
	Report struct {
		Message string // constant
		Name    string // what it is about
		Detail  string
	}

	// TakePlan says that the plan of a [Reload] is the one that counts, but for the
	// services in Later: for these the one before does, until their [TakeService].
	TakePlan struct{ Later []plan.Name }

	// TakeService says that the plan that was loaded last counts for a service, too,
	// which may not be in it any more.
	TakeService struct{ Service plan.Name }

	// Exit is the last effect of a [Shutdown].
	Exit struct{}
)

// TimerKind says what a timer is for.
type TimerKind uint8

// Timers.
const (
	_              TimerKind = iota
	TimerReopen              // a socket that could not be opened yet is tried again
	TimerResume              // a paused socket listens again
	TimerWindow              // the window of a socket's trigger limit is over
	TimerRestart             // a process is started again
	TimerForgive             // a service has been up long enough to forget its restarts
	TimerStopGrace           // a service has had its time to end
	TimerReady               // a service has had its time to say that it is ready
	TimerWatchdog            // a service has been silent for too long
	TimerUnit                // a timer of the plan
)

// TimerID names a timer. It is comparable.
type TimerID struct {
	Kind     TimerKind
	Name     plan.Name
	Instance string // of a service with several
	Run      int    // of TimerRestart and TimerWatchdog
}

// Outcome is what became of a request.
type Outcome uint8

// Outcomes.
const (
	_         Outcome = iota
	Done              // it was done
	Unchanged         // there was nothing to do
	Failed            // it could not be done
	Unknown           // there is no such unit
)

func (OpenSocket) isEffect()  {}
func (CloseSocket) isEffect() {}
func (Watch) isEffect()       {}
func (Unwatch) isEffect()     {}
func (Inspect) isEffect()     {}
func (Screen) isEffect()      {}
func (Serve) isEffect()       {}
func (Accept) isEffect()      {}
func (Dismiss) isEffect()     {}
func (Flush) isEffect()       {}
func (Spawn) isEffect()       {}
func (Kill) isEffect()        {}
func (RunCommand) isEffect()  {}
func (Evaluate) isEffect()    {}
func (Persist) isEffect()     {}
func (Announce) isEffect()    {}
func (ArmTimer) isEffect()    {}
func (CancelTimer) isEffect() {}
func (Reply) isEffect()       {}
func (Transition) isEffect()  {}
func (Report) isEffect()      {}
func (Exit) isEffect()        {}
func (TakePlan) isEffect()    {}
func (TakeService) isEffect() {}
