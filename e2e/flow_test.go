package e2e

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// awaitState waits until a state has exactly these branches, as text.
func (b *bed) awaitState(name string, want ...string) {
	b.t.Helper()
	b.await(name+" is "+strings.Join(want, ", "), func(st *controlv1.StatusResponse) bool {
		var got []string
		for _, s := range st.GetStates() {
			if s.GetName() != name {
				continue
			}
			for _, p := range s.GetBranches() {
				got = append(got, p.GetText()+p.GetJson()+string(p.GetData()))
			}
		}
		return slices.Equal(got, want)
	})
}

// What follows from one command, through states, signals, a program, a variable,
// timers and references, to sockets that open and close.
func TestFlowFromEndToEnd(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- net.toml --
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[state]]
name = "up"
payload = "json"
branch = ["id:name"]
after = [{ state = "link", target = { as = { up = true } } }]

[[state]]
name = "down"
payload = "none"
activate-on-none = ["up"]

[[state]]
name = "host"
payload = "string"
after = ["up"]
auto-payload = { eval = "/bin/echo", args = ["www.example"] }

[[state]]
name = "spare"
payload = "json"
branch = ["name"]
activate-on-none = [{ name = "link", branch = "name" }]
auto-payload = { variable = "ports", insert = "name", many = true }

[[state]]
name = "seen"
payload = "json"

[[state]]
name = "who"
payload = "string"

[[state]]
name = "late"
payload = "string"

[[signal]]
name = "changed"
payload = "json"
after = ["up"]
branch = ["iface:id"]

[[signal]]
name = "again"
payload = "none"
after = ["changed"]

[[variable]]
name = "ports"
default = ["eth0", "eth1"]
env = "PORTS"

[[timer]]
name = "wait"
duration = "50ms"
finish = [{ state = "late", payload = "$$" }, { timer = "rest" }]

[[timer]]
name = "rest"
duration = "1h"

[[socket]]
name = "web"
type = "uds"
listen = "web.sock"
start-on = [{ signal = "again" }]
stop-on = ["down"]
on-start = [{ state = "seen", payload = { id = { from = "state:net@up/id" }, host = "fixed" } }, { timer = "wait" }]
trigger = [{ state = "who", payload = { from = "access:socket" } }]
`)
	b.compile()
	b.start(`PORTS=["eth0","eth2"]`)
	b.awaitState("net@spare", `{"name":"eth0"}`, `{"name":"eth2"}`)
	b.awaitState("net@down", "")
	b.checkSocket("net@web", "inactive")

	b.do("set-state", "net@link", `{"name":"eth0","up":false}`)
	b.awaitState("net@spare", `{"name":"eth2"}`)
	b.checkSocket("net@web", "inactive")
	b.do("set-state", "net@link", `{"name":"eth0","up":true}`)
	b.awaitSocket("net@web", "listening")
	b.awaitState("net@down")
	b.awaitState("net@up", `{"id":"eth0","name":"eth0","up":true}`)
	b.awaitState("net@seen", `{"host":"fixed","id":"eth0"}`)
	b.awaitState("net@host", "www.example")
	b.awaitState("net@late", "$$")
	if out := b.do("status", "net@wait", "net@rest"); !regexp.MustCompile(`net@wait  inactive  \S+ +1 `).MatchString(out) || !strings.Contains(out, "net@rest  running") {
		t.Errorf("status of the timers:\n%s", out)
	}
	conn, err := b.dial("unix", b.file("sock/web.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.awaitState("net@who", "net@web")

	b.do("remove-state", "net@link")
	b.awaitSocket("net@web", "inactive")
	b.awaitState("net@host")
	b.stop(syscall.SIGTERM)
}

// What a client of a socket without owner sends reaches payloads and programs.
func TestS69DataOfAnAccess(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- log.toml --
[[state]]
name = "said"
payload = "json"
impermanent = true

[[state]]
name = "raw"
payload = "bytes"

[[socket]]
name = "stream"
type = "uds"
listen = "stream.sock"
trigger = [
  { state = "said", payload = { id = 1, data = "access:data" } },
  { script = 'printf %s "$RIND_ACCESS_DATA" > $DIR/streamed' },
]

[[socket]]
name = "datagram"
type = "uds"
listen = "datagram.sock"
options = { kind = "dgram" }
trigger = [
  { state = "raw", payload = { from = "access:data" } },
  { script = 'printf %s "$RIND_ACCESS_DATA$RIND_ACCESS_DATA_OMITTED" > $DIR/received' },
]
`)
	for _, tt := range []struct{ network, name, data, state, value, file, content string }{
		{"unix", "stream", "$(reboot); `x`", "log@said", `{"data":"$(reboot); ` + "`x`" + `","id":1}`, "streamed", "$(reboot); `x`"},
		{"unixgram", "datagram", "one\ntwo", "log@raw", "one\ntwo", "received", "one\ntwo"},
		{"unixgram", "datagram", "a\x00b", "log@raw", "a\x00b", "received", "NUL byte"},
	} {
		conn, err := net.Dial(tt.network, b.file("sock/"+tt.name+".sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(tt.data)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		b.awaitState(tt.state, tt.value)
		b.await(tt.file+" has the data", func(*controlv1.StatusResponse) bool {
			text, err := os.ReadFile(b.file(tt.file))
			return err == nil && string(text) == tt.content
		})
	}
	b.stop(syscall.SIGTERM)
}

func TestVariableOfAnotherType(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- v.toml --
[[variable]]
name = "ports"
default = ["eth0"]
env = "PORTS"

[[state]]
name = "port"
payload = "json"
activate-on-none = ["rind@online"]
auto-payload = { variable = "ports", insert = "id", many = true }

[[socket]]
name = "s"
type = "uds"
listen = "s.sock"
stop-on = ["port"]
`)
	b.compile()
	cmd := b.command(t.Context(), "run", b.file("plan.json"))
	cmd.Env = append(cmd.Env, "PORTS=eth0")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "variable ports: the environment variable PORTS is no JSON") {
		t.Errorf("rindrun with PORTS=eth0 ends with %v and says\n%s", err, out)
	}
}

func TestS41S126S127S128PersistentUnitsStartWithTheDaemon(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[signal]]
name = "never"
payload = "none"

[[socket]]
name = "a"
type = "uds"
listen = "a.sock"
enabled = false

[[socket]]
name = "b"
type = "uds"
listen = "b.sock"
start-on = ["never"]

[[socket]]
name = "taken"
type = "uds"
listen = "taken.sock"
enabled = false
on-start = [{ signal = "never" }]

[[service]]
name = "a"
run = { exec = "$PROBE", args = ["-id", "srv", "-report", "$REPORT"] }
`)
	b.write("sock/taken.sock", "a file")
	b.do("start", "--persist", "socket", "web@a", "web@b")
	if out := b.do("start", "-p", "service", "web@a"); !strings.Contains(out, "persistent") {
		t.Errorf("start --persist says %q", out)
	}
	b.nextReport("srv")
	b.refused("taken.sock", "start", "--persist", "web@taken")
	b.awaitState("rind@active", "socket web@a", "web@b", "service web@a")
	b.stop(syscall.SIGTERM)

	b.start()
	b.awaitSocket("web@a", "listening")
	b.awaitSocket("web@b", "listening")
	b.checkSocket("web@taken", "inactive")
	b.awaitService("web@a", "active")
	b.nextReport("srv")
	b.do("stop", "--persist", "socket", "web@a")
	b.do("stop", "web@b")
	b.stop(syscall.SIGTERM)

	b.start()
	b.checkSocket("web@a", "inactive")
	b.awaitSocket("web@b", "listening")
	b.awaitService("web@a", "active")
	b.nextReport("srv")
	b.stop(syscall.SIGTERM)
}
