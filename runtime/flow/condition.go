package flow

import (
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// interest lists the units whose conditions mention one state or signal, in the
// order of the plan.
type interest struct {
	sockets  []*socket
	services []*service

	// inverted has the stop conditions that may begin to hold because the state
	// is not what it was, and whether they held before the change.
	inverted map[*cond.Expr]bool
}

// change is what is being delivered. It is an edge if it is a signal, or the
// branch of a state that appeared or really changed; a removal is none.
type change struct {
	kind    cond.AtomKind
	name    string
	value   cond.Value
	keys    map[string]any
	removal bool
}

// indexConditions fills e.interest, so that an event looks only at the units
// that it can change.
func (e *Engine) indexConditions() {
	for _, s := range e.order.sockets {
		for in := range e.mentioned(s.def.StartOn, s.def.StopOn) {
			in.sockets = append(in.sockets, s)
		}
		e.indexInverted(s.def.StopOn, s.def.StopOn)
	}
	for _, svc := range e.order.services {
		for in := range e.mentioned(svc.def.StartOn, svc.def.StopOn) {
			in.services = append(in.services, svc)
		}
		e.indexInverted(svc.def.StopOn, svc.def.StopOn)
	}
}

// indexInverted registers the stop condition whole for every atom that its part
// x negates.
func (e *Engine) indexInverted(whole, x *cond.Expr) {
	if x == nil {
		return
	}
	for i := range x.And {
		e.indexInverted(whole, &x.And[i])
	}
	for i := range x.Or {
		e.indexInverted(whole, &x.Or[i])
	}
	for in := range e.mentioned(x.Not) {
		if in.inverted == nil {
			in.inverted = map[*cond.Expr]bool{}
		}
		in.inverted[whole] = false
	}
}

func (e *Engine) mentioned(exprs ...*cond.Expr) map[*interest]bool {
	found := map[*interest]bool{}
	for _, x := range exprs {
		if x == nil {
			continue
		}
		x.Atoms(func(a cond.Atom) {
			key := cond.Atom{Kind: a.Kind, Name: a.Name}
			if e.interest[key] == nil {
				e.interest[key] = &interest{}
			}
			found[e.interest[key]] = true
		})
	}
	return found
}

// Branches implements [cond.Facts].
func (e *Engine) Branches(name string, yield func(cond.Value, map[string]any) bool) {
	st, ok := e.states[plan.Name(name)]
	if !ok {
		return
	}
	for _, b := range st.branches {
		if !yield(b.value, b.keys) {
			return
		}
	}
}

// Signal implements [cond.Facts]: only the signal that is being delivered is
// there.
func (e *Engine) Signal(name string) (cond.Value, bool) {
	if e.changed.kind != cond.Signal || e.changed.name != name {
		return cond.Value{}, false
	}
	return e.changed.value, true
}

// edge reports whether the change that is being delivered is an edge that x
// reacts to: x holds, and an atom that is not negated matches that very change.
func (e *Engine) edge(x *cond.Expr) bool {
	switch {
	case x == nil || e.changed.removal:
		return false
	case x.Atom != nil:
		a, c := x.Atom, &e.changed
		return a.Kind == c.kind && a.Name == c.name && a.Guard.Match(c.value, c.keys)
	case len(x.Or) > 0:
		for i := range x.Or {
			if e.edge(&x.Or[i]) {
				return true
			}
		}
		return false
	case len(x.And) > 0:
		found := false
		for i := range x.And {
			found = found || e.edge(&x.And[i])
		}
		return found && x.Eval(e)
	}
	return false // a negation is a level, never an edge
}

// level reports whether x, if there is one, holds.
func (e *Engine) level(x *cond.Expr) bool { return x != nil && x.Eval(e) }

// replace calls apply, which changes the branches of a state, and delivers the
// change.
func (e *Engine) replace(c change, depth int, apply func()) {
	if in := e.interest[cond.Atom{Kind: cond.State, Name: c.name}]; in != nil {
		for x := range in.inverted {
			in.inverted[x] = x.Eval(e)
		}
	}
	apply()
	e.announce(c, depth)
}

// stops reports whether the change that is being delivered stops the unit with
// the stop condition x: it is an edge of x; or x has begun to hold because
// something that x negates is over, which is no edge.
func (e *Engine) stops(in *interest, x *cond.Expr) bool {
	if e.edge(x) {
		return true
	}
	held, ok := in.inverted[x]
	return ok && !held && x.Eval(e)
}

// announce delivers a change to everybody who mentions it. Sockets come before
// services, so that an owner inherits what opens in the same step; stop wins
// over start (SPEC §4.2). depth counts the hooks that led here.
func (e *Engine) announce(c change, depth int) {
	in := e.interest[cond.Atom{Kind: c.kind, Name: c.name}]
	if in == nil || !e.booted {
		return
	}
	e.changed = c
	defer func() { e.changed = change{} }()
	w := why{text: "condition " + describe(c), depth: depth}
	var stops []bool // all that stop come first: they may make room
	for _, s := range in.sockets {
		stop := e.stops(in, s.def.StopOn)
		stops = append(stops, stop)
		if stop {
			e.stopSocket(s, w)
		}
	}
	for i, s := range in.sockets {
		if !stops[i] && s.def.Enabled && e.edge(s.def.StartOn) && !e.level(s.def.StopOn) {
			e.startSocket(s, w)
		}
	}
	for _, svc := range in.services {
		switch {
		case e.stops(in, svc.def.StopOn):
			e.stopService(svc, w)
		case e.edge(svc.def.StartOn) && !e.level(svc.def.StopOn):
			e.startService(svc, w)
		}
	}
}

// describe names a change as the cause of what it does.
func describe(c change) string {
	switch {
	case c.kind == cond.Signal:
		return "signal " + c.name
	case c.removal:
		return "state " + c.name + " removed"
	}
	return "state " + c.name
}
