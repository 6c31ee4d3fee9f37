package cond_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan/cond"
)

// TestOperators evaluates every operator of the condition language.
func TestOperators(t *testing.T) {
	str := cond.StringValue
	tests := []struct {
		name    string
		payload cond.Value
		guard   *cond.Guard
		want    bool
	}{
		{"not equal", str("on"), pred(cond.OpNotEqual, "off"), true},
		{"not equal to itself", str("on"), pred(cond.OpNotEqual, "on"), false},
		{"not equal behind a path", parse(t, `{"a":1}`), pred(cond.OpNotEqual, lit(t, `1.0`), "a"), true},
		{"not equal needs a value", parse(t, `{}`), pred(cond.OpNotEqual, lit(t, `1`), "a"), false},
		{"equal objects", parse(t, `{"a":{"b":[1,{"c":null}]}}`), pred(cond.OpEqual, lit(t, `{"b":[1,{"c":null}]}`), "a"), true},
		{"equal objects as a whole", parse(t, `{"a":1}`), pred(cond.OpEqual, lit(t, `{"a":1}`)), true},
		{"an object with more", parse(t, `{"a":{"b":1,"c":2}}`), pred(cond.OpEqual, lit(t, `{"b":1}`), "a"), false},
		{"an array and an object", parse(t, `{"a":[]}`), pred(cond.OpEqual, lit(t, `{}`), "a"), false},
		{"a scalar and an object", parse(t, `{"a":null}`), pred(cond.OpEqual, lit(t, `{}`), "a"), false},

		{"less", parse(t, `{"n":1}`), pred(cond.OpLess, lit(t, `2`), "n"), true},
		{"not less than itself in another spelling", parse(t, `{"n":1}`), pred(cond.OpLess, lit(t, `1.0`), "n"), false},
		{"at most itself in another spelling", parse(t, `{"n":1}`), pred(cond.OpAtMost, lit(t, `1.0`), "n"), true},
		{"10 is more than 9", parse(t, `{"n":10}`), pred(cond.OpMore, lit(t, `9`), "n"), true},
		{"at least", parse(t, `{"n":-1e-3}`), pred(cond.OpAtLeast, lit(t, `-0.001`), "n"), true},
		{"text is no number", parse(t, `{"n":"5"}`), pred(cond.OpMore, lit(t, `1`), "n"), false},
		{"a number as the payload", parse(t, `5`), pred(cond.OpMore, lit(t, `4.5`)), true},

		{"matches", str("eth0 is up"), pred(cond.OpMatches, `^eth\d+ `), true},
		{"matches somewhere", str("eth0 is up"), pred(cond.OpMatches, `s.up`), true},
		{"matches not", str("eth0 is up"), pred(cond.OpMatches, `^up`), false},
		{"matches a number as text", parse(t, `{"n":80}`), pred(cond.OpMatches, `^8.$`, "n"), true},
		{"no pattern matches nothing", str("("), pred(cond.OpMatches, `(`), false},
		{"startswith", str("eth0"), pred(cond.OpStartsWith, "eth"), true},
		{"startswith not", str("eth0"), pred(cond.OpStartsWith, "th"), false},
		{"endswith", parse(t, `{"a":"eth0"}`), pred(cond.OpEndsWith, "0", "a"), true},
		{"endswith not", parse(t, `{"a":"eth0"}`), pred(cond.OpEndsWith, `"`, "a"), false},
		{"text of an array", parse(t, `{"a":[1, 2]}`), pred(cond.OpContains, `[1,2]`, "a"), true},
		{"in", str("b"), pred(cond.OpIn, lit(t, `["a","b"]`)), true},
		{"not in", str("c"), pred(cond.OpIn, lit(t, `["a","b"]`)), false},
		{"in behind a path", parse(t, `{"p":443}`), pred(cond.OpIn, lit(t, `[80,443]`), "p"), true},
		{"in is as strict as ==", parse(t, `{"p":443.0}`), pred(cond.OpIn, lit(t, `[80,443]`), "p"), false},
		{"exists", parse(t, `{"a":null}`), pred(cond.OpExists, nil, "a"), true},
		{"exists not", parse(t, `{"a":null}`), pred(cond.OpExists, nil, "b"), false},
		{"a payload of none exists", cond.NoneValue(), pred(cond.OpExists, nil), true},
		{"json that is a string", parse(t, `"x"`), pred(cond.OpIs, "string"), true},
		{"json that is no string", parse(t, `1`), pred(cond.OpIs, "string"), false},
		{"json is never bytes", parse(t, `"x"`), pred(cond.OpIs, "bytes"), false},
		{"a number", parse(t, `1`), pred(cond.OpIs, "number"), true},
		{"a literal of the wrong type", str("x"), pred(cond.OpIn, "x"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.guard.Match(tt.payload, nil); got != tt.want {
				t.Errorf("%v of %s: %v, want %v", tt.guard, tt.payload.Text(), got, tt.want)
			}
			data, err := json.Marshal(tt.guard)
			if err != nil {
				t.Fatal(err)
			}
			var again cond.Guard
			if err := json.Unmarshal(data, &again); err != nil {
				t.Fatal(err)
			}
			if got := again.Match(tt.payload, nil); got != tt.want {
				t.Errorf("decoded, %v of %s: %v, want %v", &again, tt.payload.Text(), got, tt.want)
			}
			if !again.Pred.Equal(tt.guard.Pred) {
				t.Errorf("decoded, %v is not equal to %v", &again, tt.guard)
			}
		})
	}
}

func TestOperatorTable(t *testing.T) {
	for _, o := range cond.Operators {
		if o.Doc == "" || len(o.Kinds) == 0 || o.CheckLiteral == nil {
			t.Errorf("operator %s is incomplete: %+v", o.Op, o)
		}
		if got, ok := cond.LookupOperator(o.Op); !ok || got.Op != o.Op {
			t.Errorf("LookupOperator(%s) = %v, %t", o.Op, got.Op, ok)
		}
		// An operator tests nothing of a payload that it cannot test.
		for _, k := range cond.Kinds {
			if err := o.Check(k, true, nil); k != cond.JSON && err == nil {
				t.Errorf("operator %s takes a path into %v", o.Op, k)
			}
		}
	}
}

// TestOrder: numbers compare as the rationals that they are.
func TestOrder(t *testing.T) {
	numbers := rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + rapid.StringMatching(`0|[1-9][0-9]{0,4}`).Draw(t, "integer")
		s += rapid.StringMatching(`|\.[0-9]{1,4}`).Draw(t, "fraction")
		return s + rapid.StringMatching(`|[eE][+-]?[0-9]{1,2}`).Draw(t, "exponent")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b = a
			if !strings.ContainsAny(a, ".eE") {
				b = a + ".0"
			}
		}
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if !okX || !okY {
			t.Fatalf("%s or %s is no rational", a, b)
		}
		want := x.Cmp(y)
		value := parse2(t, fmt.Sprintf(`{"n":%s}`, a))
		for op, holds := range map[cond.Op]bool{
			cond.OpLess: want < 0, cond.OpAtMost: want <= 0, cond.OpMore: want > 0, cond.OpAtLeast: want >= 0,
		} {
			if got := pred(op, json.Number(b), "n").Match(value, nil); got != holds {
				t.Fatalf("%s %s %s is %v, want %v", a, op, b, got, holds)
			}
		}
	})
}

func parse2(t *rapid.T, text string) cond.Value {
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Numbers that no machine could write out compare at once.
func TestOrderOfMonsters(t *testing.T) {
	tests := []struct{ a, b string }{
		{"1e999999999", "1e1000000000"},
		{"-1e1000000000", "-1e999999999"},
		{"1e-1000000000", "1e-999999999"},
		{"0e99999999999999999999", "1e-99999999999999999999"},
		{"1e99999999999999999999", "2e99999999999999999999"},
		{"9" + strings.Repeat("0", 1000), "1e1001"},
		{"0." + strings.Repeat("0", 1000) + "1", "1e-1000"},
	}
	for _, tt := range tests {
		if value := parse(t, `{"n":`+tt.a+`}`); !pred(cond.OpLess, json.Number(tt.b), "n").Match(value, nil) {
			t.Errorf("%.20s is not less than %.20s", tt.a, tt.b)
		}
		if value := parse(t, `{"n":`+tt.b+`}`); pred(cond.OpLess, json.Number(tt.a), "n").Match(value, nil) {
			t.Errorf("%.20s is less than %.20s", tt.b, tt.a)
		}
	}
}

// TestEqualIsCanonical: == on json compares as the canonical texts do.
func TestEqualIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := document(3).Draw(t, "a")
		b := a
		if !rapid.Bool().Draw(t, "same") {
			b = document(3).Draw(t, "b")
		}
		x, err := cond.Canonical(a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := cond.Canonical(b)
		if err != nil {
			t.Fatal(err)
		}
		value, err := cond.JSONValue(map[string]any{"x": a})
		if err != nil {
			t.Fatal(err)
		}
		if got := pred(cond.OpEqual, b, "x").Match(value, nil); got != (x == y) {
			t.Fatalf("%s == %s is %v", x, y, got)
		}
	})
}

// Conditions of a plan are evaluated for every event: what looks at a string or a
// number allocates nothing.
func TestMatchDoesNotAllocate(t *testing.T) {
	payload := parse(t, `{"name":"eth0","load":0.5,"tags":["a","b"],"up":true}`)
	keys := map[string]any{"name": "eth0"}
	var g cond.Guard
	text := `{"and":[
		{"pred":{"root":"target","path":["name"],"op":"==","lit":"eth0"}},
		{"pred":{"root":"target","path":["name"],"op":"startswith","lit":"eth"}},
		{"pred":{"root":"target","path":["name"],"op":"matches","lit":"^eth[0-9]+$"}},
		{"pred":{"root":"target","path":["load"],"op":"<","lit":0.75}},
		{"pred":{"root":"target","path":["tags"],"op":"has","lit":"b"}},
		{"pred":{"root":"target","path":["up"],"op":"==","lit":true}},
		{"pred":{"root":"branch","op":"==","lit":"eth0"}},
		{"pred":{"root":"branch","path":["name"],"op":"in","lit":["lo","eth0"]}}
	]}`
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if !g.Match(payload, keys) {
			t.Error("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	payload := parse(b, `{"name":"eth0","load":0.5}`)
	g := cond.Guard{And: []cond.Guard{*pred(cond.OpEqual, "eth0", "name"), *pred(cond.OpLess, json.Number("0.75"), "load")}}
	b.ReportAllocs()
	for b.Loop() {
		if !g.Match(payload, nil) {
			b.Fatal("no match")
		}
	}
}

// TestString has what the grammar's tests of parsing and printing have not.
func TestString(t *testing.T) {
	one := pred(cond.OpExists, nil, "a")
	tests := []struct {
		name string
		in   fmt.Stringer
		want string
	}{
		{"a guard of one conjunct", &cond.Guard{And: []cond.Guard{*one}}, "target/a"},
		{"a guard of one alternative", &cond.Guard{Not: &cond.Guard{Or: []cond.Guard{*one}}}, "not target/a"},
		{"no guard", (*cond.Guard)(nil), ""},
		{"a missing literal is null", pred(cond.OpEqual, nil, "a"), "target/a == null"},
		{"HTML is not escaped", pred(cond.OpEqual, "<&>"), `target == "<&>"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.String(); got != tt.want {
				t.Errorf("String() = %s, want %s", got, tt.want)
			}
		})
	}
}
