package listen

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

// Who may not connect, and does it as fast as he can, does not keep Accept from its
// end: it is called again while somebody waits.
func TestAcceptEnds(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	denied, allowed := 0, false
	s.SetGate(Gate{
		Allow:  func(peer.Cred) bool { return allowed },
		Denied: func(Access) { denied++ },
	})
	for range 2*Batch + 1 {
		dial(t, fd)
	}
	accept := func(most int) (taken int) {
		must(t, s.Accept(t.Context(), most, func(c Connection) {
			taken++
			must(t, unix.Close(c.FD))
		}))
		return taken
	}
	if taken := accept(1); taken != 0 || denied != Batch {
		t.Errorf("%d connections were taken and %d refused at once, want %d refused", taken, denied, Batch)
	}
	allowed = true
	if taken := accept(10); taken != 10 {
		t.Errorf("%d connections were taken, want 10", taken)
	}
	if taken := accept(2 * Batch); taken != Batch+1-10 {
		t.Errorf("%d connections were taken, want the other %d", taken, Batch+1-10)
	}
}

// Who is counted as one: an address of version 4 however it came, a network of
// version 6 since whoever has one has all its addresses, and a user.
func TestS158Source(t *testing.T) {
	t.Parallel()
	v4 := func(text string) unix.Sockaddr {
		return &unix.SockaddrInet4{Addr: netip.MustParseAddr(text).As4(), Port: 4000}
	}
	v6 := func(text string, zone uint32) unix.Sockaddr {
		return &unix.SockaddrInet6{Addr: netip.MustParseAddr(text).As16(), Port: 4000, ZoneId: zone}
	}
	for _, tt := range []struct {
		name string
		from unix.Sockaddr
		uid  int
		want string
	}{
		{"S158-v4", v4("192.0.2.1"), -1, "192.0.2.1"},
		{"S158-v4 of a user of this machine", v4("127.0.0.1"), 1000, "127.0.0.1"},
		{"S158-mapped v4", v6("::ffff:192.0.2.1", 0), -1, "192.0.2.1"},
		{"S158-v6 first of a network", v6("2001:db8:1:2::", 0), -1, "2001:db8:1:2::/64"},
		{"S158-v6 last of a network", v6("2001:db8:1:2:ffff:ffff:ffff:ffff", 0), -1, "2001:db8:1:2::/64"},
		{"S158-v6 next network", v6("2001:db8:1:3::", 0), -1, "2001:db8:1:3::/64"},
		{"S158-v6 of a link", v6("fe80::1", 2), -1, "fe80::/64"},
		{"S158-uid", &unix.SockaddrUnix{}, 1000, "uid 1000"},
		{"S158-uid root, whose socket has a name", &unix.SockaddrUnix{Name: "/run/client.sock"}, 0, "uid 0"},
		{"S158-uid unknown", &unix.SockaddrUnix{}, -1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := sourceOf(tt.from, tt.uid); got != tt.want {
				t.Errorf("sourceOf(%+v, %d) = %q, want %q", tt.from, tt.uid, got, tt.want)
			}
		})
	}
}
