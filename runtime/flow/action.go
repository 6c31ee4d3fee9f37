package flow

import (
	"fmt"
	"strconv"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// run queues the actions of a trigger list, in order. s and access are what the
// trigger is about, nil where there is none; depth counts the hooks in a chain
// that end with this one.
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
		e.queue = append(e.queue, derived{action: &list[i], why: w, socket: s, access: access})
	}
}

// perform does one action. Nobody waits for an answer, so one that cannot be
// done is reported and stops nothing (S60).
func (e *Engine) perform(d derived) {
	a := d.action
	switch a.Do {
	case plan.OpScript:
		e.runCommand(d, "/bin/sh", "-c", a.Command)
	case plan.OpExec:
		e.runCommand(d, append([]string{a.Command}, a.Args...)...)
	case plan.OpSetState:
		e.setState(SetState{State: a.Target, Value: payload(a)}, d.why)
	case plan.OpRemoveState:
		e.removeState(RemoveState{State: a.Target, Filter: a.Filter}, d.why)
	case plan.OpEmit:
		e.emitSignal(EmitSignal{Signal: a.Target, Value: payload(a)}, d.why)
	case plan.OpStartService:
		e.startServiceByName(a.Target, d.why)
	case plan.OpStopService:
		e.stopServiceByName(a.Target, d.why)
	case plan.OpStartSocket:
		e.startSocketByName(a.Target, d.why)
	case plan.OpStopSocket:
		e.stopSocketByName(a.Target, d.why)
	case plan.OpStartTimer, plan.OpStopTimer:
		// plan.Decode refuses a plan that needs timers, so only a caller who made
		// one by hand comes here.
		e.report("trigger failed", d.why.text, "this engine has no timers")
	}
}

func (e *Engine) runCommand(d derived, argv ...string) {
	e.emit(RunCommand{Argv: argv, Env: accessEnv(d.socket, d.access), Cause: d.why.text})
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
