package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// unknown are the ids of a client that nobody knows.
func unknown(local, remote string) Access {
	return Access{Local: local, Remote: remote, UID: -1, GID: -1, PID: -1}
}

// us are the ids of this process.
func us(local, remote string) Access {
	return Access{Local: local, Remote: remote, UID: os.Geteuid(), GID: os.Getegid(), PID: os.Getpid()}
}

// newServer returns a server that has stopped, with all its goroutines, when
// the test ends.
func newServer(tb testing.TB, fd int, f Facts) *Server {
	tb.Helper()
	s, err := NewServer(fd, f)
	must(tb, err)
	tb.Cleanup(func() {
		s.Stop()
		s.Wait()
	})
	return s
}

// serve calls Serve once and returns what it reported.
func serve(tb testing.TB, s *Server) []Access {
	tb.Helper()
	var all []Access
	must(tb, s.Serve(tb.Context(), func(a Access) { all = append(all, a) }))
	return all
}

// transports are all that a socket without owner can be.
var transports = []struct {
	name    string
	network string // of package net
	open    func(t fixture) (int, Facts)
}{
	{name: "tcp", network: "tcp", open: func(t fixture) (int, Facts) {
		return listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
	}},
	{name: "udp", network: "udp", open: func(t fixture) (int, Facts) {
		return listening(t, udpWant("127.0.0.1:0"), boundUDP(t, loopback()))
	}},
	{name: "uds stream", network: "unix", open: func(t fixture) (int, Facts) { return unixListener(t, "stream") }},
	{name: "uds dgram", network: "unixgram", open: func(t fixture) (int, Facts) { return unixListener(t, "dgram") }},
	{name: "uds seqpacket", network: "unixpacket", open: func(t fixture) (int, Facts) { return unixListener(t, "seqpacket") }},
}

// S64, S65, S66: every access to a socket without owner is reported, also the
// two hundredth; clients see the end of the stream and no reset, and datagrams
// are consumed.
func TestS64S65EveryAccess(t *testing.T) {
	const accesses = 200
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			set := newSet(t)
			fd, facts := tt.open(fixture{t})
			server := newServer(t, fd, facts)
			must(t, set.Add(1, fd))
			must(t, set.Arm(1))
			ctx, cancel := context.WithCancel(t.Context())
			reported, ended := make(chan Access, accesses), make(chan error)
			go func() {
				ended <- set.Run(ctx, func(Event) {
					if err := server.Serve(ctx, func(a Access) { reported <- a }); err != nil {
						t.Errorf("Serve = %v", err)
					}
					if err := set.Arm(1); err != nil {
						t.Errorf("Arm = %v", err)
					}
				})
			}()
			for range accesses {
				conn, err := net.Dial(tt.network, facts.Local)
				must(t, err)
				if _, err := conn.Write([]byte("knock")); err != nil {
					t.Fatalf("write: %v", err)
				}
				want := unknown(facts.Local, "")
				if a := conn.LocalAddr(); facts.Path == "" {
					want.Remote = a.String()
				}
				if facts.Stream {
					if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
						t.Fatalf("read = %d, %v; want the end of the stream", n, err)
					}
					if facts.Path != "" {
						want = us(facts.Local, "")
					}
				}
				if diff := cmp.Diff(want, <-reported); diff != "" {
					t.Fatalf("access (-want +got):\n%s", diff)
				}
				must(t, conn.Close())
			}
			cancel()
			must(t, <-ended)
			if n := len(reported); n != 0 {
				t.Errorf("%d accesses too many", n)
			}
			if more := serve(t, server); more != nil {
				t.Errorf("left in the queue: %+v", more)
			}
		})
	}
}

// S67: a burst is taken in batches, so that others get their turn.
func TestS67Burst(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	for range 2*Batch + 1 {
		dial(t, fd)
	}
	for _, want := range []int{Batch, Batch, 1, 0} {
		if got := len(serve(t, s)); got != want {
			t.Errorf("Serve took %d accesses, want %d", got, want)
		}
	}
}

// Who came: the address of the client as it is known, over every transport.
func TestAccessRemote(t *testing.T) {
	t.Run("uds stream with a name", func(t *testing.T) {
		keepsDescriptors(t)
		fd, facts := unixListener(t, "stream")
		client := boundUnix(t, unix.SOCK_STREAM, facts.Path+"-client")
		must(t, unix.Connect(client, &unix.SockaddrUnix{Name: facts.Path}))
		if diff := cmp.Diff([]Access{us(facts.Local, facts.Path+"-client")}, serve(t, newServer(t, fd, facts))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("uds dgram with an abstract name", func(t *testing.T) {
		keepsDescriptors(t)
		fd, facts := unixListener(t, "dgram")
		name := abstractName(t)
		client := boundUnix(t, unix.SOCK_DGRAM, name)
		must(t, unix.Sendto(client, nil, 0, &unix.SockaddrUnix{Name: facts.Path}))
		if diff := cmp.Diff([]Access{unknown(facts.Local, name)}, serve(t, newServer(t, fd, facts))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("IPv4 over dual stack", func(t *testing.T) {
		keepsDescriptors(t)
		fd, facts := listening(t, tcpWant("*:0"), boundTCP(t, wildcard6(), flag(unix.SOL_IPV6, unix.IPV6_V6ONLY, 0)))
		_, port, _ := strings.Cut(facts.Local, ":")
		conn, err := net.Dial("tcp4", "127.0.0.1:"+port)
		must(t, err)
		defer conn.Close()
		want := []Access{unknown("127.0.0.1:"+port, conn.LocalAddr().String())}
		if diff := cmp.Diff(want, serve(t, newServer(t, fd, facts))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("S149 tcp that was reset before accept", func(t *testing.T) {
		keepsDescriptors(t)
		fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
		conn, err := net.Dial("tcp", facts.Local)
		must(t, err)
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			t.Fatalf("a connection of type %T", conn)
		}
		must(t, tcp.SetLinger(0))
		remote := conn.LocalAddr().String()
		must(t, conn.Close())
		s := newServer(t, fd, facts)
		if diff := cmp.Diff([]Access{unknown(facts.Local, remote)}, serve(t, s)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(s.lingering); n != 0 {
			t.Errorf("%d connections linger", n)
		}
	})
}

// Datagrams of no and of too many bytes are accesses, and one with a bad
// checksum is none and does no harm.
func TestDatagrams(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := listening(t, udpWant("127.0.0.1:0"), boundUDP(t, loopback()))
	s := newServer(t, fd, facts)
	conn, err := net.Dial("udp", facts.Local)
	must(t, err)
	defer conn.Close()
	for _, size := range []int{0, 1, 60000} {
		if _, err := conn.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Access{unknown(facts.Local, conn.LocalAddr().String())}, serve(t, s)); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
	}
	t.Run("S149 bad checksum", func(t *testing.T) {
		needRoot(t)
		raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
		owned(t, raw, err)
		sa, err := unix.Getsockname(fd)
		must(t, err)
		e, _ := endpointOf(sa)
		packet := []byte{0x30, 0x39, byte(e.port >> 8), byte(e.port), 0, 9, 0xde, 0xad, 'x'} // source, destination, length, checksum
		must(t, unix.Sendto(raw, packet, 0, sa))
		if got := serve(t, s); got != nil {
			t.Errorf("accesses %+v", got)
		}
	})
}

// S150: a socket of no use any more is told from one that is merely empty.
func TestServeAfterShutdown(t *testing.T) {
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, facts := tt.open(fixture{t})
			s := newServer(t, fd, facts)
			// For udp the kernel says ENOTCONN and does it all the same.
			if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil && !errors.Is(err, unix.ENOTCONN) {
				t.Fatal(err)
			}
			err := s.Serve(t.Context(), func(a Access) { t.Errorf("access %+v", a) })
			if want := "serve " + facts.Local + ": the socket was shut down"; !errors.Is(err, ErrShutDown) || err.Error() != want {
				t.Errorf("Serve = %q, want %q", errText(err), want)
			}
		})
	}
}

func TestServeAfterStop(t *testing.T) {
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, facts := tt.open(fixture{t})
			s := newServer(t, fd, facts)
			conn, err := net.Dial(tt.network, facts.Local)
			must(t, err)
			defer conn.Close()
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			s.Stop()
			if got := serve(t, s); got != nil {
				t.Errorf("accesses after Stop: %+v", got)
			}
		})
	}
}

// The context ends a turn between two accesses.
func TestServeEndsWithContext(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	dial(t, fd)
	dial(t, fd)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	must(t, s.Serve(ctx, func(Access) {
		n++
		cancel()
	}))
	if n != 1 {
		t.Errorf("%d accesses, want 1", n)
	}
}

func TestNewServerBadDescriptor(t *testing.T) {
	_, err := NewServer(-1, Facts{Local: "127.0.0.1:80"})
	if want := "serve 127.0.0.1:80: set O_NONBLOCK: bad file descriptor"; errText(err) != want {
		t.Errorf("NewServer(-1) = %q, want %q", errText(err), want)
	}
}

// A listener that somebody made blocking again would stop the server at the
// first client that gives up.
func TestServeNeverBlocks(t *testing.T) {
	keepsDescriptors(t)
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) {
			fd, facts := tt.open(fixture{t})
			must(t, unix.SetNonblock(fd, false))
			if got := serve(t, newServer(t, fd, facts)); got != nil {
				t.Errorf("accesses %+v", got)
			}
		})
	}
}

func TestUnixNameOfLongPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	name := strings.Repeat("n", 108) // fills sun_path, without a zero byte at its end
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	owned(t, fd, err)
	bindRaw(t, fd, name)
	if got, err := unixName(fd); got != name || err != nil {
		t.Errorf("unixName = %q, %v; want %q", got, err, name)
	}
	if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
		t.Error(err)
	}
}
