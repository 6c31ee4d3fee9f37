package peer

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ErrNoQueue says that a socket has no queue of connections that sock_diag(7)
// shows: a datagram socket, or one of another family.
var ErrNoQueue = errors.New("no queue of connections")

// Waiting returns a number for each connection that waits to be accepted from
// fd, a listening tcp or unix socket; nobody is accepted. The number of a
// connection is the same for as long as it waits and its client is there; a unix
// client that gave up goes on waiting as 0, a tcp client that reset its connection
// waits unseen.
//
// The answer is a snapshot. For tcp the kernel walks through all connections of
// the network namespace: never call it on the loop.
func Waiting(fd int) ([]uint64, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	if listening == 0 {
		return nil, fmt.Errorf("who waits: %w", ErrNoQueue)
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	waiting := []uint64{}
	switch domain {
	case unix.AF_UNIX:
		s, err := unixSocketOf(fd, unixShowIcon)
		if err != nil {
			return nil, fmt.Errorf("who waits: %w", err)
		}
		for _, inode := range s.waiting {
			waiting = append(waiting, uint64(inode))
		}
	case unix.AF_INET, unix.AF_INET6:
		local, err := localAddress(fd)
		if err != nil {
			return nil, fmt.Errorf("who waits: %w", err)
		}
		err = inetDump(uint8(domain), unix.IPPROTO_TCP, stateEstablished|stateCloseWait, local.Port(), func(s inetSocket) error {
			if s.inode == 0 && (local.Addr().IsUnspecified() || s.local.Addr() == local.Addr()) {
				waiting = append(waiting, s.cookie)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("who waits: %w", err)
		}
	default:
		return nil, fmt.Errorf("who waits: %w", ErrNoQueue)
	}
	return waiting, nil
}

// localAddress returns what an inet socket is bound to, without its zone.
func localAddress(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("unexpected address %T", name)
}
