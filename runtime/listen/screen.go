package listen

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

// Screening turns those away who wait at a socket and may not, so that whoever
// inherits it is not started by them. Nobody else may accept from it meanwhile.
type Screening struct {
	FD    int    // a listening socket, the caller's; it is made O_NONBLOCK
	Local string // its address, for errors and [Access]
	Rule  *peer.Rule

	// Denied gets who was sent away; UID is -1 if the kernel does not know.
	Denied func(Access)

	// Forwarder takes over a connection that had to be accepted to know who it is,
	// and that may stay: the client has closed its side already, or does not get in by
	// the user that opened its socket but by the one that called connect(2).
	Forwarder *Forwarder

	// Lost gets a connection that may stay and could not be forwarded. It is closed.
	Lost func(Access, error)
}

// Run looks at who waits, ends the connections of at most [Batch] of those who may
// not, and returns the numbers of those who may and go on waiting, as
// [peer.Waiting] has them. If more than that waits, the socket is still readable.
//
// A unix socket is emptied from its head to the first one who may: nobody behind can
// be reached without taking that one. Of tcp all are reached, by resetting their
// connections.
//
// An error is a [*RetryError], or one that will not pass.
func (s *Screening) Run(ctx context.Context) (admitted []uint64, err error) {
	if err := unix.SetNonblock(s.FD, true); err != nil {
		return nil, fmt.Errorf("screen %s: set O_NONBLOCK: %w", s.Local, err)
	}
	domain, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, fmt.Errorf("screen %s: %w", s.Local, err)
	}
	for left := Batch; left > 0 && ctx.Err() == nil; {
		// Asked before the look: if that shows nobody then, the head of the queue is a
		// connection that was reset, whoever comes meanwhile.
		if !somethingWaits(s.FD) {
			return nil, nil
		}
		clients, may, err := s.look()
		if err != nil {
			return nil, err
		}
		admitted = nil
		for i := range clients {
			if may[i] {
				admitted = append(admitted, clients[i].ID)
			}
		}
		first := slices.Index(may, true)
		switch {
		case first == 0 && domain == unix.AF_UNIX:
			return admitted, nil
		case first >= 0 && domain != unix.AF_UNIX:
			return admitted, s.disconnect(clients, may)
		case first < 0:
			admitted, first = nil, max(1, len(clients))
		}
		n := min(first, left)
		if err := s.take(ctx, n); err != nil {
			return nil, err
		}
		if n == first && len(admitted) > 0 {
			return admitted, nil
		}
		left -= n
	}
	return nil, nil // the rest is still there
}

// look returns who waits, and for each whether it may stay.
func (s *Screening) look() (clients []peer.Client, may []bool, err error) {
	clients, err = peer.Clients(s.FD)
	if err == nil {
		may, err = s.Rule.Admits(clients)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("screen %s: %w", s.Local, err)
	}
	for i := range clients {
		may[i] = may[i] || s.Forwarder.Has(clients[i].ID)
	}
	return clients, may, nil
}

// somethingWaits reports whether something waits.
func somethingWaits(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n > 0 // after an error, accept(2) says it again
}

// take accepts from the head of the queue, where those wait who seem not to be
// allowed. Who they are is decided by the connections themselves.
func (s *Screening) take(ctx context.Context, n int) error {
	for range n {
		fd, from, err := unix.Accept4(s.FD, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			s.decide(ctx, fd, from)
		case errors.Is(err, unix.EAGAIN):
			return nil
		case passing(err): // about one connection, which is not in the queue any more
		case scarce(err):
			return &RetryError{Local: s.Local, Err: err}
		default:
			return fmt.Errorf("screen %s: %w", s.Local, err)
		}
	}
	return nil
}

func (s *Screening) decide(ctx context.Context, fd int, from unix.Sockaddr) {
	a := Access{Local: s.Local, Remote: addressText(from), UID: -1, GID: -1, PID: -1}
	describe(fd, &a)
	cred, err := credOf(fd)
	if err == nil {
		a.UID, a.GID = int(cred.UID), int(cred.GID)
		if s.Rule.Allows(cred) {
			if err := s.Forwarder.Forward(ctx, fd, cred); err != nil {
				s.Lost(a, err)
			}
			return
		}
	}
	_ = unix.Close(fd) // nothing was written
	s.Denied(a)
}

// disconnect resets the tcp connections of those who may not. Where the kernel
// cannot, they stay with those who may, and whoever inherits the socket gets them.
func (s *Screening) disconnect(clients []peer.Client, may []bool) error {
	for i := range clients {
		if may[i] {
			continue
		}
		switch err := peer.Disconnect(&clients[i]); {
		case errors.Is(err, peer.ErrCannotDisconnect):
			return nil
		case err != nil:
			return fmt.Errorf("screen %s: %w", s.Local, err)
		}
		a := Access{Local: s.Local, Remote: clients[i].Remote(), UID: -1, GID: -1, PID: -1}
		if clients[i].Known {
			a.UID = int(clients[i].UID)
		}
		s.Denied(a)
	}
	return nil
}
