package check

import (
	"slices"

	"github.com/rind-sockets/rind/compiler/check/graph"
)

// endless returns walks that can go on for ever, one of each component: closed,
// without the repetition of the first event at the end. ok is not set when
// components may be missing, because there is too much to look at.
func (g *events) endless() (walks [][]int, ok bool) {
	work := maxWork
	for _, component := range g.Circles(nil) {
		alive := g.lasting(component, &work)
		if work <= 0 {
			return walks, false
		}
		keep := func(n int) bool { return alive[n] }
		for _, c := range g.within(component, keep) {
			walks = append(walks, g.walk(c))
			break // the others have to do with the same units
		}
	}
	return walks, true
}

// maxWork is how many events are looked at while those are sought that last.
const maxWork = 5_000_000

// lasting returns the events that follow from a component again and again: for
// every one of them, what must happen in between does.
func (g *events) lasting(component []int, work *int) map[int]bool {
	dead := map[int]bool{}
	for {
		alive := g.consequences(component, dead, work)
		counts := g.count(alive)
		again := false
		for n := range alive {
			if !g.list[n].again(counts) {
				dead[n], again = true, true
			}
		}
		if !again || *work <= 0 {
			return alive
		}
	}
}

// consequences returns a component and everything that follows from it, without
// what is dead.
func (g *events) consequences(component []int, dead map[int]bool, work *int) map[int]bool {
	alive := map[int]bool{}
	var queue []int
	visit := func(n int) {
		if *work--; *work > 0 && !dead[n] && !alive[n] {
			alive[n] = true
			queue = append(queue, n)
		}
	}
	for _, n := range component {
		visit(n)
	}
	for i := 0; i < len(queue); i++ {
		for _, m := range g.Out(queue[i]) {
			visit(m)
		}
	}
	return alive
}

// count counts events without their payloads.
func (g *events) count(nodes map[int]bool) map[event]int {
	counts := map[event]int{}
	for n := range nodes {
		counts[event{do: g.list[n].do, name: g.list[n].name}]++
	}
	return counts
}

// within returns the circles among the nodes of a component that keep accepts.
func (g *events) within(component []int, keep func(int) bool) [][]int {
	var part graph.Graph
	number := map[int]int{}
	for _, n := range component {
		if keep(n) {
			number[n] = part.Node()
		}
	}
	nodes := make([]int, part.Nodes())
	for n, i := range number {
		nodes[i] = n
		for _, m := range g.Out(n) {
			if to, ok := number[m]; ok {
				part.Edge(i, to)
			}
		}
	}
	circles := part.Circles(nil)
	for _, c := range circles {
		for i := range c {
			c[i] = nodes[c[i]]
		}
	}
	return circles
}

// maxAnchors is from how many events of a component a walk is tried.
const maxAnchors = 64

// walk returns a closed walk in a component: one that passes an event and what
// lets it happen again, if there is one, since that explains itself.
func (g *events) walk(component []int) []int {
	inside := map[int]bool{}
	for _, n := range component {
		inside[n] = true
	}
	keep := func(n int) bool { return inside[n] }
	for i, n := range component {
		if i == maxAnchors {
			break
		}
		m := slices.IndexFunc(component, func(m int) bool { return g.list[n].opposite(g.list[m]) })
		if m < 0 {
			continue
		}
		there, back := g.Path(n, component[m], keep), g.Path(component[m], n, keep)
		return append(there[:len(there)-1:len(there)-1], back[:len(back)-1]...)
	}
	round := g.Path(component[0], component[0], keep)
	return round[:len(round)-1]
}
