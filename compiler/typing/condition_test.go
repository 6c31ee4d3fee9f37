package typing_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
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
		{"an expression", `["not mode"]`, "T3101 conditions as expressions are not supported by this version of rindc"},
		{"an expression with a guard", `['mode(target == "on")']`, "T3101 "},
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
