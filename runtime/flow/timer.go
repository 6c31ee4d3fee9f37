package flow

import (
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// TimerState is the state of a timer of the plan as the status shows it.
type TimerState string

// States of a timer.
const (
	TimerInactive TimerState = "inactive"
	TimerRunning  TimerState = "running"
)

// timer is one timer of the plan.
type timer struct {
	def    *plan.Timer
	state  TimerState
	reason string // why it is in that state
	depth  int    // how many hooks led to its start
	ends   uint64 // how often its time was over
}

func (t *timer) id() TimerID { return TimerID{Kind: TimerUnit, Name: t.def.Name} }

func (e *Engine) startTimerByName(name plan.Name, w why) {
	t, ok := e.timers[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such timer: %s", name))
		return
	}
	e.startTimer(t, w)
}

func (e *Engine) stopTimerByName(name plan.Name, w why) {
	t, ok := e.timers[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such timer: %s", name))
		return
	}
	e.stopTimer(t, w)
}

// startTimer lets a timer run. One that is running goes on as before.
func (e *Engine) startTimer(t *timer, w why) {
	if t.state == TimerRunning || e.stopping {
		return
	}
	t.depth = w.depth
	e.moveTimer(t, TimerRunning, w.text)
	e.arm(t.id(), time.Duration(t.def.Duration))
}

// stopTimer ends a timer before its time; nothing of finish is done.
func (e *Engine) stopTimer(t *timer, w why) {
	if t.state == TimerInactive {
		return
	}
	e.cancel(t.id())
	e.moveTimer(t, TimerInactive, w.text)
}

// unitTimer ends the time of a timer of the plan. A repeating one runs again
// before its triggers do anything, so that they can stop it and do not delay it;
// any other one is over before, so that they can start it again.
func (e *Engine) unitTimer(name plan.Name) {
	t := e.timers[name]
	if t == nil || t.state != TimerRunning {
		return
	}
	t.ends++
	if t.def.Repeat {
		e.arm(t.id(), time.Duration(t.def.Duration))
	} else {
		e.moveTimer(t, TimerInactive, "finished")
	}
	e.run(t.def.Finish, "finish of timer "+string(name), 1, nil, nil)
}

// serviceUp starts the timers that come after a service.
func (e *Engine) serviceUp(svc *service) {
	for _, t := range e.timersAfter[svc.def.Name] {
		e.startTimer(t, why{text: "service " + string(svc.def.Name) + " is active"})
	}
}

// serviceDown stops the timers that come after a service.
func (e *Engine) serviceDown(svc *service) {
	for _, t := range e.timersAfter[svc.def.Name] {
		e.stopTimer(t, why{text: "service " + string(svc.def.Name) + " is not active any more"})
	}
}

func (e *Engine) moveTimer(t *timer, to TimerState, cause string) {
	from := t.state
	t.state, t.reason = to, cause
	e.emit(Transition{Kind: "timer", Name: t.def.Name, From: string(from), To: string(to), Cause: cause})
}
