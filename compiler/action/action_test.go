package action_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
)

// definitions are those that the examples of the actions refer to, and some
// more. The socket that has the triggers is "http".
const definitions = `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
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
name = "ready"
payload = "none"
[[signal]]
name = "note"
payload = "string"
[[signal]]
name = "blob"
payload = "bytes"
[[signal]]
name = "report"
payload = "json"
[[signal]]
name = "bell"
payload = "none"
[[timer]]
name = "idle"
duration = 5
[[variable]]
name = "level"
default = "info"
[[variable]]
name = "depth"
default = 3
[[variable]]
name = "limits"
default = { id = "x", a = [1.0] }
[[variable]]
name = "home"
env = "HOME"
[[socket]]
name = "http"
type = "tcp"
listen = ":1"
trigger = [
%s
]
`

// lower lowers a trigger list, and returns each action as JSON and what was
// reported.
func lower(t *testing.T, triggers ...string) (actions, problems []string) {
	t.Helper()
	return lowerIn(t, action.Where{Access: true}, triggers...)
}

func lowerIn(t *testing.T, where action.Where, triggers ...string) (actions, problems []string) {
	t.Helper()
	text := fmt.Sprintf(definitions, strings.Join(triggers, ",\n"))
	f, ds := decode.File(&source.File{Name: "g.toml", Text: []byte(text)}, "g")
	for _, d := range ds.All() {
		t.Fatalf("decode: %s", d.Message)
	}
	table := resolve.New([]*unit.File{f}, nil, &diag.List{})
	typer := typing.Typer{Scope: table.In("g"), Report: func(d diag.Diagnostic) {
		at := d.Where(decode.Locate)
		problems = append(problems, fmt.Sprintf("%s %s at %s", d.Code, d.Message, at.File.Text[at.Start:at.End]))
		if d.Help == "" || d.Severity != diag.Error {
			t.Errorf("%s has severity %v and help %q", d.Code, d.Severity, d.Help)
		}
	}}
	for _, a := range action.LowerIn(typer, table.Sockets[0].Unit.Trigger, where) {
		out, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, string(out))
	}
	return actions, problems
}

func TestEveryActionIsDocumented(t *testing.T) {
	for _, a := range action.Actions {
		t.Run(a.Key, func(t *testing.T) {
			if a.Doc == "" || !strings.Contains(a.Example, a.Key+" = ") {
				t.Fatalf("action %s has doc %q and example %q", a.Key, a.Doc, a.Example)
			}
			actions, problems := lower(t, a.Example)
			if len(problems) != 0 || len(actions) != 1 {
				t.Errorf("the example gives %q and reports %q", actions, problems)
			}
		})
	}
}

func TestLower(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"script", `{ script = "a | b" }`, `{"do":"script","command":"a | b"}`},
		{"exec", `{ exec = "/bin/echo", args = ["a", ""] }`, `{"do":"exec","command":"/bin/echo","args":["a",""]}`},
		{"exec of a name", `{ exec = "echo" }`, `{"do":"exec","command":"echo"}`},
		{"start a service", `{ service = "web" }`, `{"do":"start-service","target":"g@web"}`},
		{"stop a service", `{ service = "g@web", stop = true }`, `{"do":"stop-service","target":"g@web"}`},
		{"stop = false", `{ service = "web", stop = false }`, `{"do":"start-service","target":"g@web"}`},
		{"start a socket", `{ socket = "http" }`, `{"do":"start-socket","target":"g@http"}`},
		{"stop a socket", `{ socket = "http", stop = true }`, `{"do":"stop-socket","target":"g@http"}`},
		{"S61 a string", `{ signal = "note", payload = "text" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"text"}}`},
		{"S61 an integer for a string", `{ signal = "note", payload = 5 }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"5"}}`},
		{"S61 a float for a string", `{ signal = "note", payload = 1.0 }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"1.0"}}`},
		{"S61 a boolean for a string", `{ signal = "note", payload = true }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"true"}}`},
		{"S61 a table", `{ signal = "report", payload = { b = 1, a = [1.0, "x", true, {}] } }`, `{"do":"emit","target":"g@report","payload":{"kind":"json","json":{"a":[1.0,"x",true,{}],"b":1}}}`},
		{"S61 an array", `{ signal = "report", payload = [] }`, `{"do":"emit","target":"g@report","payload":{"kind":"json","json":[]}}`},
		{"a number for json", `{ signal = "report", payload = 5 }`, `{"do":"emit","target":"g@report","payload":{"kind":"json","json":5}}`},
		{"bytes", `{ signal = "blob", payload = "é" }`, `{"do":"emit","target":"g@blob","payload":{"kind":"bytes","bytes":"w6k="}}`},
		{"S61 absent", `{ signal = "bell" }`, `{"do":"emit","target":"g@bell","payload":{"kind":"none"}}`},
		{"S62 an e-mail address", `{ signal = "note", payload = "mode@example.com" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"mode@example.com"}}`},
		{"S62 a text with two @", `{ signal = "note", payload = "a@b@c" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"a@b@c"}}`},
		{"a word with a colon", `{ signal = "note", payload = "state: up" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"state: up"}}`},
		{"start a timer", `{ timer = "idle" }`, `{"do":"start-timer","target":"g@idle"}`},
		{"stop a timer", `{ timer = "g@idle", stop = true }`, `{"do":"stop-timer","target":"g@idle"}`},
		{"a table with from and more", `{ signal = "report", payload = { from = "a", to = "b" } }`, `{"do":"emit","target":"g@report","payload":{"kind":"json","json":{"from":"a","to":"b"}}}`},
		{"a state", `{ state = "mode", payload = "on" }`, `{"do":"set-state","target":"g@mode","payload":{"kind":"string","text":"on"}}`},
		{"a state of none", `{ state = "ready" }`, `{"do":"set-state","target":"g@ready","payload":{"kind":"none"}}`},
		{"a branch", `{ state = "link", payload = { id = "eth0", up = true } }`, `{"do":"set-state","target":"g@link","payload":{"kind":"json","json":{"id":"eth0","up":true}}}`},
		{"remove", `{ state = "link", remove = true }`, `{"do":"remove-state","target":"g@link"}`},
		{"remove a branch", `{ state = "link", remove = true, branch = "eth0" }`, `{"do":"remove-state","target":"g@link","filter":{"pred":{"root":"branch","op":"==","lit":"eth0"}}}`},
		{"a builtin", `{ signal = "rind@activate", payload = "g@http" }`, `{"do":"emit","target":"rind@activate","payload":{"kind":"string","text":"g@http"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := lower(t, tt.in)
			if len(problems) > 0 {
				t.Fatalf("problems: %q", problems)
			}
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestS163Triggers has the failing example of every rule about triggers.
func TestS163Triggers(t *testing.T) {
	tests := []struct {
		name, in string
		want     string // how the only problem starts
	}{
		{"S59 two actions", `{ state = "mode", payload = "x", script = "true" }`, "K1202 a trigger performs one action, not `script` and `state` at state"},
		{"S59 three actions", `{ exec = "a", socket = "http", service = "web" }`, "K1202 a trigger performs one action, not `exec` and `service` and `socket`"},
		{"no action", `{ stop = true }`, "K1201 a trigger needs an action at { stop = true }"},
		{"stop of a script", `{ script = "true", stop = true }`, "K1203 `stop` does not go with `script` at stop"},
		{"args of a script", `{ script = "true", args = ["a"] }`, "K1203 `args` does not go with `script` at args"},
		{"payload of a service", `{ service = "web", payload = 1 }`, "K1203 `payload` does not go with `service` at payload"},
		{"remove of a signal", `{ signal = "bell", remove = true }`, "K1203 `remove` does not go with `signal` at remove"},
		{"branch of a socket", `{ socket = "http", branch = "x" }`, "K1203 `branch` does not go with `socket` at branch"},
		{"branch without remove", `{ state = "link", payload = { id = 1 }, branch = "x" }`, "K1203 `branch` does not go with setting a state at branch"},
		{"remove with payload", `{ state = "mode", remove = true, payload = "x" }`, "K1203 `payload` does not go with `remove = true` at payload"},
		{"remove a branch of a string", `{ state = "mode", remove = true, branch = "x" }`, `T3107 state "g@mode" has no branches`},
		{"an empty script", `{ script = " " }`, `K1204 the command is empty at " "`},
		{"a relative program", `{ exec = "bin/x" }`, `K1205 the command cannot be run: "bin/x" is relative`},
		{"a NUL", `{ exec = "x", args = ["a\u0000b"] }`, "K1205 the argument cannot be passed: it has a NUL byte at byte 1"},
		{"an unknown timer", `{ timer = "idel" }`, `N2103 no timer is named "idel" at "idel"`},
		{"an unknown service", `{ service = "wev" }`, `N2103 no service is named "wev" at "wev"`},
		{"a table for a string", `{ signal = "note", payload = {} }`, `T3201 signal "g@note" has a payload of kind string, got a table, which is json at {}`},
		{"a string for json", `{ signal = "report", payload = "{}" }`, `T3201 signal "g@report" has a payload of kind json, got a string`},
		{"a number for bytes", `{ signal = "blob", payload = 1 }`, `T3201 signal "g@blob" has a payload of kind bytes, got a number`},
		{"a boolean for none", `{ signal = "bell", payload = false }`, `T3201 signal "g@bell" has a payload of kind none, got a boolean`},
		{"an empty string for none", `{ state = "ready", payload = "" }`, `T3201 state "g@ready" has a payload of kind none, got a string`},
		{"an array for a json state", `{ state = "link", payload = [1] }`, `T3203 state "g@link" cannot have this payload: the payload of a json state is an object`},
		{"no branch key", `{ state = "link", payload = { name = "x" } }`, `T3203 state "g@link" cannot have this payload: the branch key "id" is missing`},
		{"one of two branch keys", `{ state = "route", payload = { dev = "x" } }`, `T3203 state "g@route" cannot have this payload: the branch key "dst" is missing`},
		{"no payload", `{ signal = "note" }`, `T3202 signal "g@note" needs a payload of kind string at "note"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			actions, problems := lower(t, tt.in)
			if len(problems) != 1 || !strings.HasPrefix(problems[0], tt.want) {
				t.Errorf("problems = %q, want one that starts with %q", problems, tt.want)
			}
			if len(actions) != 0 {
				t.Errorf("actions = %q, want none", actions)
			}
		})
	}
}

// A mistake in one trigger does not hide those in the others.
func TestLowerReportsAll(t *testing.T) {
	actions, problems := lower(t, `{ service = "a" }`, `{ script = "true" }`, `{ service = "b", payload = 1 }`)
	if len(actions) != 1 || len(problems) != 3 {
		t.Errorf("actions %q, problems %q; want 1 and 3", actions, problems)
	}
}

// template is an emit of a payload that is known only when it runs.
func template(target, tree string) string {
	return fmt.Sprintf(`{"do":"emit","target":"g@%s","template":%s}`, target, tree)
}

// TestReferences has the passing examples of payload references (SPEC §5).
func TestReferences(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a state as a whole", `{ signal = "note", payload = { from = "state:g@mode" } }`, template("note", `{"kind":"string","state":"g@mode"}`)},
		{"a state of the same group", `{ signal = "note", payload = { from = "state:mode" } }`, template("note", `{"kind":"string","state":"g@mode"}`)},
		{"a path", `{ signal = "note", payload = { from = "state:g@link/a/0/b" } }`, template("note", `{"kind":"string","each":"g@link","state":"g@link","path":["a","0","b"]}`)},
		{"a path without a group", `{ signal = "blob", payload = { from = "state:link/a" } }`, template("blob", `{"kind":"bytes","each":"g@link","state":"g@link","path":["a"]}`)},
		{"all of a json state", `{ signal = "report", payload = { from = "state:link" } }`, template("report", `{"kind":"json","each":"g@link","state":"g@link"}`)},
		{"the old form", `{ signal = "note", payload = "g@link@name/first" }`, template("note", `{"kind":"string","each":"g@link","state":"g@link","path":["name","first"]}`)},
		{"the old form of a whole state", `{ signal = "note", payload = "g@mode@" }`, template("note", `{"kind":"string","state":"g@mode"}`)},
		{"a variable", `{ signal = "note", payload = "var:level" }`, template("note", `{"kind":"string","var":"level"}`)},
		{"a number for a string", `{ signal = "note", payload = { from = "var:depth" } }`, template("note", `{"kind":"string","var":"depth"}`)},
		{"a variable of the environment", `{ signal = "note", payload = "var:home" }`, template("note", `{"kind":"string","var":"home"}`)},
		{"a variable that is a table", `{ signal = "report", payload = "var:limits" }`, template("report", `{"kind":"json","var":"limits"}`)},
		{"S69 who accesses", `{ signal = "note", payload = "access:uid" }`, template("note", `{"kind":"string","access":"uid"}`)},
		{"S69 what is sent", `{ signal = "blob", payload = { from = "access:data" } }`, template("blob", `{"kind":"bytes","access":"data"}`)},
		{"a number for json", `{ signal = "report", payload = "access:pid" }`, template("report", `{"kind":"json","access":"pid"}`)},
		{
			"S63 in a table", `{ signal = "report", payload = { link = "state:g@link/id", mode = { from = "state:mode" }, plain = "mode", n = 1, by = ["access:uid", { remote = "access:remote" }], level = "var:level" } }`,
			template("report", `{"kind":"json","each":"g@link","object":{"by":{"array":[{"access":"uid"},{"object":{"remote":{"access":"remote"}}}]},"level":{"var":"level"},"link":{"state":"g@link","path":["id"]},"mode":{"state":"g@mode"},"n":{"lit":1},"plain":{"lit":"mode"}}}`),
		},
		{"the first state with branches is the one", `{ signal = "report", payload = { a = "state:mode", c = "state:route/dev", b = "state:link/id" } }`, template("report", `{"kind":"json","each":"g@link","object":{"a":{"state":"g@mode"},"b":{"state":"g@link","path":["id"]},"c":{"state":"g@route","path":["dev"]}}}`)},
		{"rind@active has branches", `{ signal = "note", payload = { from = "state:rind@active" } }`, template("note", `{"kind":"string","each":"rind@active","state":"rind@active"}`)},
		{"bytes in a table are text", `{ signal = "report", payload = { data = "access:data" } }`, template("report", `{"kind":"json","object":{"data":{"access":"data"}}}`)},
		{"a json state", `{ state = "route", payload = { dev = "state:link/id", dst = "x" } }`, `{"do":"set-state","target":"g@route","template":{"kind":"json","each":"g@link","object":{"dev":{"state":"g@link","path":["id"]},"dst":{"lit":"x"}}}}`},
		{"a literal that looks like the old form", `{ signal = "note", payload = "x@link@name" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"x@link@name"}}`},
		{"a literal that looks like a state", `{ signal = "report", payload = { a = "state:up", b = "state: g@mode", c = "STATE:mode" } }`, `{"do":"emit","target":"g@report","payload":{"kind":"json","json":{"a":"state:up","b":"state: g@mode","c":"STATE:mode"}}}`},
		{"a plain string with state:", `{ signal = "note", payload = "state:g@mode" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"state:g@mode"}}`},
		{"a literal that looks like a variable", `{ signal = "note", payload = "var: level" }`, `{"do":"emit","target":"g@note","payload":{"kind":"string","text":"var: level"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := lower(t, tt.in)
			if len(problems) > 0 {
				t.Fatalf("problems: %q", problems)
			}
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestS163References has the failing example of every rule about references.
func TestS163References(t *testing.T) {
	unowned, owned, hook := action.Where{Access: true}, action.Where{Access: true, Owned: true}, action.Where{}
	tests := []struct {
		name  string
		where action.Where
		in    string
		want  string // how the only problem starts
	}{
		{"from of something else", unowned, `{ signal = "note", payload = { from = "mode" } }`, "T3205 `from` must be a reference, got \"mode\" at \"mode\""},
		{"from of the old form", unowned, `{ signal = "note", payload = { from = "g@link@name" } }`, "T3205 `from` must be a reference"},
		{"from of no name", unowned, `{ signal = "note", payload = { from = "state:" } }`, "T3205 \"\" is no name of a state"},
		{"from of a malformed name", unowned, `{ signal = "note", payload = { from = "state:a b" } }`, "T3205 \"a b\" is no name of a state"},
		{"an unknown state", unowned, `{ signal = "note", payload = { from = "state:g@mood" } }`, `N2103 no state is named "g@mood" at g@mood`},
		{"an unknown state without a group", unowned, `{ signal = "note", payload = { from = "state:mood" } }`, `N2103 no state is named "mood" at mood`},
		{"an unknown state in a table", unowned, `{ signal = "report", payload = { a = "state:x/y@mood/path" } }`, `N2103 no state is named "x/y@mood" at x/y@mood`},
		{"a signal", unowned, `{ signal = "note", payload = { from = "state:g@note" } }`, `N2103 no state is named "g@note"`},
		{"an unknown variable", unowned, `{ signal = "note", payload = "var:leval" }`, `N2103 no variable is named "leval" at leval`},
		{"a path into a string", unowned, `{ signal = "note", payload = { from = "state:mode/name" } }`, `T3206 a path leads into a json payload, but state "g@mode" has one of kind string at "state:mode/name"`},
		{"a path into a string in the old form", unowned, `{ signal = "note", payload = "g@mode@name" }`, `T3206 `},
		{"an empty part", unowned, `{ signal = "note", payload = { from = "state:link/a//b" } }`, "T3205 a part of the path is empty"},
		{"an unknown fact", unowned, `{ signal = "note", payload = "access:uidd" }`, `T3205 nothing is known of an access by the name "uidd"`},
		{"no access", hook, `{ signal = "note", payload = "access:uid" }`, "T3207 `access:uid` has no access to read here at \"access:uid\""},
		{"no access in a table", hook, `{ signal = "report", payload = { a = [{ from = "access:uid" }] } }`, "T3207 "},
		{"data of an owned socket", owned, `{ signal = "blob", payload = { from = "access:data" } }`, "T3208 `access:data` is of sockets without owner: here the owner reads what is sent at \"access:data\""},
		{"text for json", unowned, `{ signal = "report", payload = { from = "state:mode" } }`, `T3201 signal "g@report" has a payload of kind json, got a reference to a string at { from = "state:mode" }`},
		{"a variable for json", unowned, `{ signal = "report", payload = "var:level" }`, `T3201 signal "g@report" has a payload of kind json, got a reference to a string`},
		{"json for text", unowned, `{ signal = "note", payload = { from = "state:link" } }`, `T3201 signal "g@note" has a payload of kind string, got json`},
		{"a number for bytes", unowned, `{ signal = "blob", payload = "var:depth" }`, `T3201 signal "g@blob" has a payload of kind bytes, got a reference to a number or boolean`},
		{"bytes for text", unowned, `{ signal = "note", payload = "access:data" }`, `T3201 signal "g@note" has a payload of kind string, got a reference to bytes`},
		{"anything for none", unowned, `{ signal = "bell", payload = "var:level" }`, `T3201 signal "g@bell" has a payload of kind none`},
		{"nothing for text", unowned, `{ signal = "note", payload = { from = "state:ready" } }`, `T3201 signal "g@note" has a payload of kind string, got a reference to a state without payload`},
		{"nothing in a table", unowned, `{ signal = "report", payload = { a = "state:ready" } }`, `T3201 state "g@ready" has no payload to put into a table`},
		{"no branch key", unowned, `{ state = "route", payload = { dev = "access:uid" } }`, `T3203 state "g@route" cannot have this payload: the branch key "dst" is missing`},
		{"an array for a json state", unowned, `{ state = "link", payload = ["access:uid"] }`, `T3203 state "g@link" cannot have this payload: the branch key "id" is missing`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			actions, problems := lowerIn(t, tt.where, tt.in)
			if len(problems) != 1 || !strings.HasPrefix(problems[0], tt.want) {
				t.Errorf("problems = %q, want one that starts with %q", problems, tt.want)
			}
			if len(actions) != 0 {
				t.Errorf("actions = %q, want none", actions)
			}
		})
	}
	t.Run("the rest of an access, of an owned socket", func(t *testing.T) {
		if _, problems := lowerIn(t, owned, `{ signal = "note", payload = "access:remote" }`); len(problems) > 0 {
			t.Errorf("problems = %q", problems)
		}
	})
}
