package flow

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rind-sockets/rind/plan"
)

const (
	sigTerm = "SIGTERM"
	sigKill = "SIGKILL"
	sigAbrt = "SIGABRT"
)

// proceed lets an instance go on with its start: it is starting, or waits for the
// services that it comes after.
func (e *Engine) proceed(in *instance, cause string) {
	missing := in.service.missing()
	in.blocked = len(missing) > 0
	if !in.blocked {
		e.moveInstance(in, ServiceStarting, cause, false)
		e.expectReady(in)
		return
	}
	e.moveInstance(in, ServiceWaiting, cause+"; "+waitsFor(missing), false)
}

// gather spawns what is due, unless a socket is still being opened, which the
// owner inherits, or another service has to be active first.
func (e *Engine) gather(in *instance) {
	due := slices.ContainsFunc(in.procs, func(p process) bool { return p.state == procDue })
	switch {
	case in.blocked || !due || slices.ContainsFunc(in.service.sockets, (*socket).awaitedByOwner):
		return
	case len(in.service.missing()) > 0: // since it began to wait for its sockets
		e.proceed(in, in.reason)
		e.disappoint(in)
		return
	}
	for i := range in.procs {
		if in.procs[i].state == procDue {
			e.spawn(in, i)
		}
	}
	e.handedOver(in)
}

// socketsSettled lets the instances of a service go on that waited for a socket.
func (e *Engine) socketsSettled(svc *service) {
	if svc.single {
		e.gather(svc.instances[0])
		return
	}
	for _, in := range slices.Clone(svc.instances) { // one that cannot be spawned may be dropped
		e.gather(in)
	}
}

func (e *Engine) spawn(in *instance, run int) {
	svc := in.service
	e.incarnation++
	in.procs[run] = process{state: procSpawning, incarnation: e.incarnation}
	in.starts++
	svc.starts++
	e.gain(svc)
	spawn, err := e.recipe(in, run)
	if err != nil {
		e.processFailed(ProcessFailed{Process: in.id(run), Reason: err.Error()})
		return
	}
	e.emit(spawn)
}

// recipe is how a process is to be started now.
func (e *Engine) recipe(in *instance, run int) (Spawn, error) {
	svc := in.service
	command, err := e.resolve(&svc.def.Run[run])
	if err != nil {
		return Spawn{}, err
	}
	user, err := e.userOf(in)
	if err != nil {
		return Spawn{}, err
	}
	env, err := in.environ()
	if err != nil {
		return Spawn{}, err
	}
	var open []plan.Name
	for _, s := range svc.sockets {
		if s.open() {
			open = append(open, s.def.Name)
		}
	}
	spawn := Spawn{Process: in.id(run), Sockets: open, Command: command, User: user, Env: env}
	if in.conn != nil {
		spawn.Connection = in.conn.id
	}
	return spawn, nil
}

// process returns the process that an answer is about, unless it is an earlier
// one.
func (e *Engine) process(id ProcessID) (*instance, *process) {
	svc := e.services[id.Service]
	if svc == nil {
		return nil, nil
	}
	in := svc.named[id.Instance]
	if in == nil || id.Run < 0 || id.Run >= len(in.procs) || in.procs[id.Run].incarnation != id.Incarnation {
		return nil, nil
	}
	return in, &in.procs[id.Run]
}

// processStarted makes an instance active as soon as nothing of it is still to
// come. One that is being stopped is told now that it has a pid.
func (e *Engine) processStarted(ev ProcessStarted) {
	in, p := e.process(ev.Process)
	if in == nil || p.state != procSpawning {
		return
	}
	p.state, p.pid, in.service.ran = procRunning, ev.PID, true
	if in.state == ServiceStopping {
		waited := in.deferred
		switch in.deferred = e.defers(in); {
		case in.deferred:
		case waited: // so did those that started before it
			e.endProcesses(in)
		default:
			e.endProcess(in, ev.Process.Run)
		}
		return
	}
	if in.service.def.Notify && !p.ready {
		e.expectReady(in)
		return
	}
	e.beReady(in, ev.Process.Run)
}

// beReady takes note that a process is ready.
func (e *Engine) beReady(in *instance, run int) {
	in.procs[run].ready = true
	e.watchOver(in, run)
	e.arrive(in)
}

// arrive makes an instance active once each of its processes is ready or, as far
// as its restart policy lets it, has ended.
func (e *Engine) arrive(in *instance) {
	if in.state != ServiceStarting || slices.ContainsFunc(in.procs, process.pending) {
		return
	}
	in.stumbled = false
	e.moveInstance(in, ServiceActive, in.reason, false)
	e.answerInstance(in, Done, "started")
	e.arm(in.timer(TimerForgive), orElse(in.service.def.Restart.ResetAfter, plan.ForgiveAfter))
	e.rise(in)
}

// pending reports whether a process is still to come or to be ready.
func (p process) pending() bool {
	if p.state == procRunning {
		return !p.ready
	}
	return p.state != procDown
}

// rise is told that an instance became active.
func (e *Engine) rise(in *instance) {
	svc := in.service
	if !svc.announced {
		svc.announced = true
		e.hookService(in, svc.def.OnStart, "on-start")
	}
	if !svc.up {
		svc.up = true
		e.serviceUp(svc)
	}
	e.endDeferred(svc) // what comes after it has this instance now
	e.unblockDependants(svc)
}

// processFailed tries again if the restart policy says so; else the whole
// instance has failed, and what runs of it is taken down.
func (e *Engine) processFailed(ev ProcessFailed) {
	in, p := e.process(ev.Process)
	if in == nil || p.state != procSpawning {
		return
	}
	p.state = procDown
	in.lastError, in.service.lastError = ev.Reason, ev.Reason
	e.report("service cannot be started", in.title(), ev.Reason)
	defer e.lose(in.service)
	if in.state == ServiceStopping { // nobody wants it any more
		e.settle(in, ev.Reason, false)
		return
	}
	e.answerInstance(in, Failed, "failed: "+ev.Reason)
	if e.restart(in, ev.Process.Run, true, ev.Reason) {
		return
	}
	in.broken, in.fault = true, ev.Reason
	if !in.hasProcess() {
		e.takeDown(in)
		e.settle(in, ev.Reason, true)
		return
	}
	e.moveInstance(in, ServiceStopping, ev.Reason, false)
	e.takeDown(in)
}

// hasProcess reports whether an instance has a process that must be told to end.
func (in *instance) hasProcess() bool {
	return slices.ContainsFunc(in.procs, func(p process) bool { return p.state == procSpawning || p.state == procRunning })
}

// processExited restarts a process that ended by itself, or settles the instance.
func (e *Engine) processExited(ev ProcessExited) {
	in, p := e.process(ev.Process)
	if in == nil || p.state != procRunning {
		return
	}
	unready := !p.ready && in.state != ServiceStopping
	p.state, p.pid = procDown, 0
	e.cancel(in.timerOf(TimerWatchdog, ev.Process.Run))
	defer e.lose(in.service)
	reason := describeExit(ev.Status)
	if in.state == ServiceStopping {
		e.settle(in, reason, false)
		return
	}
	in.depth = 0 // it ended by itself: whatever follows is no hook's doing
	failed := ev.Status.Failed() || unready
	if unready {
		reason += " before it was ready"
	}
	if failed {
		in.lastError, in.service.lastError = reason, reason
		e.answerInstance(in, Failed, "failed: "+reason)
	}
	switch {
	case e.restart(in, ev.Process.Run, failed, reason):
		return
	case ev.Status.Crashed() || unready:
		in.crashed = true
	default:
		in.service.unable = 0
	}
	e.settle(in, reason, failed)
	e.arrive(in)
}

func describeExit(s ExitStatus) string {
	if s.Signal != "" {
		return "killed by " + s.Signal
	}
	return fmt.Sprintf("exited with status %d", s.Code)
}

// restart schedules another process if the restart policy wants one.
func (e *Engine) restart(in *instance, run int, failed bool, reason string) bool {
	policy := in.service.def.Restart
	if in.conn != nil || !policy.Always && (!failed || in.retries >= policy.MaxRetries) {
		return false
	}
	d := orElse(policy.Backoff, plan.RestartDelay)
	if failed { // only failures wait longer each time
		d = e.backOff(in)
	}
	in.procs[run].state = procDelayed
	in.stumbled = failed && in.state != ServiceActive
	in.restarts++
	in.service.restarts++
	e.cancel(in.timer(TimerForgive))
	e.arm(in.timerOf(TimerRestart, run), d)
	e.moveInstance(in, ServiceWaiting, fmt.Sprintf("%s; restart in %v", reason, d), failed)
	if failed {
		in.lastError, in.service.lastError = reason, reason
	}
	e.disappointDependants(in.service)
	return true
}

// backOff returns the delay before a restart after a failure, and counts it.
func (e *Engine) backOff(in *instance) time.Duration {
	policy := in.service.def.Restart
	d := doubled(orElse(policy.Backoff, plan.RestartDelay), in.retries, orElse(policy.MaxBackoff, plan.MaxRestartDelay))
	in.retries++
	return d
}

// fail ends an instance that does not do what it should, and starts it again
// afterwards if that is wanted.
func (e *Engine) fail(in *instance, reason string, again bool) {
	in.fault, in.again = reason, again && in.conn == nil
	in.lastError, in.service.lastError = reason, reason
	in.depth = 0
	e.answerInstance(in, Failed, "failed: "+reason)
	e.moveInstance(in, ServiceStopping, reason, true)
	e.takeDown(in)
	e.settle(in, reason, true)
}

// startAgain restarts an instance that was taken down because of a fault.
func (e *Engine) startAgain(in *instance) {
	reason := in.fault
	in.stumbled = in.broken
	in.fault, in.again, in.broken, in.crashed = "", false, false, false
	d := e.backOff(in)
	for i := range in.procs {
		in.procs[i].state = procDelayed
		e.arm(in.timerOf(TimerRestart, i), d)
	}
	in.restarts++
	in.service.restarts++
	e.moveInstance(in, ServiceWaiting, fmt.Sprintf("%s; restart in %v", reason, d), true)
	in.lastError, in.service.lastError = reason, reason
	e.disappointDependants(in.service)
}

// orElse returns the duration of the plan, or what it is without one.
func orElse(d plan.Duration, usual time.Duration) time.Duration {
	return cmp.Or(time.Duration(d), usual)
}
