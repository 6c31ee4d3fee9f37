package listen

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// portOf returns the port that the kernel chose.
func portOf(tb testing.TB, fd int) string {
	tb.Helper()
	e, err := localEndpoint(fd)
	must(tb, err)
	return strconv.Itoa(int(e.port))
}

// attach gives the socket a classic BPF program that drops everything.
func attach(fd int) error {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(drop)), Filter: &drop[0]})
}

// attachExtended gives the socket an eBPF program that drops everything: r0 = 0,
// exit.
func attachExtended(fd int) error {
	program := []uint64{0xb7, 0x95}
	license := []byte("GPL\x00")
	attr := struct {
		kind, count    uint32
		insns, license uint64
		_              [128]byte // what later kernels ask about: zero
	}{
		kind: unix.BPF_PROG_TYPE_SOCKET_FILTER, count: uint32(len(program)),
		insns: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	prog, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), 48)
	if errno != 0 {
		return os.NewSyscallError("bpf", errno)
	}
	defer unix.Close(int(prog))
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, int(prog))
}

// A bad descriptor as a plugin sends it, what was asked for, and the reason that
// must be given.
type bad struct {
	fd     int
	want   Want
	reason string
}

func tcpWant(address string) Want { return Want{Type: "tcp", Address: address} }
func udpWant(address string) Want { return Want{Type: "udp", Address: address} }

func with(w Want, name, value string) Want {
	w.Options = map[string]string{name: value}
	return w
}

// S170: every wrong descriptor is refused with its reason, and is not closed.
func TestS170WrongInetDescriptor(t *testing.T) {
	tests := []struct {
		name string
		root bool
		make func(t fixture) bad
	}{
		{name: "regular file", make: func(t fixture) bad {
			fd, err := unix.Open(filepath.Join(t.TempDir(), "f"), unix.O_CREAT|unix.O_RDWR, 0o600)
			return bad{owned(t, fd, err), tcpWant("127.0.0.1:0"), "the plugin returned a regular file, want a tcp socket"}
		}},
		{name: "directory", make: func(t fixture) bad {
			fd, err := unix.Open(t.TempDir(), unix.O_RDONLY, 0)
			return bad{owned(t, fd, err), tcpWant("127.0.0.1:0"), "the plugin returned a directory, want a tcp socket"}
		}},
		{name: "device", make: func(t fixture) bad {
			fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
			return bad{owned(t, fd, err), tcpWant("127.0.0.1:0"), "the plugin returned a device, want a tcp socket"}
		}},
		{name: "pipe", make: func(t fixture) bad {
			var p [2]int
			must(t, unix.Pipe(p[:]))
			owned(t, p[1], nil)
			return bad{owned(t, p[0], nil), udpWant("127.0.0.1:0"), "the plugin returned a pipe, want a udp socket"}
		}},
		{name: "eventfd", make: func(t fixture) bad {
			fd, err := unix.Eventfd(0, 0)
			return bad{owned(t, fd, err), tcpWant("127.0.0.1:0"), "the plugin returned a descriptor of another kind, want a tcp socket"}
		}},
		{name: "udp for tcp", make: func(t fixture) bad {
			return bad{boundUDP(t, loopback()), tcpWant("127.0.0.1:0"), "the plugin returned a udp socket, want tcp"}
		}},
		{name: "tcp for udp", make: func(t fixture) bad {
			return bad{boundTCP(t, loopback()), udpWant("127.0.0.1:0"), "the plugin returned a tcp socket, want udp"}
		}},
		{name: "mptcp for tcp", make: func(t fixture) bad {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
			if err != nil {
				t.Skip("no mptcp here: ", err)
			}
			owned(t, fd, nil)
			must(t, unix.Bind(fd, loopback()))
			return bad{fd, tcpWant("127.0.0.1:0"), "the plugin returned a mptcp socket, want tcp"}
		}},
		{name: "udplite for udp", make: func(t fixture) bad {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)
			if err != nil {
				t.Skip("no udplite here: ", err)
			}
			return bad{owned(t, fd, nil), udpWant("127.0.0.1:0"), "the plugin returned a family 2, type 2, protocol 136 socket, want udp"}
		}},
		{name: "uds for tcp", make: func(t fixture) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, filepath.Join(t.TempDir(), "s"))
			return bad{fd, tcpWant("127.0.0.1:0"), "the plugin returned a uds stream socket, want tcp"}
		}},
		{name: "netlink for udp", make: func(t fixture) bad {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_ROUTE)
			return bad{owned(t, fd, err), udpWant("127.0.0.1:0"), "the plugin returned a family 16, type 2, protocol 0 socket, want udp"}
		}},
		{name: "netlink for uds", make: func(t fixture) bad {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_ROUTE)
			w := with(Want{Type: "uds", Address: "/run/s"}, "kind", "dgram")
			return bad{owned(t, fd, err), w, "the plugin returned a family 16, type 2, protocol 0 socket, want uds dgram"}
		}},
		{name: "wrong port", make: func(t fixture) bad {
			fd := boundTCP(t, loopback())
			return bad{fd, tcpWant("127.0.0.1:1"), "the returned socket is bound to 127.0.0.1:" + portOf(t, fd) + ", want 127.0.0.1:1"}
		}},
		{name: "wildcard instead of a specific address", make: func(t fixture) bad {
			fd := boundTCP(t, wildcard4())
			p := portOf(t, fd)
			return bad{fd, tcpWant("127.0.0.1:" + p), "the returned socket is bound to 0.0.0.0:" + p + ", want 127.0.0.1:" + p}
		}},
		{name: "dual stack instead of IPv4", make: func(t fixture) bad {
			fd := boundUDP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0))
			p := portOf(t, fd)
			return bad{fd, udpWant("0.0.0.0:" + p), "the returned socket is bound to *:" + p + ", want 0.0.0.0:" + p}
		}},
		{name: "IPv4 instead of dual stack", make: func(t fixture) bad {
			fd := boundTCP(t, wildcard4())
			p := portOf(t, fd)
			return bad{fd, tcpWant("*:" + p), "the returned socket is bound to 0.0.0.0:" + p + ", want *:" + p}
		}},
		{name: "dual stack instead of IPv6 only", make: func(t fixture) bad {
			fd := boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0))
			return bad{fd, tcpWant("[::]:0"), "IPV6_V6ONLY of the returned socket is off, want on"}
		}},
		{name: "IPv6 only instead of dual stack", make: func(t fixture) bad {
			fd := boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 1))
			return bad{fd, tcpWant("*:0"), "IPV6_V6ONLY of the returned socket is on, want off"}
		}},
		{name: "IPv6 only although v6only is false", make: func(t fixture) bad {
			fd := boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 1))
			return bad{fd, with(tcpWant("[::]:0"), "v6only", "false"), "IPV6_V6ONLY of the returned socket is on, want off"}
		}},
		{name: "not bound", make: func(t fixture) bad {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			return bad{owned(t, fd, err), tcpWant("0.0.0.0:0"), "the plugin returned a socket that is not bound, want 0.0.0.0:0"}
		}},
		{name: "listening", make: func(t fixture) bad {
			fd := boundTCP(t, loopback())
			must(t, unix.Listen(fd, 1))
			return bad{fd, tcpWant("127.0.0.1:0"), "the plugin returned a socket that is listening already, want it bound only"}
		}},
		{name: "connected tcp", make: func(t fixture) bad {
			server, _ := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
			sa, err := unix.Getsockname(server)
			must(t, err)
			fd := boundTCP(t, loopback())
			must(t, unix.Connect(fd, sa))
			return bad{fd, tcpWant("127.0.0.1:0"), "the plugin returned a connected socket, want it bound only"}
		}},
		{name: "connected udp", make: func(t fixture) bad {
			fd := boundUDP(t, loopback())
			must(t, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9}))
			return bad{fd, udpWant("127.0.0.1:0"), "the plugin returned a connected socket, want it bound only"}
		}},
		{name: "reuse-port that nobody asked for", make: func(t fixture) bad {
			fd := boundTCP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			return bad{fd, tcpWant("127.0.0.1:0"), "SO_REUSEPORT of the returned socket is on, want off"}
		}},
		{name: "reuse-port forgotten", make: func(t fixture) bad {
			return bad{boundTCP(t, loopback()), with(tcpWant("127.0.0.1:0"), "reuse-port", "true"), "SO_REUSEPORT of the returned socket is off, want on"}
		}},
		{name: "S151 udp with SO_REUSEADDR", make: func(t fixture) bad {
			fd := boundUDP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			return bad{fd, udpWant("127.0.0.1:0"), "SO_REUSEADDR of the returned socket is on, want off"}
		}},
		{name: "freebind although it is off", make: func(t fixture) bad {
			fd := boundTCP(t, loopback(), flag(unix.SOL_IP, unix.IP_FREEBIND, 1))
			return bad{fd, with(tcpWant("127.0.0.1:0"), "freebind", "false"), "IP_FREEBIND of the returned socket is on, want off"}
		}},
		{name: "freebind forgotten", make: func(t fixture) bad {
			return bad{boundTCP(t, loopback6()), with(tcpWant("[::1]:0"), "freebind", "true"), "IP_FREEBIND of the returned socket is off, want on"}
		}},
		{name: "mark", root: true, make: func(t fixture) bad {
			fd := boundTCP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_MARK, 7))
			return bad{fd, tcpWant("127.0.0.1:0"), "SO_MARK of the returned socket is 7, want it unset"}
		}},
		{name: "transparent", root: true, make: func(t fixture) bad {
			fd := boundTCP(t, loopback(), flag(unix.SOL_IP, unix.IP_TRANSPARENT, 1))
			return bad{fd, tcpWant("127.0.0.1:0"), "IP_TRANSPARENT of the returned socket is on, want off"}
		}},
		{name: "transparent IPv6", root: true, make: func(t fixture) bad {
			fd := boundUDP(t, loopback6(), flag(unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1))
			return bad{fd, udpWant("[::1]:0"), "IP_TRANSPARENT of the returned socket is on, want off"}
		}},
		{name: "bound to a device", root: true, make: func(t fixture) bad {
			fd := boundTCP(t, loopback(), func(fd int) error { return unix.BindToDevice(fd, "lo") })
			return bad{fd, tcpWant("127.0.0.1:0"), "SO_BINDTODEVICE of the returned socket is lo, want unset"}
		}},
		{name: "BPF filter", make: func(t fixture) bad {
			return bad{boundUDP(t, loopback(), attach), udpWant("127.0.0.1:0"), "the plugin returned a socket with a BPF filter attached, want none"}
		}},
		{name: "eBPF filter", root: true, make: func(t fixture) bad {
			return bad{boundTCP(t, loopback(), attachExtended), tcpWant("127.0.0.1:0"), "the plugin returned a socket with a BPF filter attached, want none"}
		}},
		{name: "another network namespace", root: true, make: func(t fixture) bad {
			fd := -1
			on(t, func() (err error) {
				if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
					return err
				}
				fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
				return err
			})
			owned(t, fd, nil)
			must(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4321}))
			return bad{fd, tcpWant("0.0.0.0:4321"), "the plugin returned a socket of another network namespace"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root {
				needRoot(t)
			}
			keepsDescriptors(t)
			refused(t, tt.make(fixture{t}))
		})
	}
}

// refused checks that Verify refuses a descriptor with its reason, leaks nothing
// and leaves the descriptor to its owner, who closes it at the end of the test.
func refused(tb testing.TB, b bad) {
	tb.Helper()
	before := descriptors(tb)
	facts, err := Verify(b.fd, b.want)
	var wrong *MismatchError
	if !errors.As(err, &wrong) || wrong.Reason != b.reason {
		tb.Errorf("Verify error = %q,\nwant %q", errText(err), b.reason)
	}
	if !reflect.ValueOf(facts).IsZero() {
		tb.Errorf("facts of a refused descriptor: %+v", facts)
	}
	if after := descriptors(tb); after != before {
		tb.Errorf("%d descriptors are open after Verify, %d before", after, before)
	}
}

// linkLocal returns an address of this machine that needs a zone.
func linkLocal(tb testing.TB) (*unix.SockaddrInet6, string) {
	tb.Helper()
	table, err := os.ReadFile("/proc/net/if_inet6")
	if err != nil {
		tb.Skip("no IPv6 here")
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) != 6 || !strings.HasPrefix(f[0], "fe80") {
			continue
		}
		raw, err := hex.DecodeString(f[0])
		must(tb, err)
		index, err := strconv.ParseUint(f[1], 16, 32)
		must(tb, err)
		sa := &unix.SockaddrInet6{Addr: [16]byte(raw), ZoneId: uint32(index)}
		return sa, "[" + netip.AddrFrom16(sa.Addr).WithZone(f[5]).String() + "]"
	}
	tb.Skip("no link-local address here")
	return nil, ""
}

// S20 to S22, S26: what was asked for passes, and the facts are the kernel's.
func TestVerifyInet(t *testing.T) {
	tests := []struct {
		name  string
		make  func(t fixture) (int, Want)
		local string // without the port
	}{
		{name: "tcp", local: "127.0.0.1", make: func(t fixture) (int, Want) {
			return boundTCP(t, loopback()), tcpWant("127.0.0.1:0")
		}},
		{name: "S32 tcp with SO_REUSEADDR", local: "127.0.0.1", make: func(t fixture) (int, Want) {
			fd := boundTCP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			return fd, tcpWant("127.0.0.1:" + portOf(t, fd))
		}},
		{name: "freebind by the plugin's choice", local: "127.0.0.1", make: func(t fixture) (int, Want) {
			return boundTCP(t, loopback(), flag(unix.SOL_IP, unix.IP_FREEBIND, 1)), tcpWant("127.0.0.1:0")
		}},
		{name: "reuse-port asked for", local: "127.0.0.1", make: func(t fixture) (int, Want) {
			fd := boundUDP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			return fd, with(udpWant("127.0.0.1:0"), "reuse-port", "true")
		}},
		{name: "udp", local: "127.0.0.1", make: func(t fixture) (int, Want) {
			return boundUDP(t, loopback()), udpWant("127.0.0.1:0")
		}},
		{name: "S21 IPv6", local: "[::1]", make: func(t fixture) (int, Want) {
			return boundTCP(t, loopback6()), tcpWant("[::1]:0")
		}},
		{name: "dual stack", local: "*", make: func(t fixture) (int, Want) {
			return boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0)), tcpWant("*:0")
		}},
		{name: "dual stack by an option", local: "*", make: func(t fixture) (int, Want) {
			fd := boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0))
			return fd, with(tcpWant("[::]:0"), "v6only", "false")
		}},
		{name: "IPv6 only", local: "[::]", make: func(t fixture) (int, Want) {
			return boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)), tcpWant("[::]:0")
		}},
		{name: "IPv4 wildcard", local: "0.0.0.0", make: func(t fixture) (int, Want) {
			return boundUDP(t, wildcard4()), udpWant("0.0.0.0:0")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, w := tt.make(fixture{t})
			accepted(t, fd, w, Facts{Local: tt.local + ":" + portOf(t, fd), Stream: w.Type == "tcp"})
		})
	}
	t.Run("link-local with a zone", func(t *testing.T) {
		keepsDescriptors(t)
		sa, text := linkLocal(t)
		fd := boundTCP(t, sa)
		accepted(t, fd, tcpWant(text+":0"), Facts{Local: text + ":" + portOf(t, fd), Stream: true})
	})
	t.Run("link-local in another zone", func(t *testing.T) {
		keepsDescriptors(t)
		sa, text := linkLocal(t)
		fd := boundTCP(t, sa)
		want, _, _ := strings.Cut(text, "%")
		want += "%lo]:0"
		refused(t, bad{fd, tcpWant(want), "the returned socket is bound to " + text + ":" + portOf(t, fd) + ", want " + want})
	})
}

// accepted checks that Verify takes the descriptor, reports the facts, and makes
// it close-on-exec and O_NONBLOCK (S29).
func accepted(tb testing.TB, fd int, w Want, want Facts) {
	tb.Helper()
	got, err := Verify(fd, w)
	must(tb, err)
	var st unix.Stat_t
	must(tb, unix.Fstat(fd, &st))
	want.Inode = st.Ino
	if got.Cookie == 0 {
		tb.Error("no cookie")
	}
	want.Cookie = got.Cookie
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("facts (-want +got):\n%s", diff)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	must(tb, err)
	if flags&unix.O_NONBLOCK == 0 {
		tb.Error("O_NONBLOCK is not set")
	}
	flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	must(tb, err)
	if flags&unix.FD_CLOEXEC == 0 {
		tb.Error("close-on-exec is not set")
	}
}

func TestCompareWithoutIPv6(t *testing.T) {
	four, err := expect(tcpWant("0.0.0.0:80"))
	must(t, err)
	both, err := expect(tcpWant("*:80"))
	must(t, err)
	broken := errors.New("out of descriptors")
	for _, tt := range []struct {
		name    string
		have6   func() (bool, error)
		wantErr string
	}{
		{name: "a machine without IPv6", have6: func() (bool, error) { return false, nil }},
		{name: "a machine with IPv6", have6: func() (bool, error) { return true, nil }, wantErr: "the returned socket is bound to 0.0.0.0:80, want *:80"},
		{name: "nobody knows", have6: func() (bool, error) { return false, broken }, wantErr: "out of descriptors"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := errText(both.endpoint.compare(four.endpoint, tt.have6)); got != tt.wantErr {
				t.Errorf("compare = %q, want %q", got, tt.wantErr)
			}
		})
	}
}

// A wish that cannot be read is the caller's fault, not the plugin's.
func TestVerifyBadWant(t *testing.T) {
	fd := boundTCP(t, loopback())
	for _, tt := range []struct {
		name string
		want Want
		err  string
	}{
		{name: "transport", want: Want{Type: "vsock", Address: "2:80"}, err: `verify vsock 2:80: transport "vsock", want tcp, udp or uds, or the shape of its sockets`},
		{name: "host name", want: tcpWant("localhost:80"), err: `verify tcp localhost:80: ParseAddr("localhost"): unable to parse IP`},
		{name: "no port", want: tcpWant("127.0.0.1"), err: "verify tcp 127.0.0.1: not an ip:port"},
		{name: "unknown zone", want: tcpWant("[fe80::1%nosuch0]:80"), err: "verify tcp [fe80::1%nosuch0]:80: interface nosuch0: route ip+net: no such network interface"},
		{name: "v6only", want: with(tcpWant("[::]:80"), "v6only", "maybe"), err: `verify tcp [::]:80: option v6only = "maybe", want true or false`},
		{name: "freebind", want: with(tcpWant("[::]:80"), "freebind", ""), err: `verify tcp [::]:80: option freebind = "", want true or false`},
		{name: "reuse-port", want: with(tcpWant("[::]:80"), "reuse-port", "2"), err: `verify tcp [::]:80: option reuse-port = "2", want true or false`},
		{name: "relative path", want: Want{Type: "uds", Address: "run/s"}, err: "verify uds run/s: want an absolute path or @name"},
		{name: "kind", want: with(Want{Type: "uds", Address: "/s"}, "kind", "raw"), err: `verify uds /s: option kind = "raw", want stream, dgram or seqpacket`},
		{name: "mode", want: with(Want{Type: "uds", Address: "/s"}, "mode", "0888"), err: `verify uds /s: option mode = "0888", want an octal file mode`},
		{name: "large mode", want: with(Want{Type: "uds", Address: "/s"}, "mode", "10000"), err: `verify uds /s: option mode = "10000", want an octal file mode`},
		{name: "user", want: with(Want{Type: "uds", Address: "/s"}, "user", "no such user"), err: `verify uds /s: option user = "no such user": user: unknown user no such user`},
		{name: "group", want: with(Want{Type: "uds", Address: "/s"}, "group", "no such group"), err: `verify uds /s: option group = "no such group": group: unknown group no such group`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Verify(fd, tt.want)
			if got := errText(err); got != tt.err {
				t.Errorf("Verify error = %q,\nwant %q", got, tt.err)
			}
			if _, wrong := errors.AsType[*MismatchError](err); wrong {
				t.Error("the plugin is blamed")
			}
		})
	}
	if _, err := Verify(-1, tcpWant("127.0.0.1:0")); !errors.Is(err, unix.EBADF) {
		t.Errorf("Verify(-1) = %v, want EBADF", err)
	}
}

// S170: one socket for two requests.
func TestS170SameSocketTwice(t *testing.T) {
	fd := boundTCP(t, loopback())
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	owned(t, copied, err)
	first, err := Verify(fd, tcpWant("127.0.0.1:0"))
	must(t, err)
	second, err := Verify(copied, tcpWant("127.0.0.1:0"))
	must(t, err)
	var claims Claims
	must(t, claims.Claim(first.Cookie, "web@http"))
	err = claims.Claim(second.Cookie, "web@https")
	var wrong *MismatchError
	if !errors.As(err, &wrong) || wrong.Reason != "the plugin returned the same socket again, it belongs to web@http" {
		t.Errorf("Claim of a copy = %v", err)
	}
	claims.Release(first.Cookie)
	must(t, claims.Claim(second.Cookie, "web@https"))
}
