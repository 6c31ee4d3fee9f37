// Package peer answers who is at the other end: of an accepted connection, of
// an address that is taken. It asks the kernel and believes nobody else. It
// rests on unix(7), socket(7), sock_diag(7) and proc(5).
package peer

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Cred says who connected.
//
// The kernel records it when the peer calls connect(2) and never changes it: it
// is the effective uid and gid and the supplementary groups of that moment, also
// after the peer has dropped its privileges, passed the socket on, or exited. So
// the process with this PID may by now be another one. PID is 0 when the process
// is not visible in this pid namespace.
type Cred struct {
	UID, GID uint32
	PID      int32
	Groups   []uint32 // supplementary groups; the primary one is GID
}

// ErrUnknown is wrapped by the error of [Of] for a socket with nobody at the
// other end, or nobody that the kernel knows.
var ErrUnknown = errors.New("no peer credentials")

// maxGroups is NGROUPS_MAX of the kernel.
const maxGroups = 65536

// Of returns who is at the other end of fd, a connected unix stream or
// seqpacket socket, as SO_PEERCRED and SO_PEERGROUPS tell it.
//
// A listening socket is refused with [ErrUnknown]: the kernel would answer with
// the credentials of the listener itself, and whoever took them for those of a
// client would let everybody in. Datagram sockets that are not connected, tcp
// and udp have no credentials either.
func Of(fd int) (Cred, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return Cred{}, fmt.Errorf("peer credentials: %w", err)
	}
	if listening != 0 {
		return Cred{}, fmt.Errorf("%w: the socket is a listening one, ask the accepted connection", ErrUnknown)
	}
	u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, fmt.Errorf("peer credentials: %w", err)
	}
	if u.Uid == math.MaxUint32 { // what the kernel fills in when it has recorded nobody
		return Cred{}, fmt.Errorf("%w: the socket is not a connected unix socket", ErrUnknown)
	}
	groups, err := groupsOf(fd)
	if err != nil {
		return Cred{}, fmt.Errorf("peer groups: %w", err)
	}
	return Cred{UID: u.Uid, GID: u.Gid, PID: u.Pid, Groups: groups}, nil
}

// groupsOf reads SO_PEERGROUPS. The kernel answers ERANGE and the size it needs
// when the buffer is too small; what it recorded does not change, so the second
// call is the last.
func groupsOf(fd int) ([]uint32, error) {
	groups := make([]uint32, 64)
	for range 2 {
		size := uint32(len(groups)) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno != unix.ERANGE || size > maxGroups*4:
			return nil, errno
		}
		groups = make([]uint32, size/4)
	}
	return nil, unix.ERANGE
}
