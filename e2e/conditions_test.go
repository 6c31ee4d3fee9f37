package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// switched is a socket with the given conditions, and the states and signals
// that they may use.
func switched(conditions string) string {
	return `
-- flow.toml --
[[state]]
name = "up"
payload = "none"

[[state]]
name = "down"
payload = "none"

[[state]]
name = "text"
payload = "string"

[[state]]
name = "doc"
payload = "json"

[[state]]
name = "raw"
payload = "bytes"

[[signal]]
name = "go"
payload = "none"

[[signal]]
name = "say"
payload = "string"

[[signal]]
name = "halt"
payload = "string"

[[socket]]
name = "s"
type = "uds"
listen = "s.sock"
` + conditions
}

// A step is one command of the operator, and the state of the socket flow@s
// once it is done.
type step struct {
	command string // fields are separated by spaces, "_" stands for one in a field
	want    string
}

func TestConditions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		conditions string
		boot       string // state of the socket once the daemon is ready
		steps      []step
	}{
		{
			name: "S34 a matching state starts", boot: "inactive",
			conditions: `start-on = [{ state = "flow@up" }]`,
			steps:      []step{{"set-state flow@up", "listening"}},
		},
		{
			name: "S35 one of several start conditions is enough", boot: "inactive",
			conditions: `start-on = ["flow@up", { state = "flow@text", target = "yes" }]`,
			steps: []step{
				{"set-state flow@text no", "inactive"},
				{"set-state flow@text yes", "listening"},
			},
		},
		{
			name: "S36 S37 one of several stop conditions is enough", boot: "listening",
			conditions: `stop-on = ["flow@down", { state = "flow@text", target = "stop" }]`,
			steps: []step{
				{"set-state flow@text go", "listening"},
				{"set-state flow@text stop", "inactive"},
				{"remove-state flow@text", "inactive"},
				{"start socket flow@s", "listening"},
				{"set-state flow@down", "inactive"},
			},
		},
		{
			name: "S38 a signal counts while it is delivered", boot: "inactive",
			conditions: `
				start-on = [{ signal = "flow@say", target = "start" }]
				stop-on = [{ signal = "flow@halt" }]`,
			steps: []step{
				{"emit flow@say other", "inactive"},
				{"emit flow@say start", "listening"},
				{"emit flow@halt now", "inactive"},
				// Neither signal is remembered.
				{"set-state flow@up", "inactive"},
				{"emit flow@say start", "listening"},
				{"remove-state flow@up", "listening"},
			},
		},
		{
			name: "S40 without start-on it starts with the plan", boot: "listening",
		},
		{
			name: "S40 unless it is not enabled", boot: "inactive",
			conditions: `enabled = false`,
			steps: []step{
				{"set-state flow@up", "inactive"},
				{"start socket flow@s", "listening"},
			},
		},
		{
			name: "S42 removing a start state does not start", boot: "inactive",
			conditions: `start-on = ["flow@up"]`,
			steps: []step{
				{"set-state flow@up", "listening"},
				{"stop socket flow@s", "inactive"},
				{"remove-state flow@up", "inactive"},
			},
		},
		{
			name: "S43 removing a stop state does not stop", boot: "listening",
			conditions: `stop-on = ["flow@down"]`,
			steps: []step{
				{"set-state flow@down", "inactive"},
				// The operator may overrule a level.
				{"start socket flow@s", "listening"},
				{"remove-state flow@down", "listening"},
			},
		},
		{
			name: "S44 removing the start state does not stop", boot: "inactive",
			conditions: `start-on = ["flow@up"]`,
			steps: []step{
				{"set-state flow@up", "listening"},
				{"remove-state flow@up", "listening"},
			},
		},
		{
			name: "S45 no start while a stop state holds", boot: "inactive",
			conditions: `
				start-on = ["flow@up", "flow@go"]
				stop-on = ["flow@down"]`,
			steps: []step{
				{"set-state flow@down", "inactive"},
				{"set-state flow@up", "inactive"},
				{"emit flow@go", "inactive"},
				{"remove-state flow@down", "inactive"},
				{"emit flow@go", "listening"},
			},
		},
		{
			name: "S45 both in one event", boot: "inactive",
			conditions: `
				start-on = [{ state = "flow@text", target = { contains = "a" } }]
				stop-on = [{ state = "flow@text", target = { contains = "b" } }]`,
			steps: []step{
				{"set-state flow@text ab", "inactive"},
				{"set-state flow@text a", "listening"},
				{"set-state flow@text ba", "inactive"},
			},
		},
		{
			name: "S46 contains", boot: "inactive",
			conditions: `start-on = [{ state = "flow@text", target = { contains = "eth" } }]`,
			steps: []step{
				{"set-state flow@text wlan0", "inactive"},
				{"set-state flow@text my_eth0", "listening"},
			},
		},
		{
			name: "S46 binary", boot: "inactive",
			conditions: `start-on = [{ state = "flow@raw", target = { binary = true } }]`,
			steps:      []step{{"set-state flow@raw x", "listening"}},
		},
		{
			name: "S46 target and branch must both match", boot: "inactive",
			conditions: `start-on = [{ state = "flow@doc", target = { as = { ok = true } }, branch = { as = { id = "a" } } }]`,
			steps: []step{
				{`set-state flow@doc {"id":"b","ok":true}`, "inactive"},
				{`set-state flow@doc {"id":"a","ok":false}`, "inactive"},
				{`set-state flow@doc {"id":"a","ok":true}`, "listening"},
			},
		},
		{
			name: "S47 subset", boot: "inactive",
			conditions: `start-on = [{ state = "flow@doc", target = { as = { n = 1, list = ["y", "x"], sub = { deep = { v = "w" } } } } }]`,
			steps: []step{
				{`set-state flow@doc {"id":"1","n":"1","list":["x","y"],"sub":{"deep":{"v":"w"}}}`, "inactive"},
				{`set-state flow@doc {"id":"2","n":1,"list":["x"],"sub":{"deep":{"v":"w"}}}`, "inactive"},
				{`set-state flow@doc {"id":"3","n":1,"list":["x","y"],"sub":{"deep":{}}}`, "inactive"},
				{`set-state flow@doc {"id":"4","n":1,"list":["x","z","y"],"sub":{"deep":{"v":"w","more":0}},"extra":null}`, "listening"},
			},
		},
		{
			name: "S48 any branch", boot: "inactive",
			conditions: `
				start-on = ["flow@go"]
				stop-on = [{ state = "flow@doc", target = { as = { bad = true } } }]`,
			steps: []step{
				{`set-state flow@doc {"id":"1","bad":true}`, "inactive"},
				{`set-state flow@doc {"id":"2","bad":false}`, "inactive"},
				{"emit flow@go", "inactive"}, // branch 1 still holds
				{`remove-state flow@doc {"id":"1"}`, "inactive"},
				{"emit flow@go", "listening"},
			},
		},
		{
			name: "S50 the same value again is no edge", boot: "inactive",
			conditions: `start-on = [{ state = "flow@doc" }, { state = "flow@text" }]`,
			steps: []step{
				{`set-state flow@doc {"id":"1","a":1}`, "listening"},
				{"stop socket flow@s", "inactive"},
				{`set-state flow@doc {"a":1,"id":"1"}`, "inactive"},
				{`set-state flow@doc {"id":"1","a":2}`, "listening"},
				{"stop socket flow@s", "inactive"},
				{"set-state flow@text x", "listening"},
				{"stop socket flow@s", "inactive"},
				{"set-state flow@text x", "inactive"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, switched(tt.conditions))
			if got := b.socket("flow@s").State; got != tt.boot {
				t.Fatalf("after the start the socket is %s, want %s", got, tt.boot)
			}
			for i, st := range tt.steps {
				args := strings.Fields(st.command)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "_", " ")
				}
				b.do(args...)
				if !settles(b, st.want) {
					t.Fatalf("step %d, %s: the socket is %s, want %s", i+1, st.command, b.socket("flow@s").State, st.want)
				}
			}
		})
	}
}

// settles reports whether the socket flow@s comes to rest in the wanted state.
// A command that sets a state is answered before the socket that it starts is
// open.
func settles(b *bed, want string) bool {
	b.t.Helper()
	st := b.await("socket flow@s is settled", func(st *controlv1.StatusResponse) bool {
		state := b.socketOf(st, "flow@s").State
		return state != "starting" && state != "stopping"
	})
	return b.socketOf(st, "flow@s").State == want
}

func TestS39BootStates(t *testing.T) {
	t.Parallel()
	// A state that is set while the plan starts, by the hook of another socket,
	// and conditions that hold as levels by then.
	b := run(t, switched(`start-on = ["flow@up"]

[[socket]]
name = "first"
type = "uds"
listen = "first.sock"
on-start = [{ state = "flow@up" }]
`))
	b.awaitSocket("flow@s", "listening")
}

func TestS49UnqualifiedNames(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- one.toml --
[[state]]
name = "up"
payload = "none"

[[socket]]
name = "own"
type = "uds"
listen = "own.sock"
start-on = ["up"]
-- two.toml --
[[state]]
name = "up"
payload = "none"

[[state]]
name = "only"
payload = "none"
-- three.toml --
[[socket]]
name = "other"
type = "uds"
listen = "other.sock"
start-on = ["only"]
`)
	b.do("set-state", "two@up")
	b.checkSocket("one@own", "inactive")
	b.do("set-state", "one@up")
	b.awaitSocket("one@own", "listening")
	b.do("set-state", "two@only")
	b.awaitSocket("three@other", "listening")
}

func TestS51OneEventStartsSocketAndOwner(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[state]]
name = "up"
payload = "none"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
start-on = ["up"]

[[socket]]
name = "a"
type = "tcp"
listen = "$IP:7001"
owner = "app"
start-on = ["up"]

[[socket]]
name = "b"
type = "uds"
listen = "b.sock"
owner = "app"
start-on = ["up"]
`)
	b.do("set-state", "web@up")
	r := b.nextReport("app")
	if got := r.Env["LISTEN_FDNAMES"]; got != "a:b" {
		t.Errorf("LISTEN_FDNAMES=%q, want a:b: both sockets are open before the service starts", got)
	}
	b.awaitSocket("web@a", "held")
	b.checkSocket("web@b", "held")
}

func TestServiceConditions(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[state]]
name = "net"
payload = "none"

[[state]]
name = "disk"
payload = "none"

[[signal]]
name = "halt"
payload = "none"

# All conditions of start-on must hold, one of stop-on is enough.
[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
start-on = ["net", "disk"]
stop-on = ["halt"]
`)
	b.do("set-state", "web@net")
	if s := b.service("web@app"); s.State != "inactive" || s.Starts != 0 {
		t.Errorf("with one of two conditions the service is %s", s.State)
	}
	b.do("set-state", "web@disk")
	r := b.nextReport("app")
	b.awaitService("web@app", "active")
	b.do("emit", "web@halt")
	b.awaitService("web@app", "inactive")
	if alive(t, r.PID) {
		t.Errorf("process %d still runs", r.PID)
	}
}

func TestS53CausesAreLogged(t *testing.T) {
	t.Parallel()
	b := run(t, switched(`
start-on = ["flow@up"]
stop-on = [{ signal = "flow@halt" }]`))
	for _, tt := range []struct {
		command []string
		state   string
		cause   string
	}{
		{[]string{"set-state", "flow@up"}, "listening", "flow@up"},
		{[]string{"emit", "flow@halt", "x"}, "inactive", "flow@halt"},
		{[]string{"start", "socket", "flow@s"}, "listening", fmt.Sprintf("uid %d", os.Getuid())},
		{[]string{"stop", "socket", "flow@s"}, "inactive", fmt.Sprintf("uid %d", os.Getuid())},
	} {
		before := len(b.log.String())
		b.do(tt.command...)
		b.awaitSocket("flow@s", tt.state)
		b.logs(before, "flow@s", tt.cause)
	}
}
