package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

func TestCheckInet(t *testing.T) {
	on := InetOptions{V6Only: new(true)}
	tests := []struct {
		name, in string
		opts     InetOptions
		want     string
		wantErr  string
	}{
		{name: "IPv4", in: "127.0.0.1:80", want: "127.0.0.1:80"},
		{name: "port 0", in: "0.0.0.0:0", want: "0.0.0.0:0"},
		{name: "leading zero of a port", in: "127.0.0.1:0080", want: "127.0.0.1:80"},
		{name: "IPv6", in: "[0:0:0:0:0:0:0:1]:80", want: "[::1]:80"},
		{name: "zone", in: "[FE80::1%eth0]:80", want: "[fe80::1%eth0]:80"},
		{name: "every address", in: "*:80", want: "*:80"},
		{name: "every IPv6 address", in: "[::]:80", opts: on, want: "[::]:80"},
		{name: "host name", in: "localhost:80", wantErr: `address "localhost:80" is not valid (want IP:port, [IPv6]:port, [IPv6%zone]:port or *:port)`},
		{name: "no port", in: "127.0.0.1", wantErr: `address "127.0.0.1" is not valid (want IP:port, [IPv6]:port, [IPv6%zone]:port or *:port)`},
		{name: "large port", in: "127.0.0.1:65536", wantErr: `address "127.0.0.1:65536" is not valid (want IP:port, [IPv6]:port, [IPv6%zone]:port or *:port)`},
		{name: "large port of every address", in: "*:65536", wantErr: `address "*:65536" is not valid (the port must be from 0 to 65535)`},
		{name: "empty", in: "", wantErr: `address "" is not valid (want IP:port, [IPv6]:port, [IPv6%zone]:port or *:port)`},
		{name: "IPv4 in IPv6", in: "[::ffff:1.2.3.4]:80", wantErr: `address "[::ffff:1.2.3.4]:80" is not valid (write the IPv4 address 1.2.3.4)`},
		{name: "link-local alone", in: "[fe80::1]:80", wantErr: `address "[fe80::1]:80" is not valid (a link-local address needs its interface, for example fe80::1%eth0)`},
		{name: "zone of a global address", in: "[2001:db8::1%eth0]:80", wantErr: `address "[2001:db8::1%eth0]:80" is not valid (only a link-local address has a zone)`},
		{name: "v6only of every address", in: "*:80", opts: on, wantErr: "option v6only contradicts the address *:80, which means IPv4 and IPv6 (write [::]:80 for IPv6 only)"},
		{name: "v6only of IPv4", in: "1.2.3.4:80", opts: on, wantErr: "option v6only has no meaning for the IPv4 address 1.2.3.4:80 (remove the option)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CheckInet(tt.in, tt.opts)
			if msg := errText(err); msg != tt.wantErr {
				t.Fatalf("CheckInet(%q) error = %q, want %q", tt.in, msg, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("CheckInet(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if err != nil {
				return
			}
			if again, err := CheckInet(got, tt.opts); again != got || err != nil {
				t.Errorf("CheckInet(%q) = %q, %v: not a fixed point", got, again, err)
			}
		})
	}
}

func FuzzCheckInet(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:0", "[fe80::1%eth0]:80", "*:80", "localhost:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := CheckInet(s, InetOptions{})
		if err != nil {
			return
		}
		if again, err := CheckInet(got, InetOptions{}); again != got || err != nil {
			t.Errorf("CheckInet(%q) = %q, and that gives %q, %v", s, got, again, err)
		}
	})
}

// bindInet binds or fails the test; the socket is closed with the test.
func bindInet(t *testing.T, network, address string, opts InetOptions) *Socket {
	t.Helper()
	s, err := BindInet(t.Context(), network, address, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func getsockopt(t *testing.T, fd, level, name int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBindInetOptions(t *testing.T) {
	type options struct{ Domain, Protocol, Reuse, ReusePort, V6Only, FreeBind int }
	tests := []struct {
		name, network, address string
		opts                   InetOptions
		want                   options
	}{
		{"S20 tcp", "tcp", "127.0.0.1:0", InetOptions{}, options{unix.AF_INET, unix.IPPROTO_TCP, 1, 0, -1, 1}},
		{"S21 tcp IPv6", "tcp", "[::1]:0", InetOptions{}, options{unix.AF_INET6, unix.IPPROTO_TCP, 1, 0, 1, 1}},
		{"S151 udp", "udp", "127.0.0.1:0", InetOptions{}, options{unix.AF_INET, unix.IPPROTO_UDP, 0, 0, -1, 1}},
		{"every address", "udp", "*:0", InetOptions{}, options{unix.AF_INET6, unix.IPPROTO_UDP, 0, 0, 0, 0}},
		{"every IPv6 address", "tcp", "[::]:0", InetOptions{}, options{unix.AF_INET6, unix.IPPROTO_TCP, 1, 0, 1, 0}},
		{"every IPv4 address", "tcp", "0.0.0.0:0", InetOptions{}, options{unix.AF_INET, unix.IPPROTO_TCP, 1, 0, -1, 0}},
		{"v6only off", "tcp", "[::]:0", InetOptions{V6Only: new(false)}, options{unix.AF_INET6, unix.IPPROTO_TCP, 1, 0, 0, 0}},
		{"freebind off", "tcp", "127.0.0.1:0", InetOptions{FreeBind: new(false)}, options{unix.AF_INET, unix.IPPROTO_TCP, 1, 0, -1, 0}},
		{"freebind on", "tcp", "[::]:0", InetOptions{FreeBind: new(true)}, options{unix.AF_INET6, unix.IPPROTO_TCP, 1, 0, 1, 1}},
		{"reuse-port", "udp", "127.0.0.1:0", InetOptions{ReusePort: true}, options{unix.AF_INET, unix.IPPROTO_UDP, 0, 1, -1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fd := bindInet(t, tt.network, tt.address, tt.opts).FD
			got := options{
				Domain:    getsockopt(t, fd, unix.SOL_SOCKET, unix.SO_DOMAIN),
				Protocol:  getsockopt(t, fd, unix.SOL_SOCKET, unix.SO_PROTOCOL),
				Reuse:     getsockopt(t, fd, unix.SOL_SOCKET, unix.SO_REUSEADDR),
				ReusePort: getsockopt(t, fd, unix.SOL_SOCKET, unix.SO_REUSEPORT),
				V6Only:    -1,
			}
			if got.Domain == unix.AF_INET6 {
				got.V6Only = getsockopt(t, fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
				got.FreeBind = getsockopt(t, fd, unix.SOL_IPV6, unix.IPV6_FREEBIND)
			} else {
				got.FreeBind = getsockopt(t, fd, unix.SOL_IP, unix.IP_FREEBIND)
			}
			if got != tt.want {
				t.Errorf("options are %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestS32Rebind leaves a connection in TIME_WAIT at the side of the listener.
func TestS32Rebind(t *testing.T) {
	s := bindInet(t, "tcp", "127.0.0.1:0", InetOptions{})
	if err := unix.Listen(s.FD, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(s.FD, false); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", s.Bound)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, _, err := unix.Accept4(s.FD, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	fdpass.Close(conn) // closes first, so the TIME_WAIT is here
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Fatal("the connection is still open")
	}
	client.Close()
	// Free the port, but leave a descriptor for the test to close.
	stop, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(stop, s.FD, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	fdpass.Close(stop)
	again := bindInet(t, "tcp", s.Bound, InetOptions{})
	if err := unix.Listen(again.FD, 1); err != nil {
		t.Errorf("listen on %s again: %v", s.Bound, err)
	}
}

func TestS151NoSharedUDP(t *testing.T) {
	s := bindInet(t, "udp", "127.0.0.1:0", InetOptions{})
	second, err := BindInet(t.Context(), "udp", s.Bound, InetOptions{})
	if err == nil {
		second.close()
	}
	want := fmt.Sprintf("bind %s: address already in use", s.Bound)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != AddressInUse || e.Error() != want || e.Errno != unix.EADDRINUSE {
		t.Errorf("a second udp socket: %v, want %q with the code %s", err, want, AddressInUse)
	}
}

// TestPrivilegedPort takes the capability from one thread, which ends with it.
func TestPrivilegedPort(t *testing.T) {
	first := firstUnprivilegedPort()
	if first < 2 {
		t.Skip("every port is free for all here")
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends without its capabilities
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			errs <- fmt.Errorf("capset: %w", err)
			return
		}
		s, err := BindInet(t.Context(), "tcp", "127.0.0.1:1", InetOptions{})
		if err == nil {
			s.close()
		}
		errs <- err
	}()
	err := <-errs
	want := fmt.Sprintf("bind 127.0.0.1:1: permission denied (needs CAP_NET_BIND_SERVICE for ports below %d)", first)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != Permission || e.Error() != want {
		t.Errorf("error %v, want %q with the code %s", err, want, Permission)
	}
}

func TestBindInetErrors(t *testing.T) {
	tests := []struct {
		name, network, address string
		opts                   InetOptions
		code                   Code
		want                   string
	}{
		{"network", "sctp", "127.0.0.1:0", InetOptions{}, Unsupported, `bind 127.0.0.1:0: unknown network "sctp"`},
		{"address", "tcp", "x", InetOptions{}, InvalidAddress, `address "x" is not valid`},
		{"option", "tcp", "*:0", InetOptions{V6Only: new(true)}, InvalidOption, "option v6only contradicts"},
		{
			"elsewhere", "tcp", "192.0.2.1:0",
			InetOptions{FreeBind: new(false)},
			AddressNotAvailable,
			"bind 192.0.2.1:0: cannot assign requested address (no interface of this machine has the address)",
		},
		{
			"interface", "tcp", "[fe80::1%nosuch0]:0",
			InetOptions{},
			AddressNotAvailable,
			"bind [fe80::1%nosuch0]:0: no such device (there is no interface nosuch0)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := BindInet(t.Context(), tt.network, tt.address, tt.opts)
			if err == nil {
				s.close()
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code || !strings.HasPrefix(e.Error(), tt.want) {
				t.Errorf("error %v, want %q with the code %s", err, tt.want, tt.code)
			}
		})
	}
}

func TestZones(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no interface lo")
	}
	for _, zone := range []string{"lo", fmt.Sprint(lo.Index)} {
		if id, err := zoneID(zone); err != nil || int(id) != lo.Index {
			t.Errorf("zoneID(%s) = %d, %v, want %d", zone, id, err, lo.Index)
		}
	}
	if name := zoneName(uint32(lo.Index)); name != "lo" {
		t.Errorf("zoneName(%d) = %s, want lo", lo.Index, name)
	}
	a := inetAddress{ip: netip.MustParseAddr("fe80::1%lo"), port: 80}
	sa, err := a.sockaddr()
	if six, ok := sa.(*unix.SockaddrInet6); err != nil || !ok || int(six.ZoneId) != lo.Index {
		t.Errorf("sockaddr of %s = %+v, %v, want the zone %d", a, sa, err, lo.Index)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
