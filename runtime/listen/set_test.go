package listen

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// dial connects to a listening tcp or unix socket and leaves the connection in
// its queue.
func dial(tb testing.TB, server int) int {
	tb.Helper()
	sa, err := unix.Getsockname(server)
	must(tb, err)
	domain, err := unix.GetsockoptInt(server, unix.SOL_SOCKET, unix.SO_DOMAIN)
	must(tb, err)
	typ, err := unix.GetsockoptInt(server, unix.SOL_SOCKET, unix.SO_TYPE)
	must(tb, err)
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	owned(tb, fd, err)
	must(tb, unix.Connect(fd, sa))
	return fd
}

func tcpListener(tb testing.TB) int {
	tb.Helper()
	fd, _ := listening(tb, tcpWant("127.0.0.1:0"), boundTCP(tb, loopback()))
	return fd
}

func unixListener(tb testing.TB, kind string) (int, Facts) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "s")
	return listening(tb, with(udsWant(path), "kind", kind), boundUnix(tb, kinds[kind], path))
}

func newSet(tb testing.TB) *Set {
	tb.Helper()
	s, err := NewSet()
	must(tb, err)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			tb.Errorf("Close = %v", err)
		}
	})
	return s
}

// ready returns what epoll reports now. It stands for Run where a test must
// come between epoll and delivery, or must know that Run would go on waiting:
// what the kernel does not report wakes nobody, however long one waits.
func ready(tb testing.TB, s *Set) []unix.EpollEvent {
	tb.Helper()
	events := make([]unix.EpollEvent, 16)
	var n int
	var err error
	must(tb, s.raw.Control(func(fd uintptr) { n, err = epollNow(int(fd), events) }))
	must(tb, err)
	return events[:n]
}

// taken returns what Run would deliver now.
func taken(tb testing.TB, s *Set) []Event {
	tb.Helper()
	var all []Event
	for _, raw := range ready(tb, s) {
		if e, ok := s.take(&raw); ok {
			all = append(all, e)
		}
	}
	return all
}

func expectEvents(tb testing.TB, s *Set, want ...Event) {
	tb.Helper()
	if diff := cmp.Diff(want, taken(tb, s)); diff != "" {
		tb.Errorf("events (-want +got):\n%s", diff)
	}
}

// S143: a connection that nobody accepts is reported once per Arm, and wakes
// nobody in between.
func TestS143PendingConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(t fixture) int
	}{
		{name: "tcp", open: func(t fixture) int { return tcpListener(t) }},
		{name: "uds", open: func(t fixture) int {
			fd, _ := unixListener(t, "stream")
			return fd
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			s, fd := newSet(t), tt.open(fixture{t})
			must(t, s.Add(1, fd))
			dial(t, fd)
			expectEvents(t, s) // not armed
			for range 3 {
				must(t, s.Arm(1))
				expectEvents(t, s, Event{ID: 1})
				expectEvents(t, s) // held: the connection still waits
			}
			dial(t, fd)
			expectEvents(t, s) // another one is no reason either
			must(t, s.Arm(1))
			must(t, s.Arm(1))
			expectEvents(t, s, Event{ID: 1}) // armed twice, reported once
			must(t, s.Arm(1))
			must(t, s.Disarm(1))
			expectEvents(t, s)
			must(t, s.Arm(1))
			expectEvents(t, s, Event{ID: 1}) // back from Disarm
			must(t, s.Remove(1))
		})
	}
}

// S66: of a queue that waits for its owner every arrival is reported, and the
// connections that wait wake nobody (S143).
func TestS66EachArrival(t *testing.T) {
	for _, tt := range []struct {
		name   string
		open   func(t fixture) int
		arrive func(t fixture, server int)
	}{
		{
			name:   "tcp",
			open:   func(t fixture) int { return tcpListener(t) },
			arrive: func(t fixture, server int) { dial(t, server) },
		},
		{
			name:   "uds",
			open:   func(t fixture) int { fd, _ := unixListener(t, "seqpacket"); return fd },
			arrive: func(t fixture, server int) { dial(t, server) },
		},
		{
			name: "udp",
			open: func(t fixture) int { return boundUDP(t, loopback()) },
			arrive: func(t fixture, server int) {
				must(t, unix.Sendto(dial(t, server), []byte("x"), 0, nil))
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			s, fd := newSet(t), tt.open(fixture{t})
			must(t, s.Add(1, fd))
			tt.arrive(fixture{t}, fd)
			must(t, s.ArmEach(1))
			expectEvents(t, s, Event{ID: 1}) // it waited
			expectEvents(t, s)
			for range 100 {
				tt.arrive(fixture{t}, fd)
				expectEvents(t, s, Event{ID: 1})
				expectEvents(t, s)
			}
			must(t, s.Disarm(1))
			tt.arrive(fixture{t}, fd)
			expectEvents(t, s)
			must(t, s.ArmEach(1))
			must(t, s.Arm(1)) // takes its place
			tt.arrive(fixture{t}, fd)
			expectEvents(t, s, Event{ID: 1})
			tt.arrive(fixture{t}, fd)
			expectEvents(t, s)
		})
	}
	t.Run("S150 hang-up", func(t *testing.T) {
		keepsDescriptors(t)
		s, fd := newSet(t), tcpListener(t)
		must(t, s.Add(1, fd))
		must(t, s.ArmEach(1))
		must(t, unix.Shutdown(fd, unix.SHUT_RDWR))
		expectEvents(t, s, Event{ID: 1, Hangup: true})
		expectEvents(t, s)
	})
}

// What epoll reported of an earlier life of a socket, or of its descriptor
// number, is not delivered for the present one.
func TestStaleEvents(t *testing.T) {
	for _, tt := range []struct {
		name string
		// between happens after epoll has reported the event.
		between func(t fixture, s *Set, fd int)
		now     []Event // of the stale event
		next    []Event // of epoll afterwards
	}{
		{name: "nothing", between: func(fixture, *Set, int) {}, now: []Event{{ID: 1}}},
		{name: "disarmed", between: func(t fixture, s *Set, _ int) { must(t, s.Disarm(1)) }},
		{name: "removed", between: func(t fixture, s *Set, _ int) { must(t, s.Remove(1)) }},
		{name: "added again, not armed", between: func(t fixture, s *Set, fd int) {
			must(t, s.Remove(1))
			must(t, s.Add(1, fd))
		}},
		{name: "added again and armed", next: []Event{{ID: 1}}, between: func(t fixture, s *Set, fd int) {
			must(t, s.Remove(1))
			must(t, s.Add(1, fd))
			must(t, s.Arm(1))
		}},
		{name: "armed again", next: []Event{{ID: 1}}, between: func(t fixture, s *Set, _ int) { must(t, s.Arm(1)) }},
		{name: "another socket with the same number", between: func(t fixture, s *Set, fd int) {
			must(t, s.Remove(1))
			must(t, unix.Dup3(tcpListener(t), fd, unix.O_CLOEXEC)) // closes the old one
			must(t, s.Add(2, fd))
			must(t, s.Arm(2))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			s, fd := newSet(t), tcpListener(t)
			must(t, s.Add(1, fd))
			must(t, s.Arm(1))
			dial(t, fd)
			reported := ready(t, s)
			if len(reported) != 1 {
				t.Fatalf("%d events, want 1", len(reported))
			}
			tt.between(fixture{t}, s, fd)
			var now []Event
			if e, ok := s.take(&reported[0]); ok {
				now = append(now, e)
			}
			if diff := cmp.Diff(tt.now, now); diff != "" {
				t.Errorf("delivered for the reported event (-want +got):\n%s", diff)
			}
			expectEvents(t, s, tt.next...)
		})
	}
}

// S150: a listener that its owner has shut down is reported as such, so that it
// can be revived.
func TestS150Hangup(t *testing.T) {
	t.Run("tcp", func(t *testing.T) {
		keepsDescriptors(t)
		s, fd := newSet(t), tcpListener(t)
		must(t, s.Add(1, fd))
		must(t, s.Arm(1))
		must(t, unix.Shutdown(fd, unix.SHUT_RDWR))
		expectEvents(t, s, Event{ID: 1, Hangup: true})
		expectEvents(t, s)
		must(t, Publish(fd, true, 0))
		must(t, s.Arm(1))
		expectEvents(t, s)
		dial(t, fd)
		expectEvents(t, s, Event{ID: 1})
	})
	for _, how := range []struct {
		name string
		how  int
	}{{"uds", unix.SHUT_RDWR}, {"uds for reading", unix.SHUT_RD}} {
		t.Run(how.name, func(t *testing.T) {
			keepsDescriptors(t)
			s := newSet(t)
			fd, _ := unixListener(t, "stream")
			must(t, s.Add(1, fd))
			must(t, unix.Shutdown(fd, how.how)) // while the owner has it
			expectEvents(t, s)
			must(t, s.Arm(1))
			expectEvents(t, s, Event{ID: 1, Hangup: true})
		})
	}
	t.Run("udp", func(t *testing.T) {
		keepsDescriptors(t)
		s, fd := newSet(t), boundUDP(t, loopback())
		must(t, s.Add(1, fd))
		must(t, s.Arm(1))
		// The kernel says ENOTCONN and shuts the socket down all the same.
		if err := unix.Shutdown(fd, unix.SHUT_RDWR); !errors.Is(err, unix.ENOTCONN) {
			t.Fatalf("shutdown = %v, want ENOTCONN", err)
		}
		expectEvents(t, s, Event{ID: 1, Hangup: true})
	})
}

// An error that waits in a socket is an event of its own kind: here the answer
// that a port is closed, to a datagram that an owner sent.
func TestSocketError(t *testing.T) {
	keepsDescriptors(t)
	s, fd := newSet(t), boundUDP(t, loopback())
	must(t, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1))
	closed, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Bind(closed, loopback()))
	sa, err := unix.Getsockname(closed)
	must(t, err)
	must(t, unix.Close(closed))
	must(t, unix.Sendto(fd, []byte("x"), 0, sa))
	must(t, s.Add(1, fd))
	must(t, s.Arm(1))
	expectEvents(t, s, Event{ID: 1, Error: true})
}

// One loop arms, Run delivers: every Arm of a waiting connection is answered by
// exactly one event, from whatever goroutine it comes.
func TestSetRun(t *testing.T) {
	keepsDescriptors(t)
	const sockets, rounds = 8, 200
	s := newSet(t)
	for id := range ID(sockets) {
		fd := tcpListener(t)
		must(t, s.Add(id, fd))
		must(t, s.Arm(id)) // before Run and before the connection
		dial(t, fd)
	}
	ctx, cancel := context.WithCancel(t.Context())
	inbox := make(chan Event)
	ended := make(chan error)
	go func() {
		ended <- s.Run(ctx, func(e Event) {
			select {
			case inbox <- e:
			case <-ctx.Done():
			}
		})
	}()
	counts := make([]int, sockets)
	for range sockets * rounds {
		e := <-inbox
		if counts[e.ID]++; counts[e.ID] < rounds {
			must(t, s.Arm(e.ID))
		}
	}
	for id, n := range counts {
		if n != rounds {
			t.Errorf("socket %d: %d events, want %d", id, n, rounds)
		}
	}
	expectEvents(t, s) // every connection still waits, nothing is armed
	cancel()
	must(t, <-ended)
}

// A wait that has begun is ended by a connection, by the context and by Close.
func TestSetRunEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t fixture, s *Set, cancel context.CancelFunc)
	}{
		{name: "context", end: func(_ fixture, _ *Set, cancel context.CancelFunc) { cancel() }},
		{name: "Close", end: func(t fixture, s *Set, _ context.CancelFunc) { must(t, s.Close()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			s, fd := newSet(t), tcpListener(t)
			must(t, s.Add(1, fd))
			must(t, s.Arm(1))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			events := make(chan Event)
			var ended sync.WaitGroup
			ended.Go(func() {
				if err := s.Run(ctx, func(e Event) { events <- e }); err != nil {
					t.Errorf("Run = %v", err)
				}
			})
			dial(t, fd)
			if e := <-events; e != (Event{ID: 1}) {
				t.Errorf("event %+v", e)
			}
			tt.end(fixture{t}, s, cancel)
			ended.Wait()
		})
	}
	t.Run("context that is over", func(t *testing.T) {
		s := newSet(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, s.Run(ctx, func(Event) {}))
	})
}

func TestSetMisuse(t *testing.T) {
	keepsDescriptors(t)
	s, fd := newSet(t), tcpListener(t)
	must(t, s.Add(1, fd))
	file, err := unix.Open(filepath.Join(t.TempDir(), "f"), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	must(t, s.Add(2, owned(t, file, err)))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"added twice", s.Add(1, fd), "watch listener 1: it is watched already"},
		{"arm an unknown one", s.Arm(9), "arm listener 9: it is not watched"},
		{"disarm an unknown one", s.Disarm(9), "disarm listener 9: it is not watched"},
		{"remove an unknown one", s.Remove(9), "remove listener 9: it is not watched"},
		{"disarm one that is not armed", s.Disarm(1), ""},
		{"arm what epoll cannot watch", s.Arm(2), "arm listener 2: epoll_ctl: operation not permitted"},
		{"remove what epoll could not watch", s.Remove(2), ""},
		{"close", s.Close(), ""},
		{"arm after close", s.Arm(1), "arm listener 1: use of closed file"},
	} {
		if got := errText(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
