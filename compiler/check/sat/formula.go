package sat

import "github.com/rind-sockets/rind/plan/cond"

// Formula is a question about the world: a boolean combination of atoms in which
// only atoms are negated. The zero Formula holds in every world.
type Formula struct {
	join join
	kids []Formula  // of joinAll and joinAny
	atom *cond.Atom // of joinNone
	want bool       // what the atom must be
}

type join uint8

const (
	joinAll  join = iota // without kids: true
	joinAny              // without kids: false
	joinNone             // an atom
)

// Of returns the formula that holds when e does.
func Of(e cond.Expr) Formula {
	switch {
	case e.Atom != nil:
		return Formula{join: joinNone, atom: e.Atom, want: true}
	case e.Not != nil:
		return Not(Of(*e.Not))
	case len(e.And) > 0:
		return Formula{join: joinAll, kids: each(e.And, Of)}
	}
	return Formula{join: joinAny, kids: each(e.Or, Of)} // the zero Expr never holds
}

// Quiet returns the formula that holds when e does while no signal is delivered.
func Quiet(e cond.Expr) Formula { return Of(e).quiet() }

func (f Formula) quiet() Formula {
	if f.join != joinNone {
		return Formula{join: f.join, kids: each(f.kids, Formula.quiet)}
	}
	switch {
	case f.atom.Kind != cond.Signal:
		return f
	case f.want:
		return False()
	}
	return True()
}

// Edge returns what must hold when a change of a state, or a signal, makes e an
// edge (SPEC §4.2): e holds, and at least one atom that is not negated is what
// changed. A condition without such an atom is a level only.
func Edge(e cond.Expr) Formula {
	switch {
	case e.Atom != nil:
		return Of(e)
	case len(e.Or) > 0:
		return Formula{join: joinAny, kids: each(e.Or, Edge)}
	case len(e.And) > 0:
		kids := each(e.And, Of)
		edges := make([]Formula, 0, len(e.And))
		for _, x := range e.And {
			if x.Atom != nil { // it holds already, and may be what changed
				return Formula{join: joinAll, kids: kids}
			}
			edges = append(edges, Edge(x))
		}
		return Formula{join: joinAll, kids: append(kids, Any(edges...))}
	}
	return False()
}

// True returns the formula that always holds.
func True() Formula { return Formula{join: joinAll} }

// False returns the formula that never holds.
func False() Formula { return Formula{join: joinAny} }

// All returns the formula that holds when all of list do.
func All(list ...Formula) Formula { return Formula{join: joinAll, kids: list} }

// Any returns the formula that holds when one of list does.
func Any(list ...Formula) Formula { return Formula{join: joinAny, kids: list} }

// Not returns the formula that holds when f does not.
func Not(f Formula) Formula {
	switch f.join {
	case joinAll:
		return Formula{join: joinAny, kids: each(f.kids, Not)}
	case joinAny:
		return Formula{join: joinAll, kids: each(f.kids, Not)}
	case joinNone:
	}
	f.want = !f.want
	return f
}

// Eval reports whether f holds in a world.
func (f Formula) Eval(w cond.Facts) bool {
	switch f.join {
	case joinAll:
		for _, k := range f.kids {
			if !k.Eval(w) {
				return false
			}
		}
		return true
	case joinAny:
		for _, k := range f.kids {
			if k.Eval(w) {
				return true
			}
		}
		return false
	case joinNone:
	}
	return cond.Expr{Atom: f.atom}.Eval(w) == f.want
}

func each[T any](list []T, f func(T) Formula) []Formula {
	out := make([]Formula, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}
