package listen

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxCarried bounds what Carry and Drain take, should somebody still reach the
// listener under another name.
const maxCarried = maxFlush

// maxReasons is how many of the errors about single connections are kept.
const maxReasons = 3

// Carry brings the connections that wait in a listener to the one that has its
// address now: f connects each of them anew, as the user who had connected. Nobody
// else may accept from fd, which remains the caller's and is made O_NONBLOCK.
//
// What f has no room for goes on waiting until there is, or stop is closed, or ctx
// ends, which also ends what was brought over. A connection that could not be brought
// over is closed, and counted as lost; err says why.
func Carry(ctx context.Context, stop <-chan struct{}, fd int, f *Forwarder) (carried, lost int, err error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, 0, fmt.Errorf("empty the listener: set O_NONBLOCK: %w", err)
	}
	for range maxCarried {
		if !somethingWaits(fd) || !f.room(ctx, stop) {
			return carried, lost, err
		}
		conn, _, aerr := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(aerr, unix.EAGAIN):
			return carried, lost, err
		case aerr != nil && passing(aerr):
			continue // about one connection, which is not in the queue any more
		case aerr != nil:
			return carried, lost, errors.Join(err, fmt.Errorf("empty the listener: %w", aerr))
		}
		if ferr := carry(ctx, conn, f); ferr == nil {
			carried++
		} else if lost++; lost <= maxReasons {
			err = errors.Join(err, ferr)
		}
	}
	return carried, lost, err
}

// carry takes over one connection.
func carry(ctx context.Context, conn int, f *Forwarder) error {
	cred, err := credOf(conn)
	if err != nil {
		return errors.Join(err, unix.Close(conn))
	}
	return f.Forward(ctx, conn, cred)
}

// room waits until one more connection can be forwarded, and reports whether it can.
func (f *Forwarder) room(ctx context.Context, stop <-chan struct{}) bool {
	for {
		f.mu.Lock()
		if f.freed == nil {
			f.freed = make(chan struct{}, 1)
		}
		full := len(f.live) >= maxForwarded
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-stop:
			return false
		default:
		}
		if !full {
			return true
		}
		select {
		case <-f.freed:
		case <-stop:
		case <-ctx.Done():
		}
	}
}

// Drain serves until nothing waits, where [Server.Serve] ends after a batch. It is for
// a listener that nobody can reach any more, before it is closed.
func (s *Server) Drain(ctx context.Context, report func(Access)) error {
	for range maxCarried / Batch {
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		if !somethingWaits(s.fd) {
			return nil
		}
		if err := s.Serve(ctx, report); err != nil {
			return err
		}
	}
	return nil
}
