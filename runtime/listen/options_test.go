package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestVerifyOptions wants of bare sockets what they do not have.
func TestVerifyOptions(t *testing.T) {
	const tcp, udp = "tcp", "udp"
	tests := []struct{ kind, option, text, want string }{
		{tcp, "priority", "3", "option priority: the returned socket has 0, want 3"},
		{tcp, "mark", "3", "SO_MARK of the returned socket is unset, want it 3"},
		{tcp, "transparent", "true", "IP_TRANSPARENT of the returned socket is off, want on"},
		{tcp, "bind-device", "lo", "SO_BINDTODEVICE of the returned socket is unset, want lo"},
		{tcp, "mptcp", "true", "the plugin returned a tcp socket, want mptcp"},
		{tcp, "tos", "184", "option tos: the returned socket has 0, want 184"},
		{tcp, "ttl", "3", "option ttl: the returned socket has 64, want 3"},
		{tcp, "keepalive.time", "1m0s", "option keepalive.time: the returned socket has 7200, want 60"},
		{tcp, "keepalive.time", "2h0m0s", "option keepalive.time: SO_KEEPALIVE of the returned socket is off, want on"},
		{tcp, "keepalive.probes", "3", "option keepalive.probes: the returned socket has 9, want 3"},
		{tcp, "no-delay", "true", "option no-delay: the returned socket has 0, want 1"},
		{tcp, "defer-accept", "5s", "option defer-accept: the returned socket has 0, want 1"},
		{tcp, "fast-open", "5", "option fast-open: the returned socket has 0, want 1"},
		{tcp, "user-timeout", "1.5s", "option user-timeout: the returned socket has 0, want 1500"},
		{tcp, "congestion", "nosuch", "option congestion: the returned socket has "},
		{udp, "timestamping", "ns", "option timestamping: SO_TIMESTAMPNS of the returned socket is off, want on"},
		{udp, "timestamping", "us", "option timestamping: SO_TIMESTAMP of the returned socket is off, want on"},
		{udp, "broadcast", "true", "option broadcast: the returned socket has 0, want 1"},
		{udp, "packet-info", "true", "option packet-info: the returned socket has 0, want 1"},
	}
	for _, tt := range tests {
		t.Run(tt.option, func(t *testing.T) {
			typ := map[string]int{tcp: unix.SOCK_STREAM, udp: unix.SOCK_DGRAM}[tt.kind]
			fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
			owned(t, fd, err)
			must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
			_, err = Verify(fd, Want{Type: tt.kind, Address: "127.0.0.1:0", Options: map[string]string{tt.option: tt.text}})
			wrong, ok := errors.AsType[*MismatchError](err)
			if !ok || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Verify = %v (%v), want the mismatch %q", err, wrong, tt.want)
			}
		})
	}
}

// TestVerifyShape is about transports that this package does not know.
func TestVerifyShape(t *testing.T) {
	shape := Shape{Domain: unix.AF_NETLINK, Type: unix.SOCK_RAW, Protocols: []uint32{unix.NETLINK_KOBJECT_UEVENT}}
	tests := []struct {
		name                  string
		domain, typ, protocol int
		shape                 Shape
		want                  string // empty: it is right
		stream                bool
	}{
		{name: "right", domain: unix.AF_NETLINK, typ: unix.SOCK_RAW, protocol: unix.NETLINK_KOBJECT_UEVENT, shape: shape},
		{name: "family", domain: unix.AF_UNIX, typ: unix.SOCK_DGRAM, shape: shape, want: "the plugin returned a socket of family 1, want 16 for odd"},
		{name: "type", domain: unix.AF_NETLINK, typ: unix.SOCK_DGRAM, protocol: unix.NETLINK_KOBJECT_UEVENT, shape: shape, want: "the plugin returned a socket of type 2, want 3 for odd"},
		{name: "protocol", domain: unix.AF_NETLINK, typ: unix.SOCK_RAW, protocol: unix.NETLINK_ROUTE, shape: shape, want: "the plugin returned a socket of protocol 0, want [15] for odd"},
		{name: "anything of streams", domain: unix.AF_INET, typ: unix.SOCK_STREAM, shape: Shape{Listening: true}, want: "the plugin returned a socket that is not bound, want odd:1"},
		{name: "unix without a name", domain: unix.AF_UNIX, typ: unix.SOCK_STREAM, shape: Shape{Listening: true}, want: "the plugin returned a socket that is not bound, want odd:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fd, err := unix.Socket(tt.domain, tt.typ|unix.SOCK_CLOEXEC, tt.protocol)
			owned(t, fd, err)
			if tt.domain == unix.AF_NETLINK {
				must(t, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
			}
			facts, err := Verify(fd, Want{Type: "odd", Address: "odd:1", Shape: &tt.shape})
			if got := errText(err); got != tt.want {
				t.Errorf("Verify = %q, want %q", got, tt.want)
			}
			if err == nil && (facts.Local != "odd:1" || facts.Stream) {
				t.Errorf("facts = %+v, want odd:1 and no connections", facts)
			}
		})
	}
}

func TestVerifyShapeOfAListener(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	owned(t, fd, err)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	facts, err := Verify(fd, Want{Type: "odd", Address: "odd:1", Shape: &Shape{Listening: true}})
	if err != nil || !facts.Stream {
		t.Fatalf("Verify = %+v, %v, want connections", facts, err)
	}
	must(t, unix.Listen(fd, 1))
	_, err = Verify(fd, Want{Type: "odd", Address: "odd:1", Shape: &Shape{Listening: true}})
	if _, ok := errors.AsType[*MismatchError](err); !ok {
		t.Errorf("Verify of a listening socket = %v, want a mismatch", err)
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	node := in("node")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	owned(t, fd, err)
	must(t, unix.Fchmod(fd, 0o666))
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: node}))
	must(t, os.Chmod(node, 0o666))
	must(t, os.Symlink(node, in("right")))
	must(t, os.Symlink("/elsewhere", in("wrong")))
	want := func(paths ...string) Want {
		return Want{Type: "uds", Address: node, Options: map[string]string{"symlinks": `["` + strings.Join(paths, `","`) + `"]`}}
	}
	for name, reason := range map[string]string{
		"wrong":   "option symlinks: the link at " + in("wrong") + " leads to /elsewhere, want " + node,
		"missing": "option symlinks: the plugin made no link at " + in("missing") + ": readlink " + in("missing") + ": no such file or directory",
	} {
		if _, err := Verify(fd, want(in("right"), in(name))); errText(err) != reason {
			t.Errorf("Verify = %q, want %q", errText(err), reason)
		}
	}
	if links := LinksTo(node, want(in("right"), in("wrong"), in("missing")).Options); len(links) != 1 || links[0].Path != in("right") {
		t.Errorf("LinksTo = %+v, want %s", links, in("right"))
	}
	facts, err := Verify(fd, want(in("right")))
	if err != nil {
		t.Fatal(err)
	}
	must(t, facts.Remove())
	for name, left := range map[string]bool{"right": false, "node": false, "wrong": true} {
		if _, err := os.Lstat(in(name)); (err == nil) != left {
			t.Errorf("%s: %v, want it left: %v", name, err, left)
		}
	}
}

func TestShortfalls(t *testing.T) {
	most, ok := sysctl("net/core/somaxconn")
	if !ok {
		t.Fatal("there is no net.core.somaxconn")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	owned(t, fd, err)
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8192))
	got := Shortfalls(fd, map[string]string{"receive-buffer": "65536", "send-buffer": "1024", "backlog": "x"}, most+1)
	for i, note := range got {
		got[i], _, _ = strings.Cut(note, " (")
	}
	want := []string{
		"option receive-buffer: the kernel gave 8192 of 65536 bytes",
		strings.Join([]string{"option backlog: the kernel cuts", strconv.Itoa(most + 1), "to", strconv.Itoa(most)}, " "),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Shortfalls (-want +got):\n%s", diff)
	}
	if got := Shortfalls(fd, nil, most+1); got != nil {
		t.Errorf("Shortfalls without options = %q", got)
	}
}
