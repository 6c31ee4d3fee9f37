package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// accepting is a socket with a process for each connection, which says in one line
// what it knows of it, and then sends back what it gets.
func accepting(kind, listen, options, socket string) string {
	to := ">&3"
	if strings.Contains(socket, "stdio") {
		to = ""
	}
	return fmt.Sprintf(`
-- web.toml --
[[socket]]
name = "in"
type = %q
listen = %q
options = { %s }
owner = "app"
accept = true
%s

[[service]]
name = "app"
restart = true
run = { exec = "/bin/sh", args = ["-c", "test \"$LISTEN_PID\" = $$ && me=1; echo \"$REMOTE_ADDR|$REMOTE_PORT|$SO_COOKIE|$LISTEN_FDS|$LISTEN_FDNAMES|$me\" %s; exec cat %s"] }
`, kind, listen, options, socket, to, strings.TrimSpace(strings.Replace(to, ">", "<", 1)+" "+to))
}

// greeting is the line that a process of accepting says first.
type greeting struct{ addr, port, cookie, fds, names, me string }

func greet(t *testing.T, conn net.Conn) (greeting, *bufio.Reader) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("the first line: %v", err)
	}
	f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
	if len(f) != 6 {
		t.Fatalf("the first line is %q", line)
	}
	return greeting{f[0], f[1], f[2], f[3], f[4], f[5]}, r
}

// dialFrom connects, from a local address unless that is empty.
func (b *bed) dialFrom(network, local, addr string) net.Conn {
	b.t.Helper()
	d := net.Dialer{Timeout: patience}
	switch {
	case local == "":
	case network == "unix":
		d.LocalAddr = &net.UnixAddr{Name: local, Net: network}
	default:
		tcp, err := net.ResolveTCPAddr(network, local)
		if err != nil {
			b.t.Fatal(err)
		}
		d.LocalAddr = tcp
	}
	conn, err := d.DialContext(b.t.Context(), network, addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Every connection has a process of its own, which knows who is at the other end.
func TestS157AcceptTellsWhoIsThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, kind, listen, socket string
		network, local, addr, want string
	}{
		{"S157 v4", "tcp", "$IP:7001", "", "tcp", "$IP:0", "$IP:7001", "$IP"},
		{"S157 v4 stdio", "tcp", "$IP:7001", "stdio = true", "tcp", "$IP:0", "$IP:7001", "$IP"},
		{"S157 v6", "tcp", "[::1]:0", `fd-name = "six"`, "tcp", "", "", "::1"},
		{"S157 mapped v4", "tcp", "*:0", "", "tcp4", "", "127.0.0.1", "127.0.0.1"},
		{"S157 uds without a name", "uds", "in.sock", "", "unix", "", "$DIR/sock/in.sock", ""},
		{"S157 uds with a name", "uds", "in.sock", "stdio = true", "unix", "$DIR/client.sock", "$DIR/sock/in.sock", "$DIR/client.sock"},
		{"S157 uds with an abstract name", "uds", "in.sock", "", "unix", "@$DIR/client", "$DIR/sock/in.sock", "@$DIR/client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, accepting(tt.kind, tt.listen, "", tt.socket))
			addr := b.expand(tt.addr)
			if tt.kind == "tcp" && !strings.Contains(addr, ":") {
				bound := b.addr("web@in")
				_, port, err := net.SplitHostPort(bound)
				if err != nil {
					t.Fatal(err)
				}
				addr = net.JoinHostPort(map[string]string{"": "::1"}[addr]+addr, port)
			}
			conn := b.dialFrom(tt.network, b.expand(tt.local), addr)
			got, r := greet(t, conn)
			want := greeting{addr: b.expand(tt.want), cookie: got.cookie}
			if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
				want.port = strconv.Itoa(tcp.Port)
			}
			if !strings.Contains(tt.socket, "stdio") {
				want.fds, want.names, want.me = "1", "connection", "1"
			}
			if strings.Contains(tt.socket, "fd-name") {
				want.names = "six"
			}
			if got != want {
				t.Errorf("the process knows %+v, want %+v", got, want)
			}
			if n, err := strconv.ParseUint(got.cookie, 10, 64); err != nil || n == 0 {
				t.Errorf("SO_COOKIE is %q, want that of a socket", got.cookie)
			}
			if _, err := io.WriteString(conn, "hello\n"); err != nil {
				t.Fatal(err)
			}
			if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
				t.Errorf("the answer is %q, %v; want hello", line, err)
			}
		})
	}
}

// A process is never started again; the socket is looked at all the time, and the
// client of a process that ends sees the end.
func TestS157AcceptIsNeverRestarted(t *testing.T) {
	t.Parallel()
	b := run(t, accepting("tcp", "$IP:7001", "", ""))
	first, second := b.dialFrom("tcp", "", b.ip+":7001"), b.dialFrom("tcp", "", b.ip+":7001")
	one, r := greet(t, first)
	two, _ := greet(t, second)
	if one.cookie == two.cookie {
		t.Errorf("two connections have one SO_COOKIE, %s", one.cookie)
	}
	if st := b.socket("web@in"); st.GetState() != "listening" || st.GetActivations() != 2 {
		t.Errorf("the socket is %s after %d activations, want listening after 2", st.GetState(), st.GetActivations())
	}
	for _, pid := range b.awaitProcesses("web@app", 2) {
		if err := unix.Kill(int(pid), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection of a process that was killed is open")
	}
	b.await("no process is left", func(st *controlv1.StatusResponse) bool {
		svc := b.serviceOf(st, "web@app")
		return len(svc.GetPids()) == 0 && svc.GetState() == "inactive"
	})
	if got := b.service("web@app").GetStarts(); got != 2 {
		t.Errorf("%d starts, want 2", got)
	}
	b.refused("is started by connections to its sockets only", "start", "service", "web@app")
}

// Over max-connections the rest waits in the queue, and is served as soon as there
// is room; or it is turned away; or the socket fails.
func TestS158ConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	t.Run("S158-pause", func(t *testing.T) {
		t.Parallel()
		b := run(t, accepting("tcp", "$IP:7001", "", "limits = { max-connections = 1 }"))
		first := b.dialFrom("tcp", "", b.ip+":7001")
		greet(t, first)
		st := b.awaitSocket("web@in", "paused")
		if !strings.HasPrefix(st.GetReason(), "max-connections: 1 connections are live") {
			t.Errorf("it is paused for the reason %q", st.GetReason())
		}
		if st.GetConnections() != 1 || st.GetMaxConnections() != 1 {
			t.Errorf("it has %d connections of at most %d, want 1 of 1", st.GetConnections(), st.GetMaxConnections())
		}
		second := b.dialFrom("tcp", "", b.ip+":7001")
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		greet(t, second)
	})
	t.Run("S158-refuse", func(t *testing.T) {
		t.Parallel()
		b := run(t, accepting("tcp", "$IP:7001", "", `limits = { max-connections = 1, on-limit = "refuse" }`))
		greet(t, b.dialFrom("tcp", "", b.ip+":7001"))
		b.isTurnedAway("tcp", "", b.ip+":7001")
	})
	t.Run("S158-fail", func(t *testing.T) {
		t.Parallel()
		b := run(t, accepting("tcp", "$IP:7001", "", `limits = { max-connections = 1, on-limit = "fail" }`))
		greet(t, b.dialFrom("tcp", "", b.ip+":7001"))
		b.isTurnedAway("tcp", "", b.ip+":7001")
		b.awaitSocket("web@in", "failed")
		b.do("start", "socket", "web@in")
		b.awaitSocket("web@in", "listening")
	})
}

// awaitProcesses waits until a service has so many processes, and gives their pids.
// A process may answer before the daemon has noted its start.
func (b *bed) awaitProcesses(service string, count int) []int32 {
	b.t.Helper()
	var pids []int32
	b.await(fmt.Sprintf("%s has %d processes", service, count), func(st *controlv1.StatusResponse) bool {
		pids = b.serviceOf(st, service).GetPids()
		return len(pids) == count
	})
	return pids
}

// isTurnedAway connects and must see the end, without a process.
func (b *bed) isTurnedAway(network, local, addr string) {
	b.t.Helper()
	seesTheEnd(b.t, b.dialFrom(network, local, addr))
}

// seesTheEnd checks that a connection is closed, or reset, without an answer.
func seesTheEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	switch {
	case err == nil:
		t.Errorf("%s got an answer", conn.LocalAddr())
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.Errorf("%s: nothing happened", conn.LocalAddr())
	}
}

// Sources are counted by live connections: who has too many does not disturb the
// others, and may come again when one has ended.
func TestS158PerSource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, kind, listen, network, one, other, addr string }{
		{"S158-v4", "tcp", "0.0.0.0:0", "tcp", "$IP:0", "127.0.0.1:0", "127.0.0.1"},
		{"S158-mapped v4", "tcp", "*:0", "tcp4", "$IP:0", "127.0.0.1:0", "127.0.0.1"},
		{"S158-uid", "uds", "in.sock", "unix", "", "", "$DIR/sock/in.sock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, accepting(tt.kind, tt.listen, "", "limits = { per-source = 1 }"))
			addr := b.expand(tt.addr)
			if tt.kind == "tcp" {
				_, port, err := net.SplitHostPort(b.addr("web@in"))
				if err != nil {
					t.Fatal(err)
				}
				addr = net.JoinHostPort(addr, port)
			}
			first := b.dialFrom(tt.network, b.expand(tt.one), addr)
			greet(t, first)
			b.isTurnedAway(tt.network, b.expand(tt.one), addr)
			others := 0
			if tt.other != "" {
				greet(t, b.dialFrom(tt.network, tt.other, addr))
				others = 1
			}
			b.awaitProcesses("web@app", 1+others)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			b.awaitProcesses("web@app", others)
			greet(t, b.dialFrom(tt.network, b.expand(tt.one), addr))
		})
	}
}

// Over IPv6 a source is a /64: a host has as many addresses of that as it likes.
func TestS158PerSourceOfIPv6(t *testing.T) {
	t.Parallel()
	b := newBed(t, accepting("tcp", "[::]:7001", "", "limits = { per-source = 1 }"))
	b.ownNetwork()
	b.compile()
	b.start()
	for _, addr := range []string{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"} {
		b.configure("addr", "add", addr+"/128", "dev", "lo")
	}
	const server = "[2001:db8:0:1::1]:7001"
	first := b.dialInside("[2001:db8:0:1::1]:0", server)
	greet(t, first)
	seesTheEnd(t, b.dialInside("[2001:db8:0:1::1]:0", server))
	seesTheEnd(t, b.dialInside("[2001:db8:0:1:ffff::2]:0", server))
	greet(t, b.dialInside("[2001:db8:0:2::1]:0", server)) // another /64
	b.awaitProcesses("web@app", 2)
	if denied := b.socket("web@in").GetDenials().GetLimit(); denied != 2 {
		t.Errorf("%d connections were over a limit, want 2", denied)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	b.awaitProcesses("web@app", 1)
	greet(t, b.dialInside("[2001:db8:0:1:ffff::2]:0", server)) // there is room again
	seesTheEnd(t, b.dialInside("[2001:db8:0:1::1]:0", server))
}

// flush-pending throws away what waits when the owner exits.
func TestFlushPending(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`
lifecycle = "owned"
flush-pending = true`, neverAccepts))
	conn := b.dialFrom("tcp", "", b.ip+":7001")
	b.awaitSocket("web@http", "held")
	b.do("stop", "service", "web@app")
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	_, err := conn.Read(one[:])
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("whoever waited when the owner ended reads %v, want the end", err)
	}
	if st := b.awaitSocket("web@http", "listening"); st.GetActivations() != 1 {
		t.Errorf("%d activations, want 1: what was thrown away is no access", st.GetActivations())
	}
}
