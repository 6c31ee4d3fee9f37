package flow

import (
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Snapshot is the state of everything at one moment, in the order of the plan.
// It shares nothing with the engine.
type Snapshot struct {
	Sockets  []SocketStatus
	Services []ServiceStatus
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
	Activations uint64
}

// ServiceStatus is the state of one service.
type ServiceStatus struct {
	Def       *plan.Service // read-only
	State     ServiceState
	PIDs      []int
	Reason    string
	LastError string
	Starts    uint64
}

// StateStatus is one state that is set.
type StateStatus struct {
	Name     plan.Name
	Branches []cond.Value
}

// Snapshot returns the state of every unit and of every state that is set.
func (e *Engine) Snapshot() Snapshot {
	var snap Snapshot
	for _, s := range e.order.sockets {
		snap.Sockets = append(snap.Sockets, SocketStatus{
			Def: s.def, State: s.state, Addresses: slices.Clone(s.addresses), Options: slices.Clone(s.options),
			Reason: s.reason, LastError: s.lastError, Accesses: s.accesses, Activations: s.activations,
		})
	}
	for _, svc := range e.order.services {
		st := ServiceStatus{Def: svc.def, State: svc.state, Reason: svc.reason, LastError: svc.lastError, Starts: svc.starts}
		for _, p := range svc.procs {
			if p.state == procRunning {
				st.PIDs = append(st.PIDs, p.pid)
			}
		}
		snap.Services = append(snap.Services, st)
	}
	for _, st := range e.order.states {
		if len(st.branches) == 0 {
			continue
		}
		set := StateStatus{Name: st.def.Name}
		for _, b := range st.branches {
			set.Branches = append(set.Branches, b.value)
		}
		snap.States = append(snap.States, set)
	}
	return snap
}
