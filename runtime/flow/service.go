package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rind-sockets/rind/plan"
)

// ServiceState is the state of a service, or of one instance of it, as the status
// shows it.
type ServiceState string

// States of a service.
const (
	ServiceInactive ServiceState = "inactive"
	ServiceStarting ServiceState = "starting"
	ServiceActive   ServiceState = "active"
	ServiceStopping ServiceState = "stopping"
	ServiceWaiting  ServiceState = "waiting" // for the delay before a restart, or for other services
	ServiceFailed   ServiceState = "failed"
)

// service is one service of the plan. While any of its instances is up or about
// to be, its sockets are held.
type service struct {
	def     *plan.Service
	sockets []*socket // in the order of their descriptors

	instances []*instance // in the order in which they appeared
	named     map[string]*instance
	single    bool // there is one instance, and always
	accepting bool // there is one for each connection, see accept.go

	// Of one that has several, see service_instances.go.
	wanted   bool     // a branch that appears is a reason to start
	own      bool     // its start condition looks at the state that it branches over
	signals  bool     // and at signals
	judged   bool     // each branch by itself
	leftOut  []string // branches that max-instances has kept from starting
	numbered uint64   // the last number of an instance

	// Of services that come after each other, see service_after.go.
	after      []*service // it comes after these
	dependants []*service // these come after it
	running    int        // its processes, those that are being spawned too
	leaning    int        // dependants that have processes
	inquiry    uint64     // the last one, and what came of it
	coming     bool

	leaving bool          // the plan that was loaded last does not have it
	next    *plan.Service // its definition from when it is down on, see reload.go

	ceasing   bool // every instance is being stopped
	engaged   int  // instances that are neither inactive nor failed
	up        bool // it became active, and has neither ended nor been told to stop since
	announced bool // on-start ran, so on-stop must
	ran       bool // it has had a process since its sockets were given back last

	lastError string
	starts    uint64
	restarts  uint64
	unable    int // starts in a row that failed, or ended in a crash
}

// instance is one set of the processes of a service. A service without branching
// that is a singleton has one, whose name is empty.
type instance struct {
	service *service
	name    string

	state     ServiceState
	reason    string
	lastError string
	procs     []process
	gone      bool        // the branch that it is for is not there any more
	conn      *connection // that it is for; nil: none

	blocked  bool // it waits for the services that it comes after
	deferred bool // it is told to end as soon as its dependants have ended

	fault    string // why it has to end, if nobody asked for that
	again    bool   // and is started again then
	stumbled bool   // it is tried again, and its last start failed
	broken   bool   // a process could not be started: its sockets pause
	crashed  bool   // a process crashed: its sockets may have to pause

	depth   int   // how many hooks led to the operation in progress
	waiting []why // who waits for it
	wanted  []why // starts that wait for the end of a stop

	starts   uint64
	restarts uint64
	retries  int // restarts since it was last up long enough

	saying   string        // what it says of itself: "reloading", "stopping"
	status   string        // the same in its own words
	extended time.Duration // what it has asked for beyond the time it has
	overtime bool          // it lives on what it has asked for
}

// process is one entry of the plan's run list.
type process struct {
	state       procState
	incarnation uint64
	pid         int
	ready       bool          // it has said so, or does not have to
	interval    time.Duration // of its watchdog, in place of the plan's
	aborted     bool          // its watchdog has sent SIGABRT
}

type procState uint8

const (
	procDown    procState = iota
	procDelayed           // due when its restart timer fires
	procDue               // spawned as soon as nothing is to be waited for
	procSpawning
	procRunning
)

func newService(def *plan.Service, accepting bool) *service {
	svc := &service{def: def, named: map[string]*instance{}, accepting: accepting}
	if svc.single = !def.Multiple && def.Branching == nil && !accepting; svc.single {
		svc.add("")
	}
	svc.judge()
	return svc
}

// alive reports whether a service is up, or about to be.
func (svc *service) alive() bool { return svc.engaged > 0 }

// state is that of all instances taken together.
func (svc *service) state() ServiceState {
	if svc.single {
		return svc.named[""].state
	}
	for _, s := range []ServiceState{ServiceActive, ServiceStarting, ServiceWaiting, ServiceStopping, ServiceFailed} {
		if slices.ContainsFunc(svc.instances, func(in *instance) bool { return in.state == s }) {
			return s
		}
	}
	return ServiceInactive
}

func (svc *service) add(name string) *instance {
	in := &instance{service: svc, name: name, state: ServiceInactive, procs: make([]process, len(svc.def.Run))}
	svc.instances = append(svc.instances, in)
	svc.named[name] = in
	return in
}

// alive reports whether an instance has or is about to have a process.
func (in *instance) alive() bool {
	return slices.ContainsFunc(in.procs, func(p process) bool { return p.state != procDown })
}

// engaged reports whether an instance is neither down nor failed.
func (in *instance) engaged() bool {
	return in.state != ServiceInactive && in.state != ServiceFailed
}

func (in *instance) timer(k TimerKind) TimerID {
	return TimerID{Kind: k, Name: in.service.def.Name, Instance: in.name}
}

func (in *instance) timerOf(k TimerKind, run int) TimerID {
	return TimerID{Kind: k, Name: in.service.def.Name, Instance: in.name, Run: run}
}

func (in *instance) id(run int) ProcessID {
	return ProcessID{Service: in.service.def.Name, Instance: in.name, Run: run, Incarnation: in.procs[run].incarnation}
}

// title names an instance in reports.
func (in *instance) title() string {
	if in.service.single {
		return string(in.service.def.Name)
	}
	name := in.name
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	return fmt.Sprintf("%s[%s]", in.service.def.Name, name)
}

// startInstance makes sure that an instance is up or on its way; the sockets of
// its service are held from now on, whatever started it (SPEC §6.3).
func (e *Engine) startInstance(in *instance, w why) {
	if e.stopping || in.service.leaving {
		e.respond(w, Failed, in.service.noStart(e.stopping))
		return
	}
	switch in.state {
	case ServiceInactive, ServiceFailed:
		if reason := in.service.full(); reason != "" {
			e.respond(w, Failed, "failed: "+reason)
			return
		}
		in.depth, in.retries, in.stumbled = w.depth, 0, false
		in.wait(w)
		for i := range in.procs {
			in.procs[i].state = procDue
		}
		e.proceed(in, w.text)
		for _, s := range in.service.sockets {
			e.hold(s, "owner "+string(in.service.def.Name)+" starts")
		}
		e.gather(in)
		e.disappoint(in)
	case ServiceWaiting: // no need to wait for the delay
		in.wait(w)
		if in.blocked {
			e.disappoint(in)
			return
		}
		e.proceed(in, w.text)
		e.skipDelay(in)
		e.disappoint(in)
	case ServiceStopping:
		in.wanted = want(in.wanted, w)
	case ServiceStarting: // of several processes, one may be delayed
		in.wait(w)
		e.skipDelay(in)
	case ServiceActive:
		e.respond(w, Unchanged, "already active")
	}
}

// skipDelay makes due what waits for the delay before a restart.
func (e *Engine) skipDelay(in *instance) {
	for i := range in.procs {
		if in.procs[i].state == procDelayed {
			in.procs[i].state = procDue
			e.cancel(in.timerOf(TimerRestart, i))
		}
	}
	e.gather(in)
}

func (e *Engine) serviceTimer(svc *service, t TimerID) {
	in := svc.named[t.Instance]
	if in == nil {
		return
	}
	switch t.Kind {
	case TimerForgive:
		in.retries, svc.unable = 0, 0
		for _, s := range svc.sockets {
			s.vain = false // it has been up for long: whoever waited then is served
		}
	case TimerStopGrace:
		if e.prolong(in, t) {
			return
		}
		sig, timeout := svc.ending()
		detail := fmt.Sprintf("%s was ignored for %v", sig, timeout)
		if in.overtime {
			detail = "it has used up the time that it asked for after " + sig
		}
		e.report("service does not stop, killing it", in.title(), detail)
		e.killAll(in)
	case TimerRestart:
		in.procs[t.Run].state = procDue
		e.proceed(in, "restart")
		e.gather(in)
		e.disappoint(in)
	case TimerReady:
		if !e.prolong(in, t) {
			e.notReady(in)
		}
	case TimerWatchdog:
		e.silent(in, t.Run, "gave no sign of life for "+in.patience(t.Run).String())
	case TimerReopen, TimerResume, TimerWindow, TimerUnit: // not of services
	}
}

func (e *Engine) hookService(in *instance, list []plan.Action, name string) {
	e.run(list, name+" of service "+string(in.service.def.Name), in.depth+1, nil, nil)
}

func (e *Engine) moveInstance(in *instance, to ServiceState, cause string, failure bool) {
	from := in.state
	was := in.engaged()
	in.state, in.reason = to, cause
	if failure {
		in.lastError, in.service.lastError = cause, cause
	}
	if from == to {
		return
	}
	if from == ServiceStarting {
		e.cancel(in.timer(TimerReady))
		in.overtime, in.extended = false, 0
	}
	if to != ServiceActive {
		in.saying = ""
	}
	if !in.engaged() {
		in.status = ""
	}
	change := up(in.engaged()) - up(was)
	e.servicesUp += change
	in.service.engaged += change
	e.emit(Transition{
		Kind: "service", Name: in.service.def.Name, Instance: in.name, From: string(from), To: string(to),
		Cause: cause, Failure: failure,
	})
}

// wait lets whoever asked for an operation wait for its end.
func (in *instance) wait(w why) {
	if w.from.ID != 0 {
		in.waiting = append(in.waiting, w)
	}
}

func (e *Engine) answerInstance(in *instance, o Outcome, message string) {
	waiting := in.waiting
	in.waiting = nil
	for _, w := range waiting {
		e.respond(w, o, message)
	}
}
