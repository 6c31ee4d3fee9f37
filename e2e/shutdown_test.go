package e2e

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const allKinds = `
-- all.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"
on-stop = [{ exec = "$PROBE", args = ["-id", "stopped", "-report", "$REPORT", "-quit"] }]

[[socket]]
name = "udp"
type = "udp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "uds"
type = "uds"
listen = "all.sock"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "unowned"
type = "uds"
listen = "unowned.sock"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }

# It does not end when it is asked to, and neither does its child.
[[service]]
name = "stubborn"
run = { exec = "sh", args = ["-c", "trap '' TERM; sleep 1000 & $PROBE -id stubborn -report $REPORT -quit; wait"] }
`

func TestS134OrderlyShutdown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(b *bed)
	}{
		{"SIGTERM", func(b *bed) { b.signal(syscall.SIGTERM) }},
		{"SIGINT", func(b *bed) { b.signal(os.Interrupt) }},
		{"command", func(b *bed) { b.do("shutdown") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, allKinds)
			b.must("tcp", b.ip+":7001", "id")
			app := b.nextReport("app")
			tt.end(b)
			if code := b.wait(); code != 0 {
				t.Errorf("exit status %d, want 0", code)
			}
			b.checkNothingLeft()
			if alive(t, app.PID) {
				t.Errorf("process %d of the service still runs", app.PID)
			}
			// Sent before the end, it may be read after it.
			if message, err := b.reports.next(nil); err != nil || decodeReport(t, message).ID != "stopped" {
				t.Errorf("on-stop has not run: %s, %v", message, err)
			}
			l, err := net.Listen("tcp", b.ip+":7001")
			if err != nil {
				t.Errorf("the address is not free: %v", err)
			} else {
				l.Close()
			}
		})
	}
}

func TestS134StubbornServices(t *testing.T) {
	t.Parallel()
	b := run(t, allKinds)
	b.do("start", "service", "all@stubborn")
	b.nextReport("stubborn")
	b.signal(syscall.SIGTERM)
	// A second signal does not wait for the grace of the service.
	b.awaitService("all@stubborn", "stopping")
	b.signal(syscall.SIGTERM)
	if code := b.wait(); code != 0 {
		t.Errorf("exit status %d, want 0", code)
	}
	b.checkNothingLeft()
}

func TestS135CrashOfTheDaemon(t *testing.T) {
	t.Parallel()
	b := run(t, allKinds)
	b.signal(syscall.SIGKILL)
	b.wait()
	// Its paths are still there, and prevent nothing.
	if _, err := os.Lstat(b.file("sock/all.sock")); err != nil {
		t.Fatalf("the test needs a stale path: %v", err)
	}
	b.start()
	if got := b.must("unix", b.file("sock/all.sock"), "echo again"); got != "again" {
		t.Errorf("answer %q, want again", got)
	}
}

func TestS140WithoutRoot(t *testing.T) {
	t.Parallel()
	nobody := needUser(t, "nobody")
	b := newBed(t, `
-- web.toml --
[[socket]]
name = "high"
type = "tcp"
listen = "$IP:8081"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "low"
type = "tcp"
listen = "$IP:81"

[[socket]]
name = "uds"
type = "uds"
listen = "web.sock"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }

[[service]]
name = "root"
run = { exec = "$PROBE", args = ["-id", "root"] }
user = "root"
`)
	b.compile()
	b.user = nobody
	b.start()
	for _, tt := range []target{{"tcp", b.ip + ":8081"}, {"unix", b.file("sock/web.sock")}} {
		b.must(tt.network, tt.addr, "id")
	}
	r := b.nextReport("app")
	if got := strconv.Itoa(r.UID); got != nobody.Uid {
		t.Errorf("the service runs as uid %s, want %s", got, nobody.Uid)
	}
	checkInheritance(t, r, "high", "uds")
	if privileged(t, 81) {
		if s := b.awaitSocket("web@low", "failed"); !strings.Contains(s.LastError, "CAP_NET_BIND_SERVICE") {
			t.Errorf("the error is %q, want the capability that is missing", s.LastError)
		}
	}
	b.refused("not permitted", "start", "service", "web@root")
}

// privileged reports whether a port takes a capability on this machine.
func privileged(t *testing.T, port int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return port < first
}

func TestOneDaemonPerRuntimeDirectory(t *testing.T) {
	t.Parallel()
	b := run(t, switched(""))
	b.refused("another rindrun", "run", b.file("plan.json"))
	b.checkSocket("flow@s", "listening")
}
