package flow

import (
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// interest lists what one state or signal can change, in the order of the plan:
// an event looks only at that, however large the plan is.
type interest struct {
	units   []*reactor // whose conditions mention it
	signals []*signal  // that may follow from it
	states  []*state   // that may follow from it

	// inverted has the units whose stop condition may begin to hold because the
	// state is not what it was.
	inverted []*reactor
}

// none reports whether nobody is interested.
func (in *interest) none() bool {
	return len(in.units) == 0 && len(in.signals) == 0 && len(in.states) == 0
}

// reactor is a socket or service with its conditions, and what the changes that
// are being delivered want of it.
type reactor struct {
	order           int // in Engine.units
	startOn, stopOn *cond.Expr

	// One of them is set.
	socket  *socket
	service *service

	marked      bool // it is in Engine.marked
	start, stop bool
	named       bool // a switch names it, so it starts whatever its conditions say
	cause       why  // of stop, or else of start

	noted bool // it is in Engine.noted
	held  bool // stopOn held before the changes
}

// signal is one signal of the plan.
type signal struct {
	def      *plan.Signal
	interest interest
}

// indexReactors makes a reactor of every unit, and enters it for everything that
// its conditions mention.
func (e *Engine) indexReactors() {
	for _, s := range e.order.sockets {
		if s.leaving {
			continue
		}
		r := &reactor{socket: s, startOn: s.def.StartOn, stopOn: s.def.StopOn}
		if !s.def.Enabled { // only a command, a trigger or rind@active starts it
			r.startOn = nil
		}
		e.indexReactor(s.def.Name, r)
	}
	for _, svc := range e.order.services {
		if svc.leaving {
			continue
		}
		e.indexReactor(svc.def.Name, &reactor{service: svc, startOn: svc.def.StartOn, stopOn: svc.def.StopOn})
	}
}

func (e *Engine) indexReactor(name plan.Name, r *reactor) {
	r.order = len(e.units)
	e.units = append(e.units, r)
	e.named[name] = append(e.named[name], r)
	for _, in := range e.mentioned(r.startOn, r.stopOn) {
		in.units = append(in.units, r)
	}
	for _, in := range e.mentioned(negated(r.stopOn)...) {
		in.inverted = append(in.inverted, r)
	}
}

// indexFollowers enters the signals and states that follow from others, and ranks
// these states, so that each is derived after those that it follows from.
func (e *Engine) indexFollowers() {
	for i := range e.plan.Signals {
		s := e.signals[e.plan.Signals[i].Name]
		for _, in := range e.mentioned(s.def.After) {
			in.signals = append(in.signals, s)
		}
	}
	for _, st := range e.order.states {
		for _, source := range e.sources(st) {
			source.interest.states = append(source.interest.states, st)
		}
	}
	for _, st := range e.order.states {
		e.rank(st)
	}
}

// sources returns the states that st follows from.
func (e *Engine) sources(st *state) []*state {
	var list []*state
	seen := map[*state]bool{}
	add := func(name plan.Name) {
		if source := e.states[name]; source != nil && !seen[source] {
			seen[source] = true
			list = append(list, source)
		}
	}
	if st.def.After != nil {
		st.def.After.Atoms(func(a cond.Atom) {
			if a.Kind == cond.State {
				add(plan.Name(a.Name))
			}
		})
	}
	for _, a := range st.def.ActivateOnNone {
		add(a.State)
	}
	return list
}

// rank numbers the derived states so that sources come first. In a circle, which
// rindc refuses, one of them does not.
func (e *Engine) rank(st *state) {
	if st.rank != 0 {
		return
	}
	st.rank = -1 // being ranked
	for _, source := range e.sources(st) {
		e.rank(source)
	}
	if st.derives() {
		e.order.derived = append(e.order.derived, st)
	}
	e.ranks++
	st.rank = e.ranks
}

// mentioned returns the interest of every state and signal in the expressions,
// each once, from left to right.
func (e *Engine) mentioned(exprs ...*cond.Expr) []*interest {
	var list []*interest
	seen := map[*interest]bool{}
	for _, x := range exprs {
		if x == nil {
			continue
		}
		x.Atoms(func(a cond.Atom) {
			if in := e.interestIn(a); in != nil && !seen[in] {
				seen[in] = true
				list = append(list, in)
			}
		})
	}
	return list
}

// interestIn returns who is interested in what an atom names.
func (e *Engine) interestIn(a cond.Atom) *interest {
	if a.Kind == cond.Signal {
		if s := e.signals[plan.Name(a.Name)]; s != nil {
			return &s.interest
		}
		return nil
	}
	if st := e.states[plan.Name(a.Name)]; st != nil {
		return &st.interest
	}
	return nil
}

// negated returns the parts of x that stand behind a "not".
func negated(x *cond.Expr) []*cond.Expr {
	if x == nil {
		return nil
	}
	var list []*cond.Expr
	for i := range x.And {
		list = append(list, negated(&x.And[i])...)
	}
	for i := range x.Or {
		list = append(list, negated(&x.Or[i])...)
	}
	if x.Not != nil {
		list = append(list, x.Not)
	}
	return list
}
