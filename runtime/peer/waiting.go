package peer

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ErrNoQueue says that a socket has no queue that can be looked at: it does not
// listen, or is of another family.
var ErrNoQueue = errors.New("no queue to look at")

// Waiting returns a number for each connection that waits to be accepted from
// fd, a listening tcp or unix socket; nobody is accepted. The number of a
// connection is the same for as long as it waits and its client is there; a unix
// client that gave up goes on waiting as 0, a tcp client that reset its connection
// waits unseen.
//
// For a datagram socket it is a number for the first datagram that waits, which
// stays where it is. Nobody else may use the socket meanwhile: an option of it is
// set and taken back.
//
// The answer is a snapshot. For tcp the kernel walks through all connections of
// the network namespace: never call it on the loop.
func Waiting(fd int) ([]uint64, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	if kind == unix.SOCK_DGRAM {
		waiting, err := firstDatagram(fd)
		if err != nil {
			return nil, fmt.Errorf("who waits: %w", err)
		}
		return waiting, nil
	}
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

// firstDatagram returns when the first datagram in the queue arrived, in
// nanoseconds, and nothing if none waits. The kernel keeps that time with the
// datagram, or gives it the present one when it is first asked (socket(7),
// SO_TIMESTAMPNS), so two of them are told apart also when they are the same.
func firstDatagram(fd int) (waiting []uint64, err error) {
	for _, option := range []int{unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMP} {
		on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		if err != nil {
			return nil, err
		}
		if on != 0 { // an owner has left it so, and finds it so
			return peekTime(fd)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 0))
	}()
	return peekTime(fd)
}

// maxRights is SCM_MAX_FD of the kernel: the buffer has room for all of them, so
// that none is let in unseen.
const maxRights = 253

// peekTime reads the time of the first datagram from the message that comes with
// it; a socket that was told to gives it in microseconds.
func peekTime(fd int) ([]uint64, error) {
	var first [1]byte
	oob := make([]byte, 512+unix.CmsgSpace(maxRights*4))
	var n int
	var err error
	for {
		_, n, _, _, err = unix.Recvmsg(fd, first[:], oob, unix.MSG_PEEK|unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return []uint64{}, nil
	case err != nil:
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil, err
	}
	waiting := []uint64{}
	for i := range messages {
		m := &messages[i]
		if m.Header.Level != unix.SOL_SOCKET {
			continue
		}
		switch m.Header.Type {
		case unix.SCM_RIGHTS: // a peek has copied what a unix datagram carries
			fds, err := unix.ParseUnixRights(m)
			if err != nil {
				return nil, err
			}
			for _, got := range fds {
				_ = unix.Close(got)
			}
		case unix.SCM_TIMESTAMP, unix.SCM_TIMESTAMPNS:
			if len(m.Data) >= 16 {
				waiting = append(waiting, native.Uint64(m.Data)*1e9+native.Uint64(m.Data[8:]))
			}
		}
	}
	return waiting, nil
}

// localAddress returns what an inet socket is bound to, without its zone.
func localAddress(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addressOf(name)
}

// addressOf returns an inet address without its zone.
func addressOf(name unix.Sockaddr) (netip.AddrPort, error) {
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("unexpected address %T", name)
}
