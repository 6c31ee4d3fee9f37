package sat

import "slices"

// proposition is a formula over numbered variables. The zero proposition holds.
type proposition struct {
	join join
	kids []proposition
	v    int  // of joinNone
	want bool // what the variable must be
}

// maxVariables is how many different atoms, or tests of one payload, a question
// may have.
const maxVariables = 256

// set is a set of variables.
type set [maxVariables / 64]uint64

func (s set) has(v int) bool { return s[v/64]&(1<<(v%64)) != 0 }

func (s set) with(v int) set {
	s[v/64] |= 1 << (v % 64)
	return s
}

func (s set) and(t set) set {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

// literals is what has been decided about the variables: those that hold and
// those that do not.
type literals struct{ yes, no set }

func (l *literals) decide(v int, want bool) {
	if want {
		l.yes = l.yes.with(v)
	} else {
		l.no = l.no.with(v)
	}
}

// truth is what literals say of a proposition.
type truth uint8

const (
	undecided truth = iota
	holds
	fails
)

func (l *literals) truth(p *proposition) truth {
	if p.join == joinNone {
		switch yes, no := l.yes.has(p.v), l.no.has(p.v); {
		case !yes && !no:
			return undecided
		case yes == p.want:
			return holds
		}
		return fails
	}
	settles, otherwise := fails, holds // one that fails settles "all"
	if p.join == joinAny {
		settles, otherwise = holds, fails
	}
	for i := range p.kids {
		switch l.truth(&p.kids[i]) {
		case settles:
			return settles
		case undecided:
			otherwise = undecided
		case holds, fails:
		}
	}
	return otherwise
}

// search goes through the ways in which a proposition can hold, as few literals
// as it takes each time, until one of them is good.
type search struct {
	steps *int // left; the search gives up at 0

	// admit reports whether the literals, of which v was decided last, may be
	// part of a world.
	admit func(l *literals, v int) bool

	// good is called with every way that was admitted.
	good func(l *literals) bool
}

// run reports whether a good way was found. If the steps are used up, false
// means nothing.
func (s *search) run(p proposition) bool {
	return s.solve([]*proposition{&p}, literals{})
}

func (s *search) solve(goals []*proposition, l literals) bool {
	open, ok := s.propagate(goals, &l)
	if !ok {
		return false
	}
	if len(open) == 0 {
		return s.good(&l)
	}
	// The alternatives with the fewest ways are decided first.
	first := 0
	for i := range open {
		if len(open[i].kids) < len(open[first].kids) {
			first = i
		}
	}
	pick := open[first]
	rest := slices.Delete(open, first, first+1)
	for i := range pick.kids {
		kid := &pick.kids[i]
		if l.truth(kid) == fails {
			continue
		}
		if s.solve(append(slices.Clip(rest), kid), l) {
			return true
		}
		if *s.steps <= 0 {
			return false
		}
		// All worlds in which this one holds have been seen.
		if kid.join == joinNone && i < len(pick.kids)-1 && l.truth(kid) == undecided {
			l.decide(kid.v, !kid.want)
			if !s.admit(&l, kid.v) {
				return false
			}
		}
	}
	return false
}

// propagate decides what must be decided, and returns the alternatives that are
// left to choose from. ok is not set when the goals cannot be reached.
func (s *search) propagate(goals []*proposition, l *literals) (open []*proposition, ok bool) {
	todo := slices.Clone(goals)
	for len(todo) > 0 {
		g := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if *s.steps -= 1 + len(g.kids); *s.steps <= 0 {
			return nil, false
		}
		switch g.join {
		case joinAll:
			for i := range g.kids {
				todo = append(todo, &g.kids[i])
			}
		case joinNone:
			switch l.truth(g) {
			case holds:
			case fails:
				return nil, false
			case undecided:
				l.decide(g.v, g.want)
				if !s.admit(l, g.v) {
					return nil, false
				}
				todo, open = append(todo, open...), nil // it may decide an alternative
			}
		case joinAny:
			switch only, live := l.live(g); live {
			case 0:
				return nil, false
			case 1:
				todo = append(todo, only)
			case settled:
			default:
				open = append(open, g)
			}
		}
	}
	return open, true
}

// settled is the number of live alternatives when one of them holds.
const settled = -1

// live returns how many alternatives of p may still hold, and the last of them.
func (l *literals) live(p *proposition) (last *proposition, n int) {
	for i := range p.kids {
		switch l.truth(&p.kids[i]) {
		case holds:
			return nil, settled
		case undecided:
			last = &p.kids[i]
			n++
		case fails:
		}
	}
	return last, n
}
