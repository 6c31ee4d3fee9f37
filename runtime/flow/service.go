package flow

import (
	"fmt"
	"slices"
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
	sigTerm = "SIGTERM"
	sigKill = "SIGKILL"

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
	broken    bool // a process could not be started: the others must end, its sockets pause
	crashed   bool // a process crashed: its sockets may have to pause
	announced bool // on-start ran, so on-stop must

	depth   int       // how many hooks led to the operation in progress
	waiting []Request // who waits for it
	wanted  []why     // starts that wait for the end of a stop

	starts  uint64
	unable  int // starts in a row that failed, or ended in a crash
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
	procDown    procState = iota
	procDelayed           // due when its restart timer fires
	procDue               // spawned as soon as the service's sockets are settled
	procSpawning
	procRunning
)

// alive reports whether the service has or is about to have a process.
func (svc *service) alive() bool {
	return slices.ContainsFunc(svc.procs, func(p process) bool { return p.state != procDown })
}

func (svc *service) timer(k TimerKind) TimerID { return TimerID{Kind: k, Name: svc.def.Name} }

func (svc *service) restartTimer(run int) TimerID {
	return TimerID{Kind: TimerRestart, Name: svc.def.Name, Run: run}
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

// startService makes sure that a service is up or on its way; it holds its
// sockets from now on, whatever started it (SPEC §6.3).
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
		for i := range svc.procs {
			svc.procs[i].state = procDue
		}
		for _, s := range svc.sockets {
			e.hold(s, "owner "+string(svc.def.Name)+" starts")
		}
		e.gather(svc)
	case ServiceWaiting: // no need to wait any longer
		svc.wait(w.from)
		e.moveService(svc, ServiceStarting, w.text, false)
		for i := range svc.procs {
			if svc.procs[i].state == procDelayed {
				svc.procs[i].state = procDue
				e.cancel(svc.restartTimer(i))
			}
		}
		e.gather(svc)
	case ServiceStopping:
		svc.wanted = want(svc.wanted, w)
	case ServiceStarting:
		svc.wait(w.from)
	case ServiceActive:
		e.reply(w.from, Unchanged, "already active")
	}
}

// gather spawns what is due, unless a socket is still being opened: the owner
// inherits it.
func (e *Engine) gather(svc *service) {
	if slices.ContainsFunc(svc.sockets, (*socket).awaitedByOwner) {
		return
	}
	for i := range svc.procs {
		if svc.procs[i].state == procDue {
			e.spawn(svc, i)
		}
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
	e.emit(Spawn{Process: svc.id(run), Sockets: open, Command: svc.def.Run[run]})
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

// processStarted makes a service active as soon as nothing of it is still to
// come. One that is being stopped gets its signal now that it has a pid.
func (e *Engine) processStarted(ev ProcessStarted) {
	svc, p := e.process(ev.Process)
	if svc == nil || p.state != procSpawning {
		return
	}
	p.state, p.pid = procRunning, ev.PID
	if svc.state == ServiceStopping {
		sig := sigTerm
		if e.hurried {
			sig = sigKill
		}
		e.signal(svc, ev.Process.Run, sig)
		return
	}
	if slices.ContainsFunc(svc.procs, func(q process) bool { return q.state != procRunning && q.state != procDown }) {
		return // others are still to come
	}
	e.moveService(svc, ServiceActive, svc.reason, false)
	e.answerService(svc, Done, "started")
	e.arm(svc.timer(TimerForgive), forgiveAfter)
	if !svc.announced {
		svc.announced = true
		e.hookService(svc, svc.def.OnStart, "on-start")
	}
}

// processFailed tries again if the restart policy says so; else the whole service
// has failed, and what runs of it is taken down.
func (e *Engine) processFailed(ev ProcessFailed) {
	svc, p := e.process(ev.Process)
	if svc == nil || p.state != procSpawning {
		return
	}
	p.state = procDown
	svc.lastError = ev.Reason
	e.report("service cannot be started", string(svc.def.Name), ev.Reason)
	if svc.state == ServiceStopping { // nobody wants it any more
		e.settle(svc, ev.Reason, false)
		return
	}
	e.answerService(svc, Failed, "failed: "+ev.Reason)
	if e.restart(svc, ev.Process.Run, true, ev.Reason) {
		return
	}
	svc.broken = true
	e.takeDown(svc)
	if svc.alive() {
		e.moveService(svc, ServiceStopping, ev.Reason, false)
	}
	e.settle(svc, ev.Reason, true)
}

// processExited restarts a process that ended by itself, or settles the service.
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
	switch {
	case svc.state == ServiceStopping:
	case e.restart(svc, ev.Process.Run, ev.Status.Failed(), reason):
		return
	case ev.Status.Crashed():
		svc.crashed = true
	default:
		svc.unable = 0
	}
	e.settle(svc, reason, ev.Status.Failed() && svc.state != ServiceStopping)
}

// restart schedules another process if the restart policy wants one.
func (e *Engine) restart(svc *service, run int, failed bool, reason string) bool {
	policy := svc.def.Restart
	if !policy.Always && (!failed || svc.retries >= policy.MaxRetries) {
		return false
	}
	d := plan.RestartDelay
	if failed { // only failures wait longer each time
		d = doubled(plan.RestartDelay, svc.retries, maxRestartDelay)
		svc.retries++
	}
	svc.procs[run].state = procDelayed
	e.cancel(svc.timer(TimerForgive))
	e.arm(svc.restartTimer(run), d)
	e.moveService(svc, ServiceWaiting, fmt.Sprintf("%s; restart in %v", reason, d), failed)
	if failed {
		svc.lastError = reason
	}
	return true
}

// settle finishes a service that has no process left: its sockets are watched
// again, and what waits in them counts as an access.
func (e *Engine) settle(svc *service, reason string, failed bool) {
	if svc.alive() {
		return
	}
	e.cancel(svc.timer(TimerStopGrace))
	e.cancel(svc.timer(TimerForgive))
	switch {
	case svc.broken: // the others were stopped because of that
		reason = svc.lastError
		e.moveService(svc, ServiceFailed, reason, true)
	case failed:
		e.moveService(svc, ServiceFailed, reason, true)
	case svc.state == ServiceStopping:
		e.moveService(svc, ServiceInactive, svc.reason, false)
	default:
		e.moveService(svc, ServiceInactive, reason, false)
	}
	e.answerService(svc, Done, "stopped")
	e.release(svc, reason)
	if svc.announced {
		svc.announced = false
		e.hookService(svc, svc.def.OnStop, "on-stop")
	}
	wanted := svc.wanted
	svc.wanted = nil
	for _, w := range wanted {
		e.startService(svc, w)
	}
}

// release gives the sockets of a service back to the watch; after a start that
// was impossible, or one crash too many, only after a pause, so that what waits
// does not spin.
func (e *Engine) release(svc *service, reason string) {
	var pause time.Duration
	what := "owner cannot be started: "
	switch {
	case svc.broken:
		pause = doubled(minRetry, svc.unable, maxRetry)
		svc.unable++
	case svc.crashed:
		if svc.unable >= freeCrashes {
			pause = doubled(minRetry, svc.unable-freeCrashes, maxRetry)
			what = "owner keeps crashing: "
		}
		svc.unable++
	}
	svc.broken, svc.crashed = false, false
	for _, s := range svc.sockets {
		switch {
		case s.state != SocketHeld:
		case pause > 0:
			e.pause(s, pause, what+reason)
		case s.vain:
			e.limitVain(s)
		default:
			e.resume(s, "owner "+string(svc.def.Name)+" is down: "+reason)
		}
	}
}

// stopService ends a service in whatever state it is. Its sockets stay open.
func (e *Engine) stopService(svc *service, w why) {
	for _, again := range svc.wanted {
		e.reply(again.from, Failed, "failed: stopped before it was started again")
	}
	svc.wanted = nil
	switch svc.state {
	case ServiceInactive, ServiceFailed:
		e.reply(w.from, Unchanged, "already inactive")
	case ServiceStopping:
		svc.wait(w.from)
	case ServiceStarting, ServiceActive, ServiceWaiting:
		e.answerService(svc, Failed, "failed: stopped before it was up")
		svc.depth = w.depth
		svc.wait(w.from)
		e.moveService(svc, ServiceStopping, w.text, false)
		e.takeDown(svc)
		e.settle(svc, w.text, false)
	}
}

// takeDown calls off the processes that are to come and ends those that run.
func (e *Engine) takeDown(svc *service) {
	for i := range svc.procs {
		switch p := &svc.procs[i]; p.state {
		case procDelayed, procDue:
			p.state = procDown
			e.cancel(svc.restartTimer(i))
		case procDown, procSpawning, procRunning:
		}
	}
	e.kill(svc, sigTerm)
}

// kill signals every running process; one that is still being spawned gets its
// signal when it has a pid.
func (e *Engine) kill(svc *service, sig string) {
	for i := range svc.procs {
		if svc.procs[i].state == procRunning {
			e.signal(svc, i, sig)
		}
	}
}

// signal asks a process to end, or ends it.
func (e *Engine) signal(svc *service, run int, sig string) {
	e.emit(Kill{Process: svc.id(run), Signal: sig})
	if sig != sigKill {
		e.arm(svc.timer(TimerStopGrace), plan.StopTimeout)
	}
}

func (e *Engine) serviceTimer(svc *service, t TimerID) {
	switch t.Kind {
	case TimerForgive:
		svc.retries, svc.unable = 0, 0
		for _, s := range svc.sockets {
			s.vain = false // it has been up for long: whoever waited then is served
		}
	case TimerStopGrace:
		e.report("service does not stop, killing it", string(svc.def.Name), fmt.Sprintf("SIGTERM was ignored for %v", plan.StopTimeout))
		e.kill(svc, sigKill)
	case TimerRestart:
		svc.procs[t.Run].state = procDue
		e.moveService(svc, ServiceStarting, "restart", false)
		e.gather(svc)
	case TimerReady, TimerWatchdog:
	case TimerReopen, TimerResume, TimerWindow, TimerUnit: // not of services
	}
}

func (e *Engine) hookService(svc *service, list []plan.Action, name string) {
	e.run(list, name+" of service "+string(svc.def.Name), svc.depth+1, nil, nil)
}

func (e *Engine) moveService(svc *service, to ServiceState, cause string, failure bool) {
	from := svc.state
	svc.state, svc.reason = to, cause
	if failure {
		svc.lastError = cause
	}
	if from != to {
		e.servicesUp += up(to != ServiceInactive && to != ServiceFailed) - up(from != ServiceInactive && from != ServiceFailed)
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

// notified takes in what a process says of itself.
func (e *Engine) notified(Notified) {}
