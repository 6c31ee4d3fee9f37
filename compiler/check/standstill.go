package check

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// standstill is a circle of units that wait for each other.
type standstill struct {
	circle []wait
	behind int // how many units wait for them
}

// wait is a unit that does not come about, and one thing that it waits for.
type wait struct {
	*condition

	on   reference // the state or signal
	next reference // the unit that would give it; on itself, if that follows from others
	hook string    // of next
	at   source.Place

	several bool // next is not the only one that would give it
}

// standstills finds the units that only a command can start, because they wait
// for each other. What can come about has been found out.
func (p *Program) standstills() []standstill {
	var waits []wait
	number := map[reference]int{}
	r := p.flow.reached
	for _, c := range p.flow.conditions {
		if c.field == "stop-on" || r.happens[c.unit()] {
			continue
		}
		if w, ok := r.blocked(c); ok {
			number[c.unit()] = len(waits)
			waits = append(waits, w)
		}
	}
	return circlesOf(waits, func(i int) (int, bool) {
		next, ok := number[waits[i].next]
		return next, ok
	})
}

// circlesOf finds the circles of waits. Each waits for one other, so that every
// chain ends in one circle.
func circlesOf(waits []wait, next func(int) (int, bool)) []standstill {
	var found []standstill
	leads := make([]int, len(waits)) // to which of found, from 1
	seen := make([]int, len(waits))  // in which chain, from 1
	for start := range waits {
		var chain []int
		at, ok := start, true
		for ok && seen[at] == 0 {
			seen[at] = start + 1
			chain = append(chain, at)
			at, ok = next(at)
		}
		if !ok {
			continue
		}
		if seen[at] == start+1 { // the chain has come back to itself
			i := slices.Index(chain, at)
			s := standstill{}
			for _, n := range chain[i:] {
				s.circle = append(s.circle, waits[n])
				leads[n] = len(found) + 1
			}
			found = append(found, s)
			chain = chain[:i]
		}
		to := leads[at]
		if to == 0 {
			continue // a chain that ends nowhere
		}
		for _, n := range chain {
			leads[n] = to
		}
		found[to-1].behind += len(chain)
	}
	return found
}

func (s standstill) diagnostic() diag.Diagnostic {
	first := slices.IndexFunc(s.circle, func(w wait) bool { return w.kind == "socket" || w.kind == "service" })
	first = max(first, 0)
	w := s.circle[first]
	d := diag.Diagnostic{
		Message: fmt.Sprintf("nothing in the files ever starts %s %q: it waits for %s %q", w.kind, w.name, w.on.kind, w.on.name),
		At:      w.list.At,
		Help:    "let something that is started set the state or emit the signal, or start the unit with a command",
	}
	switch {
	case w.next == w.on:
	case w.several:
		d.Message += fmt.Sprintf(", which only units that are not started give, such as `%s` of %s %q", w.hook, w.next.kind, w.next.name)
	case len(s.circle) == 1:
		d.Message += fmt.Sprintf(", which only its own `%s` gives", w.hook)
	default:
		d.Message += fmt.Sprintf(", which only `%s` of %s %q gives", w.hook, w.next.kind, w.next.name)
	}
	if n := len(s.circle); n > 1 {
		d.Message += fmt.Sprintf("; they wait for each other in a circle of %d", n)
	}
	whom := "them"
	if len(s.circle) == 1 {
		whom = "it"
	}
	switch s.behind {
	case 0:
	case 1:
		d.Message += ", and 1 more waits for " + whom
	default:
		d.Message += fmt.Sprintf(", and %d more wait for %s", s.behind, whom)
	}
	for i := range s.circle {
		if w := s.circle[(first+i)%len(s.circle)]; i < shown && !w.at.IsZero() {
			d.Labels = append(d.Labels, diag.Label{At: w.at, Message: fmt.Sprintf("what %s %q waits for", w.kind, w.name)})
		}
	}
	return d
}
