package flow

import (
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// ServiceState is the state of a service as the status shows it.
type ServiceState string

// States of a service.
const (
	ServiceInactive ServiceState = "inactive"
	ServiceStarting ServiceState = "starting"
	ServiceActive   ServiceState = "active"
	ServiceStopping ServiceState = "stopping"
	ServiceWaiting  ServiceState = "waiting" // for the delay before a restart
	ServiceFailed   ServiceState = "failed"
)

const (
	maxRestartDelay = 30 * time.Second
	forgiveAfter    = 60 * time.Second // up this long, a service forgets its restarts
)

// service is one service of the plan. While any of its processes is alive or
// about to be, its sockets are held.
type service struct {
	def     *plan.Service
	sockets []*socket // in the order of their descriptors

	state     ServiceState
	reason    string
	lastError string
	procs     []process
	gathering bool // waits for sockets that are being opened
	announced bool // on-start ran, so on-stop must
	broken    bool // a process could not be started: its sockets pause
	depth     int

	wanted  []why     // start it again once it is down
	waiting []Request // who waits for the operation in progress
	starts  uint64
	unable  int // starts in a row that failed
	retries int // restarts since it was last up long enough
}

// process is one entry of the plan's run list.
type process struct {
	state       procState
	incarnation uint64
	pid         int
}

type procState uint8

const (
	procDown procState = iota
	procSpawning
	procRunning
	procDelayed // its restart timer runs
)

// alive reports whether the service has or is about to have a process.
func (svc *service) alive() bool {
	if svc.gathering {
		return true
	}
	for _, p := range svc.procs {
		if p.state != procDown {
			return true
		}
	}
	return false
}

func (e *Engine) startServiceByName(name plan.Name, w why) {
	svc, ok := e.services[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such service: %s", name))
		return
	}
	e.startService(svc, w)
}

func (e *Engine) stopServiceByName(name plan.Name, w why) {
	svc, ok := e.services[name]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such service: %s", name))
		return
	}
	e.stopService(svc, w)
}

func (e *Engine) startService(svc *service, w why) {
	if e.stopping {
		e.reply(w.from, Failed, "failed: the daemon is shutting down")
		return
	}
	switch svc.state {
	case ServiceInactive, ServiceFailed:
		svc.depth, svc.retries = w.depth, 0
		svc.wait(w.from)
		e.moveService(svc, ServiceStarting, w.text, false)
		svc.gathering = true
		e.gather(svc)
	case ServiceWaiting: // no need to wait any longer
		svc.wait(w.from)
		e.moveService(svc, ServiceStarting, w.text, false)
		for i := range svc.procs {
			if svc.procs[i].state == procDelayed {
				e.emit(CancelTimer{TimerID{Kind: TimerRestart, Name: svc.def.Name, Run: i}})
				e.spawn(svc, i)
			}
		}
	case ServiceStopping:
		svc.wanted = append(svc.wanted, w)
	case ServiceStarting:
		svc.wait(w.from)
	case ServiceActive:
		e.reply(w.from, Unchanged, "already active")
	}
}

// gather spawns a service as soon as none of its sockets is being opened.
func (e *Engine) gather(svc *service) {
	for _, s := range svc.sockets {
		if s.opening {
			return
		}
	}
	svc.gathering = false
	for _, s := range svc.sockets {
		e.hold(s, "owner "+string(svc.def.Name)+" starts")
	}
	for i := range svc.procs {
		e.spawn(svc, i)
	}
}

func (e *Engine) spawn(svc *service, run int) {
	e.incarnation++
	svc.procs[run] = process{state: procSpawning, incarnation: e.incarnation}
	svc.starts++
	var open []plan.Name
	for _, s := range svc.sockets {
		if s.open() {
			open = append(open, s.def.Name)
		}
	}
	e.emit(Spawn{Process: svc.id(run), Sockets: open})
}

func (svc *service) id(run int) ProcessID {
	return ProcessID{Service: svc.def.Name, Run: run, Incarnation: svc.procs[run].incarnation}
}

// process returns the process that an answer is about, unless it is an earlier
// one.
func (e *Engine) process(id ProcessID) (*service, *process) {
	svc := e.services[id.Service]
	if svc == nil || id.Run < 0 || id.Run >= len(svc.procs) || svc.procs[id.Run].incarnation != id.Incarnation {
		return nil, nil
	}
	return svc, &svc.procs[id.Run]
}

func (e *Engine) processStarted(ev ProcessStarted) {
	svc, p := e.process(ev.Process)
	if svc == nil || p.state != procSpawning {
		return
	}
	p.state, p.pid = procRunning, ev.PID
	if svc.state == ServiceStopping {
		e.emit(Kill{Process: ev.Process})
		return
	}
	for _, q := range svc.procs {
		if q.state == procSpawning {
			return
		}
	}
	svc.unable = 0
	if svc.state != ServiceActive {
		e.moveService(svc, ServiceActive, svc.reason, false)
	}
	e.answerService(svc, Done, "started")
	e.emit(ArmTimer{TimerID{Kind: TimerForgive, Name: svc.def.Name}, forgiveAfter})
	if !svc.announced {
		svc.announced = true
		e.run(svc.def.OnStart, "on-start of service "+string(svc.def.Name), svc.depth+1, nil, nil)
	}
}

func (e *Engine) processFailed(ev ProcessFailed) {
	svc, p := e.process(ev.Process)
	if svc == nil || p.state != procSpawning {
		return
	}
	p.state = procDown
	svc.lastError = ev.Reason
	e.report("service cannot be started", string(svc.def.Name), ev.Reason)
	e.answerService(svc, Failed, "failed: "+ev.Reason)
	if svc.state != ServiceStopping && e.restart(svc, ev.Process.Run, true, ev.Reason) {
		return
	}
	svc.broken = true
	if svc.state != ServiceStopping {
		e.moveService(svc, ServiceStopping, ev.Reason, false)
	}
	e.kill(svc, false)
	e.settle(svc, ev.Reason, true)
}

func (e *Engine) processExited(ev ProcessExited) {
	svc, p := e.process(ev.Process)
	if svc == nil || p.state != procRunning {
		return
	}
	p.state, p.pid = procDown, 0
	if svc.state != ServiceStopping {
		svc.depth = 0 // it ended by itself: whatever follows is no hook's doing
	}
	reason := "exited with status 0"
	if ev.Status.Failed() {
		reason = fmt.Sprintf("exited with status %d", ev.Status.Code)
		if ev.Status.Signal != "" {
			reason = "killed by " + ev.Status.Signal
		}
		if svc.state != ServiceStopping {
			svc.lastError = reason
		}
	}
	if svc.state != ServiceStopping && e.restart(svc, ev.Process.Run, ev.Status.Failed(), reason) {
		return
	}
	e.settle(svc, reason, ev.Status.Failed() && svc.state != ServiceStopping)
}

// restart schedules another process if the restart policy wants one.
func (e *Engine) restart(svc *service, run int, failed bool, reason string) bool {
	policy := svc.def.Restart
	if e.stopping || !policy.Always && (!failed || svc.retries >= policy.MaxRetries) {
		return false
	}
	d := doubled(plan.RestartDelay, svc.retries, maxRestartDelay)
	svc.retries++
	svc.procs[run].state = procDelayed
	e.emit(CancelTimer{TimerID{Kind: TimerForgive, Name: svc.def.Name}})
	e.emit(ArmTimer{TimerID{Kind: TimerRestart, Name: svc.def.Name, Run: run}, d})
	e.moveService(svc, ServiceWaiting, fmt.Sprintf("%s; restart in %v", reason, d), failed)
	return true
}

// settle finishes a service that has no process left: its sockets are watched
// again, and what waits in them counts as an access.
func (e *Engine) settle(svc *service, reason string, failed bool) {
	if svc.alive() {
		return
	}
	e.emit(CancelTimer{TimerID{Kind: TimerStopGrace, Name: svc.def.Name}})
	e.emit(CancelTimer{TimerID{Kind: TimerForgive, Name: svc.def.Name}})
	if svc.broken { // the others were stopped because of that
		reason, failed = svc.lastError, true
	}
	to := ServiceInactive
	if failed {
		to = ServiceFailed
	}
	if svc.state != ServiceStopping || failed {
		e.moveService(svc, to, reason, failed)
	} else {
		e.moveService(svc, to, svc.reason, false)
	}
	e.answerService(svc, Done, "stopped")
	e.release(svc, reason)
	if svc.announced {
		svc.announced = false
		e.run(svc.def.OnStop, "on-stop of service "+string(svc.def.Name), svc.depth+1, nil, nil)
	}
	wanted := svc.wanted
	svc.wanted = nil
	for _, w := range wanted {
		e.startService(svc, w)
	}
}

// release gives the sockets of a service back to the watch; after a start that
// was impossible only after a pause, so that what waits does not spin.
func (e *Engine) release(svc *service, reason string) {
	var pause time.Duration
	if svc.broken {
		svc.broken = false
		pause = doubled(minRetry, svc.unable, maxRetry)
		svc.unable++
	}
	for _, s := range svc.sockets {
		switch {
		case s.state == SocketListening: // its report may have been spent on a start that was called off
			e.watch(s)
		case s.state != SocketHeld:
		case pause > 0:
			e.pause(s, pause, "owner cannot be started: "+reason)
		default:
			e.moveSocket(s, SocketListening, "owner "+string(svc.def.Name)+" "+reason, false)
			e.watch(s)
		}
	}
}

func (e *Engine) stopService(svc *service, w why) {
	for _, again := range svc.wanted {
		e.reply(again.from, Failed, "failed: stopped before it was started again")
	}
	svc.wanted = nil
	switch svc.state {
	case ServiceInactive, ServiceFailed:
		e.reply(w.from, Unchanged, "already inactive")
		return
	case ServiceStopping:
		svc.wait(w.from)
		return
	case ServiceStarting, ServiceActive, ServiceWaiting:
	}
	e.answerService(svc, Failed, "failed: stopped before it was up")
	svc.depth = w.depth
	svc.wait(w.from)
	svc.gathering = false
	e.moveService(svc, ServiceStopping, w.text, false)
	for i := range svc.procs {
		if svc.procs[i].state == procDelayed {
			svc.procs[i].state = procDown
			e.emit(CancelTimer{TimerID{Kind: TimerRestart, Name: svc.def.Name, Run: i}})
		}
	}
	e.kill(svc, false)
	e.settle(svc, w.text, false)
}

// kill signals every running process; one that is still being spawned gets its
// signal when it has a pid.
func (e *Engine) kill(svc *service, force bool) {
	signalled := false
	for i := range svc.procs {
		if svc.procs[i].state == procRunning {
			e.emit(Kill{Process: svc.id(i), Force: force})
			signalled = true
		}
	}
	if signalled && !force {
		e.emit(ArmTimer{TimerID{Kind: TimerStopGrace, Name: svc.def.Name}, plan.StopTimeout})
	}
}

func (e *Engine) serviceTimer(svc *service, t TimerID) {
	switch {
	case t.Kind == TimerForgive:
		svc.retries = 0
	case t.Kind == TimerStopGrace && svc.state == ServiceStopping:
		e.report("service does not stop, killing it", string(svc.def.Name), fmt.Sprintf("SIGTERM was ignored for %v", plan.StopTimeout))
		e.kill(svc, true)
	case t.Kind == TimerRestart && t.Run < len(svc.procs) && svc.procs[t.Run].state == procDelayed:
		e.moveService(svc, ServiceStarting, "restart", false)
		e.spawn(svc, t.Run)
	}
}

func (e *Engine) moveService(svc *service, to ServiceState, cause string, failure bool) {
	from := svc.state
	svc.state, svc.reason = to, cause
	if failure {
		svc.lastError = cause
	}
	if from != to {
		e.emit(Transition{
			Kind: "service", Name: svc.def.Name, From: string(from), To: string(to),
			Cause: cause, Failure: failure,
		})
	}
}

func (svc *service) wait(r Request) {
	if r.ID != 0 {
		svc.waiting = append(svc.waiting, r)
	}
}

func (e *Engine) answerService(svc *service, o Outcome, message string) {
	for _, r := range svc.waiting {
		e.reply(r, o, message)
	}
	svc.waiting = nil
}
