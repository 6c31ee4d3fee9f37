package flow_test

import (
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// operators is the permission of the sockets that are not for everybody.
const operators = 2000

// screenWorld is what the world knows of the looks at who waits.
type screenWorld struct {
	running  bool
	admitted bool // the last look found somebody who may
}

// screen answers who waits, and sends those away who may not.
func (w *world) screen(s *simSocket) {
	w.require(s.phase == present && s.def.Owner != "" && s.def.Restricted(), "screen %s, which is %s, for everybody or of nobody", s.def.Name, s.phase)
	w.require(!s.screen.running, "screen %s, which is being screened", s.def.Name)
	s.screen.running = true
	name := "socket " + string(s.def.Name)
	for range s.denied {
		w.later(name, func() flow.Event { return w.turnAway(s) })
	}
	w.later(name, func() flow.Event {
		if s.phase == absent {
			return nil
		}
		s.screen.running = false
		if !w.often("screened") {
			s.screen.admitted = false
			return flow.Screened{Socket: s.def.Name, Reason: "too many open files"}
		}
		s.screen.admitted = s.queue > 0
		return flow.Screened{Socket: s.def.Name, Admitted: s.queue}
	})
}

// turnAway ends the connection of one who may not, unless somebody else has it.
func (w *world) turnAway(s *simSocket) flow.Event {
	if s.denied == 0 {
		return nil
	}
	s.denied--
	return flow.Denied{Socket: s.def.Name, Access: flow.Access{UID: 4003, GID: -1, PID: -1}}
}

// checkCause checks that no access of somebody who may not is the cause of anything.
func (w *world) checkCause(cause string) {
	cause, _, _ = strings.Cut(cause, ";") // what it waits for
	name, ok := strings.CutPrefix(cause, "access to socket ")
	if !ok {
		return
	}
	s := w.socket(plan.Name(name))
	if s.def.Owner != "" && s.def.Restricted() {
		w.require(s.screen.admitted, "%q although nobody who may has come", cause)
	}
}

// checkScreened checks that a process does not inherit a socket while somebody else
// takes connections from it.
func (w *world) checkScreened(f flow.Spawn) {
	for _, name := range f.Sockets {
		w.require(!w.socket(name).screen.running, "%s inherits %s, which is being screened", processText(f.Process), name)
	}
}
