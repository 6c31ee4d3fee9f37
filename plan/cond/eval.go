package cond

import "strconv"

// Facts answers what an expression asks while it is evaluated.
type Facts interface {
	// Branches calls yield for every branch of a state until yield returns
	// false. keys holds the branch key fields of the payload; it is nil for a
	// state without branches.
	Branches(state string, yield func(payload Value, keys map[string]any) bool)

	// Signal returns the payload of the signal that is being delivered, if that
	// is the signal with this name.
	Signal(name string) (Value, bool)
}

// Eval reports whether e holds.
func (e Expr) Eval(f Facts) bool {
	switch {
	case e.Atom != nil:
		return e.Atom.eval(f)
	case e.Not != nil:
		return !e.Not.Eval(f)
	case len(e.And) > 0:
		for _, x := range e.And {
			if !x.Eval(f) {
				return false
			}
		}
		return true
	}
	for _, x := range e.Or {
		if x.Eval(f) {
			return true
		}
	}
	return false
}

func (a Atom) eval(f Facts) bool {
	if a.Kind == Signal {
		v, ok := f.Signal(a.Name)
		return ok && a.Guard.Match(v, nil)
	}
	found := false
	f.Branches(a.Name, func(v Value, keys map[string]any) bool {
		found = a.Guard.Match(v, keys)
		return !found
	})
	return found
}

// Match reports whether a payload satisfies g. keys holds the payload's branch
// key fields, nil if it has none. A nil Guard is satisfied by every payload.
func (g *Guard) Match(v Value, keys map[string]any) bool {
	switch {
	case g == nil:
		return true
	case g.Pred != nil:
		return g.Pred.match(v, keys)
	case g.Not != nil:
		return !g.Not.Match(v, keys)
	case len(g.And) > 0:
		for i := range g.And {
			if !g.And[i].Match(v, keys) {
				return false
			}
		}
		return true
	}
	for i := range g.Or {
		if g.Or[i].Match(v, keys) {
			return true
		}
	}
	return false
}

func (p *Pred) match(v Value, keys map[string]any) bool {
	op := operator(p.Op)
	if op == nil {
		return false
	}
	s := subject{value: v.Text(), tree: v.tree, kind: v.kind}
	if p.Root == Branch {
		if keys == nil {
			return false
		}
		s = subject{tree: keys, kind: JSON}
		if len(p.Path) == 0 {
			var ok bool
			if s.value, ok = branchText(keys); !ok {
				return false
			}
		}
	}
	if len(p.Path) > 0 {
		var ok bool
		if s, ok = s.at(p.Path); !ok {
			return false
		}
	}
	return op.eval(s, p)
}

// branchText is the text of the key fields as a whole: their object, but with a
// single key that is a string that one, so that branch = "eth0" means the key.
func branchText(keys map[string]any) (string, bool) {
	if len(keys) == 1 {
		for _, only := range keys {
			if str, ok := only.(string); ok {
				return str, true
			}
		}
	}
	text, err := Canonical(keys)
	return text, err == nil
}

// at follows a path into a json payload.
func (s subject) at(path []string) (subject, bool) {
	if s.kind != JSON {
		return subject{}, false
	}
	tree := s.tree
	for _, seg := range path {
		switch t := tree.(type) {
		case map[string]any:
			next, ok := t[seg]
			if !ok {
				return subject{}, false
			}
			tree = next
		case []any:
			i, err := strconv.Atoi(seg)
			if err != nil || i < 0 || i >= len(t) {
				return subject{}, false
			}
			tree = t[i]
		default:
			return subject{}, false
		}
	}
	return subject{tree: tree, kind: JSON, part: true}, true
}
