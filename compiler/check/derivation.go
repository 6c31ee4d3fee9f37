package check

import (
	"slices"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// maxDerivations bounds the states whose derivation is a part of one question.
const maxDerivations = 32

// derivations returns what holds of the states that conditions mention because they follow
// from others: a state with `after` is set while that holds, one with `activate-on-none`
// while the others are not. States that something else may set are left out, also those
// that a permission lets people set; that somebody sets a following state by hand
// nevertheless is no case that is worth a warning. It is not known if one of the states has
// mistakes.
func (p *Program) derivations(list ...*cond.Expr) (f sat.Formula, known bool) {
	seen := map[plan.Name]bool{}
	var queue []plan.Name
	mention := func(e *cond.Expr) {
		if e == nil {
			return
		}
		e.Atoms(func(a cond.Atom) {
			if name := plan.Name(a.Name); a.Kind == cond.State && !seen[name] && len(seen) < maxDerivations {
				seen[name] = true
				queue = append(queue, name)
			}
		})
	}
	for _, e := range list {
		mention(e)
	}
	var all []sat.Formula
	for i := 0; i < len(queue); i++ {
		s := p.flow.states[queue[i]]
		if s == nil {
			continue // a builtin
		}
		if s.Unit.Lost != nil || s.Unit.After.Set() && s.After == nil || slices.Contains(s.Absent, nil) {
			return sat.True(), false
		}
		if !p.follows(s) {
			continue
		}
		set := sat.Of(isSet(s.Name))
		because := sat.True()
		if s.After != nil {
			because = sat.Of(*s.After)
			mention(s.After)
		}
		for _, other := range s.Absent {
			absent := isSet(other.Name)
			mention(&absent)
			because = sat.All(because, sat.Not(sat.Of(absent)))
		}
		all = append(all, sat.Any(sat.Not(set), because))
		if s.Unit.AutoPayload == nil { // which may fail
			all = append(all, sat.Any(set, sat.Not(because)))
		}
	}
	return sat.All(all...), true
}

// follows reports whether a state follows from others, and from nothing else.
func (p *Program) follows(s *State) bool {
	u := s.Unit
	if !u.After.Set() && !u.ActivateOnNone.Set() || u.Permissions.Set() || len(p.flow.uses.setters[reference{"state", s.Name}]) > 0 {
		return false
	}
	return !slices.ContainsFunc(u.ActivateOnNone.Items, func(a unit.Absence) bool { return a.Branch.Set() }) // that is about one branch
}

func isSet(name plan.Name) cond.Expr {
	return cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: string(name)}}
}
