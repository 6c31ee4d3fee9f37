package grammar

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan/cond"
)

// expr is the tree of a condition whose names are full and whose kinds are said.
func expr(c *Condition) cond.Expr {
	var e cond.Expr
	for i := range c.And {
		e.And = append(e.And, expr(&c.And[i]))
	}
	for i := range c.Or {
		e.Or = append(e.Or, expr(&c.Or[i]))
	}
	if c.Not != nil {
		x := expr(c.Not)
		e.Not = &x
	}
	if a := c.Atom; a != nil {
		e.Atom = &cond.Atom{Kind: a.Kind, Name: a.Name}
		if a.Guard != nil {
			g := guard(a.Guard)
			e.Atom.Guard = &g
		}
	}
	return e
}

func guard(g *ConditionGuard) cond.Guard {
	var out cond.Guard
	for i := range g.And {
		out.And = append(out.And, guard(&g.And[i]))
	}
	for i := range g.Or {
		out.Or = append(out.Or, guard(&g.Or[i]))
	}
	if g.Not != nil {
		x := guard(g.Not)
		out.Not = &x
	}
	if g.Pred != nil {
		out.Pred = &g.Pred.Pred
	}
	return out
}

func TestParseCondition(t *testing.T) {
	tests := []struct {
		name, in string
		want     string // in canonical form; empty: as written
	}{
		{"a state", "state net@up", ""},
		{"a signal", "signal net@up", ""},
		{"a group with slashes", "state a/b/c@up", ""},
		{"a bare name", "up", "state up"},
		{"a bare address", "net@up", "state net@up"},
		{"S164 the example of the specification", `state rind@net-configured(branch/name == "eth0") and not state rind@maintenance-mode`, ""},
		{"S164 the other example", `signal ops@halt(target contains "now") or not rind@online`, `signal ops@halt(target contains "now") or not state rind@online`},
		{"and binds tighter than or", "state a or state b and state c", ""},
		{"not binds tighter than and", "not state a and state b", ""},
		{"parentheses", "(state a or state b) and state c", ""},
		{"parentheses around everything", "((state a))", "state a"},
		{"three in a row", "state a and state b and state c", ""},
		{"nested in the same word", "(state a and state b) and state c", ""},
		{"a double negation", strings.Repeat("not ", 2) + "state a", ""},
		{"not of a group", "not (state a or state b)", ""},
		{"all and any", "all(state a, any(state b, state c))", "state a and (state b or state c)"},
		{"all of one", "all(state a)", ""},
		{"any of one", "any(state a)", ""},
		{"all of a disjunction", "all(state a or state b, state c)", "(state a or state b) and state c"},
		{"a keyword as a name", "state any and signal not", ""},
		{"operators as bare names", "in and has", "state in and state has"},
		{"keywords in addresses", "not@and and or@not", "state not@and and state or@not"},
		{"white space", " state\n\tnet@up (\r\ntarget  ==\"x\" ) ", `state net@up(target == "x")`},

		{"every operator", `state a(target == "x" and target != "x" and target < 1 and target <= 1 and target > 1 and target >= 1 and ` +
			`target contains "x" and target matches "x" and target startswith "x" and target endswith "x" and target has 1 and target in [1,2] and target is json and target/a)`, ""},
		{"a comma is and", `state a(target/x, target/y)`, `state a(target/x and target/y)`},
		{"or and comma", `state a(target/x or target/y, target/z)`, `state a(target/x or target/y and target/z)`},
		{"not and parentheses in a guard", `state a(not (target/x or target/y) and branch/z)`, ""},
		{"the payload is there", "state a(target)", ""},
		{"a path", `state a(target/b-c/d.e/0f == 1)`, ""},
		{"an index", `state a(target[0][12]/x == 1)`, ""},
		{"an index as a key", `state a(target/0/12 == 1)`, `state a(target[0][12] == 1)`},
		{"digits that are no index", `state a(target/007)`, ""},
		{"a quoted key", `state a(target/"a b"/'c"d'/"" == 1)`, `state a(target/"a b"/"c\"d"/"" == 1)`},
		{"a quoted key that needs none", `state a(target/"b")`, "state a(target/b)"},
		{"keywords as keys", `state a(target/not/in/target/state == 1)`, ""},
		{"numbers keep their spelling", `state a(target in [1,1.0,-0,1e5,1E+5,-1.50e-7,123456789012345678901234567890])`, ""},
		{"strings", `state a(target in ["a\"\\\n\u00e9",'b"\n'])`, `state a(target in ["a\"\\\né","b\"\\n"])`},
		{"other literals", `state a(target in [true,false,null,[],{},{b: [1], "a b" = {c: null}}])`, `state a(target in [true,false,null,[],{},{"a b":{"c":null},"b":[1]}])`},
		{"a type", "state a(target/x is null or target/x is number)", ""},
		{"a type in quotes", `state a(target is "bytes")`, "state a(target is bytes)"},
		{"the longest", "state " + strings.Repeat("a", MaxCondition-6), ""},
		{"the deepest", strings.Repeat("(", maxConditionDepth) + "state a" + strings.Repeat(")", maxConditionDepth), "state a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := ParseCondition(tt.in)
			if bad != nil {
				t.Fatalf("ParseCondition(%q) error = %+v", tt.in, *bad)
			}
			want := tt.want
			if want == "" {
				want = tt.in
			}
			e := expr(got)
			text := bareAsState(e).String()
			if diff := cmp.Diff(want, text); diff != "" {
				t.Errorf("String (-want +got):\n%s", diff)
			}
			again, bad := ParseCondition(text)
			if bad != nil {
				t.Fatalf("ParseCondition(%q) error = %+v", text, *bad)
			}
			if diff := cmp.Diff(bareAsState(e), expr(again)); diff != "" {
				t.Errorf("the tree of the text (-want +got):\n%s", diff)
			}
		})
	}
}

// bareAsState makes states of the names in e that have no keyword.
func bareAsState(e cond.Expr) cond.Expr {
	for _, x := range slices.Concat(e.And, e.Or) {
		bareAsState(x)
	}
	if e.Not != nil {
		bareAsState(*e.Not)
	}
	if e.Atom != nil && e.Atom.Kind == 0 {
		e.Atom.Kind = cond.State
	}
	return e
}

func TestParseConditionErrors(t *testing.T) {
	tests := []struct {
		name, in string
		marked   string // what the error points at
		message  string
		help     string // part of it
	}{
		{"empty", "", "", "a condition must not be empty", "name of a state"},
		{"white space", "  ", "  ", "a condition must not be empty", "name of a state"},
		{"an for and", "up an down", "an", "`an` is not expected here", "did you mean `and`?"},
		{"und for and", "up und down", "und", "`und` is not expected here", "did you mean `and`?"},
		{"a capital", "up AND down", "AND", "`AND` is not expected here", "did you mean `and`?"},
		{"two ampersands", "up && down", "&&", "`&&` is not expected here", "did you mean `and`?"},
		{"two bars", "up || down", "||", "`||` is not expected here", "did you mean `or`?"},
		{"an exclamation mark", "!up", "!", "`!` is not expected here", "did you mean `not`?"},
		{"nothing behind and", "up and", "and", "something is missing behind `and`", "`not`, `all`, `any`, `state`, `signal` or a name"},
		{"nothing behind state", "state", "state", "something is missing behind `state`", "a name, such as `net@up`"},
		{"a misspelt kind", "stat net@up", "stat", "`stat` is not expected here", "did you mean `state`?"},
		{"a misspelt not", "up and nnot down", "nnot", "`nnot` is not expected here", "did you mean `not`?"},
		{"a field without a root", `up(name == "x")`, "name", "a test begins with `target` or `branch`, not with `name`", "`branch/name`"},
		{"a field like not without a root", `up(nam == "x")`, "nam", "a test begins with `target` or `branch`, not with `nam`", "`target/nam`"},
		{"dots in a path", `up(target.a.b == 1)`, "target.a.b", "a path has slashes between its keys", "write `target/a/b`"},
		{"dots in the path of a branch", `up(not branch.name)`, "branch.name", "a path has slashes between its keys", "write `branch/name`"},
		{"a newer kind", "facet net@up", "facet", "`facet` is what newer Rind versions call `state`", "write `state`"},
		{"a newer address", "state net:up", "net:up", "`group:name` is the spelling of newer Rind versions", "write `net@up`"},
		{"all without parentheses", "all up", "up", "`up` is not expected here", "write `(`"},
		{"an open parenthesis", "(up and down", "(", "`(` is never closed", "close it"},
		{"an open guard", "up(target", "(", "`(` is never closed", "close it"},
		{"a parenthesis too many", "up)", ")", "`)` closes nothing", "remove it"},
		{"another bracket", "(up]", "]", "`]` does not close `(`", "close with `)`"},
		{"an empty guard", "up()", ")", "`)` is not expected here", "write `target`, `branch`, `not` or `(`"},
		{"a misspelt root", "up(targt == 1)", "targt", "`targt` is not expected here", "did you mean `target`?"},
		{"an address in a guard", "up(net@x == 1)", "net@x", "`net@x` is not expected here", "write `target` or `branch`"},
		{"a misspelt operator", `up(target contans "x")`, "contans", "`contans` is not expected here", "did you mean `contains`?"},
		{"one equals sign", "up(target = 1)", "=", "`=` is not expected here", "did you mean `==`?"},
		{"no literal", "up(target == )", ")", "`)` is not expected here", "a string in quotes"},
		{"a string without quotes", "up(target == on)", "on", `"on" is no value`, `put quotes around a string`},
		{"a type without is", "up(target == json)", "json", `"json" is no value`, `put quotes around a string`},
		{"no type", "up(target is float)", "float", `"float" is no type`, "`number`"},
		{"a misspelt type", "up(target is strng)", "strng", `"strng" is no type`, "did you mean `string`?"},
		{"another spelling of true", "up(target/up == True)", "True", `"True" is no value`, "did you mean `true`?"},
		{"null as others write it", "up(target/a == nil)", "nil", `"nil" is no value`, "did you mean `null`?"},
		{"a hexadecimal number", "up(target == 0x10)", "0x10", `"0x10" is no value`, "did you mean `16`?"},
		{"no digit in front of the point", "up(target == .5)", ".5", `".5" is no value`, "did you mean `0.5`?"},
		{"a number with underscores", "up(target > 1_000)", "1_000", `"1_000" is no value`, "did you mean `1000`?"},
		{"exclusive or", "up xor down", "xor", "`xor` is not expected here", "(a or b) and not (a and b)"},
		{"a leading zero", "up(target == 01)", "01", `"01" is no value`, ""},
		{"a value on the left", `up(5 == target/a)`, `5 == target/a`, "the payload is on the left of an operator", "write `target/a == 5`"},
		{"a smaller value on the left", `up("x" < target/a/b and target/c == 1)`, `"x" < target/a/b`, "the payload is on the left of an operator", "write `target/a/b > \"x\"`"},
		{"a key in brackets", `up(target["a"] == 5)`, `["a"]`, "a path has slashes between its keys", "write `/a` behind the path"},
		{"a key in brackets that needs quotes", `up(target["a b"] == 5)`, `["a b"]`, "a path has slashes between its keys", "write `/\"a b\"` behind the path"},
		{"three equals signs", "up(target === 1)", "===", "`===` is no operator", "did you mean `==`?"},
		{"signs the other way round", "up(target/a => 1)", "=>", "`=>` is no operator", "did you mean `>=`?"},
		{"signs that mean nothing", "up(target =<> 1)", "=<", "`=<` is no operator", "did you mean `<=`?"},
		{"two parts of a payload", "up(target/a == target/b)", "target/", "a payload is compared with a value, not with another part of it", "write a value"},
		{"a part and the whole", "up(target/a == target)", "target", "a payload is compared with a value, not with another part of it", "write a value"},
		{"an operator in front", "up(has target/a)", "has", "`has` stands behind what it tests", "write `target/name has …`"},
		{"exists", "up(exists target/a)", "exists", "`exists` is not expected here", "write the path alone"},
		{"a list in parentheses", `up(target/a in ("x"))`, "(", "`(` is not expected here", "write a list in brackets"},
		{"between", "up(target/a between 1 and 2)", "between", "`between` is no operator", "write two tests"},
		{"not in", `up(target/a not in ["x"])`, "not", "`not` is not expected here", "in front of the test"},
		{"a value alone", "up(green)", "green", "a test begins with `target` or `branch`, not with `green`", "write `target == \"green\"`"},
		{"and at the start", "and up", "and", "`and` stands between two conditions", "remove it"},
		{"not without and", "up not down", "not", "`not` is not expected here", "write `and not` or `or not`"},
		{"a service", "service web", "service", "a condition is about a state or a signal, not about a service", "`after`"},
		{"a test without parentheses", `mode == "on"`, "==", "the payload of a state or signal is tested in parentheses", "write `mode(target == \"…\")`"},
		{"target without parentheses", `mode target == "on"`, "target", "the payload of a state or signal is tested in parentheses", "write `mode(target == \"…\")`"},
		{"target behind a point", `mode.target == "on"`, "mode.target", "the payload of a state or signal is tested in parentheses", "write `mode(target == \"…\")`"},
		{"a comma", "up, down", ",", "`,` is not expected here", "write `and` or `or`"},
		{"an open string", `up(target == "x)`, `"x)`, "a string is not closed", `close it with "`},
		{"an open single quote", `up(target == 'x)`, `'x)`, "a string is not closed", `close it with '`},
		{"an unknown escape", `up(target == "\q")`, `\q`, "the string has an escape or a character that JSON does not know", "single quotes"},
		{"a newline in a string", "up(target == \"a\nb\")", "\n", "the string has an escape or a character that JSON does not know", ""},
		{"no key", "up(target/ == 1)", "==", "`==` is not expected here", "a key"},
		{"no index", "up(target[x])", "x", `"x" is no index`, "from 0 on"},
		{"a negative index", "up(target[-1])", "-1", `"-1" is no index`, "from 0 on"},
		{"an open list", "up(target in [1, 2)", ")", "`)` does not close `[`", "close with `]`"},
		{"no comma in a list", "up(target in [1 2])", "2", "`2` is not expected here", "`,`"},
		{"a key twice", "up(target == {a: 1, a: 2})", "a", `the key "a" is there twice`, "remove"},
		{"no colon", "up(target == {a 1})", "1", "`1` is not expected here", ""},
		{"a strange character", "up § down", "§", "`§` is not expected here", "`and`"},
		{"something behind the end", "up(target) down", "down", "`down` is not expected here", "`and`"},
		{"too deep", strings.Repeat("(", 65) + "a" + strings.Repeat(")", 65), "(", "a condition nests more than 64 levels deep", "split"},
		{"too many nots", strings.Repeat("not ", 65) + "a", strings.Repeat("not ", 65) + "a", "a condition nests more than 64 levels deep", "split"},
		{"too long", strings.Repeat("a", 8193), strings.Repeat("a", 8193), "a condition of 8193 bytes is too long, at most 8192 are allowed", "split"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := ParseCondition(tt.in)
			if bad == nil {
				t.Fatalf("ParseCondition(%q) = %v, want an error", tt.in, expr(got))
			}
			checkError(t, tt.in, bad)
			if bad.Message != tt.message || !strings.Contains(bad.Help, tt.help) || tt.in[bad.From:bad.To] != tt.marked {
				t.Errorf("ParseCondition(%q) error = %q at %q, help %q\nwant %q at %q, help with %q",
					tt.in, bad.Message, tt.in[bad.From:bad.To], bad.Help, tt.message, tt.marked, tt.help)
			}
		})
	}
}

// TestConditionFixes: what an error offers makes a condition of the text, or
// brings the next mistake to light.
func TestConditionFixes(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a word", "up an down", "up and down"},
		{"a sign", "up && down", "up and down"},
		{"a sign without spaces", "up&&down", "up and down"},
		{"a sign before a name", "!up", "not up"},
		{"one sign after the other", "up && !down", "up and !down"},
		{"an operator", `up(target contain "x")`, `up(target contains "x")`},
		{"one equals sign without spaces", `up(target="x")`, `up(target=="x")`},
		{"a sign for an operator", `up(target~"x")`, `up(target matches "x")`},
		{"a kind", "stat net@up", "state net@up"},
		{"a newer kind", "facet net@up", "state net@up"},
		{"a newer address", "state net:up", "state net@up"},
		{"a string without quotes", "up(target == on)", `up(target == "on")`},
		{"a type", "up(target is strng)", "up(target is string)"},
		{"a capital", "up(target/a == True)", "up(target/a == true)"},
		{"dots", "up(target.a == 1)", "up(target/a == 1)"},
		{"sides", "up(5 < target/a)", "up(target/a > 5)"},
		{"a key in brackets", `up(target["a"] == 5)`, `up(target/a == 5)`},
		{"signs", "up(target/a =< 5)", "up(target/a <= 5)"},
		{"a value alone, of no known kind", "up(green)", "up(green)"},
		{"a path without a slash", "up(targetuid == 1)", "up(target/uid == 1)"},
		{"none for a person", "up(name == 1)", "up(name == 1)"},
		{"none between three values", "up(1 < target/a < 5)", "up(1 < target/a < 5)"},
		{"none behind a string", `up(target == "x"nd)`, `up(target == "x"nd)`},
		{"none for a value that can be text", "up(target == nul)", "up(target == nul)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, bad := ParseCondition(tt.in)
			if bad == nil {
				t.Fatalf("ParseCondition(%q) succeeds", tt.in)
			}
			got := tt.in
			if fix := bad.Fix(tt.in); fix != nil {
				got = tt.in[:bad.From] + fix.New + tt.in[bad.To:]
			}
			if got != tt.want {
				t.Errorf("the fix of %q makes %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// checkCondition holds for every string: it is a condition whose text means the
// same, or there is an error that points into it.
func checkCondition(t interface{ Errorf(string, ...any) }, s string) {
	c, bad := ParseCondition(s)
	if bad != nil {
		checkError(t, s, bad)
		return
	}
	e := bareAsState(expr(c))
	again, bad := ParseCondition(e.String())
	if bad != nil {
		if !strings.Contains(bad.Message, "too long") { // escapes and keywords add to it
			t.Errorf("%q is a condition, but its text %q is none: %s", s, e, bad.Message)
		}
		return
	}
	if diff := cmp.Diff(e, expr(again)); diff != "" {
		t.Errorf("%q and its text %q are two conditions:\n%s", s, e, diff)
	}
}

func TestConditionLaws(t *testing.T) {
	word := rapid.SampledFrom([]string{
		"and", "or", "not", "all(", "any(", "state", "signal", "a", "g@a", "x/y@z", "(", ")", ",", "target", "branch", "/", "[0]",
		"==", "!=", "<", ">=", "contains", "matches", "has", "in", "is", "string", "json", "1", "-1.5e+3", `"s"`, "'t'", "[", "]", "{", "}", ":", "=", "true", "null", "§", `"`,
	})
	rapid.Check(t, func(t *rapid.T) {
		checkCondition(t, strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), rapid.SampledFrom([]string{" ", ""}).Draw(t, "space")))
	})
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`state rind@net-configured(branch/name == "eth0") and not state rind@maintenance-mode`,
		`any(a, all(b, c)) or not (d)`, `a(target/"k"[0] in [1, {a: null}], not branch)`, `a(target == 'x`, `a(((`, `not (not`, `a(target matches "[")`, `=`, `a(target =`, `a(target/b =`, `!`, `a &`, `&&`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkCondition(t, s) })
}

func BenchmarkParseCondition(b *testing.B) {
	const text = `state rind@net-configured(branch/name == "eth0") and not state rind@maintenance-mode and signal ops@go(target contains "x")`
	for b.Loop() {
		if _, bad := ParseCondition(text); bad != nil {
			b.Fatal(bad)
		}
	}
}
