package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestS20TCPListensOnItsAddressOnly(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "http"
type = "tcp"
listen = "$IP:8081"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`)
	if got := b.must("tcp", b.ip+":8081", "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}
	other := "127.9.9.9:8081"
	if conn, err := b.dial("tcp", other); err == nil {
		conn.Close()
		t.Errorf("%s accepts connections too", other)
	}
}

func TestS21IPv6Literal(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	} else {
		l.Close()
	}
	b := run(t, `
-- web.toml --
[[socket]]
name = "six"
type = "tcp"
listen = "[::1]:0"
owner = "app"
lifecycle = "owned"

# Dual stack: one socket for both families.
[[socket]]
name = "both"
type = "tcp"
listen = "*:0"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`)
	if got := b.must("tcp", b.addr("web@six"), "echo six"); got != "six" {
		t.Errorf("answer %q, want six", got)
	}
	_, port, err := net.SplitHostPort(b.addr("web@both"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if got := b.must("tcp", net.JoinHostPort(host, port), "echo both"); got != "both" {
			t.Errorf("answer over %s is %q, want both", host, got)
		}
	}
}

func TestS22S82DatagramsAreQueuedForTheOwner(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- log.toml --
[[socket]]
name = "in"
type = "udp"
listen = "$IP:7514"
owner = "reader"

[[service]]
name = "reader"
run = { exec = "$PROBE", args = ["-id", "reader"] }
`)
	// The socket is managed: everything waits until the owner is started.
	conn, err := b.dial("udp", b.ip+":7514")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 5 {
		if _, err := fmt.Fprintf(conn, "echo %d", i); err != nil {
			t.Fatal(err)
		}
	}
	b.do("start", "service", "log@reader")
	buf := make([]byte, 64)
	for i := range 5 {
		n, err := conn.Read(buf)
		if want := strconv.Itoa(i); err != nil || string(buf[:n]) != want {
			t.Fatalf("answer %d is %q, %v", i, buf[:n], err)
		}
	}
}

func TestS30S31FailedBind(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- web.toml --
[[state]]
name = "up"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "$IP:8081"
start-on = ["up"]
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`)
	b.compile()
	taken, err := net.Listen("tcp", b.ip+":8081")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.start()
	b.do("set-state", "web@up")
	s := b.awaitSocket("web@http", "failed")
	if !strings.Contains(s.LastError, b.ip+":8081") || !strings.Contains(s.LastError, "in use") {
		t.Errorf("the error is %q, want the address and that it is in use", s.LastError)
	}
	if pid := strconv.Itoa(os.Getpid()); !strings.Contains(s.LastError, pid) {
		t.Errorf("S156 the error is %q, want the process that holds the address: %s", s.LastError, pid)
	}
	// Everything still works on the failed socket.
	b.refused("in use", "start", "socket", "web@http")
	b.do("stop", "socket", "web@http")
	b.checkSocket("web@http", "inactive")
	b.do("remove-state", "web@up")
	b.do("set-state", "web@up")
	b.awaitSocket("web@http", "failed")

	taken.Close()
	b.do("remove-state", "web@up")
	b.do("set-state", "web@up")
	b.awaitSocket("web@http", "listening")
	if got := b.must("tcp", b.ip+":8081", "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}
}

func TestS151TwoUDPSocketsDoNotShareAnEndpoint(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- log.toml --
[[socket]]
name = "in"
type = "udp"
listen = "$IP:7514"
`)
	b.compile()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		return errors.Join(err, serr)
	}}
	taken, err := lc.ListenPacket(t.Context(), "udp", b.ip+":7514")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.start()
	if s := b.awaitSocket("log@in", "failed"); !strings.Contains(s.LastError, "in use") {
		t.Errorf("the error is %q, want that the address is in use", s.LastError)
	}
}

func TestS29OthersDoNotInheritTheListener(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "http"
type = "tcp"
listen = "$IP:8081"
on-start = [
	{ exec = "$PROBE", args = ["-id", "exec", "-report", "$REPORT", "-quit"] },
	{ script = "exec $PROBE -id script -report $REPORT -quit" },
	{ service = "bystander" },
]

[[service]]
name = "bystander"
run = { exec = "$PROBE", args = ["-id", "service", "-report", "$REPORT"] }
`)
	for range 3 {
		message, err := b.reports.next(b.exited)
		if err != nil {
			t.Fatal(err)
		}
		r := decodeReport(t, message)
		for _, fd := range r.FDs {
			if fd.N > 2 {
				t.Errorf("%s inherited descriptor %d: %s", r.ID, fd.N, fd.Link)
			}
		}
		checkNoActivation(t, r)
	}
}

func TestS32RebindWithConnectionsInTimeWait(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "http"
type = "tcp"
listen = "$IP:8081"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`)
	for range 3 {
		// The probe closes first, so its end waits in TIME_WAIT.
		b.must("tcp", b.ip+":8081", "echo hello")
		b.do("stop", "service", "web@app")
		b.do("stop", "socket", "web@http")
		b.checkSocket("web@http", "inactive")
		b.do("start", "socket", "web@http")
		b.checkSocket("web@http", "listening")
	}
}

func TestS33Backlog(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "http"
type = "uds"
listen = "web.sock"
owner = "app"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`)
	// Nobody accepts: the owner is not started. A unix connect that does not
	// wait fails as soon as the queue is full.
	for i := range 128 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: b.file("sock/web.sock")}); err != nil {
			t.Fatalf("connection %d of 128: %v", i+1, err)
		}
	}
}
