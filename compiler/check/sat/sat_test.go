package sat_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/plan/cond"
)

// shapes are the states and signals that the tests are about.
var (
	states = map[string]sat.Shape{
		"up":     {Kind: cond.None},
		"down":   {Kind: cond.None},
		"mode":   {Kind: cond.String},
		"blob":   {Kind: cond.Bytes},
		"link":   {Kind: cond.JSON, Keys: []string{"id"}},
		"route":  {Kind: cond.JSON, Keys: []string{"dev", "dst"}},
		"active": {Kind: cond.String, Keys: []string{"name"}, Values: true},
	}
	signals = map[string]sat.Shape{
		"go":   {Kind: cond.None},
		"halt": {Kind: cond.String},
		"note": {Kind: cond.JSON},
	}
)

func solver() *sat.Solver {
	return &sat.Solver{
		State:  func(name string) sat.Shape { return states[name] },
		Signal: func(name string) sat.Shape { return signals[name] },
		Steps:  sat.Budget(0),
	}
}

func json(tb testing.TB, text string) any {
	tb.Helper()
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v.Tree()
}

// expr reads a condition in a small notation: "and(x, y)", "or(x, y)", "not(x)",
// or an atom NAME[TEST; TEST…], where a test is PATH OP JSON, with ! in front when
// it must fail. NAME ends with ! for a signal.
func expr(tb testing.TB, text string) cond.Expr {
	tb.Helper()
	text = strings.TrimSpace(text)
	for _, join := range []string{"and", "or", "not"} {
		inner, ok := strings.CutPrefix(text, join+"(")
		if !ok {
			continue
		}
		var kids []cond.Expr
		for _, part := range split(strings.TrimSuffix(inner, ")"), ',') {
			kids = append(kids, expr(tb, part))
		}
		switch join {
		case "and":
			return cond.Expr{And: kids}
		case "or":
			return cond.Expr{Or: kids}
		}
		return cond.Expr{Not: &kids[0]}
	}
	name, tests, guarded := strings.Cut(text, "[")
	a := &cond.Atom{Kind: cond.State, Name: name}
	if signal, ok := strings.CutSuffix(name, "!"); ok {
		a.Kind, a.Name = cond.Signal, signal
	}
	if guarded {
		a.Guard = &cond.Guard{}
		for _, t := range split(strings.TrimSuffix(tests, "]"), ';') {
			a.Guard.And = append(a.Guard.And, guard(tb, t))
		}
	}
	return cond.Expr{Atom: a}
}

func guard(tb testing.TB, text string) cond.Guard {
	tb.Helper()
	text, negated := strings.CutPrefix(strings.TrimSpace(text), "!")
	fields := strings.SplitN(text, " ", 3)
	path := strings.Split(fields[0], "/")
	p := &cond.Pred{Root: cond.Target, Path: path[1:], Op: cond.Op(fields[1])}
	if path[0] == "branch" {
		p.Root = cond.Branch
	}
	if len(fields) > 2 {
		p.Lit = json(tb, fields[2])
	}
	if negated {
		return cond.Guard{Not: &cond.Guard{Pred: p}}
	}
	return cond.Guard{Pred: p}
}

// split cuts at separators that are not inside brackets or quotes.
func split(text string, at rune) []string {
	var out []string
	depth, start, quoted := 0, 0, false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		case r == at && depth == 0:
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return append(out, text[start:])
}

func TestSolve(t *testing.T) {
	const yes, no, unknown = sat.Satisfiable, sat.Unsatisfiable, sat.Unknown
	tests := []struct {
		name, expr string
		want       sat.Verdict
	}{
		{"a state", `up`, yes},
		{"two states", `and(up, down)`, yes},
		{"a state and not", `and(up, not(up))`, no},
		{"a state or not", `or(up, not(up))`, yes},
		{"one signal", `and(up, go!)`, yes},
		{"two signals", `and(go!, halt!)`, no},
		{"one of two signals", `or(go!, halt!)`, yes},
		{"a signal and not another", `and(go!, not(halt!))`, yes},
		{"two payloads of one signal", `and(halt![target == "a"], halt![target == "b"])`, no},
		{"two values of one state", `and(mode[target == "a"], mode[target == "b"])`, no},
		{"one value twice", `and(mode[target == "a"], mode[target == "a"])`, yes},
		{"a value and the state", `and(mode[target == "a"], mode)`, yes},
		{"a value without the state", `and(mode[target == "a"], not(mode))`, no},
		{"a value and not another", `and(mode[target == "a"], not(mode[target == "b"]))`, yes},
		{"neither of two values", `and(mode, not(mode[target == "a"]), not(mode[target == "other"]))`, yes},
		{"distribution", `and(or(up, down), not(up), not(down))`, no},
		{"distribution over values", `and(or(mode[target == "a"], mode[target == "b"]), mode[target == "c"])`, no},
		{"a value that contains", `and(mode[target == "abc"], mode[target contains "b"])`, yes},
		{"a value that does not contain", `and(mode[target == "abc"], mode[target contains "x"])`, no},
		{"two parts", `and(mode[target contains "a"], mode[target contains "b"])`, yes},
		{"a part without its part", `and(mode[target contains "abc"], not(mode[target contains "b"]))`, no},
		{"a part without another", `and(mode[target contains "abc"], not(mode[target contains "x"]))`, yes},
		{"bytes", `and(blob[target is "bytes"], blob[target == "a"])`, yes},
		{"bytes that are no text", `and(blob, not(blob[target contains ""]))`, unknown},

		{"two branches", `and(link[branch/id == "a"], link[branch/id == "b"])`, yes},
		{"two values in one branch", `link[target/s == "a"; target/s == "b"]`, no},
		{"two values in several branches", `and(link[target/s == "a"], link[target/s == "b"])`, yes},
		{"two values in the same branch", `and(link[branch/id == "x"; target/s == "a"], link[target/id == "x"; target/s == "b"])`, no},
		{"the same branch by its text", `and(link[branch == "x"; target/s == "a"], link[branch/id == "x"; target/s == "b"])`, no},
		{"no branch has it", `and(link[target/s == "a"], not(link[target/s == "a"; branch/id == "x"]))`, yes},
		{"no branch at all", `and(link[target/s == "a"], not(link))`, no},
		{"every branch up", `and(link, not(link[!target/up == true]))`, yes},
		{"every branch up and one down", `and(link[target/up == false], not(link[!target/up == true]))`, no},
		{"a key cannot be missing", `link[!branch/id is "string"; !branch/id is "number"; !branch/id is "bool"; !branch/id is "null"; !branch/id is "array"; !branch/id is "object"]`, no},
		{"another field can", `link[!target/s is "string"; !target/s is "number"; !target/s is "bool"; !target/s is "null"; !target/s is "array"; !target/s is "object"]`, yes},
		{"a field that is no key", `link[branch/up == true]`, no},
		{"not a field that is no key", `link[!branch/up == true]`, yes},
		{"1 and 1.0", `link[target/n == 1; target/n == 1.5]`, no},
		{"a part of an object", `link[target/a == {"b":1}; target/a/b == 1]`, yes},
		{"another part of an object", `link[target/a == {"b":1}; target/a/b == 2]`, no},
		{"a field of no object", `link[target/a is "string"; target/a/b == 1]`, no},
		{"a field of an object", `link[target/a is "object"; target/a/b == 1]`, yes},
		{"arrays", `link[target/l has 1; target/l has "x"; !target/l has 2]`, yes},
		{"an array that has more", `link[target/l has {"a":1,"b":2}; !target/l has {"a":1}]`, no},
		{"an array is no object", `link[target/l has 1; target/l is "object"]`, no},
		{"a text of the whole", `link[target == "{\"id\":\"a\"}"; branch/id == "a"]`, yes},
		{"another text of the whole", `link[target == "{\"id\":\"a\"}"; branch/id == "b"]`, no},
		{"not the text of the whole", `link[!target == "{\"id\":\"a\"}"; branch/id == "a"]`, yes},
		{"a part of the text", `link[target contains "\"up\":true"]`, yes},
		{"a json state is an object", `link[target is "array"]`, no},
		{"a json signal is anything", `note![target is "array"]`, yes},
		{"two keys", `route[branch/dev == "a"; branch/dst == "b"]`, yes},
		{"two keys as a text", `route[branch == "{\"dev\":\"a\",\"dst\":\"b\"}"]`, yes},
		{"half a branch", `and(route[branch/dev == "a"; target/n == 1], route[branch/dev == "a"; target/n == 2])`, yes},

		{"rind@active has several values", `and(active[target == "a"], active[target == "b"])`, yes},
		{"rind@active without a value", `and(active[target == "a"], not(active[target == "a"]))`, no},
		{"an unknown state", `and(nowhere, not(nowhere[target == "a"]))`, unknown},
		{"the zero condition", ``, yes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := sat.True()
			if tt.expr != "" {
				f = sat.Of(expr(t, tt.expr))
			}
			got := solver().Solve(f)
			if got.Verdict != tt.want {
				t.Errorf("%v (%s), want %v; world %v", got.Verdict, got.Why, tt.want, got.World)
			}
			if got.Verdict == sat.Satisfiable && !f.Eval(got.World) {
				t.Errorf("it does not hold in the world %v", got.World)
			}
			if (got.Verdict == sat.Unknown) != (got.Why != "") {
				t.Errorf("verdict %v with the reason %q", got.Verdict, got.Why)
			}
		})
	}
}

func TestWorldInWords(t *testing.T) {
	tests := []struct{ name, expr, want string }{
		{"nothing", `not(go!)`, ``},
		{"a state", `up`, `state "up" is set`},
		{"a state that is not", `and(up, not(down))`, `state "up" is set and state "down" is not set`},
		{"a value", `mode[target == "a"]`, `state "mode" is "a"`},
		{"another value", `and(mode, not(mode[target == "a"]))`, `state "mode" is "other"`},
		{"another truth", `and(link, not(link[target/up == true]))`, `state "link" has {"id":"other","up":false}`},
		{"branches", `and(link[branch/id == "a"; target/up == true], link[branch/id == "b"])`, `state "link" has {"id":"a","up":true} and {"id":"b"}`},
		{"a signal", `and(up, go!)`, `state "up" is set and signal "go" arrives`},
		{"a payload", `halt![target == "now"]`, `signal "halt" arrives with "now"`},
		{"a pattern", `mode[target matches "^eth[0-9]+$"]`, `state "mode" is "eth1"`},
		{"a long text", `mode[target == "` + strings.Repeat("é", 100) + `"]`, `state "mode" is "` + strings.Repeat("é", 80) + `…"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.expr, "matches") && !operator("matches") {
				t.Skip("the language has no such operator")
			}
			got := solver().Solve(sat.Of(expr(t, tt.expr)))
			if got.Verdict != sat.Satisfiable || got.World.String() != tt.want {
				t.Errorf("%v %q, want %q", got.Verdict, got.World, tt.want)
			}
		})
	}
}

func operator(op cond.Op) bool {
	_, ok := cond.LookupOperator(op)
	return ok
}

func TestFormulas(t *testing.T) {
	s := solver()
	tests := []struct {
		name string
		f    sat.Formula
		want sat.Verdict
	}{
		{"true", sat.True(), sat.Satisfiable},
		{"false", sat.False(), sat.Unsatisfiable},
		{"not true", sat.Not(sat.True()), sat.Unsatisfiable},
		{"a quiet signal", sat.Quiet(expr(t, `or(go!, up)`)), sat.Satisfiable},
		{"nothing but a quiet signal", sat.Quiet(expr(t, `go!`)), sat.Unsatisfiable},
		{"without a quiet signal", sat.Quiet(expr(t, `and(up, not(go!))`)), sat.Satisfiable},
		{"an edge", sat.Edge(expr(t, `and(up, not(down))`)), sat.Satisfiable},
		{"a level is no edge", sat.Edge(expr(t, `not(down)`)), sat.Unsatisfiable},
		{"levels are no edge", sat.Edge(expr(t, `and(not(down), not(up))`)), sat.Unsatisfiable},
		{"an edge among levels", sat.All(sat.Edge(expr(t, `or(not(down), up)`)), sat.Not(sat.Of(expr(t, `up`)))), sat.Unsatisfiable},
		{"an edge inside", sat.All(sat.Edge(expr(t, `and(or(not(down), up), not(mode))`)), sat.Of(expr(t, `not(up)`))), sat.Unsatisfiable},
		{"one without the other", sat.All(sat.Of(expr(t, `up`)), sat.Not(sat.Of(expr(t, `and(up, down)`)))), sat.Satisfiable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Solve(tt.f); got.Verdict != tt.want {
				t.Errorf("%v (%s), want %v", got.Verdict, got.Why, tt.want)
			}
		})
	}
}

// TestLimits proves that what is too large is not guessed at, and that no
// question takes long.
func TestLimits(t *testing.T) {
	many := func(n int, join func(...sat.Formula) sat.Formula, f func(i int) cond.Expr) sat.Formula {
		var list []sat.Formula
		for i := range n {
			list = append(list, sat.Of(f(i)))
		}
		return join(list...)
	}
	mode := func(i int) cond.Expr { return expr(t, fmt.Sprintf(`mode[target == "%d"]`, i)) }
	other := func(i int) cond.Expr {
		return expr(t, fmt.Sprintf(`or(up, mode[target == "%d"], and(down, halt![target == "%d"]))`, i, i))
	}
	tests := []struct {
		name string
		f    sat.Formula
		want sat.Verdict
	}{
		{"many alternatives", many(256, sat.Any, mode), sat.Satisfiable},
		{"one more", many(257, sat.Any, mode), sat.Unknown},
		{"none of many", sat.All(sat.Of(expr(t, `mode`)), sat.Not(many(100, sat.Any, mode))), sat.Satisfiable},
		{"many at once", many(100, sat.All, mode), sat.Unsatisfiable},
		{"pigeons", sat.All(many(60, sat.All, other), sat.Of(expr(t, `and(not(up), not(mode), not(down))`))), sat.Unsatisfiable},
		{"a large formula", many(5000, sat.Any, func(int) cond.Expr { return expr(t, `up`) }), sat.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := solver()
			before := s.Steps
			got := s.Solve(tt.f)
			if got.Verdict != tt.want {
				t.Errorf("%v (%s), want %v", got.Verdict, got.Why, tt.want)
			}
			if used := before - s.Steps; used > 50_000 {
				t.Errorf("it took %d steps", used)
			}
		})
	}
	t.Run("the steps are used up", func(t *testing.T) {
		s := solver()
		s.Steps = 100
		f := sat.Of(expr(t, `and(up, mode[target == "a"], mode[target contains "a"])`))
		verdicts := map[sat.Verdict]int{}
		for range 100 {
			verdicts[s.Solve(f).Verdict]++
		}
		if verdicts[sat.Unsatisfiable] > 0 || verdicts[sat.Unknown] < 90 || s.Steps < 0 {
			t.Errorf("verdicts %v with %d steps left", verdicts, s.Steps)
		}
	})
}

func TestOperatorsAreKnown(t *testing.T) {
	known := []string{"==", "!=", "<", "<=", ">", ">=", "contains", "matches", "startswith", "endswith", "has", "in", "is", "exists"}
	for _, o := range cond.Operators {
		if !slices.Contains(known, string(o.Op)) {
			t.Errorf("the solver knows nothing of operator %s: sort it into package sat", o.Op)
		}
	}
}
