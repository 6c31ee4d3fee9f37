package diff_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/diff"
	"github.com/rind-sockets/rind/plan/graph"
)

// compiled returns the plan of a file of the group g, after a first file that is
// always the same.
func compiled(t *testing.T, text string) *plan.Plan {
	t.Helper()
	const always = "[[state]]\nname = \"up\"\npayload = \"none\"\n[[signal]]\nname = \"go\"\npayload = \"string\"\n" +
		"[[permission]]\nname = \"ops\"\nid = 2000\n[[service]]\nname = \"srv\"\nrun.exec = \"srv\"\nrun.args = [\"-v\"]\n"
	res := compiler.Compile([]compiler.Input{
		{Name: "a.toml", Group: "a", Text: []byte(always)},
		{Name: "g.toml", Group: "g", Text: []byte(text)},
	}, compiler.Options{Compiler: "rindc test"})
	if res.Plan == nil {
		t.Fatalf("errors in\n%s\n%+v", text, res.Diags.All())
	}
	return res.Plan
}

const socket = "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:80\"\n"

func TestCompare(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                []string // lines
	}{
		{
			name:   "equal",
			before: socket,
			after:  socket,
			want: []string{
				"nothing changes",
			},
		},
		{
			name:   "places and comments",
			before: socket,
			after:  "\n# more\n" + socket + "enabled = true\n",
			want: []string{
				"nothing changes",
			},
		},
		{
			name:   "started",
			before: "",
			after:  socket,
			want: []string{
				"sockets: 1 started",
				"  started  g@s: tcp 127.0.0.1:80",
				"transports: 1 added",
				"  added  tcp",
			},
		},
		{
			name:   "added with a condition",
			before: socket,
			after:  socket + "[[socket]]\nname = \"x\"\ntype = \"tcp\"\nlisten = \":81\"\nstart-on = [\"a@up\"]\n",
			want: []string{
				"sockets: 1 added, 1 kept",
				"  added  g@x: tcp *:81, starts on state a@up",
			},
		},
		{
			name:   "added for later",
			before: socket,
			after:  socket + "[[socket]]\nname = \"x\"\ntype = \"tcp\"\nlisten = \":81\"\nenabled = false\n",
			want: []string{
				"sockets: 1 added, 1 kept",
				"  added  g@x: tcp *:81, starts only when it is told to",
			},
		},
		{
			name:   "stopped",
			before: socket,
			after:  "",
			want: []string{
				"sockets: 1 stopped",
				"  stopped  g@s: tcp 127.0.0.1:80",
				"transports: 1 removed",
				"  removed  tcp",
			},
		},
		{
			name:   "other endpoint",
			before: socket,
			after:  "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:81\"\n",
			want: []string{
				"sockets: 1 rebound",
				"  rebound  g@s",
				"           listen: 127.0.0.1:80 → 127.0.0.1:81",
			},
		},
		{
			name:   "other option",
			before: socket + "options = { backlog = 1 }\n",
			after:  socket + "options = { backlog = 2, no-delay = true }\n",
			want: []string{
				"sockets: 1 rebound",
				"  rebound  g@s",
				"           options.backlog: 1 → 2",
				"           options.no-delay: (none) → true",
			},
		},
		{
			name:   "other owner",
			before: socket,
			after:  socket + "owner = \"a@srv\"\nlifecycle = \"owned\"\n",
			want: []string{
				"sockets: 1 rebound",
				"  rebound  g@s",
				"           lifecycle: managed → owned",
				"           owner: (none) → a@srv",
				"           descriptor: (none) → 3",
			},
		},
		{
			name:   "not for everybody any more",
			before: "[[socket]]\nname = \"s\"\ntype = \"uds\"\nlisten = \"/s\"\npermissions = [\"any\"]\n",
			after:  "[[socket]]\nname = \"s\"\ntype = \"uds\"\nlisten = \"/s\"\npermissions = [\"a@ops\"]\n",
			want: []string{
				"sockets: 1 rebound",
				"  rebound  g@s",
				"           permissions: rind@any (0) → a@ops (2000)",
			},
		},
		{
			name:   "other order",
			before: socket + "owner = \"a@srv\"\n",
			after:  "[[socket]]\nname = \"r\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:81\"\nowner = \"a@srv\"\n" + socket + "owner = \"a@srv\"\n",
			want: []string{
				"sockets: 1 started, 1 kept",
				"  started  g@r: tcp 127.0.0.1:81",
				"  kept     g@s",
				"           descriptor: 3 → 4",
			},
		},
		{
			name:   "renamed",
			before: socket,
			after:  "[[socket]]\nname = \"t\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:80\"\n",
			want: []string{
				"sockets: 1 started, 1 stopped",
				"  started  g@t: tcp 127.0.0.1:80; g@s, which had this endpoint, is stopped with what waits in its queue",
				"  stopped  g@s: tcp 127.0.0.1:80",
			},
		},
		{
			name:   "conditions",
			before: socket + "start-on = [\"a@up\"]\n",
			after:  socket + "start-on = [\"a@up\", { signal = \"a@go\", target = \"x\" }]\n",
			want: []string{
				"sockets: 1 kept",
				"  kept  g@s",
				"        start-on: state a@up → state a@up or signal a@go(target == \"x\")",
			},
		},
		{
			name:   "actions",
			before: socket + "on-start = [{ signal = \"a@go\", payload = \"1\" }]\n",
			after:  socket + "on-start = [{ signal = \"a@go\", payload = \"2\" }, { script = \"true\" }]\n",
			want: []string{
				"sockets: 1 kept",
				"  kept  g@s",
				"        on-start[0]: emits signal a@go with \"1\" → emits signal a@go with \"2\"",
				"        on-start[1]: (none) → runs the script true",
			},
		},
		{
			name:   "permissions",
			before: "[[socket]]\nname = \"s\"\ntype = \"uds\"\nlisten = \"/s\"\npermissions = [\"a@ops\"]\n",
			after:  "[[socket]]\nname = \"s\"\ntype = \"uds\"\nlisten = \"/s\"\npermissions = [\"a@ops\", \"login\"]\n",
			want: []string{
				"sockets: 1 kept",
				"  kept  g@s",
				"        permissions: a@ops (2000) → rind@login (1001), a@ops (2000)",
			},
		},
		{
			name:   "service",
			before: "[[service]]\nname = \"x\"\nrun.exec = \"x\"\n",
			after:  "[[service]]\nname = \"x\"\nrun.exec = \"x\"\nrun.env = { A = \"b\" }\nrestart = true\n",
			want: []string{
				"services: 1 changed, 1 unchanged",
				"  changed  g@x",
				"           run[0].env.A: (none) → b",
				"           restart.always: (none) → true",
			},
		},
		{
			name:   "a long value",
			before: "[[service]]\nname = \"x\"\nrun.exec = \"/usr/lib/a/very/long/path/to/a/program/x\"\n",
			after:  "[[service]]\nname = \"x\"\nrun.exec = \"/usr/lib/a/very/long/path/to/a/program/y\"\n",
			want: []string{
				"services: 1 changed, 1 unchanged",
				"  changed  g@x",
				"           run[0].exec:",
				"             - /usr/lib/a/very/long/path/to/a/program/x",
				"             + /usr/lib/a/very/long/path/to/a/program/y",
			},
		},
		{
			name:   "states, signals and permissions",
			before: "[[state]]\nname = \"x\"\npayload = \"none\"\n[[permission]]\nname = \"p\"\nid = 7\n",
			after:  "[[state]]\nname = \"x\"\npayload = \"string\"\n[[signal]]\nname = \"y\"\npayload = \"none\"\n",
			want: []string{
				"states: 1 changed, 1 unchanged",
				"  changed  g@x",
				"           payload: none → string",
				"signals: 1 added, 1 unchanged",
				"  added  g@y",
				"permissions: 1 removed, 1 unchanged",
				"  removed  g@p",
			},
		},
		{
			name:   "builtin units come and go",
			before: socket + "start-on = [\"rind@online\"]\n",
			after:  socket + "start-on = [\"rind@firewall\"]\n",
			want: []string{
				"sockets: 1 kept",
				"  kept  g@s",
				"        start-on: state rind@online → state rind@firewall",
			},
		},
		{
			name:   "what the runtime needs",
			before: "",
			after:  "[[timer]]\nname = \"t\"\nduration = \"1h\"\n[[variable]]\nname = \"v\"\ndefault = 1\n",
			want: []string{
				"timers: 1 added",
				"  added  g@t",
				"variables: 1 added",
				"  added  v",
				"features: 2 added",
				"  added  timers",
				"  added  variables",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, after := compiled(t, tt.before), compiled(t, tt.after)
			d := diff.Compare(before, after)
			if text := cmp.Diff(strings.Join(tt.want, "\n")+"\n", d.Text()); text != "" {
				t.Errorf("Text (-want +got):\n%s", text)
			}
			if got, want := d.Equal(), tt.want[0] == "nothing changes"; got != want {
				t.Errorf("Equal = %t, want %t", got, want)
			}
			if !diff.Compare(before, before).Equal() || !diff.Compare(after, after).Equal() {
				t.Error("a plan is not equal to itself")
			}
			if back := diff.Compare(after, before); back.Equal() != d.Equal() {
				t.Error("the other direction does not agree")
			}
		})
	}
}

// TestIgnored changes everything that has no meaning.
func TestIgnored(t *testing.T) {
	before, after := compiled(t, socket), compiled(t, socket)
	after.Compiler, after.Digest, after.Sources = "rindc 9", "sha256:0", nil
	if d := diff.Compare(before, after); !d.Equal() {
		t.Errorf("there is a difference:\n%s", d.Text())
	}
}

func TestJSON(t *testing.T) {
	d := diff.Compare(compiled(t, socket), compiled(t, "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"localhost:81\"\n"))
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"format": "rind.diff", "version": 1.0, "equal": false,
		"changes": []any{map[string]any{
			"kind": "socket", "name": "g@s", "effect": "rebound",
			"fields": []any{map[string]any{"key": "listen", "old": "127.0.0.1:80", "new": "localhost:81"}},
		}},
		"unchanged": map[string]any{"service": 1.0, "state": 1.0, "signal": 1.0, "permission": 1.0, "transport": 1.0},
	}
	if d := cmp.Diff(any(want), got); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
	kept := diff.Compare(compiled(t, socket), compiled(t, socket))
	if len(kept.Changes) != 1 || kept.Changes[0].Effect != diff.Kept || kept.Same[graph.Socket] != 1 {
		t.Errorf("a socket that stays is %+v, same %v", kept.Changes, kept.Same)
	}
}
