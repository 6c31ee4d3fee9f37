package flow

import (
	"cmp"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// stopInstance ends an instance in whatever state it is. Its dependants end
// before it, its sockets stay open.
func (e *Engine) stopInstance(in *instance, w why) {
	for _, again := range in.wanted {
		e.respond(again, Failed, "failed: stopped before it was started again")
	}
	in.wanted = nil
	switch in.state {
	case ServiceInactive, ServiceFailed:
		e.respond(w, Unchanged, "already inactive")
	case ServiceStopping:
		in.wait(w)
		in.again = false
		e.leave(in.service, w.depth)
	case ServiceStarting, ServiceActive, ServiceWaiting:
		e.endInstance(in, w, "failed: stopped before it was up")
	}
}

// endInstance ends an instance that is up or on its way.
func (e *Engine) endInstance(in *instance, w why, message string) {
	e.answerInstance(in, Failed, message)
	in.depth = w.depth
	in.wait(w)
	e.moveInstance(in, ServiceStopping, w.text, false)
	e.takeDown(in)
	e.settle(in, w.text, false)
}

// takeDown calls off the processes that are to come and ends those that run, once
// the services that come after this one have ended.
func (e *Engine) takeDown(in *instance) {
	for i := range in.procs {
		e.cancel(in.timerOf(TimerWatchdog, i))
		switch p := &in.procs[i]; p.state {
		case procDelayed, procDue:
			p.state = procDown
			e.cancel(in.timerOf(TimerRestart, i))
		case procDown, procSpawning, procRunning:
		}
	}
	in.blocked = false
	e.leave(in.service, in.depth)
	if in.deferred = e.defers(in); !in.deferred {
		e.endProcesses(in)
	}
}

// defers reports whether what comes after the service of an instance that is to
// end has to end before.
func (e *Engine) defers(in *instance) bool {
	return in.service.leaning > 0 && !in.service.stays() && in.alive() && !e.hurried
}

// endProcesses tells every running process to end; one that is still being
// spawned is told when it has a pid.
func (e *Engine) endProcesses(in *instance) {
	for i := range in.procs {
		if in.procs[i].state == procRunning {
			e.endProcess(in, i)
		}
	}
}

func (e *Engine) endProcess(in *instance, run int) {
	if e.hurried {
		e.emit(Kill{Process: in.id(run), Signal: sigKill})
		return
	}
	sig, timeout := in.service.ending()
	e.emit(Kill{Process: in.id(run), Signal: sig})
	switch {
	case timeout > 0:
		e.arm(in.timer(TimerStopGrace), timeout)
	case sig != sigKill:
		e.emit(Kill{Process: in.id(run), Signal: sigKill})
	}
}

// ending returns the signal that a service is stopped with, and the time that it
// has then.
func (svc *service) ending() (sig string, timeout time.Duration) {
	timeout = plan.StopTimeout
	if t := svc.def.Stop.Timeout; t != nil {
		timeout = time.Duration(*t)
	}
	return cmp.Or(svc.def.Stop.Signal, sigTerm), timeout
}

// killAll ends every running process of an instance at once.
func (e *Engine) killAll(in *instance) {
	in.deferred = false
	for i := range in.procs {
		if in.procs[i].state == procRunning {
			e.emit(Kill{Process: in.id(i), Signal: sigKill})
		}
	}
}

// settle finishes an instance that has no process left. With the last one, the
// sockets are watched again, and what waits in them counts as an access.
func (e *Engine) settle(in *instance, reason string, failed bool) {
	if in.alive() {
		return
	}
	e.cancel(in.timer(TimerStopGrace))
	e.cancel(in.timer(TimerForgive))
	if in.conn != nil {
		in.wanted = nil // nobody waits for the answer: its connection is over
	}
	in.overtime, in.extended, in.deferred = false, 0, false
	if in.again && len(in.wanted) == 0 {
		e.startAgain(in)
		return
	}
	switch {
	case in.fault != "":
		reason = in.fault
		e.moveInstance(in, ServiceFailed, reason, true)
	case failed:
		e.moveInstance(in, ServiceFailed, reason, true)
	case in.state == ServiceStopping:
		e.moveInstance(in, ServiceInactive, in.reason, false)
	default:
		e.moveInstance(in, ServiceInactive, reason, false)
	}
	e.answerInstance(in, Done, "stopped")
	e.leave(in.service, in.depth)
	e.release(in, reason)
	in.fault, in.again, in.broken, in.crashed = "", false, false, false
	if svc := in.service; svc.announced && !svc.alive() {
		svc.announced = false
		e.hookService(in, svc.def.OnStop, "on-stop")
	}
	wanted := in.wanted
	in.wanted = nil
	if e.succeed(in.service) {
		for _, w := range wanted {
			e.startService(in.service, w)
		}
		e.disconnected(in)
		return
	}
	for _, w := range wanted {
		e.startInstance(in, w)
	}
	e.disappointDependants(in.service)
	e.drop(in)
	e.disconnected(in)
}

// release gives the sockets of a service that is down back to the watch; after a
// start that was impossible, or one crash too many, only after a pause, so that
// what waits does not spin.
func (e *Engine) release(in *instance, reason string) {
	svc := in.service
	var pause time.Duration
	what := "owner cannot be started: "
	switch {
	case in.broken:
		pause = doubled(minRetry, svc.unable, maxRetry)
		svc.unable++
	case in.crashed:
		if svc.unable >= freeCrashes {
			pause = doubled(minRetry, svc.unable-freeCrashes, maxRetry)
			what = "owner keeps crashing: "
		}
		svc.unable++
	}
	if in.conn != nil && in.broken {
		e.pauseAccept(in.conn.socket, pause, what+reason)
	}
	if svc.alive() {
		return
	}
	ran := svc.ran
	svc.ran = false
	for _, s := range svc.sockets {
		if s.state != SocketHeld {
			continue
		}
		if ran { // else nothing has ended that what waits was meant for
			e.flush(s)
		}
		switch {
		case pause > 0:
			e.pause(s, pause, what+reason)
			e.rebindLost(s)
		case s.vain:
			e.limitVain(s)
			e.rebindLost(s)
		default:
			e.resume(s, "owner "+string(svc.def.Name)+" is down: "+reason)
		}
	}
}
