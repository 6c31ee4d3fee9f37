package cond_test

import (
	"testing"

	"github.com/rind-sockets/rind/plan/cond"
)

// facts are the branches of the state "s" and the signal "e" that is being
// delivered.
type facts struct {
	branches []branch
	signal   *cond.Value
}

type branch struct {
	payload cond.Value
	keys    map[string]any
}

func (f facts) Branches(state string, yield func(cond.Value, map[string]any) bool) {
	if state != "s" {
		return
	}
	for _, b := range f.branches {
		if !yield(b.payload, b.keys) {
			return
		}
	}
}

func (f facts) Signal(name string) (cond.Value, bool) {
	if name != "e" || f.signal == nil {
		return cond.Value{}, false
	}
	return *f.signal, true
}

func parse(tb testing.TB, text string) cond.Value {
	tb.Helper()
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// lit is the JSON data of text.
func lit(tb testing.TB, text string) any {
	tb.Helper()
	return parse(tb, text).Tree()
}

func pred(op cond.Op, literal any, path ...string) *cond.Guard {
	return &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Path: path, Op: op, Lit: literal}}
}

func state(g *cond.Guard) cond.Expr {
	return cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "s", Guard: g}}
}

func TestS46Operators(t *testing.T) {
	str := cond.StringValue
	tests := []struct {
		name    string
		payload cond.Value
		guard   *cond.Guard
		want    bool
	}{
		{"no guard", cond.NoneValue(), nil, true},
		{"equal text", str("on"), pred(cond.OpEqual, "on"), true},
		{"other text", str("on"), pred(cond.OpEqual, "off"), false},
		{"text is not a prefix", str("on"), pred(cond.OpEqual, "o"), false},
		{"bytes as text", cond.BytesValue([]byte("on")), pred(cond.OpEqual, "on"), true},
		{"bytes that are no text", cond.BytesValue([]byte{0xFF}), pred(cond.OpEqual, "\xFF"), false},
		{"canonical json", parse(t, `{ "b": 1, "a": "x" }`), pred(cond.OpEqual, `{"a":"x","b":1}`), true},
		{"json in another spelling", parse(t, `{"b":1,"a":"x"}`), pred(cond.OpEqual, `{"b":1,"a":"x"}`), false},
		{"1 is not 1.0", parse(t, `1`), pred(cond.OpEqual, "1.0"), false},
		{`1 is not "1"`, parse(t, `"1"`), pred(cond.OpEqual, "1"), false},
		{"1 is 1", parse(t, `1`), pred(cond.OpEqual, "1"), true},
		{"a number against none", cond.NoneValue(), pred(cond.OpEqual, lit(t, `1`)), false},
		{"substring", str("eth0 up"), pred(cond.OpContains, "up"), true},
		{"no substring", str("eth0 up"), pred(cond.OpContains, "down"), false},
		{"substring of json text", parse(t, `{"a":[1,2]}`), pred(cond.OpContains, `[1,2]`), true},
		{"is bytes", cond.BytesValue(nil), pred(cond.OpIs, "bytes"), true},
		{"a string is not bytes", str(""), pred(cond.OpIs, "bytes"), false},
		{"json is json", parse(t, `{}`), pred(cond.OpIs, "json"), true},
		{"json is an object", parse(t, `{}`), pred(cond.OpIs, "object"), true},
		{"an array is no object", parse(t, `[]`), pred(cond.OpIs, "object"), false},

		{"behind a path", parse(t, `{"a":{"b":1}}`), pred(cond.OpEqual, lit(t, `1`), "a", "b"), true},
		{"behind a path 1 is not 1.0", parse(t, `{"a":1.0}`), pred(cond.OpEqual, lit(t, `1`), "a"), false},
		{`behind a path 1 is not "1"`, parse(t, `{"a":"1"}`), pred(cond.OpEqual, lit(t, `1`), "a"), false},
		{`behind a path "1" is not 1`, parse(t, `{"a":1}`), pred(cond.OpEqual, "1", "a"), false},
		{`behind a path "1" is "1"`, parse(t, `{"a":"1"}`), pred(cond.OpEqual, "1", "a"), true},
		{"null is null", parse(t, `{"a":null}`), pred(cond.OpEqual, nil, "a"), true},
		{"null is there", parse(t, `{"a":null}`), pred(cond.OpIs, "null", "a"), true},
		{"a missing key", parse(t, `{"a":null}`), pred(cond.OpIs, "null", "b"), false},
		{"an index", parse(t, `[["x"]]`), pred(cond.OpEqual, "x", "0", "0"), true},
		{"an index out of range", parse(t, `["x"]`), pred(cond.OpEqual, "x", "1"), false},
		{"a negative index", parse(t, `["x"]`), pred(cond.OpEqual, "x", "-1"), false},
		{"a key of an array", parse(t, `["x"]`), pred(cond.OpEqual, "x", "a"), false},
		{"a path into a scalar", parse(t, `{"a":1}`), pred(cond.OpIs, "number", "a", "b"), false},
		{"a path into a string payload", str("x"), pred(cond.OpEqual, "x", "a"), false},
		{"contains behind a path sees no quotes", parse(t, `{"a":"xy"}`), pred(cond.OpContains, `"`, "a"), false},
		{"has", parse(t, `{"l":[1,{"a":1,"b":2}]}`), pred(cond.OpHas, lit(t, `{"b":2}`), "l"), true},
		{"has not", parse(t, `{"l":[1]}`), pred(cond.OpHas, lit(t, `1.0`), "l"), false},
		{"has of no array", parse(t, `{"l":1}`), pred(cond.OpHas, lit(t, `1`), "l"), false},
		{"an unknown operator", str("x"), pred("~", "x"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.guard.Match(tt.payload, nil); got != tt.want {
				t.Errorf("Match(%s) = %v, want %v", tt.payload.Text(), got, tt.want)
			}
		})
	}
}

func TestS46BothMustMatch(t *testing.T) {
	branchIs := &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Op: cond.OpEqual, Lit: "eth0"}}
	both := cond.Guard{And: []cond.Guard{*pred(cond.OpEqual, true, "up"), *branchIs}}
	up, down := parse(t, `{"id":"eth0","up":true}`), parse(t, `{"id":"eth0","up":false}`)
	eth0, eth1 := map[string]any{"id": "eth0"}, map[string]any{"id": "eth1"}
	tests := []struct {
		name    string
		payload cond.Value
		keys    map[string]any
		want    bool
	}{
		{"both", up, eth0, true},
		{"only the branch", down, eth0, false},
		{"only the target", up, eth1, false},
		{"neither", down, eth1, false},
		{"no branch keys", up, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := both.Match(tt.payload, tt.keys); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBranchSeesOnlyTheKeys(t *testing.T) {
	payload := parse(t, `{"id":"eth0","n":1,"up":true}`)
	one := map[string]any{"id": "eth0"}
	two := map[string]any{"id": "eth0", "n": lit(t, "1")}
	number := map[string]any{"n": lit(t, "1")}
	at := func(op cond.Op, literal any, path ...string) *cond.Guard {
		return &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Path: path, Op: op, Lit: literal}}
	}
	tests := []struct {
		name  string
		keys  map[string]any
		guard *cond.Guard
		want  bool
	}{
		{"the text of the only key", one, at(cond.OpEqual, "eth0"), true},
		{"part of the text of the only key", one, at(cond.OpContains, "eth"), true},
		{"the only key is a number", number, at(cond.OpEqual, `{"n":1}`), true},
		{"several keys as json", two, at(cond.OpEqual, `{"id":"eth0","n":1}`), true},
		{"a key", two, at(cond.OpEqual, lit(t, "1"), "n"), true},
		{"a field that is no key", one, at(cond.OpEqual, true, "up"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.guard.Match(payload, tt.keys); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestS47Subset(t *testing.T) {
	tests := []struct {
		name, filter, value string
		want                bool
	}{
		{"equal scalars", `1`, `1`, true},
		{"1 and 1.0", `1`, `1.0`, false},
		{`1 and "1"`, `1`, `"1"`, false},
		{"null and null", `null`, `null`, true},
		{"null and nothing", `{"a":null}`, `{}`, false},
		{"extra keys", `{"a":1}`, `{"a":1,"b":2}`, true},
		{"a missing key", `{"a":1,"c":1}`, `{"a":1,"b":2}`, false},
		{"nested", `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":1,"d":2},"e":3}}`, true},
		{"nested and different", `{"a":{"b":1}}`, `{"a":{"b":2}}`, false},
		{"an empty object", `{}`, `{"a":1}`, true},
		{"an empty object and an array", `{}`, `[]`, false},
		{"an empty array", `[]`, `[1]`, true},
		{"an empty array and an object", `[]`, `{}`, false},
		{"arrays have no order", `[2,1]`, `[1,3,2]`, true},
		{"one element may serve twice", `[1,1]`, `[1]`, true},
		{"an element is missing", `[1,4]`, `[1,2,3]`, false},
		{"elements are filters", `[{"a":1}]`, `[{"a":1,"b":2}]`, true},
		{"nested arrays", `[[1]]`, `[[2,1]]`, true},
		{"a scalar and an array", `1`, `[1]`, false},
		{"a scalar and a value of an object", `{"a":"x"}`, `{"a":{"b":"x"}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cond.Subset(lit(t, tt.filter), lit(t, tt.value)); got != tt.want {
				t.Errorf("Subset(%s, %s) = %v, want %v", tt.filter, tt.value, got, tt.want)
			}
		})
	}
}

func TestS48AnyBranch(t *testing.T) {
	up := state(pred(cond.OpEqual, true, "up"))
	b := func(text string) branch { return branch{payload: parse(t, text)} }
	tests := []struct {
		name     string
		branches []branch
		want     bool
	}{
		{"no branch", nil, false},
		{"none matches", []branch{b(`{"up":false}`), b(`{}`)}, false},
		{"the first matches", []branch{b(`{"up":true}`), b(`{}`)}, true},
		{"the last matches", []branch{b(`{}`), b(`{"up":true}`)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := up.Eval(facts{branches: tt.branches}); got != tt.want {
				t.Errorf("Eval = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEvalTruthTable(t *testing.T) {
	on := cond.StringValue("on")
	there := facts{branches: []branch{{payload: cond.NoneValue()}}, signal: &on}
	nothing := facts{}
	a := state(nil)
	missing := cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "other"}}
	e := cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "e"}}
	otherSignal := cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "other"}}
	off := cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "e", Guard: pred(cond.OpEqual, "off")}}
	not := func(x cond.Expr) cond.Expr { return cond.Expr{Not: &x} }
	and := func(x ...cond.Expr) cond.Expr { return cond.Expr{And: x} }
	or := func(x ...cond.Expr) cond.Expr { return cond.Expr{Or: x} }
	tests := []struct {
		name                 string
		expr                 cond.Expr
		whenThere, otherwise bool
	}{
		{"a state", a, true, false},
		{"another state", missing, false, false},
		{"a signal", e, true, false},
		{"another signal", otherSignal, false, false},
		{"a signal with another payload", off, false, false},
		{"not", not(a), false, true},
		{"and", and(a, e), true, false},
		{"and with a miss", and(a, missing), false, false},
		{"or", or(missing, a), true, false},
		{"or with nothing", or(missing, otherSignal), false, false},
		{"nested", and(or(missing, a), not(and(a, missing))), true, false},
		{"the zero Expr", cond.Expr{}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.expr.Eval(there); got != tt.whenThere {
				t.Errorf("Eval with the facts = %v, want %v", got, tt.whenThere)
			}
			if got := tt.expr.Eval(nothing); got != tt.otherwise {
				t.Errorf("Eval without facts = %v, want %v", got, tt.otherwise)
			}
		})
	}
}

func TestGuardTruthTable(t *testing.T) {
	yes, no := pred(cond.OpIs, "string"), pred(cond.OpIs, "bytes")
	tests := []struct {
		name  string
		guard *cond.Guard
		want  bool
	}{
		{"yes", yes, true},
		{"no", no, false},
		{"not no", &cond.Guard{Not: no}, true},
		{"yes and no", &cond.Guard{And: []cond.Guard{*yes, *no}}, false},
		{"yes and yes", &cond.Guard{And: []cond.Guard{*yes, *yes}}, true},
		{"no or yes", &cond.Guard{Or: []cond.Guard{*no, *yes}}, true},
		{"no or no", &cond.Guard{Or: []cond.Guard{*no, *no}}, false},
		{"the zero Guard", &cond.Guard{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.guard.Match(cond.StringValue("x"), nil); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
		})
	}
}
