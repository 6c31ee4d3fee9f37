package listen

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// abandoned is a listener whose node is gone and that clients wait in, and another one
// at its path.
type abandoned struct {
	fd, next int
	clients  []net.Conn
}

func abandon(t *testing.T, clients int) *abandoned {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	bound := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		owned(t, fd, err)
		must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
		must(t, unix.Listen(fd, 1024))
		return fd
	}
	a := &abandoned{fd: bound()}
	for i := range clients {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = fmt.Fprint(conn, i)
		must(t, err)
		must(t, conn.CloseWrite())
		a.clients = append(a.clients, conn)
	}
	must(t, os.Remove(path))
	a.next = bound()
	return a
}

// serve takes a number of connections from the new listener, and returns what they
// sent.
func (a *abandoned) serve(t *testing.T, count int) (sent []string) {
	t.Helper()
	for range count {
		must(t, waitReadable(a.next))
		fd, _, err := unix.Accept4(a.next, unix.SOCK_CLOEXEC)
		must(t, err)
		f := os.NewFile(uintptr(fd), "connection")
		buf := make([]byte, 16)
		n, err := f.Read(buf)
		must(t, err)
		sent = append(sent, string(buf[:n]))
		f.Close()
	}
	return sent
}

func waitReadable(fd int) error {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
	if err == nil && n == 0 {
		err = unix.ETIMEDOUT
	}
	return err
}

// S146: what waits where nobody can connect any more is served, in its order.
func TestS146Carry(t *testing.T) {
	const clients = maxForwarded + 40
	keepsDescriptors(t)
	a := abandon(t, clients)
	var f Forwarder
	type result struct {
		carried, lost int
		err           error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.carried, r.lost, r.err = Carry(t.Context(), nil, a.fd, &f)
		done <- r
	}()
	sent := a.serve(t, clients)
	if got := <-done; got != (result{carried: clients}) {
		t.Errorf("Carry = %+v, want %d carried", got, clients)
	}
	for i, text := range sent {
		if text != fmt.Sprint(i) {
			t.Fatalf("sent in order: %v", sent)
		}
	}
	f.Wait()
}

// Who does not get a place goes on waiting until the new listener is closed.
func TestCarryStops(t *testing.T) {
	keepsDescriptors(t)
	a := abandon(t, maxForwarded+3)
	ctx, cancel := context.WithCancel(t.Context())
	var f Forwarder
	stop := make(chan struct{})
	done := make(chan int, 1)
	go func() {
		carried, _, _ := Carry(ctx, stop, a.fd, &f)
		done <- carried
	}()
	must(t, waitReadable(a.next))
	close(stop)
	if got := <-done; got > maxForwarded {
		t.Errorf("%d are carried, want at most %d", got, maxForwarded)
	}
	if !somethingWaits(a.fd) {
		t.Error("nobody waits at the old listener any more")
	}
	cancel()
	f.Wait()
}

func TestDrain(t *testing.T) {
	const clients = Batch + 10
	keepsDescriptors(t)
	a := abandon(t, clients)
	s, err := NewServer(a.fd, Facts{Local: "s", Stream: true})
	must(t, err)
	got := 0
	must(t, s.Drain(t.Context(), func(Access) { got++ }))
	if got != clients {
		t.Errorf("%d accesses, want %d", got, clients)
	}
	s.Stop()
	s.Wait()
}
