package sat

import (
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// branches looks for branches of a subject such that every guard of hold is
// satisfied by one of them, and no guard of fail by any. There is at least one
// guard to hold.
func (q *question) branches(s *subject, hold, fail []*cond.Guard) model {
	shape := s.shape
	if shape.Kind == 0 {
		return model{verdict: Unknown}
	}
	if s.kind == cond.Signal || !shape.several() {
		b, verdict := q.payload(shape, tests(hold, fail))
		return model{verdict: verdict, branches: []Branch{b}}
	}
	if !hasGuard(hold) && len(fail) == 0 {
		b, verdict := q.payload(shape, nil)
		return model{verdict: verdict, branches: []Branch{b}}
	}
	return q.severalBranches(shape, hold, fail)
}

// severalBranches gives every guard a branch: one that is there already, else
// one of its own, with other keys than the branches that are there.
func (q *question) severalBranches(shape Shape, hold, fail []*cond.Guard) model {
	groups, rest := pinned(shape, hold)
	var out []Branch
	verdict := Satisfiable
	for _, g := range append(groups, rest...) {
		if slices.ContainsFunc(out, func(b Branch) bool { return b.satisfies(g) }) {
			continue
		}
		alone, v := q.payload(shape, tests(g, fail))
		if v == Unsatisfiable {
			return model{verdict: Unsatisfiable} // whatever the other branches are
		}
		if v == Satisfiable && clashes(out, alone) {
			// The found branch has the keys of another one, with which it would be
			// merged. Every other pair of keys will do, if the guard allows one.
			alone, v = q.payload(shape, append(tests(g, fail), otherKeys(shape, out)...))
		}
		if v != Satisfiable {
			verdict = Unknown
			continue
		}
		out = append(out, alone)
	}
	return model{verdict: verdict, branches: out}
}

// test is a guard that a payload must or must not satisfy.
type test struct {
	guard *cond.Guard // nil: there is a payload
	want  bool
}

func tests(hold, fail []*cond.Guard) []test {
	out := make([]test, 0, len(hold)+len(fail))
	for _, g := range hold {
		out = append(out, test{g, true})
	}
	for _, g := range fail {
		out = append(out, test{g, false})
	}
	return out
}

func hasGuard(list []*cond.Guard) bool {
	return slices.ContainsFunc(list, func(g *cond.Guard) bool { return g != nil })
}

func (b Branch) satisfies(guards []*cond.Guard) bool {
	for _, g := range guards {
		if !g.Match(b.Value, b.Keys) {
			return false
		}
	}
	return true
}

func clashes(have []Branch, b Branch) bool {
	return slices.ContainsFunc(have, func(other Branch) bool { return identity(other) == identity(b) })
}

// identity is what tells a branch from the others of its state.
func identity(b Branch) string {
	text, err := cond.Canonical(b.Keys)
	if err != nil {
		return ""
	}
	return text
}

// otherKeys are the tests that a branch is none of have.
func otherKeys(shape Shape, have []Branch) []test {
	var out []test
	for _, b := range have {
		same := &cond.Guard{}
		for _, k := range shape.Keys {
			same.And = append(same.And, cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Path: []string{k}, Op: cond.OpEqual, Lit: b.Keys[k]}})
		}
		out = append(out, test{same, false})
	}
	return out
}

// pinned sorts out the guards that say which branch they are about: those with
// the same keys are about one branch, and have to hold together. Every other
// guard is a group of its own.
func pinned(shape Shape, hold []*cond.Guard) (groups, rest [][]*cond.Guard) {
	at := map[string]int{}
	for _, g := range hold {
		keys := map[string]any{}
		pins(shape, g, keys)
		if len(keys) < len(shape.Keys) {
			rest = append(rest, []*cond.Guard{g})
			continue
		}
		text, err := cond.Canonical(keys)
		if err != nil {
			rest = append(rest, []*cond.Guard{g})
			continue
		}
		i, ok := at[text]
		if !ok {
			i = len(groups)
			at[text] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], g)
	}
	return groups, rest
}

// pins collects the keys to which g ties its branch.
func pins(shape Shape, g *cond.Guard, keys map[string]any) {
	if g == nil {
		return
	}
	for i := range g.And {
		pins(shape, &g.And[i], keys)
	}
	p := g.Pred
	switch {
	case p == nil || p.Op != cond.OpEqual:
	case len(p.Path) == 1 && slices.Contains(shape.Keys, p.Path[0]):
		if _, number := p.Lit.(interface{ Int64() (int64, error) }); !number {
			keys[p.Path[0]] = p.Lit // equal numbers may be spelt in several ways
		}
	case len(p.Path) == 0 && len(shape.Keys) == 1 && (p.Root == cond.Branch || shape.Values):
		// The text of a single key, if that is a string. The text of the keys as
		// an object would be another spelling of the same.
		if lit, ok := p.Lit.(string); ok && (shape.Values || lit == "" || lit[0] != '{') {
			keys[shape.Keys[0]] = lit
		}
	}
}
