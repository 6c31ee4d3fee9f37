// Package flow is the engine: a pure function from an event to effects. It
// decides which sockets are open, who holds them, which services run and what a
// trigger does. It has no lock, clock, goroutine, file or socket; the loop
// calls Step, one event at a time, and carries out the effects in order.
//
// To follow one event: Step hands it to handle, which is the map of the package.
// What changes a state (state.go) or is a signal (signal.go) is recorded as a
// change and goes through propagate (deliver.go): states that follow are brought
// up to date (derive.go, autopayload.go), units whose conditions are met
// (index.go, condition.go) are marked, and then sockets (socket.go, limit.go) and
// services (service.go) start and stop. The triggers that this causes wait in a
// queue until then (action.go, payload.go).
package flow

import (
	"fmt"
	"slices"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Fuses. A chain of events that feeds itself is cut and reported.
const (
	// maxDerived bounds the events that one event may cause within its step.
	maxDerived = 10_000

	// maxDepth bounds hooks that cause hooks across steps: an on-start that
	// stops the socket whose on-stop starts it.
	maxDepth = 64
)

// Engine holds the current states and the state of every unit. It is not safe
// for concurrent use.
type Engine struct {
	plan      *plan.Plan
	config    Config
	states    map[plan.Name]*state
	signals   map[plan.Name]*signal
	sockets   map[plan.Name]*socket
	services  map[plan.Name]*service
	timers    map[plan.Name]*timer
	variables map[string]*plan.Variable
	order     struct {
		states   []*state
		derived  []*state // that follow from others, sources first
		sockets  []*socket
		services []*service
		timers   []*timer
	}
	endpoints   map[string][]*socket     // who wants one endpoint
	timersAfter map[plan.Name][]*timer   // by service
	branching   map[plan.Name][]*service // by the state they branch over
	inquiry     uint64                   // see service.isComing

	// Of the index, see index.go.
	units []*reactor               // sockets, then services
	named map[plan.Name][]*reactor // the same by name
	ranks int

	evals    map[uint64]*state // who waits for the answer to an Evaluate
	lastEval uint64

	incarnation uint64
	armed       map[TimerID]bool // timers that have not fired
	booted      bool             // before Boot, states and signals cause nothing
	stopping    bool             // Shutdown has begun
	hurried     bool             // and does not wait any longer
	closing     bool             // and has come to the sockets
	exited      bool             // and is over

	// How many are neither down nor failed: counted, since asking all of them
	// after each step would make the end of many sockets quadratic.
	servicesUp, socketsUp int

	// Of the current step.
	event Event
	out   []Effect
	queue []derived
	spent int  // how much the event has caused
	cut   bool // that was too much

	// Of the changes that are being delivered, see deliver.go.
	changes []change
	changed change // the one whose turn it is
	dirty   []*state
	lap     uint64 // of settleStates
	marked  []*reactor
	noted   []*reactor
	emitted []emission
}

// derived is an action of a trigger that waits for its turn.
type derived struct {
	action *plan.Action
	why    why
	socket *socket // that the trigger is about, or nil
	access *Access // that fired it, or nil
}

// why is the cause of an operation.
type why struct {
	text  string
	depth int     // how many hooks led here
	from  Request // who waits for the answer
	group *group  // nil: one unit gives it; else several together
}

// Config is what an engine has to know beside the plan.
type Config struct {
	// Variables are the values of variables that are not their defaults.
	Variables map[string]cond.Value

	// Announce asks for the effect [Announce].
	Announce bool

	// Observe, if set, is told what the engine looks at.
	Observe Observer
}

// New returns an engine in the initial state of a valid plan. Nothing happens
// before the event Boot.
func New(p *plan.Plan, config Config) *Engine {
	e := &Engine{
		plan:        p,
		config:      config,
		states:      map[plan.Name]*state{},
		signals:     map[plan.Name]*signal{},
		sockets:     map[plan.Name]*socket{},
		services:    map[plan.Name]*service{},
		timers:      map[plan.Name]*timer{},
		variables:   map[string]*plan.Variable{},
		endpoints:   map[string][]*socket{},
		timersAfter: map[plan.Name][]*timer{},
		branching:   map[plan.Name][]*service{},
		named:       map[plan.Name][]*reactor{},
		evals:       map[uint64]*state{},
		armed:       map[TimerID]bool{},
	}
	for i := range p.Variables {
		e.variables[p.Variables[i].Name] = &p.Variables[i]
	}
	for _, def := range States(p) {
		e.states[def.Name] = &state{def: def}
		e.order.states = append(e.order.states, e.states[def.Name])
	}
	for i := range p.Signals {
		e.signals[p.Signals[i].Name] = &signal{def: &p.Signals[i]}
	}
	for i := range p.Timers {
		t := &timer{def: &p.Timers[i], state: TimerInactive}
		e.timers[t.def.Name] = t
		e.order.timers = append(e.order.timers, t)
	}
	for i := range p.Services {
		svc := newService(&p.Services[i], accepting(p, p.Services[i].Name))
		e.services[svc.def.Name] = svc
		e.order.services = append(e.order.services, svc)
	}
	for i := range p.Sockets {
		s := &socket{def: &p.Sockets[i], state: SocketInactive}
		e.sockets[s.def.Name] = s
		e.order.sockets = append(e.order.sockets, s)
	}
	e.link()
	return e
}

// link connects the units of the plan with each other, and with the states and
// signals that they look at. It may do so again, with other definitions; units that
// leave have no relations any more.
func (e *Engine) link() {
	e.endpoints, e.timersAfter = map[string][]*socket{}, map[plan.Name][]*timer{}
	e.branching, e.named = map[plan.Name][]*service{}, map[plan.Name][]*reactor{}
	e.units, e.order.derived, e.ranks = nil, nil, 0
	for _, st := range e.order.states {
		st.interest, st.rank = interest{}, 0
	}
	for _, s := range e.signals {
		s.interest = interest{}
	}
	for _, t := range e.order.timers {
		for _, svc := range t.def.After {
			e.timersAfter[svc] = append(e.timersAfter[svc], t)
		}
	}
	for _, svc := range e.order.services {
		svc.sockets, svc.after, svc.dependants, svc.leaning = nil, nil, nil, 0
	}
	for _, s := range e.order.sockets {
		e.endpoints[endpoint(s)] = append(e.endpoints[endpoint(s)], s)
		if s.leaving {
			continue
		}
		s.owner = e.services[s.def.Owner]
		if s.owner != nil && !s.def.Accept {
			s.owner.sockets = append(s.owner.sockets, s)
		}
	}
	for _, svc := range e.order.services {
		slices.SortStableFunc(svc.sockets, func(a, b *socket) int { return a.def.Order - b.def.Order })
	}
	e.indexServices()
	e.indexReactors()
	e.indexFollowers()
}

// Step applies ev and everything it causes, and returns what must be done. The
// slice is valid until the next Step.
func (e *Engine) Step(ev Event) []Effect {
	e.out, e.event, e.spent, e.cut = emptied(e.out), ev, 0, false
	e.handle(ev)
	e.drain()
	if e.stopping && !e.exited {
		e.continueShutdown()
	}
	return e.out
}

// drain performs the derived actions, in the order in which they were caused.
func (e *Engine) drain() {
	for n := 0; n < len(e.queue); n++ {
		if e.spent == maxDerived && !e.cut {
			e.blow(fmt.Sprintf("%d actions were performed and %d more wait; look for triggers that cause each other", n, len(e.queue)-n))
		}
		if e.cut {
			break
		}
		e.spent++
		e.perform(e.queue[n])
	}
	e.queue = emptied(e.queue)
}

// spend reports whether the event of this step may cause one more thing.
func (e *Engine) spend(what string) bool {
	if e.spent == maxDerived && !e.cut {
		e.blow(fmt.Sprintf("%d things followed from it, the next one would be %s; look for what follows from each other", e.spent, what))
	}
	if e.cut {
		return false
	}
	e.spent++
	return true
}

// blow is the end of an event that caused too much: the rest is dropped.
func (e *Engine) blow(detail string) {
	e.cut = true
	e.report("flow cut: one event caused too many others", nameOf(e.event), detail)
}

// handle applies one event from outside.
func (e *Engine) handle(ev Event) {
	switch ev := ev.(type) {
	case Boot:
		e.boot()
	case SetState:
		e.setState(ev, command(ev.From))
	case RemoveState:
		e.removeState(ev, command(ev.From))
	case EmitSignal:
		e.emitSignal(ev, command(ev.From))
	case StartSocket:
		e.startSocketByName(ev.Socket, command(ev.From))
	case Reload:
		e.reload(ev)
	case PauseSocket:
		e.pauseByName(ev.Socket, command(ev.From))
	case ResumeSocket:
		e.resumeByName(ev.Socket, command(ev.From))
	case StopSocket:
		e.stopSocketByName(ev.Socket, command(ev.From))
	case StartService:
		e.startInstanceByName(ev.Service, ev.Instance, command(ev.From))
	case StopService:
		e.stopInstanceByName(ev.Service, ev.Instance, command(ev.From))
	case Shutdown:
		e.shutdown(ev)
	case Opened:
		e.socketOpened(ev)
	case OpenFailed:
		e.socketFailed(ev)
	case AddressesChanged:
		e.addressesChanged()
	case Closed:
		e.socketClosed(ev)
	case Broken:
		e.broken(ev)
	case Unreachable:
		e.unreachable(ev)
	case Accessed:
		e.accessed(ev)
	case Inspected:
		e.inspected(ev)
	case Arrived:
		e.arrived(ev)
	case Connected:
		e.connected(ev)
	case Denied:
		e.denied(ev)
	case Screened:
		e.screened(ev)
	case Served:
		e.served(ev)
	case Flushed:
		e.flushed(ev)
	case ProcessStarted:
		e.processStarted(ev)
	case ProcessFailed:
		e.processFailed(ev)
	case ProcessExited:
		e.processExited(ev)
	case Notified:
		e.notified(ev)
	case Evaluated:
		e.evaluated(ev)
	case TimerFired:
		e.timerFired(ev.Timer)
	}
}

// command is the cause of what a request from outside does.
func command(from Request) why {
	w := why{text: "command", from: from}
	if from.By != "" {
		w.text += " by " + from.By
	}
	return w
}

// want adds a start to those that wait until a unit is down. Of those whose
// answer nobody waits for, one is enough.
func want(list []why, w why) []why {
	if w.from.ID == 0 && len(list) > 0 {
		return list
	}
	return append(list, w)
}

func (e *Engine) timerFired(t TimerID) {
	if !e.armed[t] {
		return // cancelled while it was on its way
	}
	delete(e.armed, t)
	switch t.Kind {
	case TimerReopen, TimerResume, TimerWindow:
		if s, ok := e.sockets[t.Name]; ok {
			e.socketTimer(s, t.Kind)
		}
	case TimerRestart, TimerForgive, TimerStopGrace, TimerReady, TimerWatchdog:
		if svc, ok := e.services[t.Name]; ok {
			e.serviceTimer(svc, t)
		}
	case TimerUnit:
		e.unitTimer(t.Name)
	}
}

// up is 1 for a unit that is neither down nor failed.
func up(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (e *Engine) emit(f Effect) { e.out = append(e.out, f) }

func (e *Engine) arm(t TimerID, d time.Duration) {
	e.armed[t] = true
	e.emit(ArmTimer{Timer: t, D: d})
}

func (e *Engine) cancel(t TimerID) {
	if e.armed[t] {
		delete(e.armed, t)
		e.emit(CancelTimer{Timer: t})
	}
}

func (e *Engine) report(message, name, detail string) {
	e.emit(Report{Message: message, Name: name, Detail: detail})
}

// reply answers a request, if somebody waits for the answer.
func (e *Engine) reply(to Request, o Outcome, message string) {
	if to.ID != 0 {
		e.emit(Reply{Request: to.ID, Outcome: o, Message: message})
	}
}

// nameOf returns what an event from outside is about, for reports.
func nameOf(ev Event) string {
	var name plan.Name
	switch ev := ev.(type) {
	case Boot:
		return "plan start"
	case AddressesChanged:
		return "a change of addresses"
	case Shutdown:
		return "shutdown"
	case Reload:
		return "reload"
	case SetState:
		name = ev.State
	case RemoveState:
		name = ev.State
	case EmitSignal:
		name = ev.Signal
	case StartSocket:
		name = ev.Socket
	case PauseSocket:
		name = ev.Socket
	case ResumeSocket:
		name = ev.Socket
	case StopSocket:
		name = ev.Socket
	case StartService:
		name = ev.Service
	case StopService:
		name = ev.Service
	case Opened:
		name = ev.Socket
	case OpenFailed:
		name = ev.Socket
	case Closed:
		name = ev.Socket
	case Broken:
		name = ev.Socket
	case Unreachable:
		name = ev.Socket
	case Accessed:
		name = ev.Socket
	case Inspected:
		name = ev.Socket
	case Arrived:
		name = ev.Socket
	case Connected:
		name = ev.Socket
	case Denied:
		name = ev.Socket
	case Screened:
		name = ev.Socket
	case Served:
		name = ev.Socket
	case Flushed:
		name = ev.Socket
	case ProcessStarted:
		name = ev.Process.Service
	case ProcessFailed:
		name = ev.Process.Service
	case ProcessExited:
		name = ev.Process.Service
	case Notified:
		name = ev.Process.Service
	case Evaluated:
		return "auto-payload"
	case TimerFired:
		name = ev.Timer.Name
	}
	return string(name)
}
