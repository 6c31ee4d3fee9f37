package peer

import (
	"errors"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// accepted returns both ends of a connection over loopback.
func accepted(t *testing.T, network, listen, dial string) (client net.Conn, fd int) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), network, listen)
	if err != nil {
		t.Skipf("this machine cannot listen on %s: %v", listen, err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{}
	d.SetMultipathTCP(false)
	client, err = d.DialContext(t.Context(), "tcp", net.JoinHostPort(dial, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	control(t, server, func(orig int) (err error) {
		fd, err = unix.FcntlInt(uintptr(orig), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	t.Cleanup(func() { _ = unix.Close(fd) })
	return client, fd
}

func TestS109OfLocal(t *testing.T) {
	tests := []struct{ name, network, listen, dial string }{
		{name: "IPv4", network: "tcp4", listen: "127.0.0.1:0", dial: "127.0.0.1"},
		{name: "IPv6", network: "tcp6", listen: "[::1]:0", dial: "::1"},
		{name: "IPv4 at a dual-stack listener", network: "tcp", listen: ":0", dial: "127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, fd := accepted(t, tt.network, tt.listen, tt.dial)
			cred, err := OfLocal(fd)
			if err != nil {
				t.Fatal(err)
			}
			if cred.UID != uint32(os.Getuid()) {
				t.Errorf("uid %d, want %d", cred.UID, os.Getuid())
			}
			client.Close()
			if cred, err := OfLocal(fd); !errors.Is(err, ErrUnknown) {
				t.Errorf("of a client that is gone: %+v, %v, want ErrUnknown", cred, err)
			}
		})
	}
}

func TestRule(t *testing.T) {
	rule := &Rule{UIDs: []uint32{4001}, GIDs: []uint32{0, 5001}, Except: []uint32{0, 4004}}
	tests := []struct {
		name string
		cred Cred
		want bool
	}{
		{name: "S103 root", cred: Cred{GID: 9000}, want: true},
		{name: "S100 the user", cred: Cred{UID: 4001, GID: 9000}, want: true},
		{name: "S107 primary group", cred: Cred{UID: 4003, GID: 5001}, want: true},
		{name: "S107 supplementary group", cred: Cred{UID: 4003, GID: 9000, Groups: []uint32{1, 5001}}, want: true},
		{name: "S101 neither", cred: Cred{UID: 4003, GID: 9000, Groups: []uint32{1}}},
		{name: "S107 a member who is excepted", cred: Cred{UID: 4004, GID: 5001, Groups: []uint32{5001}}},
		{name: "the number of the user as a group", cred: Cred{UID: 5001, GID: 4001}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rule.Allows(tt.cred); got != tt.want {
				t.Errorf("Allows(%+v) = %v, want %v", tt.cred, got, tt.want)
			}
		})
	}
}
