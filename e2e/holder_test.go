package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// myself is this process as the error of a bind names it.
func myself() string {
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		panic(err) // there is no test without /proc
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), os.Getpid())
}

// untouched checks at the end that nobody has connected to a listener.
func untouched(t *testing.T, l syscall.Conn) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var n int
		err := raw.Control(func(fd uintptr) {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		})
		if err != nil || n != 0 {
			t.Errorf("%d connections came to the socket of somebody else, %v", n, err)
		}
	})
}

// hold binds an address until the end of the test, and returns it.
func hold(t *testing.T, network, address string) string {
	t.Helper()
	var lc net.ListenConfig
	if network == "udp" || network == "unixgram" {
		conn, err := lc.ListenPacket(context.WithoutCancel(t.Context()), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn.LocalAddr().String()
	}
	l, err := lc.Listen(context.WithoutCancel(t.Context()), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if c, ok := l.(syscall.Conn); ok {
		untouched(t, c)
	}
	return l.Addr().String()
}

func TestS145S156TheHolderIsNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		network, address string // that this process has
		typ, listen      string // that the daemon wants; PORT is that of address
		options          string
	}{
		{name: "tcp", network: "tcp", address: "$IP:0", typ: "tcp", listen: "$IP:PORT"},
		{name: "tcp6", network: "tcp", address: "[::1]:0", typ: "tcp", listen: "[::1]:PORT"},
		{name: "tcp below a wildcard", network: "tcp4", address: "0.0.0.0:0", typ: "tcp", listen: "$IP:PORT"},
		{name: "tcp wildcard over an address", network: "tcp", address: "$IP:0", typ: "tcp", listen: "0.0.0.0:PORT"},
		{name: "tcp dual stack over IPv4", network: "tcp", address: "$IP:0", typ: "tcp", listen: "*:PORT"},
		{name: "tcp IPv4 below dual stack", network: "tcp", address: "[::]:0", typ: "tcp", listen: "$IP:PORT"},
		{name: "udp", network: "udp", address: "$IP:0", typ: "udp", listen: "$IP:PORT"},
		{name: "udp6", network: "udp", address: "[::1]:0", typ: "udp", listen: "[::1]:PORT"},
		{name: "uds path", network: "unix", address: "$DIR/theirs", typ: "uds", listen: "$DIR/theirs"},
		{name: "uds datagrams", network: "unixgram", address: "$DIR/theirs", typ: "uds", listen: "$DIR/theirs", options: `kind = "dgram"`},
		{name: "uds another kind", network: "unix", address: "$DIR/theirs", typ: "uds", listen: "$DIR/theirs", options: `kind = "seqpacket"`},
		{name: "uds abstract", network: "unix", address: "@$DIR/theirs", typ: "uds", listen: "@$DIR/theirs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "")
			at := hold(t, tt.network, b.expand(tt.address))
			listen := b.expand(tt.listen)
			if _, port, err := net.SplitHostPort(at); err == nil {
				listen = strings.ReplaceAll(listen, "PORT", port)
			}
			b.write("units/app.toml", fmt.Sprintf("[[socket]]\nname = \"api\"\ntype = %q\nlisten = %s\noptions = { %s }\n",
				tt.typ, strconv.Quote(listen), tt.options))
			b.compile()
			b.start()
			s := b.awaitSocket("app@api", "failed")
			for _, want := range []string{"socket app@api: ", listen, "in use", "held by " + myself()} {
				if !strings.Contains(s.LastError, want) {
					t.Errorf("the error is %q, want %q in it", s.LastError, want)
				}
			}
			b.refused("held by "+myself(), "start", "socket", "app@api")
		})
	}
}

// A daemon that may not look into the processes of others still says that it is one.
func TestS156TheHolderCannotBeSeen(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- app.toml --
[[socket]]
name = "api"
type = "tcp"
listen = "$IP:7914"
`)
	b.user = needUser(t, "nobody")
	b.compile()
	hold(t, "tcp", b.ip+":7914")
	b.start()
	s := b.awaitSocket("app@api", "failed")
	if want := "held by a process of uid 0 that cannot be seen from here"; !strings.Contains(s.LastError, want) {
		t.Errorf("the error is %q, want %q in it", s.LastError, want)
	}
}
