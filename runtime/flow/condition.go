package flow

import (
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Branches implements [cond.Facts].
func (e *Engine) Branches(name string, yield func(cond.Value, map[string]any) bool) {
	st, ok := e.states[plan.Name(name)]
	if !ok {
		return
	}
	for i := range st.branches {
		if !yield(st.branches[i].value, st.branches[i].keys) {
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

// level reports whether x, if there is one, holds.
func (e *Engine) level(x *cond.Expr) bool { return x != nil && x.Eval(e) }

// holds is level for a condition of the plan as a whole, which an observer wants
// to know of.
func (e *Engine) holds(x *cond.Expr) bool { return e.observe(x, e.level(x)) }

// edge reports whether the change that is being delivered is an edge that x
// reacts to: x holds, and an atom that is not negated matches that very change.
func (e *Engine) edge(x *cond.Expr) bool {
	switch {
	case x == nil || e.changed.removal:
		return false
	case x.Atom != nil:
		return e.isEdge(x.Atom)
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

// isEdge reports whether the change that is being delivered is what an atom
// waits for.
func (e *Engine) isEdge(a *cond.Atom) bool {
	c := &e.changed
	return !c.removal && a.Kind == c.kind && a.Name == c.name && a.Guard.Match(c.value, c.keys)
}

// origin returns the first atom of x, from left to right, that holds, is not
// negated and has a payload of kind k: what follows from x takes it over.
func (e *Engine) origin(x *cond.Expr, k cond.Kind) *cond.Atom {
	if x == nil {
		return nil
	}
	if a := x.Atom; a != nil {
		if _, found := e.match(a); found && e.kindOf(a) == k {
			return a
		}
		return nil
	}
	for _, list := range [][]cond.Expr{x.And, x.Or} {
		for i := range list {
			if a := e.origin(&list[i], k); a != nil {
				return a
			}
		}
	}
	return nil
}

func (e *Engine) kindOf(a *cond.Atom) cond.Kind {
	if a.Kind == cond.Signal {
		return e.signals[plan.Name(a.Name)].def.Payload
	}
	return e.states[plan.Name(a.Name)].def.Payload
}

// match returns the payload that makes an atom hold: that of the change that is
// being delivered, or else of the first branch that matches.
func (e *Engine) match(a *cond.Atom) (cond.Value, bool) {
	if e.isEdge(a) {
		return e.changed.value, true
	}
	if a.Kind != cond.State {
		return cond.Value{}, false
	}
	for v := range e.matching(a) {
		return v, true
	}
	return cond.Value{}, false
}

// matching yields the branches that an atom of a state matches.
func (e *Engine) matching(a *cond.Atom) func(yield func(cond.Value) bool) {
	return func(yield func(cond.Value) bool) {
		e.Branches(a.Name, func(v cond.Value, keys map[string]any) bool {
			return !a.Guard.Match(v, keys) || yield(v)
		})
	}
}
