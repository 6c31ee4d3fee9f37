package flow

import (
	"fmt"
	"slices"
	"time"
)

// readyTimeout is how long a service with ready = "notify" may take to say that
// it is ready: TimeoutStartSec= of systemd has the same default.
const readyTimeout = 90 * time.Second

// notified takes in what a process says of itself.
func (e *Engine) notified(ev Notified) {
	in, p := e.process(ev.Process)
	if in == nil || p.state != procSpawning && p.state != procRunning {
		return
	}
	n, run := ev.Notice, ev.Process.Run
	if n.Status != "" {
		in.status = n.Status
	}
	if n.MainPID != 0 {
		p.pid = n.MainPID
	}
	e.extend(in, n.Extend)
	if in.state == ServiceStopping {
		return
	}
	switch {
	case n.Stopping:
		in.saying = "stopping"
	case n.Reloading:
		in.saying = "reloading"
	case n.Ready:
		in.saying = ""
	}
	if in.service.def.Watchdog != nil {
		e.takeSign(in, run, n)
	}
	switch {
	case !n.Ready || p.ready:
	case p.state == procSpawning:
		p.ready = true // processStarted follows
	default:
		e.beReady(in, run)
	}
}

// expectReady limits the time until every process that runs is ready. It begins
// with the first one.
func (e *Engine) expectReady(in *instance) {
	unready := func(p process) bool { return p.state == procRunning && !p.ready }
	if t := in.timer(TimerReady); in.state == ServiceStarting && !e.armed[t] && slices.ContainsFunc(in.procs, unready) {
		e.arm(t, readyTimeout)
	}
}

// extend gives a service more time to start or to end: as much as it asks for,
// counted from the end of the time that it has. Once it lives on what it has
// asked for, it has to ask again in time, as sd_notify(3) says.
func (e *Engine) extend(in *instance, d time.Duration) {
	if d <= 0 || in.state != ServiceStarting && in.state != ServiceStopping {
		return // there is no limit to what it is doing
	}
	in.extended = d
	if !in.overtime {
		return
	}
	if t := in.timer(in.deadline()); e.armed[t] {
		in.extended = 0
		e.arm(t, d)
	}
}

// deadline is the timer that limits what an instance is doing.
func (in *instance) deadline() TimerKind {
	if in.state == ServiceStopping {
		return TimerStopGrace
	}
	return TimerReady
}

// prolong lets a service go on whose time is over, if it has asked for more.
func (e *Engine) prolong(in *instance, t TimerID) bool {
	if in.extended <= 0 || t.Kind != in.deadline() {
		return false
	}
	d := in.extended
	in.overtime, in.extended = true, 0
	e.arm(t, d)
	return true
}

// notReady ends an instance that did not say in time that it is ready.
func (e *Engine) notReady(in *instance) {
	if in.state != ServiceStarting {
		return
	}
	reason := fmt.Sprintf("not ready within %v", readyTimeout)
	if in.overtime {
		reason = "not ready within the time that it asked for"
	}
	e.report("service does not get ready", in.title(), reason)
	policy := in.service.def.Restart
	in.broken = true
	e.fail(in, reason, policy.Always || in.retries < policy.MaxRetries)
}

// Actions of a watchdog.
const (
	watchdogRestart = "restart"
	watchdogSignal  = "signal"
)

// watchOver arms the watchdog of a process that is ready.
func (e *Engine) watchOver(in *instance, run int) {
	if in.service.def.Watchdog != nil && in.procs[run].state == procRunning {
		e.arm(in.timerOf(TimerWatchdog, run), in.patience(run))
	}
}

// patience is how long a process may be silent.
func (in *instance) patience(run int) time.Duration {
	w := in.service.def.Watchdog
	d := time.Duration(w.Interval)
	if own := in.procs[run].interval; own > 0 {
		d = own
	}
	return d + time.Duration(w.Grace)
}

// takeSign takes in what a process says to its watchdog.
func (e *Engine) takeSign(in *instance, run int, n Notice) {
	p := &in.procs[run]
	if n.Watchdog > 0 {
		p.interval = n.Watchdog
	}
	switch {
	case n.Failing:
		if p.state == procRunning {
			e.silent(in, run, "says that it fails")
		}
	case (n.Alive || n.Watchdog > 0) && e.armed[in.timerOf(TimerWatchdog, run)]:
		p.aborted = false
		e.watchOver(in, run)
	}
}

// silent does what the plan wants done about a process that gives no sign of
// life, or says that it fails.
func (e *Engine) silent(in *instance, run int, what string) {
	p := &in.procs[run]
	if in.state == ServiceStopping || p.state != procRunning {
		return
	}
	e.cancel(in.timerOf(TimerWatchdog, run))
	action := in.service.def.Watchdog.Action
	reason := fmt.Sprintf("watchdog: process %d %s", p.pid, what)
	if action != watchdogSignal {
		e.report("service is silent", in.title(), fmt.Sprintf("%s; action is %s", reason, action))
		in.crashed = true
		e.fail(in, reason, action == watchdogRestart)
		return
	}
	in.lastError, in.service.lastError = reason, reason
	if p.aborted { // it has had its time
		e.report("service is silent", in.title(), reason+" after SIGABRT; killing it")
		e.emit(Kill{Process: in.id(run), Signal: sigKill})
		return
	}
	p.aborted = true
	e.report("service is silent", in.title(), reason+"; sending SIGABRT")
	e.emit(Kill{Process: in.id(run), Signal: sigAbrt})
	_, timeout := in.service.ending()
	e.arm(in.timerOf(TimerWatchdog, run), max(timeout, time.Second))
}
