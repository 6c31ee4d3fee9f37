package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/check/graph"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan/cond"
)

// order is what comes after what. An edge leads from a unit to one that it comes
// after, or from a state or signal to one that it follows from.
type order struct {
	list   []link
	number map[reference]int
	after  graph.Graph // only what must be there
	all    graph.Graph // also what must not be there
	signs  map[[2]int]sign
}

// link is a unit and the place where it says what it comes after.
type link struct {
	reference

	at source.Place
}

// sign says whether an edge is about what must be there, what must not, or both.
type sign uint8

const (
	presence sign = 1 << iota
	absence
)

func (p *Program) collectOrder() *order {
	o := &order{number: map[reference]int{}, signs: map[[2]int]sign{}}
	for _, s := range p.Services {
		o.node(reference{"service", s.Name}, s.Unit.After.At)
	}
	for _, s := range p.States {
		at := s.Unit.After.At
		if at.IsZero() {
			at = s.Unit.ActivateOnNone.At
		}
		o.node(reference{"state", s.Name}, at)
	}
	for _, s := range p.Signals {
		o.node(reference{"signal", s.Name}, s.Unit.After.At)
	}
	for _, s := range p.Services {
		for _, before := range s.After {
			o.edge(reference{"service", s.Name}, reference{"service", before.Name}, presence)
		}
	}
	for _, s := range p.States {
		from := reference{"state", s.Name}
		o.follow(from, s.After, presence)
		for i, other := range s.Absent {
			// One branch can be absent while others are there.
			if other != nil && !s.Unit.ActivateOnNone.Items[i].Branch.Set() {
				o.edge(from, reference{"state", other.Name}, absence)
			}
		}
	}
	for _, s := range p.Signals {
		o.follow(reference{"signal", s.Name}, s.After, presence)
	}
	return o
}

// node adds a unit that comes after others. One that does not is no part of a
// cycle.
func (o *order) node(ref reference, at source.Place) {
	if at.IsZero() {
		return
	}
	if _, again := o.number[ref]; again {
		return // two definitions of one name are another mistake
	}
	o.number[ref] = o.after.Node()
	o.all.Node()
	o.list = append(o.list, link{ref, at})
}

func (o *order) edge(from, to reference, s sign) {
	n, comes := o.number[from]
	m, ok := o.number[to]
	if !comes || !ok || o.signs[[2]int{n, m}]&s != 0 {
		return // after nothing, or there already
	}
	if s == presence {
		o.after.Edge(n, m)
	}
	if o.signs[[2]int{n, m}] == 0 {
		o.all.Edge(n, m)
	}
	o.signs[[2]int{n, m}] |= s
}

// follow adds an edge for everything that a condition mentions.
func (o *order) follow(from reference, e *cond.Expr, s sign) {
	if e == nil {
		return
	}
	for _, list := range [][]cond.Expr{e.And, e.Or} {
		for i := range list {
			o.follow(from, &list[i], s)
		}
	}
	o.follow(from, e.Not, presence+absence-s)
	if e.Atom != nil {
		o.edge(from, subjectOf(*e.Atom), s)
	}
}

// contrary returns a closed walk through a component that has an odd number of
// absences: at its end, the first state follows from its own absence. There is
// none when absences even out: such states keep each other as they are.
func (o *order) contrary(component []int) []int {
	type step struct {
		node int
		odd  bool
	}
	inside := map[int]bool{}
	for _, n := range component {
		inside[n] = true
	}
	// A component is strongly connected, so such a walk can begin anywhere in it.
	first, goal := step{component[0], false}, step{component[0], true}
	before := map[step]step{}
	queue := []step{first}
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for _, m := range o.all.Out(at.node) {
			if !inside[m] {
				continue
			}
			for _, s := range []sign{presence, absence} {
				next := step{m, at.odd != (s == absence)}
				_, seen := before[next]
				if seen || o.signs[[2]int{at.node, m}]&s == 0 {
					continue
				}
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	if _, found := before[goal]; !found {
		return nil
	}
	walk := []int{goal.node}
	for at := before[goal]; at != first; at = before[at] {
		walk = append(walk, at.node)
	}
	walk = append(walk, first.node)
	slices.Reverse(walk)
	return walk
}

// diagnostic is about a closed walk, whose last node is its first.
func (o *order) diagnostic(walk []int, what, help string) diag.Diagnostic {
	names := make([]string, 0, len(walk))
	for _, n := range walk {
		names = append(names, fmt.Sprintf("%s %q", o.list[n].kind, o.list[n].name))
	}
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	d := diag.Diagnostic{
		Message: what + ": " + strings.Join(names, ", "),
		At:      o.list[walk[0]].at,
		Help:    help,
	}
	said := map[int]bool{walk[0]: true}
	for _, n := range walk {
		if !said[n] && len(d.Labels) < shown {
			said[n] = true
			d.Labels = append(d.Labels, diag.Label{At: o.list[n].at, Message: fmt.Sprintf("what %s %q comes after", o.list[n].kind, o.list[n].name)})
		}
	}
	return d
}
