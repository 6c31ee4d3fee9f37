package flow

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// A reload replaces the plan while it runs. What is the same in both plans goes on
// as if nothing had happened:
//
//   - A socket keeps its listener, and what waits in it, unless something of it is
//     different that only another bind(2) can change. Then the new listener is
//     opened before the old one is closed if it has another endpoint. On the same
//     endpoint it can only come after: at once, or when the owner is down that has
//     the old one.
//   - A service keeps its processes. Its new definition counts at once for what
//     happens to it, and for each process that is started from now on; but one that
//     says how many processes or instances there are, or how they speak to the
//     daemon, counts when the service is down.
//   - A state keeps its branches if it is of the same kind with the same keys.
//
// What is gone is stopped, with its on-stop. What is new, or has a new start
// condition and is down, starts if it would start with the plan: conditions count as
// levels.

// StillBound begins the last error of a socket that should have been bound anew and is
// not.
const StillBound = "still bound as before the reload: "

// wireReload is a Reload in a record.
type wireReload struct {
	Plan      string                `json:"plan"` // text, whose digest depends on every byte
	Variables map[string]cond.Value `json:"variables,omitempty"`
	From      Request               `json:"from"`
}

// MarshalJSON implements [json.Marshaler]: the plan is in its canonical form.
func (r Reload) MarshalJSON() ([]byte, error) {
	text, err := sortable(r.Plan).Encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(wireReload{Plan: string(text), Variables: r.Variables, From: r.From})
}

// sortable is a copy of a plan whose lists may be sorted, as they are anyway: others
// read the plan meanwhile.
func sortable(p *plan.Plan) *plan.Plan {
	c := *p
	c.Requires, c.Sources, c.Transports = slices.Clone(p.Requires), slices.Clone(p.Sources), slices.Clone(p.Transports)
	c.Permissions, c.States, c.Signals = slices.Clone(p.Permissions), slices.Clone(p.States), slices.Clone(p.Signals)
	c.Timers, c.Variables = slices.Clone(p.Timers), slices.Clone(p.Variables)
	c.Services, c.Sockets = slices.Clone(p.Services), slices.Clone(p.Sockets)
	return &c
}

// UnmarshalJSON implements [json.Unmarshaler]. The plan is verified.
func (r *Reload) UnmarshalJSON(text []byte) error {
	var w wireReload
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	p, err := plan.Decode([]byte(w.Plan))
	if err != nil {
		return err
	}
	*r = Reload{Plan: p, Variables: w.Variables, From: w.From}
	return nil
}

// reload takes over a plan.
func (e *Engine) reload(ev Reload) {
	if e.stopping {
		e.reply(ev.From, Failed, "failed: the daemon is shutting down")
		return
	}
	reason := why{text: "reload"}
	if ev.From.By != "" {
		reason.text += " by " + ev.From.By
	}
	e.plan, e.config.Variables = ev.Plan, ev.Variables
	fresh := New(ev.Plan, e.config)
	e.variables, e.signals = fresh.variables, fresh.signals
	e.takeStates(fresh)
	timers := e.takeTimers(fresh, reason)
	rebind, eligible := e.takeSockets(fresh)
	leavers := e.takeServices(fresh, eligible)
	e.link()
	for _, svc := range leavers {
		e.stopService(svc, reason)
	}
	e.unburden()
	e.moveSockets(rebind, reason)
	if !e.booted {
		e.reply(ev.From, Done, "reloaded")
		return
	}
	for _, st := range e.order.states {
		if st.derives() || slices.ContainsFunc(st.branches, func(b branch) bool { return !b.derived.IsZero() }) {
			e.soil(st)
		}
	}
	e.propagate(reason)
	e.startEligible(eligible, reason)
	for _, t := range timers {
		e.startAfter(t)
	}
	e.reply(ev.From, Done, "reloaded")
}

// takeStates keeps the branches of the states that are still there.
func (e *Engine) takeStates(fresh *Engine) {
	for i, st := range fresh.order.states {
		old := e.states[st.def.Name]
		if old == nil || old.def.Payload != st.def.Payload || !slices.Equal(old.def.BranchKeys(), st.def.BranchKeys()) {
			continue
		}
		if !reflect.DeepEqual(old.def.AutoPayload, st.def.AutoPayload) {
			e.forget(old)
		}
		lasts := old.def.Impermanent && !st.def.Impermanent
		old.def = st.def
		fresh.order.states[i], fresh.states[st.def.Name] = old, old
		if lasts {
			for b := range old.branches {
				if !old.branches[b].set.IsZero() {
					e.persist(old, &old.branches[b])
				}
			}
		}
	}
	for id, st := range e.evals {
		if fresh.states[st.def.Name] != st {
			delete(e.evals, id) // nobody waits for the answer any more
		}
	}
	e.states, e.order.states = fresh.states, fresh.order.states
}

// takeTimers lets the timers run on that are still there, to the end that they had,
// and returns those that are new.
func (e *Engine) takeTimers(fresh *Engine, w why) (added []*timer) {
	for i, t := range fresh.order.timers {
		if old := e.timers[t.def.Name]; old != nil {
			old.def = t.def
			fresh.order.timers[i], fresh.timers[t.def.Name] = old, old
			continue
		}
		added = append(added, t)
	}
	for _, t := range e.order.timers {
		if fresh.timers[t.def.Name] != t {
			e.stopTimer(t, w)
		}
	}
	e.timers, e.order.timers = fresh.timers, fresh.order.timers
	return added
}

// startAfter starts a timer if a service that it comes after is active.
func (e *Engine) startAfter(t *timer) {
	for _, name := range t.def.After {
		if svc := e.services[name]; svc != nil && svc.up {
			e.startTimer(t, why{text: "service " + string(name) + " is active"})
		}
	}
}

// eligible are the units that start if they would start with the plan.
type eligible map[plan.Name]struct{ socket, service bool }

func (el eligible) add(name plan.Name, socket, service bool) {
	u := el[name]
	u.socket, u.service = u.socket || socket, u.service || service
	el[name] = u
}

// takeSockets gives the sockets that are still there their new definitions, and
// returns those that have to be bound anew, with the definition before.
func (e *Engine) takeSockets(fresh *Engine) (rebind map[*socket]*plan.Socket, el eligible) {
	rebind, el = map[*socket]*plan.Socket{}, eligible{}
	for i, s := range fresh.order.sockets {
		old := e.sockets[s.def.Name]
		if old == nil {
			el.add(s.def.Name, true, false)
			continue
		}
		was := old.def
		if old.leaving || was.Enabled != s.def.Enabled || !reflect.DeepEqual(was.StartOn, s.def.StartOn) {
			el.add(s.def.Name, true, false)
		}
		if !was.SameListener(s.def) {
			rebind[old] = was
			if old.state == SocketFailed {
				el.add(s.def.Name, true, false)
			}
		}
		old.def, old.leaving = s.def, false
		fresh.order.sockets[i], fresh.sockets[s.def.Name] = old, old
	}
	for _, old := range e.order.sockets {
		if fresh.sockets[old.def.Name] == old {
			continue
		}
		if old.state == SocketInactive || old.state == SocketFailed {
			continue // nothing is left of it
		}
		old.leaving = true
		fresh.sockets[old.def.Name] = old
		fresh.order.sockets = append(fresh.order.sockets, old)
	}
	e.sockets, e.order.sockets = fresh.sockets, fresh.order.sockets
	return rebind, el
}

// takeServices gives the services that are still there their new definitions, and
// returns those that are gone.
func (e *Engine) takeServices(fresh *Engine, el eligible) (leavers []*service) {
	var later []plan.Name
	for i, svc := range fresh.order.services {
		old := e.services[svc.def.Name]
		if old == nil {
			el.add(svc.def.Name, false, true)
			continue
		}
		if old.leaving || !reflect.DeepEqual(old.def.StartOn, svc.def.StartOn) {
			el.add(svc.def.Name, false, true)
		}
		old.leaving, old.next = false, nil
		switch {
		case old.sameShape(svc):
			old.redefine(svc.def)
		case old.alive() || old.running > 0:
			old.next = svc.def
			later = append(later, svc.def.Name)
		default:
			old.become(svc)
		}
		fresh.order.services[i], fresh.services[svc.def.Name] = old, old
	}
	for _, old := range e.order.services {
		if fresh.services[old.def.Name] == old || !old.alive() && old.running == 0 {
			continue
		}
		if !old.leaving {
			leavers = append(leavers, old)
		}
		old.leaving, old.next = true, nil
		later = append(later, old.def.Name)
		fresh.services[old.def.Name] = old
		fresh.order.services = append(fresh.order.services, old)
	}
	e.services, e.order.services = fresh.services, fresh.order.services
	e.emit(TakePlan{Later: later})
	return leavers
}

// sameShape reports whether the instances and processes of a service can be those of
// another definition.
func (svc *service) sameShape(other *service) bool {
	a, b := svc.def, other.def
	return len(a.Run) == len(b.Run) && svc.single == other.single && a.Multiple == b.Multiple &&
		reflect.DeepEqual(a.Branching, b.Branching) && a.Notify == b.Notify && (a.Watchdog == nil) == (b.Watchdog == nil) &&
		svc.accepting == other.accepting
}

// redefine gives a service another definition of the same shape.
func (svc *service) redefine(def *plan.Service) {
	svc.def = def
	svc.own, svc.signals, svc.judged = false, false, false
	svc.judge()
}

// become makes a service that is down what it is in another plan.
func (svc *service) become(other *service) {
	svc.instances, svc.named, svc.single, svc.accepting = other.instances, other.named, other.single, other.accepting
	for _, in := range svc.instances {
		in.service = svc
	}
	svc.redefine(other.def)
}

// succeed gives a service that is down the definition that waits for that, or
// forgets one that has none any more. It reports whether its instances are others.
func (e *Engine) succeed(svc *service) bool {
	if svc.next == nil && !svc.leaving || svc.alive() || svc.running > 1 { // the last one is still counted
		return false
	}
	if svc.leaving {
		delete(e.services, svc.def.Name)
		e.order.services = slices.DeleteFunc(e.order.services, func(other *service) bool { return other == svc })
		e.emit(TakeService{Service: svc.def.Name})
		return true
	}
	def := svc.next
	svc.next = nil
	svc.become(newService(def, accepting(e.plan, def.Name)))
	e.link()
	e.endUnburdened() // what it came after may have waited for its end
	e.emit(TakeService{Service: def.Name})
	return true
}

// endUnburdened ends what waited for services to end that do not come after it any
// more.
func (e *Engine) endUnburdened() {
	for _, svc := range e.order.services {
		if svc.leaning == 0 {
			e.endDeferred(svc)
		}
	}
}

// unburden lets go on what waited for services that it has nothing to do with any
// more.
func (e *Engine) unburden() {
	e.endUnburdened()
	for _, svc := range e.order.services {
		if !svc.isBlocked() || len(svc.missing()) > 0 {
			continue
		}
		for _, in := range slices.Clone(svc.instances) {
			if in.blocked {
				e.proceed(in, "reload: it has nothing to wait for")
				e.gather(in)
			}
		}
	}
}

// moveSockets stops the sockets that are gone, binds those anew that have to be, and
// gives the others to their owners.
func (e *Engine) moveSockets(rebind map[*socket]*plan.Socket, w why) {
	for _, s := range slices.Clone(e.order.sockets) {
		if s.leaving && s.state != SocketStopping {
			e.stopSocket(s, w)
		}
	}
	for _, s := range e.order.sockets {
		was, moves := rebind[s]
		switch {
		case s.leaving:
		case moves:
			e.move(s, was, w.text)
		default:
			e.settleOwner(s, w.text)
		}
	}
}

// settleOwner gives a socket that is open to its owner, or takes it from one that it
// does not have any more.
func (e *Engine) settleOwner(s *socket, cause string) {
	owned := s.owner != nil && s.owner.alive() && !s.accepts()
	switch {
	case s.state == SocketHeld && !owned:
		e.resume(s, cause)
	case (s.state == SocketListening || s.state == SocketPaused) && owned:
		e.hold(s, cause)
	}
}

// move makes a socket that is open, or about to be, what its new definition says.
func (e *Engine) move(s *socket, was *plan.Socket, cause string) {
	elsewhere := was.Type != s.def.Type || was.Listen != s.def.Listen
	switch {
	case s.state == SocketStarting && s.awaits == awaitNothing:
		e.cancel(s.timer(TimerReopen))
		s.retries, s.prompted = 0, false
		e.openSocket(s)
	case s.state == SocketStarting && s.awaits == awaitOpened, s.awaits == awaitRebound:
		s.stale = true // what is on its way is not what is wanted now
	case !s.open():
	case elsewhere:
		s.cause, s.awaits = cause, awaitRebound
		e.emit(OpenSocket{s.def.Name})
	case s.state == SocketHeld && s.owner != nil && s.owner.alive():
		s.stale = true // until its owner is down, who has the endpoint
	default:
		e.bindAnew(s, cause)
	}
}

// bindAnew closes a listener and opens one as the definition says. The socket has
// not stopped, so no hook runs.
func (e *Engine) bindAnew(s *socket, cause string) {
	if s.state == SocketListening {
		e.emit(Unwatch{s.def.Name})
	}
	s.cause, s.depth, s.full = cause, 0, false
	e.forgetLimit(s)
	e.moveSocket(s, SocketStarting, cause, false)
	e.closeSocket(s)
}

// rebound is told that a socket has its new listener, and the old one is closed.
func (e *Engine) rebound(s *socket, ev Opened) {
	s.awaits, s.serving, s.flushing = awaitNothing, false, false
	s.addresses, s.options, s.reason, s.lastError = ev.Addresses, ev.Options, e.found(s), ""
	if s.stale { // there was another reload meanwhile
		e.bindAnew(s, s.cause)
		return
	}
	if s.state == SocketListening {
		e.watch(s)
	}
	e.settleOwner(s, s.cause)
	e.socketSettled(s)
}

// missed is told that a listener could not be opened, and reports whether that was
// all there is to do about it.
func (e *Engine) missed(s *socket, ev OpenFailed) bool {
	switch {
	case s.awaits == awaitOpened && s.stale && s.state == SocketStarting:
		s.stale = false
		e.openSocket(s) // as the new definition says
	case s.awaits == awaitRebound && s.state == SocketStopping:
		e.closeSocket(s)
	case s.awaits == awaitRebound && s.stale:
		s.stale = false
		e.emit(OpenSocket{s.def.Name})
	case s.awaits == awaitRebound && s.lost != "":
		e.notFound(s, ev)
	case s.awaits == awaitRebound:
		s.awaits = awaitNothing
		s.lastError = StillBound + ev.Reason
		e.report("socket not bound anew", string(s.def.Name), ev.Reason+"; it listens where it did, stop and start it to try again")
		if s.state == SocketListening {
			e.watch(s)
		}
		e.settleOwner(s, s.cause)
	default:
		return false
	}
	return true
}

// dropSocket forgets a socket that is closed and that the plan does not have.
func (e *Engine) dropSocket(s *socket) {
	delete(e.sockets, s.def.Name)
	e.order.sockets = slices.DeleteFunc(e.order.sockets, func(other *socket) bool { return other == s })
	at := endpoint(s)
	e.endpoints[at] = slices.DeleteFunc(e.endpoints[at], func(other *socket) bool { return other == s })
}

// startEligible starts what would start with the plan.
func (e *Engine) startEligible(el eligible, w why) {
	active := e.markActive()
	for _, r := range e.units {
		switch {
		case r.socket != nil:
			def := r.socket.def
			down := !r.socket.open() && r.socket.state != SocketStarting
			wanted := def.Enabled && (def.StartOn == nil || e.holds(def.StartOn))
			if el[def.Name].socket && down && (wanted || active[r]) && !e.holds(def.StopOn) {
				e.startSocket(r.socket, w)
			}
		case !el[r.service.def.Name].service || e.holds(r.stopOn):
		case r.service.startsUnasked() || e.holds(r.startOn) || active[r]:
			e.startService(r.service, w)
		}
	}
}

// noStart is why a unit cannot be started.
func (s *socket) noStart(stopping bool) string { return noStart("socket", s.def.Name, stopping) }

func (svc *service) noStart(stopping bool) string { return noStart("service", svc.def.Name, stopping) }

func noStart(kind string, name plan.Name, stopping bool) string {
	if stopping {
		return "failed: the daemon is shutting down"
	}
	return "failed: " + kind + " " + string(name) + " is not in the plan any more"
}
