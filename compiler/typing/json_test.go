package typing

import (
	"math"
	"testing"

	"github.com/rind-sockets/rind/plan/cond"
)

func TestTreeSpelling(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"integer", int64(1), "1"},
		{"negative", int64(-1), "-1"},
		{"S47 float", 1.0, "1.0"},
		{"fraction", 1.5, "1.5"},
		{"negative zero", math.Copysign(0, -1), "-0.0"},
		{"large", 1e300, "1e+300"},
		{"small", 1e-9, "1e-09"},
		{"text", "1", `"1"`},
		{"array of tables", []map[string]any{{"a": int64(1)}}, `[{"a":1}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := Tree(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cond.Canonical(out); err != nil || got != tt.want {
				t.Errorf("Tree(%v) is %s, %v; want %s", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestTreeRefuses(t *testing.T) {
	for _, v := range []any{math.Inf(1), math.NaN(), []any{math.Inf(-1)}, map[string]any{"a": math.NaN()}, struct{}{}} {
		if got, err := Tree(v); err == nil {
			t.Errorf("Tree(%v) = %v, want an error", v, got)
		}
	}
}
