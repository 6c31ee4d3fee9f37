package typing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan/cond"
)

const definitions = `
[[state]]
name = "mode"
payload = "string"
[[state]]
name = "link"
payload = "json"
[[state]]
name = "route"
payload = "json"
branch = ["dev", "dst"]
[[state]]
name = "blob"
payload = "bytes"
[[state]]
name = "ready"
payload = "none"
[[state]]
name = "twin"
payload = "none"
[[signal]]
name = "twin"
payload = "none"
[[signal]]
name = "halt"
payload = "string"
[[signal]]
name = "report"
payload = "json"
`

// typed types the start-on list of the only socket of a file beside the
// definitions, and returns its tree and what was reported.
func typed(tb testing.TB, conditions string, how typing.Join) (tree string, problems []string) {
	tb.Helper()
	text := fmt.Sprintf("[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \":1\"\nstart-on = %s\n", conditions)
	var files []*unit.File
	for _, in := range []struct{ name, text string }{{"defs", definitions}, {"sock", text}} {
		f, ds := decode.File(&source.File{Name: in.name, Text: []byte(in.text)}, in.name)
		for _, d := range ds.All() {
			tb.Fatalf("decode %s: %s", in.name, d.Message)
		}
		files = append(files, f)
	}
	table := resolve.New(files, nil, &diag.List{})
	typer := typing.Typer{Scope: table.In("sock"), Report: func(d diag.Diagnostic) {
		at := d.Where(decode.Locate)
		problems = append(problems, fmt.Sprintf("%s %s at %s", d.Code, d.Message, at.File.Text[at.Start:at.End]))
		if d.Help == "" || d.Severity != diag.Error {
			tb.Errorf("%s has severity %v and help %q", d.Code, d.Severity, d.Help)
		}
	}}
	expr := typer.StartOn(table.Sockets[0].Unit.StartOn, how)
	if expr == nil {
		return "", problems
	}
	out, err := json.Marshal(expr)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out), problems
}

func TestConditions(t *testing.T) {
	pred := func(root, op, lit string, path ...string) string {
		p := ""
		if len(path) > 0 {
			p = fmt.Sprintf(`,"path":["%s"]`, strings.Join(path, `","`))
		}
		return fmt.Sprintf(`{"pred":{"root":"%s"%s,"op":"%s","lit":%s}}`, root, p, op, lit)
	}
	state := func(name, guard string) string {
		if guard == "" {
			return fmt.Sprintf(`{"atom":{"state":"defs@%s"}}`, name)
		}
		return fmt.Sprintf(`{"atom":{"state":"defs@%s","guard":%s}}`, name, guard)
	}
	tests := []struct{ name, in, want string }{
		{"a full name of a state", `["defs@mode"]`, state("mode", "")},
		{"a full name of a signal", `["defs@halt"]`, `{"atom":{"signal":"defs@halt"}}`},
		{"S49 an unqualified name", `["mode"]`, state("mode", "")},
		{"a table", `[{ state = "mode" }]`, state("mode", "")},
		{"the keyword decides", `[{ signal = "twin" }]`, `{"atom":{"signal":"defs@twin"}}`},
		{"S46 equality", `[{ state = "mode", target = "on" }]`, state("mode", pred("target", "==", `"on"`))},
		{"equality of json is of its text", `[{ state = "link", target = '{"id":1}' }]`, state("link", pred("target", "==", `"{\"id\":1}"`))},
		{"S46 contains", `[{ state = "mode", target = { contains = "o" } }]`, state("mode", pred("target", "contains", `"o"`))},
		{"S46 binary", `[{ state = "blob", target = { binary = true } }]`, state("blob", pred("target", "is", `"bytes"`))},
		{"S46 as", `[{ state = "link", target = { as = { status = "up", n = 3 } } }]`, state("link",
			`{"and":[`+pred("target", "==", "3", "n")+","+pred("target", "==", `"up"`, "status")+"]}")},
		{"as with nested tables", `[{ state = "link", target = { as = { a = { c = 1.0, b = true } } } }]`, state("link",
			`{"and":[`+pred("target", "==", "true", "a", "b")+","+pred("target", "==", "1.0", "a", "c")+"]}")},
		{"as with an array", `[{ state = "link", target = { as = { l = [2, { a = 1 }] } } }]`, state("link",
			`{"and":[`+pred("target", "has", "2", "l")+","+pred("target", "has", `{"a":1}`, "l")+"]}")},
		{"as with an empty table", `[{ state = "link", target = { as = { a = {} } } }]`, state("link", pred("target", "is", `"object"`, "a"))},
		{"as with an empty array", `[{ state = "link", target = { as = { a = [] } } }]`, state("link", pred("target", "is", `"array"`, "a"))},
		{"as with nothing", `[{ state = "link", target = { as = {} } }]`, state("link", pred("target", "is", `"object"`))},
		{"as with a key of digits", `[{ state = "link", target = { as = { 0 = 1 } } }]`, state("link",
			`{"and":[`+pred("target", "is", `"object"`)+","+pred("target", "==", "1", "0")+"]}")},
		{"as with a number", `[{ signal = "report", target = { as = 5 } }]`, `{"atom":{"signal":"defs@report","guard":` + pred("target", "==", "5") + `}}`},
		{"as with a string", `[{ signal = "report", target = { as = "x" } }]`, `{"atom":{"signal":"defs@report","guard":` + pred("target", "==", `"\"x\""`) + `}}`},
		{"branch", `[{ state = "link", branch = "eth0" }]`, state("link", pred("branch", "==", `"eth0"`))},
		{"branch of the default key", `[{ state = "link", branch = { as = { id = "eth0" } } }]`, state("link", pred("branch", "==", `"eth0"`, "id"))},
		{"branch of several keys", `[{ state = "route", branch = { as = { dst = "::/0", dev = "eth0" } } }]`, state("route",
			`{"and":[`+pred("branch", "==", `"eth0"`, "dev")+","+pred("branch", "==", `"::/0"`, "dst")+"]}")},
		{"S46 target and branch", `[{ state = "link", target = { contains = "up" }, branch = { contains = "eth" } }]`, state("link",
			`{"and":[`+pred("target", "contains", `"up"`)+","+pred("branch", "contains", `"eth"`)+"]}")},
		{"a branch of rind@active is its value", `[{ state = "rind@active", branch = "x" }]`, `{"atom":{"state":"rind@active","guard":` + pred("target", "==", `"x"`) + `}}`},
		{"a list of any", `["mode", "halt"]`, `{"or":[{"atom":{"state":"defs@mode"}},{"atom":{"signal":"defs@halt"}}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := typed(t, tt.in, typing.Any)
			if len(problems) > 0 {
				t.Fatalf("problems: %q", problems)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a list of all", func(t *testing.T) {
		got, _ := typed(t, `["mode", "halt"]`, typing.All)
		if want := `{"and":[{"atom":{"state":"defs@mode"}},{"atom":{"signal":"defs@halt"}}]}`; got != want {
			t.Errorf("tree = %s, want %s", got, want)
		}
	})
}

// TestS163Conditions has the failing example of every rule about conditions; the
// passing ones are in TestConditions.
func TestS163Conditions(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"an unknown name", `["mood"]`, `N2103 no state or signal is named "mood" at "mood"`},
		{"state and signal", `["twin"]`, `N2104 "twin" names both a state and a signal at "twin"`},
		{"malformed", `["a@b@c"]`, "N2105 an address has only one `@` at @"},
		{"a state that is a signal", `[{ state = "halt" }]`, `T3102 "defs@halt" is a signal, not a state at "halt"`},
		{"a signal that is a state", `[{ signal = "mode" }]`, `T3102 "defs@mode" is a state, not a signal at "mode"`},
		{"both keys", `[{ state = "mode", signal = "halt" }]`, "K1101 a condition is about a state or a signal, not both at signal"},
		{"nothing", `[]`, "K1102 `start-on` is empty at []"},
		{"equality of none", `[{ state = "ready", target = "" }]`, `T3103 a string is compared with a payload, but state "defs@ready" has a payload of kind none`},
		{"contains of none", `[{ state = "ready", target = { contains = "x" } }]`, "T3104 `contains` looks into a payload"},
		{"as of a string", `[{ state = "mode", target = { as = { a = 1 } } }]`, "T3105 `as` needs a json payload"},
		{"as of bytes", `[{ state = "blob", target = { as = {} } }]`, "T3105 "},
		{"binary of json", `[{ state = "link", target = { binary = true } }]`, "T3106 `binary` needs a payload of bytes"},
		{"binary of a branch", `[{ state = "link", branch = { binary = true } }]`, "T3106 "},
		{"branch of a string", `[{ state = "mode", branch = "x" }]`, `T3107 state "defs@mode" has no branches: its payload is of kind string at branch`},
		{"branch of a signal", `[{ signal = "report", branch = "x" }]`, `T3107 signal "defs@report" has no branches at branch`},
		{"branch of no key", `[{ state = "link", branch = { as = { name = "eth0" } } }]`, `T3108 "name" is no branch key of state "defs@link" at name`},
		{"branch of no table", `[{ state = "link", branch = { as = 5 } }]`, "T3108 the branch keys of state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, problems := typed(t, tt.in, typing.Any)
			if len(problems) != 1 || !strings.HasPrefix(problems[0], tt.want) {
				t.Errorf("problems = %q, want one that starts with %q", problems, tt.want)
			}
			if tree != "" {
				t.Errorf("tree = %s, want none", tree)
			}
		})
	}
}

// TestLanguage has the passing examples of the condition language (SPEC §4.3).
func TestLanguage(t *testing.T) {
	const ready = `state defs@ready`
	tests := []struct{ name, in, want string }{
		{"a state", `["state mode"]`, "state defs@mode"},
		{"a signal of a name that both have", `["signal twin"]`, "signal defs@twin"},
		{"a bare name in an expression", `["(mode)"]`, "state defs@mode"},
		{"a bare signal", `["halt and mode"]`, "signal defs@halt and state defs@mode"},
		{"not a state", `["not mode"]`, "not state defs@mode"},
		{"a table of not", `[{ not = "mode" }]`, "not state defs@mode"},
		{"tables", `[{ all = ["mode", { any = [{ state = "ready" }, "halt"] }] }]`, "state defs@mode and (state defs@ready or signal defs@halt)"},
		{"a node of one is what it has", `[{ all = [{ any = ["all(ready)"] }] }]`, ready},
		{"a list of expressions", `["mode or ready", "not twin(target)"]`, ""},
		{
			"text operators", `['''mode(target == "on" and target != "off" and target startswith "o" and target endswith "n" and target matches "^o.$" and target in ["on", "off"])''']`,
			`state defs@mode(target == "on" and target != "off" and target startswith "o" and target endswith "n" and target matches "^o.$" and target in ["on","off"])`,
		},
		{
			"json operators", `['link(target/load < 0.5, target/load >= 1e-3, target/tags has "x", target/up, target/port in [80, 443])']`,
			`state defs@link(target/load < 0.5 and target/load >= 1e-3 and target/tags has "x" and target/up and target/port in [80,443])`,
		},
		{"a branch", `['route(branch/dev == "eth0" or not branch/dst matches "^fe80")']`, `state defs@route(branch/dev == "eth0" or not branch/dst matches "^fe80")`},
		{"the branch of rind@active is its value", `['rind@active(branch == "x")']`, `state rind@active(target == "x")`},
		{
			"types", `['blob(target is bytes) and link(target is object) and report(target is string)']`,
			"state defs@blob(target is bytes) and state defs@link(target is object) and signal defs@report(target is string)",
		},
		{"a payload of none is there", `["ready(target)"]`, "state defs@ready(target)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := typed(t, tt.in, typing.Any)
			if tt.want == "" {
				if !slices.Equal(problems, []string{`N2104 "twin" names both a state and a signal at twin`}) {
					t.Errorf("problems = %q", problems)
				}
				return
			}
			if len(problems) > 0 {
				t.Fatalf("problems: %q", problems)
			}
			if text := parseTree(t, got).String(); text != tt.want {
				t.Errorf("tree = %s\nwant   %s", text, tt.want)
			}
		})
	}
}

func parseTree(tb testing.TB, tree string) cond.Expr {
	tb.Helper()
	var e cond.Expr
	if err := json.Unmarshal([]byte(tree), &e); err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestS163Language has the failing example of every rule about expressions; the
// passing ones are in TestLanguage.
func TestS163Language(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a malformed expression", `["mode an ready"]`, "S0201 `an` is not expected here at an"},
		{"escapes before the place", `["mode(target == \"\u0061\" an)"]`, "S0201 `an` is not expected here at an"},
		{"an unknown name", `["mode and raedy"]`, `N2103 no state or signal is named "raedy" at raedy`},
		{"an unknown state", `["state mood and mode"]`, `N2103 no state is named "mood" at mood`},
		{"a name that is too long", `["state ` + strings.Repeat("a", 201) + `"]`, "N2105 a name of 201 bytes is too long"},
		{"an ambiguous name", `["not twin"]`, `N2104 "twin" names both a state and a signal at twin`},
		{"a state that is a signal", `["state halt"]`, `T3102 "defs@halt" is a signal, not a state at halt`},
		{"a signal that is a state", `["signal mode"]`, `T3102 "defs@mode" is a state, not a signal at mode`},
		{"not a signal", `["not signal halt"]`, "T3109 `not signal defs@halt` is no condition: a signal is absent all the time but one moment at halt"},
		{"not a bare signal", `["not halt"]`, "T3109 "},
		{"a double negation of a signal", `["not not halt"]`, "T3109 "},
		{"not something with a signal", `["not (mode and halt)"]`, "T3109 "},
		{"not a signal as a table", `[{ not = { signal = "halt" } }]`, `T3109 `},
		{"not a signal in a table", `[{ not = { any = ["mode", "halt"] } }]`, `T3109 `},
		{"a test beside all", `[{ all = ["mode"], target = "x" }]`, "K1101 a test goes with one state or signal, not with `all` at target"},
		{"a test beside not", `[{ not = "mode", branch = "x" }]`, "K1101 a test goes with one state or signal, not with `not` at branch"},
		{"two conditions in one", `[{ all = ["mode"], state = "mode" }]`, "K1101 `state` and `all` are two conditions at all"},
		{"equality of none", `['ready(target == "x")']`, "T3103 `==` cannot test the payload of state \"defs@ready\", which is of kind none at target == \"x\""},
		{"text of none", `['ready(target matches "x")']`, "T3104 `matches` cannot test"},
		{"comparison of none", `['ready(target > 1)']`, "T3111 `>` cannot test"},
		{"comparison of text", `['mode(target >= 5)']`, "T3111 `>=` cannot test the payload of state \"defs@mode\", which is of kind string at target >= 5"},
		{"an element of text", `['mode(target has "x")']`, "T3111 `has` cannot test"},
		{"bytes of json", `['link(target is bytes)']`, `T3106 state "defs@link" is never of type bytes: its payload is of kind json at target is bytes`},
		{"json of bytes", `['blob(target is json)']`, `T3106 state "defs@blob" is never of type json`},
		{"text compared with a number", `['mode(target == 5)']`, "T3112 operator == on a payload of kind string: want a string, got 5 at 5"},
		{"text in a list of numbers", `['mode(target in ["a", 5])']`, "T3112 operator in on a payload of kind string: want a string, got 5 at [\"a\", 5]"},
		{"a number compared with text", `['link(target/n < "5")']`, `T3112 operator <: want a number, got "5" at "5"`},
		{"no pattern", `['mode(target matches "a(")']`, "T3112 operator matches: the pattern is not RE2: missing closing ): `a(` at \"a(\""},
		{"a pattern that is too long", `['mode(target matches "` + strings.Repeat("a", 1025) + `")']`, "T3112 operator matches: a pattern has at most 1024 bytes, got 1025"},
		{"an empty list", `['mode(target in [])']`, "T3112 operator in: want a list with something in it, got [] at []"},
		{"a type that does not exist", `['link(target is "float")']`, `T3112 operator is: want one of json, string`},
		{"a path into text", `['mode(target/a == "x")']`, `T3113 a path leads into a json payload, but state "defs@mode" has one of kind string at target/a == "x"`},
		{"a path into rind@active", `['rind@active(branch/name == "x")']`, `T3113 `},
		{"branch of a string", `['mode(branch == "x")']`, `T3107 state "defs@mode" has no branches: its payload is of kind string at branch == "x"`},
		{"branch of a signal", `['report(branch == "x")']`, `T3107 signal "defs@report" has no branches at branch == "x"`},
		{"branch of no key", `['link(branch/name == "x")']`, `T3108 "name" is no branch key of state "defs@link" at name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, problems := typed(t, tt.in, typing.Any)
			if len(problems) != 1 || !strings.HasPrefix(problems[0], tt.want) {
				t.Errorf("problems = %q, want one that starts with %q", problems, tt.want)
			}
			if tree != "" {
				t.Errorf("tree = %s, want none", tree)
			}
		})
	}
}

// All mistakes of an expression are reported, not only the first.
func TestLanguageReportsAll(t *testing.T) {
	_, problems := typed(t, `["a and mode(target/x or target > 1) and not halt"]`, typing.Any)
	if len(problems) != 4 {
		t.Errorf("problems = %q, want 4", problems)
	}
}
