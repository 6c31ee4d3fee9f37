package flow

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/rind-sockets/rind/plan"
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
	if e.config.Observe != nil {
		e.config.Observe.Action(a)
	}
	switch a.Do {
	case plan.OpScript:
		e.runCommand(d, "/bin/sh", "-c", a.Command)
	case plan.OpExec:
		e.runCommand(d, append([]string{a.Command}, a.Args...)...)
	case plan.OpSetState, plan.OpEmit:
		e.performEach(d)
	case plan.OpRemoveState:
		e.removeState(RemoveState{State: a.Target, Filter: a.Filter}, d.why)
	case plan.OpStartService:
		e.startServiceByName(a.Target, d.why)
	case plan.OpStopService:
		e.stopServiceByName(a.Target, d.why)
	case plan.OpStartSocket:
		e.startSocketByName(a.Target, d.why)
	case plan.OpStopSocket:
		e.stopSocketByName(a.Target, d.why)
	case plan.OpStartTimer:
		e.startTimerByName(a.Target, d.why)
	case plan.OpStopTimer:
		e.stopTimerByName(a.Target, d.why)
	}
}

// performEach sets a state or emits a signal, once for each payload that there
// is. Without any, the trigger is skipped and says why.
func (e *Engine) performEach(d derived) {
	list, err := e.payloads(d)
	if err != nil {
		e.report("trigger skipped", d.why.text, fmt.Sprintf("%s %s: %v", d.action.Do, d.action.Target, err))
	}
	for i, v := range list {
		if i > 0 && !e.spend(fmt.Sprintf("%s %s", d.action.Do, d.action.Target)) {
			return
		}
		if d.action.Do == plan.OpEmit {
			e.emitSignal(EmitSignal{Signal: d.action.Target, Value: v}, d.why)
			continue
		}
		e.setState(SetState{State: d.action.Target, Value: v}, d.why)
	}
}

func (e *Engine) runCommand(d derived, argv ...string) {
	e.emit(RunCommand{Argv: argv, Env: accessEnv(d.socket, d.access), Cause: d.why.text})
}

// maxData bounds what a program of a trigger learns of the data that was sent.
// The kernel takes at most 128 KiB for one variable.
const maxData = 64 << 10

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
	switch {
	case len(access.Data) == 0:
	case len(access.Data) > maxData:
		env = append(env, "RIND_ACCESS_DATA_OMITTED=too long")
	case bytes.IndexByte(access.Data, 0) >= 0: // no environment can hold it
		env = append(env, "RIND_ACCESS_DATA_OMITTED=NUL byte")
	default:
		env = append(env, "RIND_ACCESS_DATA="+string(access.Data))
	}
	return env
}
