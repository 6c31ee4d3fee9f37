package peer

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
)

// socketAs makes a unix socket as that user, which has no name in any database.
func socketAs(t *testing.T, uid uint32, network string) int {
	t.Helper()
	domain := unix.AF_UNIX
	if network == "tcp4" {
		domain = unix.AF_INET
	}
	fd := -1
	err := ownthread.As(uid, uint32(os.Getgid()), nil, func() (err error) {
		fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// Those who wait are known by the users that opened their sockets, those of a unix
// socket in the order of the queue.
func TestClients(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may be other users")
	}
	for _, tt := range []struct{ network, address string }{
		{"unix", filepath.Join(t.TempDir(), "s")}, {"unix", "@rind-clients-test"}, {"tcp4", "127.0.0.1:0"},
	} {
		t.Run(tt.network+" "+tt.address[:1], func(t *testing.T) {
			var lc net.ListenConfig
			lc.SetMultipathTCP(false)
			l, err := lc.Listen(t.Context(), tt.network, tt.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			fds := map[uint32]int{}
			for _, uid := range []uint32{4003, 4001, 4002} {
				fd := socketAs(t, uid, tt.network)
				fds[uid] = fd
				if err := unix.Connect(fd, sockaddr(t, l)); err != nil {
					t.Fatal(err)
				}
			}
			clients := clientsOf(t, l)
			var uids []uint32
			seen := map[uint32]bool{}
			for _, c := range clients {
				uids, seen[c.UID] = append(uids, c.UID), c.Known && c.ID != 0
			}
			if tt.network == "unix" {
				if diff := cmp.Diff([]uint32{4003, 4001, 4002}, uids); diff != "" {
					t.Errorf("order of the queue (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(map[uint32]bool{4001: true, 4002: true, 4003: true}, seen); diff != "" {
				t.Errorf("known clients (-want +got):\n%s", diff)
			}
			_ = unix.Close(fds[4003])
			for _, c := range clientsOf(t, l) {
				if c.UID == 4003 && c.Known {
					t.Error("a client that has closed its socket is still known")
				}
			}
			_, _ = unix.Close(fds[4001]), unix.Close(fds[4002])
		})
	}
}

// Only the client that is meant is disconnected, and only a tcp client can be.
func TestDisconnect(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SOCK_DESTROY needs CAP_NET_ADMIN")
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var conns []net.Conn
	for range 2 {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for _, c := range clientsOf(t, l) {
		if c.Remote() != conns[0].LocalAddr().String() {
			continue
		}
		for range 2 { // the second time it is gone
			if err := Disconnect(&c); errors.Is(err, ErrCannotDisconnect) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client that was meant reads %v, want ECONNRESET", err)
	}
	left := clientsOf(t, l)
	if len(left) != 1 || left[0].Remote() != conns[1].LocalAddr().String() {
		t.Errorf("%+v wait, want the other one alone", left)
	}
	if err := Disconnect(&Client{ID: 1}); !errors.Is(err, ErrCannotDisconnect) {
		t.Errorf("Disconnect of a unix client = %v, want ErrCannotDisconnect", err)
	}
}

// A group is enough that the process which has the socket open is in.
func TestAdmits(t *testing.T) {
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(client) }()
	var st unix.Stat_t
	if err := unix.Fstat(client, &st); err != nil {
		t.Fatal(err)
	}
	me, stranger := uint32(os.Geteuid()), uint32(4003)
	tests := []struct {
		name   string
		rule   Rule
		client Client
		want   bool
	}{
		{name: "a user", rule: Rule{UIDs: []uint32{4003}}, client: Client{Known: true, UID: stranger}, want: true},
		{name: "another user", rule: Rule{UIDs: []uint32{4001}}, client: Client{Known: true, UID: stranger}},
		{name: "a group and nobody's socket", rule: Rule{GIDs: []uint32{4001}}, client: Client{Known: true, UID: stranger}},
		{name: "user 0", client: Client{Known: true}, want: true},
		{name: "unknown", client: Client{}},
		{name: "another user's process", rule: Rule{GIDs: []uint32{uint32(os.Getegid())}}, client: Client{Known: true, UID: stranger, socket: uint32(st.Ino)}},
		{name: "the group of its process", rule: Rule{GIDs: []uint32{uint32(os.Getegid())}}, client: Client{Known: true, UID: me, socket: uint32(st.Ino)}, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.rule.Admits([]Client{tt.client})
			if err != nil || len(got) != 1 || got[0] != tt.want {
				t.Errorf("Admits = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseStatus(t *testing.T) {
	tests := []struct {
		name, in string
		want     Cred
		wantErr  string
	}{
		{name: "effective ids", in: "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n", want: Cred{UID: 2, GID: 6, Groups: []uint32{9, 10}}},
		{name: "no groups", in: "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t \n", want: Cred{UID: 2, GID: 6}},
		{name: "cut off", in: "Uid:\t1\t2\t3\t4\n", wantErr: "it has no Uid, Gid and Groups"},
		{name: "one number", in: "Uid:\t1\n", wantErr: "Uid has 1 numbers, want 4"},
		{name: "no number", in: "Uid:\tx\n", wantErr: `strconv.ParseUint: parsing "x": invalid syntax`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStatus(strings.NewReader(tt.in))
			msg := ""
			if err != nil {
				msg = err.Error()
			}
			if msg != tt.wantErr {
				t.Fatalf("parseStatus error = %q, want %q", msg, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parseStatus (-want +got):\n%s", diff)
			}
		})
	}
}

func clientsOf(t *testing.T, l net.Listener) (clients []Client) {
	t.Helper()
	control(t, l, func(fd int) (err error) {
		clients, err = Clients(fd)
		return err
	})
	return clients
}

func sockaddr(t *testing.T, l net.Listener) (sa unix.Sockaddr) {
	t.Helper()
	control(t, l, func(fd int) (err error) {
		sa, err = unix.Getsockname(fd)
		return err
	})
	return sa
}
