package compiler_test

import (
	"fmt"
	"testing"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/workload"
)

func inputsOf(files []workload.File) []compiler.Input {
	var inputs []compiler.Input
	for _, f := range files {
		inputs = append(inputs, input(f.Group, f.Text))
	}
	return inputs
}

// TestWorkload checks that the benchmarks compile what they say.
func TestWorkload(t *testing.T) {
	res := compiler.Compile(inputsOf(workload.Files(200)), compiler.Options{})
	if res.Units != 200 || len(problems(res)) != 0 {
		t.Errorf("Files(200): %d units, reported %q", res.Units, problems(res))
	}
	res = compiler.Compile(inputsOf(workload.BrokenSockets(200)), compiler.Options{})
	if res.Units != 200 || res.Diags.Errors() != 1 {
		t.Errorf("BrokenSockets(200): %d units, reported %q, want one error", res.Units, problems(res))
	}
}

// BenchmarkCompile is the whole compilation: from the text of the unit files to
// that of the plan. `make bench-compiler` compares it with others.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inputs := inputsOf(workload.Files(n))
			b.ReportAllocs()
			for b.Loop() {
				res := compiler.Compile(inputs, compiler.Options{})
				if res.Plan == nil || res.Units != n {
					b.Fatalf("%d units, reported %q", res.Units, problems(res))
				}
				if _, err := res.Plan.Encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
