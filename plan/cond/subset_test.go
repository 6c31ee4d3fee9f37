package cond_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan/cond"
)

// The few keys and scalars make filters match often; digits as keys lead into
// arrays when they are taken for indices.
var (
	keys    = rapid.SampledFrom([]string{"a", "b", "0", "1", ""})
	scalars = rapid.SampledFrom([]any{
		"", "1", "a", `"a"`, "null", true, false, nil,
		json.Number("0"), json.Number("1"), json.Number("1.0"), json.Number("1.5"),
	})
)

func document(depth int) *rapid.Generator[any] {
	if depth == 0 {
		return scalars
	}
	below := rapid.Deferred(func() *rapid.Generator[any] { return document(depth - 1) })
	return rapid.OneOf(
		scalars,
		rapid.Map(rapid.SliceOfN(below, 0, 3), func(list []any) any { return list }),
		rapid.Map(rapid.MapOfN(keys, below, 0, 3), func(m map[string]any) any { return m }),
	)
}

// TestS47SubsetGuard: the guard that a filter becomes holds exactly when the
// filter is a subset of the payload.
func TestS47SubsetGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		filter := document(3).Draw(t, "filter")
		payload := filter
		if !rapid.Bool().Draw(t, "same") {
			payload = document(3).Draw(t, "payload")
		}
		value, err := cond.JSONValue(payload)
		if err != nil {
			t.Fatal(err)
		}
		want := cond.Subset(filter, payload)
		if got := cond.SubsetGuard(cond.Target, filter).Match(value, nil); got != want {
			text, err := cond.Canonical(filter)
			t.Fatalf("as = %s (%v) on %s: %v, want %v", text, err, value.Text(), got, want)
		}
	})
}
