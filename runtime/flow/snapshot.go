package flow

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Snapshot is the state of everything at one moment, in the order of the plan.
// It shares nothing with the engine.
type Snapshot struct {
	Sockets  []SocketStatus
	Services []ServiceStatus
	Timers   []TimerStatus
	States   []StateStatus
}

// SocketStatus is the state of one socket.
type SocketStatus struct {
	Def         *plan.Socket // read-only
	State       SocketState
	Addresses   []string
	Options     []string // what became of transport options that are not as asked for
	Reason      string
	LastError   string
	Accesses    uint64
	Denials     uint64
	Unknown     uint64 // denials of somebody whom the kernel does not know
	LastDenied  int    // the uid of the last denial; -1 is unknown; only with Denials
	Refused     uint64 // connections over a limit
	Connections int    // live ones, of a socket that accepts

	// MaxConnections is how many of them there may be; 0 for another socket.
	MaxConnections int

	Activations uint64
	Moving      bool // it is being opened, closed or bound anew right now
}

// ServiceStatus is the state of one service.
type ServiceStatus struct {
	Def *plan.Service // read-only

	// InstanceStatus is that of all instances taken together, those that are gone
	// too; of a service with one instance, it is that.
	InstanceStatus

	// Instances are those of a service with several, in the order in which they
	// appeared.
	Instances []InstanceStatus
}

// InstanceStatus is the state of one instance of a service.
type InstanceStatus struct {
	Instance  string // its name; "" is the only one
	State     ServiceState
	PIDs      []int
	Reason    string
	LastError string
	Starts    uint64      // of processes
	Restarts  uint64      // those of them that its restart policy or watchdog wanted
	WaitsFor  []plan.Name // services that have to be active first
	Saying    string      // what it says of itself: "reloading", "stopping"
	Status    string      // the same in its own words, STATUS= of sd_notify(3)
}

// TimerStatus is the state of one timer of the plan.
type TimerStatus struct {
	Def    *plan.Timer // read-only
	State  TimerState
	Reason string
	Ends   uint64 // how often its time was over
}

// StateStatus is one state that is set.
type StateStatus struct {
	Name     plan.Name
	Branches []cond.Value
	Follows  []bool // by branch: it is there only because it follows from others
}

// Snapshot returns the state of every unit and of every state that is set.
func (e *Engine) Snapshot() Snapshot {
	var snap Snapshot
	for _, s := range e.order.sockets {
		most := 0
		if s.accepts() {
			most = s.limits().connections
		}
		reason := s.reason
		if s.parked != "" && s.state == SocketHeld {
			reason += "; pauses when its owner is down (" + s.parked + ")"
		}
		snap.Sockets = append(snap.Sockets, SocketStatus{
			Def: s.def, State: s.state, Addresses: slices.Clone(s.addresses), Options: slices.Clone(s.options),
			Reason: reason, LastError: s.lastError, Accesses: s.accesses, Activations: s.activations,
			Connections: s.live, MaxConnections: most,
			Denials: s.denials.all, Unknown: s.denials.unknown, LastDenied: s.denials.last, Refused: s.refused, Moving: s.awaits != awaitNothing,
		})
	}
	for _, svc := range e.order.services {
		snap.Services = append(snap.Services, svc.status())
	}
	for _, t := range e.order.timers {
		snap.Timers = append(snap.Timers, TimerStatus{Def: t.def, State: t.state, Reason: t.reason, Ends: t.ends})
	}
	for _, st := range e.order.states {
		if len(st.branches) == 0 {
			continue
		}
		set := StateStatus{Name: st.def.Name}
		for _, b := range st.branches {
			set.Branches = append(set.Branches, b.value)
			set.Follows = append(set.Follows, b.set.IsZero())
		}
		snap.States = append(snap.States, set)
	}
	return snap
}

func (svc *service) status() ServiceStatus {
	st := ServiceStatus{Def: svc.def}
	if svc.single {
		st.InstanceStatus = svc.named[""].snapshot()
		return st
	}
	active := 0
	for _, in := range svc.instances {
		one := in.snapshot()
		st.Instances = append(st.Instances, one)
		st.PIDs = append(st.PIDs, one.PIDs...)
		active += up(in.state == ServiceActive)
	}
	st.State, st.LastError, st.Starts, st.Restarts = svc.state(), svc.lastError, svc.starts, svc.restarts
	st.Reason = fmt.Sprintf("%d of %d instances active", active, len(svc.instances))
	return st
}

func (in *instance) snapshot() InstanceStatus {
	st := InstanceStatus{
		Instance: in.name, State: in.state, Reason: in.reason, LastError: in.lastError,
		Starts: in.starts, Restarts: in.restarts, Saying: in.saying, Status: in.status,
	}
	for _, p := range in.procs {
		if p.state == procRunning {
			st.PIDs = append(st.PIDs, p.pid)
		}
	}
	if in.blocked {
		st.WaitsFor = in.service.missing()
	}
	return st
}
