// Package flow is the engine: a pure function from an event to effects. It
// decides which sockets are open, who holds them, which services run and what a
// trigger does. It has no lock, clock, goroutine, file or socket; the loop
// calls Step, one event at a time, and carries out the effects in order.
package flow

import (
	"fmt"
	"slices"

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
	plan     *plan.Plan
	states   map[plan.Name]*state
	signals  map[plan.Name]*plan.Signal
	sockets  map[plan.Name]*socket
	services map[plan.Name]*service
	order    struct {
		states   []*state
		sockets  []*socket
		services []*service
	}
	interest map[cond.Atom]*interest // Atom without a guard: who mentions it

	incarnation uint64
	stopping    bool // Shutdown has begun
	exited      bool // and is over

	// Of the current step.
	out     []Effect
	queue   []derived
	changed change
}

// derived is an event that another event caused.
type derived struct {
	event Event
	why   why
}

// why is the cause of an operation.
type why struct {
	text  string
	depth int     // how many hooks led here
	from  Request // who waits for the answer
}

// New returns an engine in the initial state of a valid plan. Nothing happens
// before the event Boot.
func New(p *plan.Plan) *Engine {
	e := &Engine{
		plan:     p,
		states:   map[plan.Name]*state{},
		signals:  map[plan.Name]*plan.Signal{},
		sockets:  map[plan.Name]*socket{},
		services: map[plan.Name]*service{},
		interest: map[cond.Atom]*interest{},
	}
	for i := range p.States {
		st := &state{def: &p.States[i]}
		e.states[st.def.Name] = st
		e.order.states = append(e.order.states, st)
	}
	for i := range p.Signals {
		e.signals[p.Signals[i].Name] = &p.Signals[i]
	}
	for i := range p.Services {
		svc := &service{def: &p.Services[i], state: ServiceInactive, procs: make([]process, len(p.Services[i].Run))}
		e.services[svc.def.Name] = svc
		e.order.services = append(e.order.services, svc)
	}
	for i := range p.Sockets {
		s := &socket{def: &p.Sockets[i], state: SocketInactive, owner: e.services[p.Sockets[i].Owner]}
		e.sockets[s.def.Name] = s
		e.order.sockets = append(e.order.sockets, s)
		if s.owner != nil {
			s.owner.sockets = append(s.owner.sockets, s)
		}
	}
	for _, svc := range e.order.services {
		slices.SortStableFunc(svc.sockets, func(a, b *socket) int { return a.def.Order - b.def.Order })
	}
	e.indexConditions()
	return e
}

// Step applies ev and everything it causes, and returns what must be done. The
// slice is valid until the next Step.
func (e *Engine) Step(ev Event) []Effect {
	e.out = e.out[:0]
	e.handle(ev, why{})
	e.drain(ev)
	if e.stopping && !e.exited {
		e.continueShutdown()
	}
	return e.out
}

// drain applies the derived events, in the order in which they were caused.
func (e *Engine) drain(ev Event) {
	for n := 0; len(e.queue) > 0; n++ {
		if n == maxDerived {
			e.report("flow cut: one event caused too many others", string(nameOf(ev)),
				fmt.Sprintf("%d events were derived and %d more wait; look for triggers that cause each other", maxDerived, len(e.queue)))
			e.queue = nil
			return
		}
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.handle(next.event, next.why)
	}
}

// handle applies one event. w is its cause if a trigger of the plan is.
func (e *Engine) handle(ev Event, w why) {
	switch ev := ev.(type) {
	case Boot:
		e.boot()
	case SetState:
		e.setState(ev, w.or(ev.From))
	case RemoveState:
		e.removeState(ev, w.or(ev.From))
	case EmitSignal:
		e.emitSignal(ev, w.or(ev.From))
	case StartSocket:
		e.startSocketByName(ev.Socket, w.or(ev.From))
	case StopSocket:
		e.stopSocketByName(ev.Socket, w.or(ev.From))
	case StartService:
		e.startServiceByName(ev.Service, w.or(ev.From))
	case StopService:
		e.stopServiceByName(ev.Service, w.or(ev.From))
	case Shutdown:
		e.shutdown(ev)
	case Opened:
		e.socketOpened(ev)
	case OpenFailed:
		e.socketFailed(ev)
	case Closed:
		e.socketClosed(ev)
	case Accessed:
		e.accessed(ev)
	case Arrived:
		e.arrived(ev)
	case Served:
		e.served(ev)
	case ProcessStarted:
		e.processStarted(ev)
	case ProcessFailed:
		e.processFailed(ev)
	case ProcessExited:
		e.processExited(ev)
	case TimerFired:
		e.timerFired(ev.Timer)
	}
}

// or completes the cause of a request that came from outside.
func (w why) or(from Request) why {
	if w.text == "" {
		w.text = "command"
		if from.By != "" {
			w.text += " by " + from.By
		}
	}
	w.from = from
	return w
}

// boot opens what the plan wants open from the start. States that are set
// already count as levels (SPEC §4.2, §8).
func (e *Engine) boot() {
	w := why{text: "plan start"}
	for _, s := range e.order.sockets {
		if s.def.StopOn != nil && s.def.StopOn.Eval(e) {
			continue
		}
		if s.def.StartOn == nil && s.def.Enabled || s.def.StartOn != nil && s.def.StartOn.Eval(e) {
			e.startSocket(s, w)
		}
	}
	for _, svc := range e.order.services {
		if svc.def.StartOn == nil || svc.def.StopOn != nil && svc.def.StopOn.Eval(e) {
			continue
		}
		if svc.def.StartOn.Eval(e) {
			e.startService(svc, w)
		}
	}
}

// shutdown stops the services, then the sockets: an owner that is still running
// may finish what it accepted.
func (e *Engine) shutdown(ev Shutdown) {
	w := why{text: ev.Cause}
	if e.stopping {
		for _, svc := range e.order.services {
			e.kill(svc, true)
		}
		return
	}
	e.stopping = true
	for _, s := range e.order.sockets {
		if s.state == SocketListening {
			e.emit(Unwatch{s.def.Name})
		}
	}
	for _, svc := range e.order.services {
		e.stopService(svc, w)
	}
}

// continueShutdown takes the next step of a shutdown as soon as it can be taken.
func (e *Engine) continueShutdown() {
	for _, svc := range e.order.services {
		if svc.alive() {
			return
		}
	}
	open := false
	for _, s := range e.order.sockets {
		e.stopSocket(s, why{text: "shutdown"})
		open = open || s.state == SocketStopping
	}
	if !open {
		e.exited = true
		e.emit(Exit{})
	}
}

func (e *Engine) timerFired(t TimerID) {
	switch t.Kind {
	case TimerReopen, TimerResume, TimerWindow:
		if s, ok := e.sockets[t.Name]; ok {
			e.socketTimer(s, t.Kind)
		}
	case TimerRestart, TimerForgive, TimerStopGrace:
		if svc, ok := e.services[t.Name]; ok {
			e.serviceTimer(svc, t)
		}
	}
}

func (e *Engine) emit(f Effect) { e.out = append(e.out, f) }

func (e *Engine) report(message, name, detail string) {
	e.emit(Report{Message: message, Name: name, Detail: detail})
}

// reply answers a request, if somebody waits for the answer.
func (e *Engine) reply(to Request, o Outcome, message string) {
	if to.ID != 0 {
		e.emit(Reply{Request: to.ID, Outcome: o, Message: message})
	}
}

// nameOf returns the unit that an event from outside is about, for reports.
func nameOf(ev Event) plan.Name {
	switch ev := ev.(type) {
	case SetState:
		return ev.State
	case RemoveState:
		return ev.State
	case EmitSignal:
		return ev.Signal
	case Accessed:
		return ev.Socket
	case Arrived:
		return ev.Socket
	default:
		return ""
	}
}
