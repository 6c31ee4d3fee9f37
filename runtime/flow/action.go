package flow

import (
	"fmt"
	"strconv"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// run queues the actions of a trigger list, in order. s and access are what the
// trigger is about, nil where there is none; depth counts the hooks that led
// here.
func (e *Engine) run(list []plan.Action, cause string, depth int, s *socket, access *Access) {
	if len(list) == 0 {
		return
	}
	if depth > maxDepth {
		e.report("flow cut: hooks cause each other without end", cause,
			fmt.Sprintf("%d hooks in a chain; the rest is dropped", maxDepth))
		return
	}
	w := why{text: "trigger: " + cause, depth: depth}
	for i := range list {
		if ev := e.event(&list[i], cause, s, access); ev != nil {
			e.queue = append(e.queue, derived{event: ev, why: w})
		}
	}
}

// event returns the event that an action is; running a program is an effect and
// no event.
func (e *Engine) event(a *plan.Action, cause string, s *socket, access *Access) Event {
	switch a.Do {
	case plan.OpScript:
		e.emit(RunCommand{Argv: []string{"/bin/sh", "-c", a.Command}, Env: accessEnv(s, access), Cause: cause})
	case plan.OpExec:
		e.emit(RunCommand{Argv: append([]string{a.Command}, a.Args...), Env: accessEnv(s, access), Cause: cause})
	case plan.OpSetState:
		return SetState{State: a.Target, Value: payload(a)}
	case plan.OpRemoveState:
		return RemoveState{State: a.Target, Filter: a.Filter}
	case plan.OpEmit:
		return EmitSignal{Signal: a.Target, Value: payload(a)}
	case plan.OpStartService:
		return StartService{Service: a.Target}
	case plan.OpStopService:
		return StopService{Service: a.Target}
	case plan.OpStartSocket:
		return StartSocket{Socket: a.Target}
	case plan.OpStopSocket:
		return StopSocket{Socket: a.Target}
	}
	return nil
}

func payload(a *plan.Action) cond.Value {
	if a.Payload == nil {
		return cond.NoneValue()
	}
	return *a.Payload
}

// accessEnv is what a program of a trigger learns of the access. Facts reach it
// in its environment only, never in its command line.
func accessEnv(s *socket, access *Access) []string {
	if s == nil {
		return nil
	}
	env := []string{"RIND_ACCESS_SOCKET=" + string(s.def.Name)}
	if access == nil {
		return env
	}
	if access.Local != "" {
		env = append(env, "RIND_ACCESS_LOCAL="+access.Local)
	}
	if access.Remote != "" {
		env = append(env, "RIND_ACCESS_REMOTE="+access.Remote)
	}
	for _, id := range []struct {
		key   string
		value int
	}{{"UID", access.UID}, {"GID", access.GID}, {"PID", access.PID}} {
		if id.value >= 0 {
			env = append(env, "RIND_ACCESS_"+id.key+"="+strconv.Itoa(id.value))
		}
	}
	return env
}
