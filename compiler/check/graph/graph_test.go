package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/check/graph"
)

func build(nodes int, edges ...[2]int) *graph.Graph {
	g := &graph.Graph{}
	for range nodes {
		g.Node()
	}
	for _, e := range edges {
		g.Edge(e[0], e[1])
	}
	return g
}

func TestCircles(t *testing.T) {
	odd := func(n int) bool { return n%2 == 1 }
	tests := []struct {
		name  string
		graph *graph.Graph
		keep  func(int) bool
		want  [][]int
	}{
		{"nothing", build(0), nil, nil},
		{"a chain", build(3, [2]int{0, 1}, [2]int{1, 2}), nil, nil},
		{"a node and itself", build(2, [2]int{1, 1}, [2]int{0, 1}), nil, [][]int{{1}}},
		{"a pair", build(3, [2]int{2, 1}, [2]int{1, 2}), nil, [][]int{{1, 2}}},
		{"two circles", build(5, [2]int{3, 4}, [2]int{4, 3}, [2]int{0, 1}, [2]int{1, 0}, [2]int{1, 3}), nil, [][]int{{0, 1}, {3, 4}}},
		{"two circles that share a node", build(3, [2]int{0, 1}, [2]int{1, 0}, [2]int{1, 2}, [2]int{2, 1}), nil, [][]int{{0, 1, 2}}},
		{"one that is not kept", build(4, [2]int{1, 2}, [2]int{2, 1}, [2]int{1, 3}, [2]int{3, 1}), odd, [][]int{{1, 3}}},
		{"a diamond", build(4, [2]int{0, 1}, [2]int{0, 2}, [2]int{1, 3}, [2]int{2, 3}), nil, nil},
		{"parallel edges", build(2, [2]int{0, 1}, [2]int{0, 1}), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.graph.Circles(tt.keep)); diff != "" {
				t.Errorf("circles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPath(t *testing.T) {
	g := build(5, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}, [2]int{0, 3}, [2]int{3, 2}, [2]int{2, 2})
	tests := []struct {
		name     string
		from, to int
		keep     func(int) bool
		want     []int
	}{
		{"one edge", 0, 1, nil, []int{0, 1}},
		{"the shortest", 0, 2, nil, []int{0, 1, 2}},
		{"around what is not kept", 0, 2, func(n int) bool { return n != 1 }, []int{0, 3, 2}},
		{"back to the start", 0, 0, nil, []int{0, 1, 2, 0}},
		{"an edge to itself", 2, 2, nil, []int{2, 2}},
		{"none", 0, 4, nil, nil},
		{"none from a node without edges", 4, 4, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, g.Path(tt.from, tt.to, tt.keep)); diff != "" {
				t.Errorf("path (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCirclesProperty compares with the definition: two nodes are in one
// component when there are paths both ways.
func TestCirclesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "nodes")
		g := build(n)
		for range rapid.IntRange(0, 30).Draw(t, "edges") {
			g.Edge(rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to"))
		}
		var want [][]int
		for a := range n {
			var component []int
			for b := range n {
				if g.Path(a, b, nil) != nil && g.Path(b, a, nil) != nil {
					component = append(component, b)
				}
			}
			if len(component) > 0 && component[0] == a {
				want = append(want, component)
			}
		}
		if diff := cmp.Diff(want, g.Circles(nil)); diff != "" {
			t.Errorf("circles (-want +got):\n%s", diff)
		}
	})
}

// TestDeepChain proves that the stack does not grow with the graph.
func TestDeepChain(t *testing.T) {
	const n = 1_000_000
	g := build(n)
	for i := range n {
		g.Edge(i, (i+1)%n)
	}
	got := g.Circles(nil)
	if len(got) != 1 || len(got[0]) != n || !slices.IsSorted(got[0]) {
		t.Errorf("%d circles, want one of all nodes", len(got))
	}
}

// BenchmarkCircles takes time in proportion to the size of the graph.
func BenchmarkCircles(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := build(n)
			for i := range n {
				g.Edge(i, (i*7+1)%n)
				g.Edge(i, i/2)
				g.Edge(i, (i+1)%n)
			}
			b.ReportAllocs()
			for b.Loop() {
				g.Circles(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/node")
		})
	}
}
