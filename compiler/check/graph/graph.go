// Package graph finds circles in directed graphs. Its work is linear in the
// nodes and edges, and its stack does not grow with the graph, which strangers
// write.
package graph

import "slices"

// Graph is a directed graph over the nodes 0 … Nodes-1. The zero Graph is empty.
type Graph struct {
	out [][]int
}

// Node adds a node and returns it.
func (g *Graph) Node() int {
	g.out = append(g.out, nil)
	return len(g.out) - 1
}

// Edge adds an edge. Both nodes must be there.
func (g *Graph) Edge(from, to int) { g.out[from] = append(g.out[from], to) }

// Out returns the nodes to which edges of n lead. The slice belongs to the Graph.
func (g *Graph) Out(n int) []int { return g.out[n] }

// Nodes returns how many nodes there are.
func (g *Graph) Nodes() int { return len(g.out) }

// Circles returns the strongly connected components that have a circle: several
// nodes, or one with an edge to itself. Their order is that of their first node,
// their nodes are sorted. Nodes for which keep returns false are left out; a nil
// keep keeps all.
func (g *Graph) Circles(keep func(int) bool) [][]int {
	t := tarjan{graph: g, keep: keep, index: make([]int, len(g.out)), low: make([]int, len(g.out))}
	for n := range g.out {
		if t.index[n] == 0 && t.kept(n) {
			t.visit(n)
		}
	}
	slices.SortFunc(t.found, slices.Compare)
	return t.found
}

// tarjan is the algorithm of R. Tarjan, Depth-First Search and Linear Graph
// Algorithms (1972), with a stack of its own for the recursion.
type tarjan struct {
	graph *Graph
	keep  func(int) bool

	index, low []int // from 1, 0: not visited; low is 0 again when the component is done
	next       int
	stack      []int // visited, and of no finished component
	calls      []call
	found      [][]int
}

// call is a node that is being visited, and how many of its edges are done.
type call struct{ node, edge int }

func (t *tarjan) kept(n int) bool { return t.keep == nil || t.keep(n) }

func (t *tarjan) visit(root int) {
	t.enter(root)
	for len(t.calls) > 0 {
		c := &t.calls[len(t.calls)-1]
		n, out := c.node, t.graph.out[c.node]
		if c.edge < len(out) {
			to := out[c.edge]
			c.edge++
			switch {
			case !t.kept(to):
			case t.index[to] == 0:
				t.enter(to)
			case t.low[to] != 0: // on the stack
				t.low[n] = min(t.low[n], t.index[to])
			}
			continue
		}
		t.calls = t.calls[:len(t.calls)-1]
		if len(t.calls) > 0 {
			caller := t.calls[len(t.calls)-1].node
			t.low[caller] = min(t.low[caller], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.leave(n)
		}
	}
}

func (t *tarjan) enter(n int) {
	t.next++
	t.index[n], t.low[n] = t.next, t.next
	t.stack = append(t.stack, n)
	t.calls = append(t.calls, call{node: n})
}

// leave takes the component that begins with root off the stack.
func (t *tarjan) leave(root int) {
	at := len(t.stack) - 1
	for t.stack[at] != root {
		at--
	}
	component := t.stack[at:]
	for _, n := range component {
		t.low[n] = 0
	}
	t.stack = t.stack[:at]
	if len(component) > 1 || slices.Contains(t.graph.out[root], root) {
		component = slices.Clone(component)
		slices.Sort(component)
		t.found = append(t.found, component)
	}
}

// Path returns the nodes of a shortest path of at least one edge, from its first
// to its last node, which may be the same; nil if there is none. Nodes for which
// keep returns false are not on it; a nil keep keeps all.
func (g *Graph) Path(from, to int, keep func(int) bool) []int {
	before := map[int]int{}
	queue := []int{from}
	for i := 0; i < len(queue); i++ {
		n := queue[i]
		for _, next := range g.out[n] {
			if _, seen := before[next]; seen || keep != nil && !keep(next) {
				continue
			}
			before[next] = n
			if next == to {
				return walkBack(before, from, to)
			}
			queue = append(queue, next)
		}
	}
	return nil
}

func walkBack(before map[int]int, from, to int) []int {
	path := []int{to}
	for n := before[to]; ; n = before[n] {
		path = append(path, n)
		if n == from {
			slices.Reverse(path)
			return path
		}
	}
}
