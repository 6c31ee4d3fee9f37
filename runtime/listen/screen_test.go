package listen

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
	"github.com/rind-sockets/rind/runtime/peer"
)

// clientOf connects a socket that one user has opened, as another or the same, to sa.
func clientOf(tb testing.TB, opens, connects uint32, groups []uint32, sa unix.Sockaddr) int {
	tb.Helper()
	domain := unix.AF_UNIX
	if _, ok := sa.(*unix.SockaddrInet4); ok {
		domain = unix.AF_INET
	}
	var c int
	must(tb, ownthread.As(opens, 9000, nil, func() (err error) {
		c, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	}))
	tb.Cleanup(func() { _ = unix.Close(c) })
	must(tb, ownthread.As(connects, 9000, groups, func() error { return unix.Connect(c, sa) }))
	timeout := unix.Timeval{Sec: 10}
	must(tb, unix.SetsockoptTimeval(c, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
	return c
}

// screenTest is a socket that is screened, and what came of it.
type screenTest struct {
	Screening
	denied map[int]int
	lost   []error
}

func newScreenTest(fd int, facts *Facts, rule *peer.Rule) *screenTest {
	st := &screenTest{denied: map[int]int{}}
	st.Screening = Screening{
		FD: fd, Local: facts.Local, Rule: rule, Forwarder: &Forwarder{},
		Denied: func(a Access) { st.denied[a.UID]++ },
		Lost:   func(_ Access, err error) { st.lost = append(st.lost, err) },
	}
	return st
}

// Those who may not are sent away, those who may stay in the queue, and a connection
// that was reset does not stay.
func TestS101S104S105Screening(t *testing.T) {
	needRoot(t)
	rule := &peer.Rule{UIDs: []uint32{4001}}
	path := filepath.Join(publicDir(t), "s")
	transports := []struct {
		name string
		open func(t *testing.T) (int, unix.Sockaddr, Facts)
	}{
		{name: "abstract", open: func(t *testing.T) (int, unix.Sockaddr, Facts) {
			t.Helper()
			name := abstractName(t)
			fd, facts := listening(t, udsWant(name), boundUnix(t, unix.SOCK_STREAM, name))
			return fd, &unix.SockaddrUnix{Name: name}, facts
		}},
		{name: "path", open: func(t *testing.T) (int, unix.Sockaddr, Facts) {
			t.Helper()
			_ = os.Remove(path)
			fd, facts := listening(t, udsWant(path), boundUnix(t, unix.SOCK_STREAM, path, func(fd int) error { return unix.Fchmod(fd, 0o666) }))
			return fd, &unix.SockaddrUnix{Name: path}, facts
		}},
		{name: "tcp", open: func(t *testing.T) (int, unix.Sockaddr, Facts) {
			t.Helper()
			fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
			sa, err := unix.Getsockname(fd)
			must(t, err)
			return fd, sa, facts
		}},
	}
	tests := []struct {
		name     string
		come     []uint32
		admitted int
		denied   map[int]int
		tcp      map[int]int // denied of tcp, where nobody is in the way of others; nil: the same
	}{
		{name: "nobody"},
		{name: "S101 the denied alone", come: []uint32{4003, 4004}, denied: map[int]int{4003: 1, 4004: 1}},
		{name: "S100 the allowed alone", come: []uint32{4001, 0}, admitted: 2},
		{name: "S105 the denied before an allowed one", come: []uint32{4003, 4003, 4001}, admitted: 1, denied: map[int]int{4003: 2}},
		{name: "S105 the denied behind an allowed one", come: []uint32{4001, 4003}, admitted: 1, denied: map[int]int{}, tcp: map[int]int{4003: 1}},
	}
	for _, tr := range transports {
		for _, tt := range tests {
			t.Run(tr.name+"/"+tt.name, func(t *testing.T) {
				fd, sa, facts := tr.open(t)
				st := newScreenTest(fd, &facts, rule)
				clients := map[uint32][]int{}
				for _, uid := range tt.come {
					clients[uid] = append(clients[uid], clientOf(t, uid, uid, nil, sa))
				}
				admitted, err := st.Run(t.Context())
				if err != nil || len(admitted) != tt.admitted || len(st.lost) != 0 {
					t.Fatalf("%d admitted, lost %v, %v; want %d", len(admitted), st.lost, err, tt.admitted)
				}
				want := tt.denied
				if tr.name == "tcp" && tt.tcp != nil {
					want = tt.tcp
				}
				if !maps.Equal(st.denied, want) {
					t.Errorf("denied %v, want %v", st.denied, want)
				}
				for uid := range want {
					for _, c := range clients[uint32(uid)] {
						if n, err := unix.Read(c, make([]byte, 1)); n > 0 || errors.Is(err, unix.EAGAIN) {
							t.Errorf("the client of uid %d is still connected: %d, %v", uid, n, err)
						}
					}
				}
				for _, uid := range []uint32{4001, 0} {
					for _, c := range clients[uid] {
						if _, _, err := unix.Recvfrom(c, make([]byte, 1), unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
							t.Errorf("the client of uid %d does not wait any more: %v", uid, err)
						}
					}
				}
				if again, err := st.Run(t.Context()); err != nil || !slices.Equal(again, admitted) || !maps.Equal(st.denied, want) {
					t.Errorf("a second look: admitted %v, denied %v, %v; want %v and no more denied", again, st.denied, err, admitted)
				}
			})
		}
	}
}

// A connection that was reset before anybody took it is taken out of the queue.
func TestScreeningOfResetConnections(t *testing.T) {
	needRoot(t)
	fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
	sa, err := unix.Getsockname(fd)
	must(t, err)
	c := clientOf(t, 4001, 4001, nil, sa)
	must(t, unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Dup3(null, c, unix.O_CLOEXEC)) // closes the socket, which resets
	must(t, unix.Close(null))
	st := newScreenTest(fd, &facts, &peer.Rule{UIDs: []uint32{4001}})
	if admitted, err := st.Run(t.Context()); err != nil || len(admitted) != 0 || !maps.Equal(st.denied, map[int]int{-1: 1}) {
		t.Errorf("admitted %v, denied %v, %v; want somebody unknown denied", admitted, st.denied, err)
	}
	if somethingWaits(fd) {
		t.Error("the connection is still in the queue: the socket would be looked at for ever")
	}
}

// A client that may connect, and that is not to be known while it waits, reaches
// whoever accepts next under its own name.
func TestS102S107Forwarding(t *testing.T) {
	needRoot(t)
	rule := &peer.Rule{UIDs: []uint32{4001}, GIDs: []uint32{5001}}
	tests := []struct {
		name            string
		opens, connects uint32
		groups          []uint32
		gone            bool
	}{
		{name: "S102 somebody else has opened its socket", opens: 4003, connects: 4001},
		{name: "S107 by a group that no database knows", opens: 4003, connects: 4003, groups: []uint32{5001, 9001}},
		{name: "it has sent, and closed its socket", opens: 4001, connects: 4001, gone: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := abstractName(t)
			fd, facts := listening(t, udsWant(name), boundUnix(t, unix.SOCK_STREAM, name))
			st := newScreenTest(fd, &facts, rule)
			ctx, cancel := context.WithCancel(t.Context())
			defer st.Forwarder.Wait()
			defer cancel()
			c := clientOf(t, tt.opens, tt.connects, tt.groups, &unix.SockaddrUnix{Name: name})
			must(t, unix.Send(c, []byte("hello"), unix.MSG_NOSIGNAL))
			must(t, unix.Shutdown(c, unix.SHUT_WR))
			if tt.gone {
				null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				must(t, err)
				must(t, unix.Dup3(null, c, unix.O_CLOEXEC)) // closes the socket
				must(t, unix.Close(null))
			}
			admitted, err := st.Run(ctx)
			if err != nil || len(admitted) != 1 || len(st.denied)+len(st.lost) != 0 {
				t.Fatalf("admitted %v, denied %v, lost %v, %v; want one admitted", admitted, st.denied, st.lost, err)
			}
			conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			must(t, err)
			f := os.NewFile(uintptr(conn), "accepted")
			defer f.Close()
			who, err := peer.Of(conn)
			must(t, err)
			if who.UID != tt.connects || who.GID != 9000 || !slices.Equal(who.Groups, tt.groups) && len(tt.groups) > 0 {
				t.Errorf("the owner sees %+v, want uid %d, gid 9000, groups %v", who, tt.connects, tt.groups)
			}
			got, err := io.ReadAll(f)
			if err != nil || string(got) != "hello" {
				t.Errorf("the owner reads %q, %v, want hello", got, err)
			}
			if tt.gone {
				return
			}
			_, err = f.WriteString("welcome")
			must(t, err)
			must(t, unix.Shutdown(conn, unix.SHUT_WR))
			buf := make([]byte, 16)
			if n, err := unix.Read(c, buf); err != nil || string(buf[:max(n, 0)]) != "welcome" {
				t.Errorf("the client reads %q, %v, want welcome", buf[:max(n, 0)], err)
			}
		})
	}
}
