package sat_test

import (
	"fmt"
	"testing"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/plan/cond"
)

// BenchmarkPairs asks of 10,000 pairs of a start and a stop condition whether
// the first can hold without the second.
func BenchmarkPairs(b *testing.B) {
	type pair struct{ start, stop cond.Expr }
	var pairs []pair
	for i := range 10_000 {
		pairs = append(pairs, pair{
			start: expr(b, fmt.Sprintf(`or(link[branch/id == "eth%d"], and(up, mode[target == "m%d"]))`, i, i)),
			stop:  expr(b, fmt.Sprintf(`or(down, halt![target contains "now %d"])`, i)),
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		s := solver()
		s.Steps = sat.Budget(len(pairs))
		for _, p := range pairs {
			got := s.Solve(sat.All(sat.Of(p.start), sat.Not(sat.Of(p.stop))))
			if got.Verdict != sat.Satisfiable {
				b.Fatalf("%v: %s", got.Verdict, got.Why)
			}
		}
	}
}

// BenchmarkWorstCase asks a question that is given up.
func BenchmarkWorstCase(b *testing.B) {
	var list []sat.Formula
	for i := range 40 {
		list = append(list, sat.Of(expr(b, fmt.Sprintf(`or(s%d, and(t%d, mode[target contains "a%d"]), halt![target contains "%d"])`, i, i, i, i))))
	}
	f := sat.All(append(list, sat.Of(expr(b, `and(blob, not(blob[target contains ""]))`)))...)
	b.ReportAllocs()
	for b.Loop() {
		s := solver()
		s.State = func(name string) sat.Shape {
			if shape, ok := states[name]; ok {
				return shape
			}
			return sat.Shape{Kind: cond.None}
		}
		if got := s.Solve(f); got.Verdict != sat.Unknown {
			b.Fatalf("%v", got.Verdict)
		}
	}
}
