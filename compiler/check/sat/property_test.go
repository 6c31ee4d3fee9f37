package sat_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/plan/cond"
)

// world is one world of the exhaustive search: what solver worlds are, built
// without the solver.
type world struct {
	states  map[string][]sat.Branch
	signal  string
	payload cond.Value
}

func (w world) Branches(state string, yield func(cond.Value, map[string]any) bool) {
	for _, b := range w.states[state] {
		if !yield(b.Value, b.Keys) {
			return
		}
	}
}

func (w world) Signal(name string) (cond.Value, bool) { return w.payload, w.signal == name }

// literals are few, so that tests of one payload meet.
var literals = []string{`"a"`, `"b"`, `"ab"`, `""`, `1`, `1.0`, `2`, `true`, `null`, `[1]`, `{"x":1}`}

// documents are the values of a field.
var documents = append([]string{`["a",2]`, `[]`, `{}`, `{"x":1,"y":"a"}`, `1.5`, `false`, `"c"`}, literals...)

// worlds returns every world of a small universe.
func worlds(tb testing.TB) []world {
	tb.Helper()
	var modes, links [][]sat.Branch
	modes = append(modes, nil)
	for _, s := range []string{"a", "b", "ab", "ba", "", "c", "1"} {
		modes = append(modes, []sat.Branch{{Value: cond.StringValue(s)}})
	}
	links = append(links, nil)
	branches := func(key string) (out []sat.Branch) {
		for _, d := range append([]string{""}, documents...) {
			text := `{"id":"` + key + `"}`
			if d != "" {
				text = `{"id":"` + key + `","f":` + d + `}`
			}
			v, err := cond.ParseJSON([]byte(text))
			if err != nil {
				tb.Fatal(err)
			}
			out = append(out, sat.Branch{Value: v, Keys: map[string]any{"id": key}})
		}
		return out
	}
	for _, a := range branches("a") {
		links = append(links, []sat.Branch{a})
		for _, b := range branches("b") {
			links = append(links, []sat.Branch{a, b})
		}
	}
	for _, b := range branches("b") {
		links = append(links, []sat.Branch{b})
	}
	type event struct {
		signal  string
		payload cond.Value
	}
	events := []event{{}, {"go", cond.NoneValue()}}
	for _, s := range []string{"a", "b", "ab", "c"} {
		events = append(events, event{"halt", cond.StringValue(s)})
	}
	var out []world
	for _, up := range [][]sat.Branch{nil, {{Value: cond.NoneValue()}}} {
		for _, mode := range modes {
			for _, link := range links {
				for _, ev := range events {
					out = append(out, world{map[string][]sat.Branch{"up": up, "mode": mode, "link": link}, ev.signal, ev.payload})
				}
			}
		}
	}
	return out
}

// guards generates tests of a payload with the given paths.
func guards(depth int, paths [][]string, roots ...cond.Root) *rapid.Generator[cond.Guard] {
	return rapid.Custom(func(t *rapid.T) cond.Guard {
		kind := "pred"
		if depth > 0 {
			kind = rapid.SampledFrom([]string{"pred", "pred", "not", "and", "or"}).Draw(t, "guard")
		}
		inner := func() []cond.Guard {
			return rapid.SliceOfN(guards(depth-1, paths, roots...), 1, 3).Draw(t, "guards")
		}
		switch kind {
		case "not":
			g := guards(depth-1, paths, roots...).Draw(t, "inner")
			return cond.Guard{Not: &g}
		case "and":
			return cond.Guard{And: inner()}
		case "or":
			return cond.Guard{Or: inner()}
		}
		return cond.Guard{Pred: predicate(t, paths, roots)}
	})
}

func predicate(t *rapid.T, paths [][]string, roots []cond.Root) *cond.Pred {
	p := &cond.Pred{
		Root: rapid.SampledFrom(roots).Draw(t, "root"),
		Path: rapid.SampledFrom(paths).Draw(t, "path"),
		Op:   rapid.SampledFrom(cond.Operators).Draw(t, "operator").Op,
	}
	if p.Root == cond.Branch {
		p.Path = rapid.SampledFrom([][]string{nil, {"id"}}).Draw(t, "branch path")
	}
	row, _ := cond.LookupOperator(p.Op)
	candidates := slices.Concat(literals, []string{`"string"`, `"number"`, `"object"`, `["a",1]`, `["b"]`, `"^a"`})
	for _, text := range rapid.Permutation(candidates).Draw(t, "literals") {
		v, err := cond.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if row.CheckLiteral(v.Tree()) == nil {
			p.Lit = v.Tree()
			break
		}
	}
	return p
}

func exprs(depth int) *rapid.Generator[cond.Expr] {
	return rapid.Custom(func(t *rapid.T) cond.Expr {
		kind := "atom"
		if depth > 0 {
			kind = rapid.SampledFrom([]string{"atom", "not", "and", "or"}).Draw(t, "expr")
		}
		inner := func() []cond.Expr { return rapid.SliceOfN(exprs(depth-1), 1, 3).Draw(t, "exprs") }
		switch kind {
		case "not":
			e := exprs(depth-1).Draw(t, "inner")
			return cond.Expr{Not: &e}
		case "and":
			return cond.Expr{And: inner()}
		case "or":
			return cond.Expr{Or: inner()}
		}
		a := &cond.Atom{Kind: cond.State, Name: rapid.SampledFrom([]string{"up", "mode", "link", "link", "go", "halt"}).Draw(t, "name")}
		if a.Name == "go" || a.Name == "halt" {
			a.Kind = cond.Signal
		}
		var g cond.Guard
		switch a.Name {
		case "mode", "halt":
			g = guards(2, [][]string{nil}, cond.Target).Draw(t, "guard")
		case "link":
			g = guards(2, [][]string{{"f"}, {"f"}, {"id"}, {"f", "x"}, nil}, cond.Target, cond.Branch).Draw(t, "guard")
		default:
			return cond.Expr{Atom: a}
		}
		if rapid.Bool().Draw(t, "guarded") {
			a.Guard = &g
		}
		return cond.Expr{Atom: a}
	})
}

// TestAgreesWithTheEvaluator compares the solver with package cond over every
// world of a small universe: what holds in one of them is not unsatisfiable, and
// what is satisfiable holds in the world that is shown for it.
func TestAgreesWithTheEvaluator(t *testing.T) {
	all := worlds(t)
	decided, unknown := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		e := exprs(3).Draw(t, "expr")
		got := solver().Solve(sat.Of(e))
		switch got.Verdict {
		case sat.Satisfiable:
			decided++
			if !e.Eval(got.World) {
				t.Fatalf("it does not hold in the world %v", got.World)
			}
			sound(t, e, got.World)
		case sat.Unsatisfiable:
			decided++
			for _, w := range all {
				if e.Eval(w) {
					t.Fatalf("unsatisfiable, but it holds in %v", w)
				}
			}
		case sat.Unknown:
			unknown++
			if got.Why == "" {
				t.Fatal("unknown without a reason")
			}
		}
	})
	if unknown*10 > decided {
		t.Errorf("%d formulas are decided and %d are not", decided, unknown)
	}
}

// TestEvident proves that what is evident without a search is true. The search does
// not contradict, and hardly ever gives up where it is not needed.
func TestEvident(t *testing.T) {
	evident, all, without, unknown := 0, 0, 0, 0
	several := rapid.Custom(func(t *rapid.T) cond.Expr {
		return cond.Expr{And: rapid.SliceOfN(exprs(0), 2, 3).Draw(t, "parts")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.OneOf(exprs(2), several).Draw(t, "a"), exprs(2).Draw(t, "b")
		s := solver()
		if s.Evident(a) {
			evident++
			if len(a.And) > 0 {
				all++
			}
			switch got := s.Solve(sat.Of(a)); got.Verdict {
			case sat.Unsatisfiable:
				t.Fatalf("evident, but %v: %s", got.Verdict, got.Why)
			case sat.Unknown:
				unknown++
			case sat.Satisfiable:
			}
		}
		if s.EvidentlyWithout(a, b) {
			without++
			if got := s.Solve(sat.All(sat.Of(a), sat.Not(sat.Of(b)))); got.Verdict != sat.Satisfiable {
				t.Fatalf("evident without %v, but %v: %s", b, got.Verdict, got.Why)
			}
		}
	})
	if all == 0 || without == 0 || unknown*10 > evident {
		t.Errorf("%d are evident, %d of them with several parts and %d unknown; %d without another: the test proves nothing", evident, all, unknown, without)
	}
}

// sound checks that a world can be: that its payloads are of the right kind, and
// the branches of a state have different keys.
func sound(t *rapid.T, e cond.Expr, w sat.World) {
	e.Atoms(func(a cond.Atom) {
		if a.Kind == cond.Signal {
			if v, ok := w.Signal(a.Name); ok && v.Kind() != signals[a.Name].Kind {
				t.Fatalf("signal %s has a payload of kind %v", a.Name, v.Kind())
			}
			return
		}
		shape := states[a.Name]
		seen := map[string]bool{}
		w.Branches(a.Name, func(v cond.Value, keys map[string]any) bool {
			text, err := cond.Canonical(keys)
			if err != nil || v.Kind() != shape.Kind || seen[text] || len(keys) != len(shape.Keys) {
				t.Fatalf("state %s has a branch %s with the keys %s: %v", a.Name, v.Text(), text, err)
			}
			for _, k := range shape.Keys {
				doc, ok := v.Tree().(map[string]any)
				if _, there := doc[k]; !ok || !there {
					t.Fatalf("state %s has a branch %s without %s", a.Name, v.Text(), k)
				}
			}
			seen[text] = true
			return true
		})
	})
}
