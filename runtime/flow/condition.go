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
}

// change is the edge that is being delivered: a signal, or the branch of a
// state that appeared or really changed.
type change struct {
	kind  cond.AtomKind
	name  string
	value cond.Value
	keys  map[string]any
}

// indexConditions fills e.interest, so that an event looks only at the units
// that it can change.
func (e *Engine) indexConditions() {
	for _, s := range e.order.sockets {
		for in := range e.mentioned(s.def.StartOn, s.def.StopOn) {
			in.sockets = append(in.sockets, s)
		}
	}
	for _, svc := range e.order.services {
		for in := range e.mentioned(svc.def.StartOn, svc.def.StopOn) {
			in.services = append(in.services, svc)
		}
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

// edge reports whether the change that is being delivered is what makes x hold:
// x holds, and an atom that is not negated matches that very change.
func (e *Engine) edge(x *cond.Expr) bool {
	switch {
	case x == nil:
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

// announce delivers a change to everybody who mentions it. Sockets come before
// services, so that an owner inherits what opens in the same step; stop wins
// over start (SPEC §4.2).
func (e *Engine) announce(c change) {
	in := e.interest[cond.Atom{Kind: c.kind, Name: c.name}]
	if in == nil {
		return
	}
	e.changed = c
	defer func() { e.changed = change{} }()
	w := why{text: "condition " + describe(c)}
	for _, s := range in.sockets {
		switch {
		case e.edge(s.def.StopOn):
			e.stopSocket(s, w)
		case e.edge(s.def.StartOn) && !e.level(s.def.StopOn):
			e.startSocket(s, w)
		}
	}
	for _, svc := range in.services {
		switch {
		case e.edge(svc.def.StopOn):
			e.stopService(svc, w)
		case e.edge(svc.def.StartOn) && !e.level(svc.def.StopOn):
			e.startService(svc, w)
		}
	}
}

func (e *Engine) level(x *cond.Expr) bool { return x != nil && x.Eval(e) }

// stopsOnRemoval calls remove, which takes branches of a state away, and then
// stops the units whose stop-on became true by it: a removal is no edge, but a
// negation may hold from then on.
func (e *Engine) stopsOnRemoval(name plan.Name, remove func()) {
	in := e.interest[cond.Atom{Kind: cond.State, Name: string(name)}]
	if in == nil {
		remove()
		return
	}
	held := map[*cond.Expr]bool{}
	for _, s := range in.sockets {
		held[s.def.StopOn] = e.level(s.def.StopOn)
	}
	for _, svc := range in.services {
		held[svc.def.StopOn] = e.level(svc.def.StopOn)
	}
	remove()
	w := why{text: "condition state " + string(name) + " removed"}
	for _, s := range in.sockets {
		if !held[s.def.StopOn] && e.level(s.def.StopOn) {
			e.stopSocket(s, w)
		}
	}
	for _, svc := range in.services {
		if !held[svc.def.StopOn] && e.level(svc.def.StopOn) {
			e.stopService(svc, w)
		}
	}
}

func describe(c change) string {
	if c.kind == cond.Signal {
		return "signal " + c.name
	}
	return "state " + c.name
}
