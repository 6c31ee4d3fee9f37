package listen

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// MaxData is how much of what a client sends an [Access] has.
const MaxData = 64 << 10

// maxReaders is how many clients of one socket are waited for at a time while
// they send. The others stay in the kernel's queue.
const maxReaders = 64

// WantData makes Serve report what clients send: a datagram, or the bytes of a
// connection up to its end, [MaxData] or 5 s, whichever comes first. Then Serve
// reports connections from other goroutines, several at a time and also after it
// has returned, until [Server.Wait] returns. Call it before the first Serve.
func (s *Server) WantData() {
	if s.stream {
		s.readers = make(chan struct{}, maxReaders)
		return
	}
	s.buf = make([]byte, MaxData)
	s.wanted = len(s.buf)
}

// reserve waits until one more client may be waited for. It returns false when
// the server is of no use any more.
func (s *Server) reserve(ctx context.Context) bool {
	if s.readers == nil {
		return true
	}
	select {
	case s.readers <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// unreserve takes a reservation back.
func (s *Server) unreserve() {
	if s.readers != nil {
		<-s.readers
	}
}

// hear hands a connection to a goroutine that reads, reports and finishes it, and
// ends the reservation. It returns false, and connection and reservation remain
// the caller's, when the server has been stopped.
func (s *Server) hear(ctx context.Context, fd int, a Access, report func(Access)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	conn := os.NewFile(uintptr(fd), "connection")
	s.lingering[conn] = struct{}{}
	s.lingerers.Go(func() {
		s.read(ctx, conn, &a)
		s.unreserve()
		report(a)
		s.part(ctx, conn)
	})
	return true
}

// read reads what the client sends.
func (s *Server) read(ctx context.Context, conn *os.File, a *Access) {
	defer s.limit(ctx, conn)()
	buf := make([]byte, MaxData) // at once, since the rest of a seqpacket would be lost
	// What came before an error, and that is mostly the end of the patience, is
	// what the client has sent.
	n, _ := io.ReadFull(conn, buf)
	a.Data = bytes.Clone(buf[:n])
}

// part sends the client away like [Server.finish].
func (s *Server) part(ctx context.Context, conn *os.File) {
	if raw, err := conn.SyscallConn(); err == nil {
		// ENOTCONN: the client has reset the connection already.
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
	s.mu.Lock()
	if !s.stopped { // else Stop wants it to end at once
		_ = conn.SetReadDeadline(time.Time{})
	}
	s.mu.Unlock()
	s.lingerOn(ctx, conn, maxDiscard)
}

// limit makes the reading of a connection end with the patience of the server or
// with ctx. The function that it returns must be called when it has ended.
func (s *Server) limit(ctx context.Context, conn *os.File) (ended func()) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		// It fails only when Go's poller could not take the connection, and
		// then reading does not wait either.
		_ = conn.SetReadDeadline(longAgo)
	})
	return func() {
		if !stop() {
			<-expired
		}
		cancel()
	}
}
