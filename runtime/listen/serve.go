package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

const (
	// Batch is the largest number of accesses that one [Server.Serve] takes, so
	// that a flood of one socket does not keep the others waiting.
	Batch = 64

	// A client that is still sending when its connection is finished is heard
	// for this long and this many bytes, and so many clients of one socket at a
	// time. Beyond that it is cut off.
	maxLinger   = 5 * time.Second
	maxDiscard  = 64 << 10
	maxLingerer = 64
)

// Access is one connection or datagram that came to a socket without owner.
type Access struct {
	// Local is the address that was reached, Remote the one it came from, which
	// is empty for a unix client without a name.
	Local, Remote string

	// UID, GID and PID are those of the connecting process, see [peer.Cred]; -1
	// when they are unknown, as they are for tcp, udp and unix datagrams.
	UID, GID, PID int

	// Data is what the client has sent, see [Server.WantData].
	Data []byte
}

// RetryError says that the machine is short of something, so that nothing can
// be accepted for now. What waits is still in the queue: arming the socket at
// once would spin.
type RetryError struct {
	Local string // the address of the socket
	Err   error
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("serve %s: %v, try again after a pause", e.Local, e.Err)
}

// Unwrap returns the error of the kernel.
func (e *RetryError) Unwrap() error { return e.Err }

// ErrShutDown is wrapped by the error of [Server.Serve] when somebody who has
// the socket called shutdown(2) on it.
var ErrShutDown = errors.New("the socket was shut down")

// Server answers the accesses to one socket that has no owner: it takes what
// waits, reports it, and sends the client away politely.
//
// It starts no goroutine until a client keeps a finished connection open; at
// most 64 such clients are waited for, each by its goroutine, for at most 5 s.
type Server struct {
	fd     int
	local  string
	stream bool
	buf    []byte // only for Serve
	wanted int    // how much of a datagram is read
	gate   *Gate  // nil: everybody may

	readers chan struct{} // a reservation for each client that is read from; nil: none is

	patience time.Duration // maxLinger, shorter in tests

	mu        sync.Mutex
	stopped   bool
	lingering map[*os.File]struct{} // finished, but the client has not closed yet
	lingerers sync.WaitGroup        // Add only under mu and while not stopped
}

// NewServer returns a server for a published socket and makes its descriptor
// O_NONBLOCK: a client that gives up between the event and accept(2) must not
// leave us waiting for the next one. The descriptor remains the caller's; it may
// be closed after Stop.
func NewServer(fd int, f Facts) (*Server, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("serve %s: set O_NONBLOCK: %w", f.Local, err)
	}
	return &Server{
		fd:        fd,
		local:     f.Local,
		stream:    f.Stream,
		buf:       make([]byte, 16<<10),
		wanted:    1,
		patience:  maxLinger,
		lingering: map[*os.File]struct{}{},
	}, nil
}

// Serve takes what waits, at most [Batch] accesses, and calls report for each.
// Call it on a goroutine of its own after an event, one at a time, and arm the
// socket again when it returns nil: if more waits, that is reported at once.
//
// A connection is finished when report returns: the client sees the end of the
// stream at once, and what it sends is read for a while, since closing with
// bytes unread would show it a reset instead. ctx should live as long as the
// socket: when it ends, finished connections whose client lingers are closed.
//
// An error is a [*RetryError], after which the socket is to be armed after a
// pause, or else means that the socket is of no use any more.
func (s *Server) Serve(ctx context.Context, report func(Access)) error {
	for range Batch {
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		more, err := s.serveOne(ctx, report)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Stop ends the use of the descriptor: after it returns, the caller may close
// it. It does not wait; connections that linger are closed soon, see Wait.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for conn := range s.lingering {
		// It fails only when the connection is being closed anyway.
		_ = conn.SetReadDeadline(longAgo)
	}
}

// Wait waits until no connection of the server is open and none of its
// goroutines runs, after Stop or the end of the context. A Serve that has not
// returned is the caller's to wait for.
func (s *Server) Wait() { s.lingerers.Wait() }

// serveOne takes one access. more is false when nothing waits.
func (s *Server) serveOne(ctx context.Context, report func(Access)) (more bool, err error) {
	if !s.reserve(ctx) {
		return false, nil
	}
	reserved := true
	defer func() {
		if reserved {
			s.unreserve()
		}
	}()
	fd, data, from, err := s.take()
	switch {
	case err == nil:
	case errors.Is(err, unix.EAGAIN):
		return false, nil // also a datagram with a bad checksum, or a client that gave up
	case passing(err):
		return true, nil
	case scarce(err):
		return false, &RetryError{Local: s.local, Err: err}
	default:
		return false, fmt.Errorf("serve %s: %w", s.local, err)
	}
	a := Access{Local: s.local, Remote: addressText(from), UID: -1, GID: -1, PID: -1}
	if fd < 0 {
		a.Data = data
		report(a)
		return true, nil
	}
	describe(fd, &a)
	if !s.admits(fd, &a) {
		_ = unix.Close(fd) // nothing was written
		return true, nil
	}
	if s.readers != nil {
		if s.hear(ctx, fd, a, report) {
			reserved = false
			return true, nil
		}
		_ = unix.Close(fd) // nothing was written
		return false, nil
	}
	defer func() {
		// Deferred, so that not even a panic of report leaks the connection.
		s.finish(ctx, fd)
	}()
	report(a)
	return true, nil
}

// take accepts one connection, or receives one datagram and returns -1 for it and
// what is wanted of it.
// The lock keeps the descriptor open; nothing under it blocks. EAGAIN means that
// nothing waits.
func (s *Server) take() (int, []byte, unix.Sockaddr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return -1, nil, nil, unix.EAGAIN
	}
	var (
		fd   = -1
		data []byte
		from unix.Sockaddr
		err  error
	)
	if s.stream {
		fd, from, err = unix.Accept4(s.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	} else {
		// The rest of the datagram, and descriptors that came with it, are
		// thrown away by the kernel.
		var n int
		n, from, err = unix.Recvfrom(s.fd, s.buf[:s.wanted], unix.MSG_DONTWAIT)
		if err == nil && s.wanted > 1 {
			data = bytes.Clone(s.buf[:n])
		}
	}
	switch {
	case err == nil:
		return fd, data, from, nil
	case errors.Is(err, unix.EINVAL): // it does not listen any more
		err = ErrShutDown
	case errors.Is(err, unix.EAGAIN) && shutDown(s.fd):
		// It is readable for ever, and would be reported at every Arm.
		err = ErrShutDown
	}
	return -1, nil, nil, err
}

// shutDown reports whether nothing more can be received.
func shutDown(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0
}

// describe adds what the connection itself tells about both ends. What the
// kernel does not tell stays unknown.
func describe(fd int, a *Access) {
	if sa, err := unix.Getsockname(fd); err == nil {
		if e, ok := endpointOf(sa); ok { // the listener may be bound to a wildcard
			e.addr = e.addr.Unmap()
			a.Local = e.String()
			return
		}
	}
	cred, err := peer.Of(fd)
	if err != nil {
		return
	}
	a.UID, a.GID = int(cred.UID), int(cred.GID)
	if cred.PID != 0 {
		a.PID = int(cred.PID)
	}
}

// addressText returns the address of a client, "" when it has none.
func addressText(sa unix.Sockaddr) string {
	if e, ok := endpointOf(sa); ok {
		e.addr = e.addr.Unmap()
		return e.String()
	}
	if u, ok := sa.(*unix.SockaddrUnix); ok && u.Name != "@" {
		return u.Name
	}
	return ""
}

// finish sends the client away and closes the connection, now or when the
// client has seen the end.
func (s *Server) finish(ctx context.Context, fd int) {
	// ENOTCONN: the client has reset the connection already.
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	budget, open := discard(fd, s.buf)
	if open && budget > 0 && s.linger(ctx, fd, budget) {
		return
	}
	_ = unix.Close(fd) // all that was sent is the end of the stream
}

// discard reads what is there already. It returns how many bytes more the
// client may send, and whether it has not closed its side yet.
func discard(fd int, buf []byte) (budget int, open bool) {
	budget = maxDiscard
	for budget > 0 {
		n, err := unix.Read(fd, buf[:min(len(buf), budget)])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return budget, true
		case err != nil || n <= 0:
			return budget, false
		default:
			budget -= n
		}
	}
	return budget, true
}

// linger hands the connection to a goroutine that waits for the client to close
// it. It returns false, and the connection remains the caller's, when too many
// are waited for already.
func (s *Server) linger(ctx context.Context, fd, budget int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.lingering) >= maxLingerer {
		return false
	}
	conn := os.NewFile(uintptr(fd), "connection")
	s.lingering[conn] = struct{}{}
	s.lingerers.Go(func() { s.lingerOn(ctx, conn, budget) })
	return true
}

// lingerOn reads until the client closes, has sent too much, or its time is
// over, and closes the connection.
func (s *Server) lingerOn(ctx context.Context, conn *os.File, budget int) {
	ended := s.limit(ctx, conn)
	// Whatever ends the reading ends the connection.
	_, _ = io.CopyN(io.Discard, conn, int64(budget))
	ended()
	s.mu.Lock()
	delete(s.lingering, conn)
	s.mu.Unlock()
	_ = conn.Close() // nothing was written
}

// passing reports whether an error is about one connection, and the next one
// may be fine: what accept(2) says "should be treated like EAGAIN by retrying".
func passing(err error) bool {
	return isOneOf(err, unix.EINTR, unix.ECONNABORTED, unix.ECONNREFUSED, unix.ECONNRESET,
		unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENETRESET, unix.ENETUNREACH,
		unix.ENONET, unix.ENOPROTOOPT, unix.ENOTCONN, unix.EOPNOTSUPP, unix.EPIPE, unix.EPROTO,
		unix.ESHUTDOWN, unix.ETIMEDOUT)
}

// scarce reports whether an error will pass with time, but not at once.
func scarce(err error) bool {
	return isOneOf(err, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EPERM)
}

func isOneOf(err error, errnos ...unix.Errno) bool {
	return slices.ContainsFunc(errnos, func(e unix.Errno) bool { return errors.Is(err, e) })
}
