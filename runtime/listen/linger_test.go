package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// S65: a client that goes on sending for a while sees the end of the stream at
// once, and no reset.
func TestS65LateSender(t *testing.T) {
	for _, tt := range transports {
		if tt.network != "tcp" && tt.network != "unix" {
			continue // they have no half-closed streams
		}
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, facts := tt.open(fixture{t})
			s := newServer(t, fd, facts)
			conn, err := net.Dial(tt.network, facts.Local)
			must(t, err)
			defer conn.Close()
			serve(t, s)
			if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("read = %d, %v; want the end of the stream", n, err)
			}
			for range 4 {
				if _, err := conn.Write(make([]byte, 8<<10)); err != nil {
					t.Fatalf("write after the end: %v", err)
				}
			}
			half, ok := conn.(interface{ CloseWrite() error })
			if !ok {
				t.Fatalf("a connection of type %T", conn)
			}
			must(t, half.CloseWrite())
			s.lingerers.Wait() // it ends by itself, without Stop
			if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read after the server has closed = %d, %v; want the end of the stream", n, err)
			}
		})
	}
}

// A client that sends without end is cut off.
func TestEndlessSender(t *testing.T) {
	keepsDescriptors(t)
	for name, early := range map[string]int{"before accept": 100 << 10, "after accept": 0} {
		t.Run(name, func(t *testing.T) {
			fd, facts := unixListener(t, "stream")
			s := newServer(t, fd, facts)
			conn, err := net.Dial("unix", facts.Local)
			must(t, err)
			defer conn.Close()
			if _, err := conn.Write(make([]byte, early)); err != nil {
				t.Fatal(err)
			}
			serve(t, s)
			sent := early
			for {
				n, err := conn.Write(make([]byte, 8<<10))
				sent += n
				if errors.Is(err, unix.EPIPE) {
					break
				}
				must(t, err)
			}
			s.lingerers.Wait()
			if most := maxDiscard + 512<<10; sent > most { // and what the kernel buffers
				t.Errorf("%d bytes were taken, want at most %d", sent, most)
			}
		})
	}
}

// Only so many silent clients are waited for; the others are let go at once.
// Stop lets all of them go.
func TestLingererBound(t *testing.T) {
	keepsDescriptors(t)
	fd, facts := unixListener(t, "stream")
	s := newServer(t, fd, facts)
	clients := make([]int, maxLingerer+3)
	for i := range clients {
		clients[i] = dial(t, fd)
	}
	serve(t, s)
	serve(t, s)
	for i, c := range clients {
		if got, want := closed(t, c), i >= maxLingerer; got != want {
			t.Errorf("client %d is let go: %v, want %v", i, got, want)
		}
	}
	s.Stop()
	s.Wait()
	for i, c := range clients {
		if !closed(t, c) {
			t.Errorf("client %d is not let go after Stop", i)
		}
	}
}

// closed reports whether the other end of a unix connection has been closed, and
// not only shut down for writing.
func closed(tb testing.TB, fd int) bool {
	tb.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, 0)
	must(tb, err)
	return fds[0].Revents&unix.POLLHUP != 0
}

// The end of the context and the end of a client's time let it go.
func TestLingererEnds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		patience time.Duration
		cancel   bool
	}{
		{name: "context", patience: time.Hour, cancel: true},
		{name: "time", patience: time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			fd, facts := unixListener(t, "seqpacket")
			s := newServer(t, fd, facts)
			s.patience = tt.patience
			client := dial(t, fd)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			must(t, s.Serve(ctx, func(Access) {}))
			if tt.cancel {
				if closed(t, client) {
					t.Error("the client was let go before its time")
				}
				cancel()
			}
			s.Wait()
			if !closed(t, client) {
				t.Error("the client is not let go")
			}
		})
	}
}

// childVariable tells the test binary that it is the child of
// TestS149OutOfDescriptors.
const childVariable = "RIND_LISTEN_TEST_CHILD"

// S149: without descriptors the connection waits, the server says so instead of
// spinning, and serves it later. The limit is one of the whole process, hence
// the child.
func TestS149OutOfDescriptors(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		outOfDescriptors(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestS149OutOfDescriptors$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestS149OutOfDescriptors")) {
		t.Errorf("child: %v\n%s", err, out)
	}
}

func outOfDescriptors(tb testing.TB) {
	tb.Helper()
	fd, facts := listening(tb, tcpWant("127.0.0.1:0"), boundTCP(tb, loopback()))
	s := newServer(tb, fd, facts)
	set := newSet(tb)
	must(tb, set.Add(1, fd))
	must(tb, set.Arm(1))
	dial(tb, fd)
	expectEvents(tb, set, Event{ID: 1})

	// The lowest free number is the first that is not available any more.
	free, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	must(tb, err)
	must(tb, unix.Close(free))
	var limit unix.Rlimit
	must(tb, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	must(tb, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free), Max: limit.Max}))
	for range 3 {
		err := s.Serve(tb.Context(), func(a Access) { tb.Errorf("access %+v", a) })
		want := fmt.Sprintf("serve %s: too many open files, try again after a pause", facts.Local)
		var retry *RetryError
		if !errors.As(err, &retry) || !errors.Is(err, unix.EMFILE) || err.Error() != want {
			tb.Errorf("Serve = %q, want %q", errText(err), want)
		}
	}
	err = s.Accept(tb.Context(), 1, func(c Connection) { tb.Errorf("connection %+v", c) })
	var retry *RetryError
	if !errors.As(err, &retry) || !errors.Is(err, unix.EMFILE) {
		tb.Errorf("Accept = %q, want EMFILE that may be tried again", errText(err))
	}
	expectEvents(tb, set) // not armed in the meantime: nothing spins
	must(tb, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	must(tb, set.Arm(1))
	expectEvents(tb, set, Event{ID: 1})
	if got := serve(tb, s); len(got) != 1 {
		tb.Errorf("accesses %+v, want the one that waited", got)
	}
}

// S149: which errors of accept concern one connection, which the machine, and
// which the socket.
func TestAcceptErrors(t *testing.T) {
	for _, tt := range []struct {
		err             error
		passing, scarce bool
	}{
		{err: unix.ECONNABORTED, passing: true},
		{err: unix.EPROTO, passing: true},
		{err: unix.EINTR, passing: true},
		{err: os.NewSyscallError("accept4", unix.ENETDOWN), passing: true},
		{err: unix.EMFILE, scarce: true},
		{err: unix.ENFILE, scarce: true},
		{err: unix.ENOBUFS, scarce: true},
		{err: unix.ENOMEM, scarce: true},
		{err: unix.EPERM, scarce: true},
		{err: unix.EBADF},
		{err: unix.ENOTSOCK},
	} {
		if p, s := passing(tt.err), scarce(tt.err); p != tt.passing || s != tt.scarce {
			t.Errorf("%v: passing %v, scarce %v; want %v, %v", tt.err, p, s, tt.passing, tt.scarce)
		}
	}
}
