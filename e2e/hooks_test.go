package e2e

import (
	"net"
	"slices"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// hooked is the seed's example of hooks, with probes that report the signals.
const hooked = `
-- ops.toml --
[[signal]]
name = "socket_online"
payload = "string"

[[signal]]
name = "socket_offline"
payload = "string"

[[state]]
name = "up"
payload = "none"

[[state]]
name = "down"
payload = "none"

[[socket]]
name = "api_sock"
type = "tcp"
listen = "$IP:8081"
enabled = false
on-start = [
	{ signal = "ops@socket_online", payload = "api_sock" },
	{ exec = "$PROBE", args = ["-id", "hook", "-report", "$REPORT", "-quit", "start"] },
]
on-stop = [
	{ signal = "ops@socket_offline", payload = "api_sock" },
	{ exec = "$PROBE", args = ["-id", "hook", "-report", "$REPORT", "-quit", "stop"] },
]

# Runs while the api is online.
[[socket]]
name = "mirror"
type = "uds"
listen = "mirror.sock"
start-on = [{ signal = "ops@socket_online", target = "api_sock" }]
stop-on = [{ signal = "ops@socket_offline", target = "api_sock" }]
`

// hook returns the last argument of the next process that a hook runs.
func hook(b *bed) string {
	b.t.Helper()
	args := b.nextReport("hook").Args
	return args[len(args)-1]
}

func TestS112S113S115HooksRunOnceForEachTransition(t *testing.T) {
	t.Parallel()
	// Boot, a condition, a trigger and a command, each in a socket of its own
	// unit.
	for _, tt := range []struct {
		name, keys  string
		start, stop []string
	}{
		{name: "boot", stop: []string{"stop", "socket", "ops@api_sock"}},
		{
			name: "condition", keys: `start-on = ["up"]` + "\n" + `stop-on = ["down"]`,
			start: []string{"set-state", "ops@up"}, stop: []string{"set-state", "ops@down"},
		},
		{
			name: "command", keys: "enabled = false",
			start: []string{"start", "socket", "ops@api_sock"}, stop: []string{"stop", "socket", "ops@api_sock"},
		},
		{
			name: "trigger", keys: "enabled = false",
			start: []string{"start", "socket", "ops@starter"}, stop: []string{"stop", "socket", "ops@starter"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			units := strings.Replace(hooked, "enabled = false\n", tt.keys+"\n", 1)
			b := run(t, units+`
[[socket]]
name = "starter"
type = "uds"
listen = "starter.sock"
enabled = false
on-start = [{ socket = "api_sock" }]
on-stop = [{ socket = "api_sock", stop = true }]
`)
			if tt.start != nil {
				b.do(tt.start...)
			}
			if got := hook(b); got != "start" {
				t.Fatalf("the first hook is %s, want start", got)
			}
			b.awaitSocket("ops@mirror", "listening")
			b.checkSocket("ops@api_sock", "listening")
			b.do("start", "socket", "ops@api_sock") // already active: no hook

			b.do(tt.stop...)
			if got := hook(b); got != "stop" {
				t.Fatalf("the second hook is %s, want stop", got)
			}
			// S113: the endpoint is gone by then.
			l, err := net.Listen("tcp", b.ip+":8081")
			if err != nil {
				t.Errorf("the address is not free when on-stop has run: %v", err)
			} else {
				l.Close()
			}
			b.awaitSocket("ops@mirror", "inactive")
			b.do("stop", "socket", "ops@api_sock") // already inactive: no hook
			b.noReport()
		})
	}
}

func TestS114NoHookWithoutTransition(t *testing.T) {
	t.Parallel()
	b := newBed(t, hooked)
	b.compile()
	taken, err := net.Listen("tcp", b.ip+":8081")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.start()
	b.refused("in use", "start", "socket", "ops@api_sock")
	b.do("stop", "socket", "ops@api_sock")
	// A hook that had run would have been before this one.
	taken.Close()
	b.do("start", "socket", "ops@api_sock")
	if got := hook(b); got != "start" {
		t.Errorf("the first hook is %s, want start", got)
	}
	b.noReport()
}

func TestS116HookThatActsOnItsOwnSocket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, hooks string }{
		{"on-start stops", `on-start = [{ socket = "s", stop = true }]`},
		{"on-stop starts", `on-stop = [{ socket = "s" }]`},
		{"both", `on-start = [{ socket = "s", stop = true }]` + "\n" + `on-stop = [{ socket = "s" }]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, switched("enabled = false\n"+tt.hooks+"\n"))
			b.rindrun("start", "socket", "flow@s") // what it says depends on the hooks
			settled := []string{"listening", "inactive", "failed"}
			b.rindrun("stop", "socket", "flow@s")
			// It comes to rest, and the daemon goes on.
			b.await("the socket rests", func(st *controlv1.StatusResponse) bool {
				return slices.Contains(settled, b.socketOf(st, "flow@s").State)
			})
			b.do("set-state", "flow@up")
		})
	}
}
