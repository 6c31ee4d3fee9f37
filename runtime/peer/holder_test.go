package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// port returns the port that the kernel chose.
func port(t *testing.T, fd int) string {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return strconv.Itoa(sa.Port)
	case *unix.SockaddrInet6:
		return strconv.Itoa(sa.Port)
	}
	t.Fatalf("a socket with the address %v", sa)
	return ""
}

// S156: the process that holds an address is named.
func TestS156Holder(t *testing.T) {
	keepsDescriptors(t)
	loopback := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	tcp := socket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
	bind(t, tcp, loopback)
	listen(t, tcp)
	udp := socket(t, unix.AF_INET, unix.SOCK_DGRAM, 0)
	bind(t, udp, loopback)
	dual := socket(t, unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err := unix.SetsockoptInt(dual, unix.SOL_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
		t.Fatal(err)
	}
	bind(t, dual, &unix.SockaddrInet6{})
	listen(t, dual)

	dir := t.TempDir()
	path, link, file := filepath.Join(dir, "stream"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	stream := socket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	bind(t, stream, &unix.SockaddrUnix{Name: path})
	listen(t, stream)
	dgram := socket(t, unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	bind(t, dgram, &unix.SockaddrUnix{Name: filepath.Join(dir, "dgram")})
	used := socket(t, unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	bind(t, used, &unix.SockaddrUnix{Name: filepath.Join(dir, "used")})
	if err := unix.Connect(socket(t, unix.AF_UNIX, unix.SOCK_DGRAM, 0), &unix.SockaddrUnix{Name: filepath.Join(dir, "used")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	abstract := "@rind-holder-test-" + strconv.Itoa(os.Getpid())
	named := socket(t, unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	bind(t, named, &unix.SockaddrUnix{Name: abstract})
	listen(t, named)
	removed := filepath.Join(dir, "removed")
	ghost := socket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	bind(t, ghost, &unix.SockaddrUnix{Name: removed})
	listen(t, ghost)
	if err := os.Remove(removed); err != nil {
		t.Fatal(err)
	}

	us := fmt.Sprintf("held by %s (pid %d)", command(os.Getpid()), os.Getpid())
	for _, tt := range []struct {
		name         string
		typ, address string
		want         string
	}{
		{name: "tcp", typ: "tcp", address: "127.0.0.1:" + port(t, tcp), want: us},
		{name: "tcp by a wildcard wish", typ: "tcp", address: "0.0.0.0:" + port(t, tcp), want: us},
		{name: "tcp by a dual-stack wish", typ: "tcp", address: "*:" + port(t, tcp), want: us},
		{name: "tcp, another address", typ: "tcp", address: "127.0.0.2:" + port(t, tcp)},
		{name: "tcp, the other family", typ: "tcp", address: "[::1]:" + port(t, tcp)},
		{name: "tcp dual stack against IPv4", typ: "tcp", address: "127.0.0.1:" + port(t, dual), want: us},
		{name: "tcp any port", typ: "tcp", address: "127.0.0.1:0"},
		{name: "udp", typ: "udp", address: "127.0.0.1:" + port(t, udp), want: us},
		{name: "uds stream", typ: "uds", address: path, want: us},
		{name: "uds dgram", typ: "uds", address: filepath.Join(dir, "dgram"), want: us},
		{name: "uds dgram that a client is connected to", typ: "uds", address: filepath.Join(dir, "used"), want: us},
		{name: "uds by a symlink", typ: "uds", address: link, want: us},
		{name: "uds abstract", typ: "uds", address: abstract, want: us},
		{name: "uds abstract, free", typ: "uds", address: abstract + "-free"},
		{name: "uds, a regular file", typ: "uds", address: file},
		{name: "uds, nothing there any more", typ: "uds", address: removed},
		{name: "a third-party transport", typ: "vsock", address: "2:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Holder(tt.typ, tt.address)
			if err != nil || got != tt.want {
				t.Errorf("Holder(%q, %q) = %q, %v; want %q", tt.typ, tt.address, got, err, tt.want)
			}
		})
	}
	if got, err := Holder("tcp", "localhost:80"); err == nil {
		t.Errorf("Holder of a host name = %q, want an error", got)
	}
}

func TestHolderOutOfSight(t *testing.T) {
	got, err := owned{inode: 1<<32 - 1, uid: 33}.describe() // no socket has this number
	if want := "held by a process of uid 33 that cannot be seen from here"; got != want || err != nil {
		t.Errorf("describe() = %q, %v; want %q", got, err, want)
	}
}

// A child that has inherited the socket is not the one to stop.
func TestOrigin(t *testing.T) {
	fd := socket(t, unix.AF_INET, unix.SOCK_STREAM, 0)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	inherited, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(inherited), "socket")
	defer func() { _ = file.Close() }()
	cmd := exec.CommandContext(t.Context(), "cat")
	cmd.ExtraFiles = []*os.File{file}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := cmd.Process.Pid
	if got := parentOf(child); got != os.Getpid() {
		t.Errorf("the parent of %d is %d, want %d", child, got, os.Getpid())
	}
	if got := origin(child, st.Ino); got != os.Getpid() {
		t.Errorf("the socket of %d is from %d, want %d", child, got, os.Getpid())
	}
	if got := origin(child, 1); got != child {
		t.Errorf("a socket that the parent has not is from %d, want %d", got, child)
	}
	if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if got := parentOf(child); got != 0 {
		t.Errorf("the parent of nobody is %d", got)
	}
}

func TestRank(t *testing.T) {
	for _, tt := range []struct {
		name   string
		want   string
		dual   bool
		have   string
		v6only bool
		rank   int
	}{
		{name: "same address", want: "127.0.0.1", have: "127.0.0.1", rank: 3},
		{name: "mapped address", want: "127.0.0.1", have: "::ffff:127.0.0.1", rank: 3},
		{name: "another address", want: "127.0.0.1", have: "127.0.0.2"},
		{name: "wildcard covers it", want: "127.0.0.1", have: "0.0.0.0", rank: 2},
		{name: "dual stack covers it", want: "127.0.0.1", have: "::", rank: 2},
		{name: "IPv6 only does not", want: "127.0.0.1", have: "::", v6only: true},
		{name: "IPv4 does not cover IPv6", want: "::1", have: "0.0.0.0"},
		{name: "a wildcard wish covers it", want: "0.0.0.0", have: "127.0.0.1", rank: 1},
		{name: "a wish of IPv6 only does not", want: "::", have: "127.0.0.1"},
		{name: "a dual-stack wish does", want: "::", dual: true, have: "127.0.0.1", rank: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := inetSocket{local: netip.AddrPortFrom(netip.MustParseAddr(tt.have), 80), v6only: tt.v6only}
			if got := rank(netip.MustParseAddr(tt.want), tt.dual, s); got != tt.rank {
				t.Errorf("rank = %d, want %d", got, tt.rank)
			}
		})
	}
}

func TestSockets(t *testing.T) {
	keepsDescriptors(t)
	fd := socket(t, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	got, err := Sockets(os.Getpid())
	if err != nil || !slices.Contains(got, st.Ino) {
		t.Errorf("Sockets(self) = %v, %v; want it to contain %d", got, err, st.Ino)
	}
	if slices.Contains(got, 0) {
		t.Errorf("Sockets(self) = %v, want sockets only", got)
	}
	if got, err := Sockets(0); err == nil {
		t.Errorf("Sockets(0) = %v, want an error", got)
	}
}

func TestSocketInode(t *testing.T) {
	for in, want := range map[string]uint64{
		"socket:[123]": 123, "socket:[": 0, "socket:[]": 0, "socket:[x]": 0, "socket:[1": 0,
		"pipe:[123]": 0, "/dev/null": 0, "": 0, "socket:[99999999999999999999]": 0,
	} {
		if got := socketInode(in); got != want {
			t.Errorf("socketInode(%q) = %d, want %d", in, got, want)
		}
	}
}
