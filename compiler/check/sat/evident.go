package sat

import (
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// Evident reports whether e can obviously hold: most conditions are one state or
// signal with one simple test, which needs no search. False means nothing.
func (s *Solver) Evident(e cond.Expr) bool {
	switch {
	case e.Atom != nil:
		return s.evidentAtom(e.Atom)
	case len(e.Or) > 0:
		return slices.ContainsFunc(e.Or, s.Evident)
	case len(e.And) > 0:
		return s.evidentAll(e.And)
	}
	return false
}

// maxEvident is of how many parts every pair is looked at.
const maxEvident = 16

// evidentAll reports whether the parts are states and at most one signal that can
// obviously be there, and states that can be absent meanwhile, because no two parts
// are about the same.
func (s *Solver) evidentAll(parts []cond.Expr) bool {
	if len(parts) > maxEvident {
		return false
	}
	signal := false
	for i := range parts {
		a, absent := parts[i].Atom, false
		if not := parts[i].Not; not != nil {
			a, absent = not.Atom, true
		}
		switch {
		case a == nil, slices.ContainsFunc(parts[:i], func(other cond.Expr) bool { return mentions(other, a) }):
			return false
		case absent && a.Kind == cond.State: // without a state, no test of it passes
		case absent, signal && a.Kind == cond.Signal, !s.evidentAtom(a):
			return false
		}
		signal = signal || a.Kind == cond.Signal
	}
	return true
}

// EvidentlyWithout reports whether e can obviously hold while other does not:
// because of something that other does not mention. False means nothing.
func (s *Solver) EvidentlyWithout(e, other cond.Expr) bool {
	if negates(other) {
		return false
	}
	if e.Atom == nil {
		return slices.ContainsFunc(e.Or, func(x cond.Expr) bool { return s.EvidentlyWithout(x, other) })
	}
	if !s.evidentAtom(e.Atom) {
		return false
	}
	return !mentions(other, e.Atom) // what other mentions need not be there
}

// mentions reports whether e has a part about the state or signal of an atom.
func mentions(e cond.Expr, atom *cond.Atom) bool {
	found := false
	e.Atoms(func(a cond.Atom) { found = found || a.Kind == atom.Kind && a.Name == atom.Name })
	return found
}

func negates(e cond.Expr) bool {
	return e.Not != nil || slices.ContainsFunc(e.And, negates) || slices.ContainsFunc(e.Or, negates)
}

func (s *Solver) evidentAtom(a *cond.Atom) bool {
	shape := s.State
	if a.Kind == cond.Signal {
		shape = s.Signal
	}
	of := shape(a.Name)
	switch {
	case of.Kind == 0:
		return false
	case a.Guard == nil:
		return true
	case a.Guard.Pred != nil:
		return evidentTest(of, a.Guard.Pred)
	case of.Kind != cond.JSON:
		return false
	}
	// Tests of different fields do not get in each other's way.
	for i := range a.Guard.And {
		p := a.Guard.And[i].Pred
		if p == nil || !evidentTest(of, p) || slices.ContainsFunc(a.Guard.And[:i], func(g cond.Guard) bool { return field(of, g.Pred) == field(of, p) }) {
			return false
		}
	}
	return len(a.Guard.And) > 0
}

// field is what an evident test is about: a field of the document.
func field(shape Shape, p *cond.Pred) string {
	if len(p.Path) > 0 {
		return p.Path[0]
	}
	return shape.Keys[0] // the branch as a whole
}

// evidentTest reports whether some payload obviously passes a test.
func evidentTest(shape Shape, p *cond.Pred) bool {
	_, text := p.Lit.(string)
	whole := len(p.Path) == 0
	switch {
	case shape.Kind == cond.String:
		return whole && p.Root == cond.Target && text && slices.Contains(evidentOnText, p.Op)
	case shape.Kind != cond.JSON:
		return false
	case p.Root == cond.Branch:
		return len(shape.Keys) == 1 && (whole || len(p.Path) == 1 && p.Path[0] == shape.Keys[0]) && text && p.Op == cond.OpEqual
	}
	return !whole && slices.Contains(evidentOnFields, p.Op)
}

var (
	evidentOnText = []cond.Op{cond.OpEqual, cond.OpNotEqual, cond.OpContains, cond.OpStartsWith, cond.OpEndsWith}

	evidentOnFields = []cond.Op{
		cond.OpEqual, cond.OpNotEqual, cond.OpLess, cond.OpAtMost, cond.OpMore, cond.OpAtLeast, cond.OpHas, cond.OpExists,
	}
)
