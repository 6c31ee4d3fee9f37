package listen

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Connection is one that was accepted for a program that gets nothing else.
type Connection struct {
	// FD is the receiver's to close. It is close-on-exec and O_NONBLOCK.
	FD int

	// Access says who it is from, without Data.
	Access Access

	// Source is what connections are counted by: an IPv4 address, the /64 of an
	// IPv6 address, or "uid N"; empty when it is unknown.
	Source string

	// Env has REMOTE_ADDR, REMOTE_PORT and SO_COOKIE as systemd.exec(5) has them,
	// as far as the kernel knows: an IPv4 client of an IPv6 socket has an IPv4
	// address, a unix client an address only if it has a name.
	Env []string
}

// Accept takes at most that many of the connections that wait, and calls report
// for each, which takes over the descriptor. It is to be called as [Server.Serve]
// is, in its place, and its errors mean the same. It looks at no more than [Batch],
// those that the gate refuses included: there may always be another one.
func (s *Server) Accept(ctx context.Context, most int, report func(Connection)) error {
	taken := 0
	for looked := 0; taken < most && looked < Batch; looked++ {
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		fd, _, from, err := s.take()
		switch {
		case err == nil:
		case errors.Is(err, unix.EAGAIN):
			return nil
		case passing(err):
			continue // about one connection, which is not in the queue any more
		case scarce(err):
			return &RetryError{Local: s.local, Err: err}
		default:
			return fmt.Errorf("accept from %s: %w", s.local, err)
		}
		a := Access{Local: s.local, Remote: addressText(from), UID: -1, GID: -1, PID: -1}
		describe(fd, &a)
		if !s.admits(fd, &a) {
			_ = unix.Close(fd) // nothing was written
			continue
		}
		taken++
		report(Connection{FD: fd, Access: a, Source: sourceOf(from, a.UID), Env: remoteEnv(fd, from)})
	}
	return nil
}

// sourceOf returns what connections from an address, or of a user, are counted by.
func sourceOf(from unix.Sockaddr, uid int) string {
	e, ok := endpointOf(from)
	if !ok {
		if uid < 0 {
			return ""
		}
		return "uid " + strconv.Itoa(uid)
	}
	addr := e.addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

// remoteEnv returns what a program learns of its connection.
func remoteEnv(fd int, from unix.Sockaddr) []string {
	var env []string
	if e, ok := endpointOf(from); ok {
		env = append(env,
			"REMOTE_ADDR="+e.addr.Unmap().WithZone("").String(),
			"REMOTE_PORT="+strconv.Itoa(int(e.port)))
	} else if name := addressText(from); printable(name) {
		env = append(env, "REMOTE_ADDR="+name)
	}
	if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE); err == nil {
		env = append(env, "SO_COOKIE="+strconv.FormatUint(cookie, 10))
	}
	return env
}

// printable reports whether a unix client has a name that an environment variable
// can have. The client chose it: an abstract name may be any bytes.
func printable(name string) bool {
	return (strings.HasPrefix(name, "/") || strings.HasPrefix(name, "@")) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// What one Flush throws away at most: somebody who sends faster than it is thrown
// away must not keep the socket from being watched.
const (
	maxFlush  = 4096
	flushTime = time.Second
)

// Flush throws away what waits in a listening socket, or in one of datagrams:
// connections are closed, datagrams received. The socket must be nobody else's
// meanwhile; it is made O_NONBLOCK. It ends after 4096 of them or a second,
// whatever still comes, and returns how many there were.
func Flush(ctx context.Context, fd int, stream bool) (int, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, fmt.Errorf("flush: set O_NONBLOCK: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	flushed := 0
	for flushed < maxFlush && ctx.Err() == nil {
		err := discardOne(fd, stream)
		switch {
		case err == nil:
			flushed++
		case errors.Is(err, unix.EAGAIN):
			return flushed, nil
		case !passing(err):
			return flushed, fmt.Errorf("flush: %w", err)
		}
	}
	return flushed, nil
}

// discardOne throws away one connection or datagram.
func discardOne(fd int, stream bool) error {
	if !stream {
		var one [1]byte
		_, _, err := unix.Recvfrom(fd, one[:], unix.MSG_DONTWAIT)
		return err
	}
	conn, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err == nil {
		_ = unix.Close(conn) // nothing was written
	}
	return err
}
