package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
)

// configure runs ip(8) where the daemon runs.
func (b *bed) configure(args ...string) {
	b.t.Helper()
	args = append([]string{"--net", "--target", strconv.Itoa(b.daemon.Process.Pid), "ip"}, args...)
	if out, err := exec.CommandContext(b.t.Context(), "nsenter", args...).CombinedOutput(); err != nil {
		b.t.Fatalf("nsenter %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// ownNetwork gives the daemon a network namespace of its own, where only lo is up.
func (b *bed) ownNetwork() {
	b.t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Getuid() != 0 {
		b.t.Skip("needs root and unshare(1), for a network of its own")
	}
	b.within = []string{unshare, "--net", "--", "sh", "-c", `ip link set lo up && exec "$@"`, "sh"}
}

// dialInside connects over tcp where the daemon runs, from a local address.
func (b *bed) dialInside(local, addr string) (conn net.Conn) {
	b.t.Helper()
	var err error
	ownthread.Run(func() {
		var ns int
		if ns, err = unix.Open(fmt.Sprintf("/proc/%d/ns/net", b.daemon.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer func() { _ = unix.Close(ns) }()
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return
		}
		// A socket is of the network where it was made, whoever uses it. One address,
		// so it is made on this thread.
		d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))}
		conn, err = d.DialContext(b.t.Context(), "tcp", addr)
	})
	if err != nil {
		b.t.Fatalf("connect to %s from %s: %v", addr, local, err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A socket whose address or interface is not there opens when that appears, and not
// only when it is tried again.
func TestS148AddressesThatAppear(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- net.toml --
[[socket]]
name = "v4"
type = "tcp"
listen = "192.0.2.7:7001"
options = { freebind = false }

[[socket]]
name = "v6"
type = "tcp"
listen = "[2001:db8::7]:7001"
options = { freebind = false }

[[socket]]
name = "link"
type = "udp"
listen = "[fe80::7%later]:7001"
options = { freebind = false }
`)
	b.ownNetwork()
	b.compile()
	b.start()
	opens := func(name string) {
		t.Helper()
		b.awaitSocket("net@"+name, "listening")
		want := `"socket":"net@` + name + `","state":"listening","from":"starting","cause":"addresses have changed"`
		b.eventually(name+" opens because of its address", func() bool { return strings.Contains(b.log.String(), want) })
	}
	for _, name := range []string{"v4", "v6", "link"} {
		b.checkSocket("net@"+name, "starting")
		if out := b.do("status", "net@"+name); !strings.Contains(out, "next attempt when addresses change") {
			t.Errorf("the status of %s:\n%s", name, out)
		}
	}
	// Until then they are tried from time to time as well, at first often.
	for _, name := range []string{"v4", "v6", "link"} {
		b.eventually(name+" is hardly tried any more", func() bool {
			for line := range strings.Lines(b.log.String()) {
				if strings.Contains(line, `"unit":"net@`+name+`"`) && strings.Contains(line, "at the latest in 8s") {
					return true
				}
			}
			return false
		})
	}
	b.configure("addr", "add", "192.0.2.7/32", "dev", "lo")
	opens("v4")
	b.configure("addr", "add", "2001:db8::7/128", "dev", "lo")
	opens("v6")
	b.configure("link", "add", "later", "type", "veth", "peer", "name", "other")
	b.configure("link", "set", "other", "up")
	b.configure("link", "set", "later", "up")
	b.checkSocket("net@link", "starting")
	b.configure("addr", "add", "fe80::7/64", "dev", "later")
	opens("link")
	b.configure("addr", "del", "192.0.2.7/32", "dev", "lo") // what is open stays
	b.checkSocket("net@v4", "listening")
}
