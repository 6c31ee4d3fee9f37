package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// counted is a socket without owner whose trigger counts its accesses: each
// runs a probe that reports.
func counted(kind, listen, options string) string {
	return fmt.Sprintf(`
-- count.toml --
[[socket]]
name = "in"
type = "%s"
listen = "%s"
options = { %s }
trigger = [{ exec = "$PROBE", args = ["-id", "access", "-report", "$REPORT", "-quit"] }]
`, kind, listen, options)
}

func TestS64S65S66WithoutOwnerEveryAccessCounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, units, network, addr string
	}{
		{"tcp", counted("tcp", "$IP:7001", ""), "tcp", "$IP:7001"},
		{"udp", counted("udp", "$IP:7001", ""), "udp", "$IP:7001"},
		{"uds stream", counted("uds", "c.sock", ""), "unix", "$DIR/sock/c.sock"},
		{"uds dgram", counted("uds", "c.sock", `kind = "dgram"`), "unixgram", "$DIR/sock/c.sock"},
		{"uds seqpacket", counted("uds", "c.sock", `kind = "seqpacket"`), "unixpacket", "$DIR/sock/c.sock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, tt.units)
			const accesses = 12
			for i := range accesses {
				conn, err := b.dial(tt.network, b.expand(tt.addr))
				if err != nil {
					t.Fatalf("access %d: %v", i+1, err)
				}
				if _, err := io.WriteString(conn, "anybody there?"); err != nil {
					t.Errorf("access %d: %v", i+1, err)
				}
				if tt.network != "udp" && tt.network != "unixgram" {
					// The connection ends in order, without a reset.
					if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
						t.Errorf("access %d: read %q, %v, want the end", i+1, answer, err)
					}
				}
				conn.Close()
				r := b.nextReport("access")
				checkAccess(t, r, conn)
			}
			if got := b.socket("count@in").Accesses; got != accesses {
				t.Errorf("the status counts %d accesses, want %d", got, accesses)
			}
		})
	}
}

// checkAccess checks what a trigger's process is told of the access over conn.
func checkAccess(t *testing.T, r *Report, conn net.Conn) {
	t.Helper()
	want := map[string]string{"RIND_ACCESS_SOCKET": "count@in"}
	switch addr := conn.LocalAddr().(type) {
	case *net.TCPAddr, *net.UDPAddr:
		want["RIND_ACCESS_REMOTE"] = addr.String()
	case *net.UnixAddr:
		if addr.Net != "unixgram" { // a datagram says nothing of its sender
			want["RIND_ACCESS_UID"] = strconv.Itoa(os.Getuid())
			want["RIND_ACCESS_GID"] = strconv.Itoa(os.Getgid())
			want["RIND_ACCESS_PID"] = strconv.Itoa(os.Getpid())
		}
	}
	for name, value := range want {
		if got := r.Env[name]; got != value {
			t.Errorf("S69 %s=%q, want %q", name, got, value)
		}
	}
}

func TestS55S57TriggerRunsInOrder(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- t.toml --
[[signal]]
name = "thething"
payload = "string"

[[state]]
name = "seen"
payload = "none"

[[socket]]
name = "in"
type = "tcp"
listen = "$IP:7001"
trigger = [
	{ exec = "$PROBE", args = ["-id", "first", "-report", "$REPORT", "-quit"] },
	{ signal = "t@thething", payload = "yeaaaaaaaah" },
	{ state = "t@seen" },
]

# Started by that very payload, and by no other.
[[socket]]
name = "right"
type = "uds"
listen = "right.sock"
start-on = [{ signal = "t@thething", target = "yeaaaaaaaah" }]

[[socket]]
name = "wrong"
type = "uds"
listen = "wrong.sock"
start-on = [{ signal = "t@thething", target = "yeah" }]
`)
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.nextReport("first")
	b.awaitSocket("t@right", "listening")
	b.checkSocket("t@wrong", "inactive")
	b.await("the state is set", func(st *controlv1.StatusResponse) bool {
		return slices.ContainsFunc(st.States, func(s *controlv1.StateStatus) bool { return s.Name == "t@seen" })
	})
}

func TestS56FirstDatagramTriggers(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- t.toml --
[[signal]]
name = "thething"
payload = "string"

[[socket]]
name = "in"
type = "udp"
listen = "$IP:7001"
trigger = [{ signal = "t@thething", payload = "x" }]

[[socket]]
name = "out"
type = "uds"
listen = "out.sock"
start-on = ["t@thething"]
`)
	conn, err := b.dial("udp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	b.awaitSocket("t@out", "listening")
}

func TestS58S60Actions(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- t.toml --
[[state]]
name = "text"
payload = "string"

[[state]]
name = "doc"
payload = "json"

[[state]]
name = "old"
payload = "json"

[[service]]
name = "on"
run = { exec = "$PROBE", args = ["-id", "on", "-report", "$REPORT"] }

[[service]]
name = "off"
run = { exec = "$PROBE", args = ["-id", "off", "-report", "$REPORT"] }

[[socket]]
name = "on"
type = "uds"
listen = "on.sock"
enabled = false

[[socket]]
name = "off"
type = "uds"
listen = "off.sock"

[[socket]]
name = "in"
type = "tcp"
listen = "$IP:7001"
trigger = [
	{ exec = "/nonexistent" },
	{ script = "exit 3" },
	{ state = "text", payload = "user@example.org" },
	{ state = "doc", payload = { id = "a", n = 1, list = [true, 1.5] } },
	{ state = "old", remove = true, branch = { as = { id = "a" } } },
	{ service = "on" },
	{ service = "off", stop = true },
	{ socket = "on" },
	{ socket = "off", stop = true },
	{ script = "exec $PROBE -id \"$RIND_ACCESS_SOCKET\" -report $REPORT -quit" },
]
`)
	b.do("set-state", "t@old", `{"id":"a"}`)
	b.do("set-state", "t@old", `{"id":"b"}`)
	b.do("start", "service", "t@off")
	off := b.nextReport("off")
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	// The first two fail, and everything after them is done all the same.
	b.nextReport("t@in")
	b.awaitService("t@on", "active")
	b.awaitService("t@off", "inactive")
	b.awaitSocket("t@on", "listening")
	b.awaitSocket("t@off", "inactive")
	if alive(t, off.PID) {
		t.Errorf("process %d of t@off still runs", off.PID)
	}
	st := b.status()
	for name, want := range map[string]string{
		"t@text": "user@example.org", // S62
		"t@doc":  `{"id":"a","list":[true,1.5],"n":1}`,
		"t@old":  `{"id":"b"}`,
	} {
		if got := strings.Join(stateOf(st, name), " "); got != want {
			t.Errorf("state %s is %s, want %s", name, got, want)
		}
	}
	b.logs(0, "/nonexistent") // S60
}

func TestS66S79ManagedOwnerIsNotStartedByAccess(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- m.toml --
[[socket]]
name = "in"
type = "tcp"
listen = "$IP:7001"
owner = "app"
trigger = [{ exec = "$PROBE", args = ["-id", "access", "-report", "$REPORT", "-quit"] }]

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
`)
	const accesses = 3
	answers := make(chan string, accesses)
	for i := range accesses {
		go func() {
			answer, err := b.ask("tcp", b.ip+":7001", "echo "+strconv.Itoa(i))
			answers <- fmt.Sprint(answer, err)
		}()
		// Each arrival runs the trigger, and nothing else.
		if r := b.nextReport("access"); len(r.FDs) != 3 {
			t.Errorf("the trigger's process has descriptors %v", r.FDs)
		}
	}
	if s := b.service("m@app"); s.State != "inactive" || s.Starts != 0 {
		t.Errorf("the owner is %s after %d starts, want inactive after none", s.State, s.Starts)
	}
	// The queue waits for the owner, whatever starts it.
	b.do("start", "service", "m@app")
	var got []string
	for range accesses {
		got = append(got, <-answers)
	}
	slices.Sort(got)
	if want := "[0<nil> 1<nil> 2<nil>]"; fmt.Sprint(got) != want {
		t.Errorf("answers %v, want %s", got, want)
	}
}

func TestS70TriggerStopsItsOwnSocket(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- t.toml --
[[socket]]
name = "once"
type = "tcp"
listen = "$IP:7001"
trigger = [{ socket = "once", stop = true }]
`)
	conn, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the client sees %v, want the end", err)
	}
	b.awaitSocket("t@once", "inactive")
	if again, err := b.dial("tcp", b.ip+":7001"); err == nil {
		again.Close()
		t.Error("the address still accepts connections")
	}
	b.do("start", "socket", "t@once")
	b.checkSocket("t@once", "listening")
}
