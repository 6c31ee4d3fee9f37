package peer

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// Layout of unix_diag_req and unix_diag_msg, <linux/unix_diag.h>.
const (
	unixRequestSize = 24
	unixMessageSize = 16

	unixShowName = 0x01 // UDIAG_SHOW_NAME
	unixShowVFS  = 0x02 // UDIAG_SHOW_VFS
	unixShowIcon = 0x08 // UDIAG_SHOW_ICONS
	unixShowUID  = 0x40 // UDIAG_SHOW_UID

	unixAttrName = 0 // UNIX_DIAG_NAME
	unixAttrVFS  = 1 // UNIX_DIAG_VFS
	unixAttrIcon = 3 // UNIX_DIAG_ICONS
	unixAttrUID  = 7 // UNIX_DIAG_UID
)

// unixSocket is one unix socket as unix_diag shows it.
type unixSocket struct {
	inode uint32
	name  string // "@" first for an abstract name; empty when unnamed
	node  uint32 // low 32 bits of the inode of the path; 0 without one
	uid   uint32

	// waiting are the inodes of the clients in the accept queue, in its order;
	// only when they were asked for.
	waiting []uint32
}

// unixSockets calls visit with every unix socket that listens, or may be bound and is
// not a connection, until visit returns errStop. One of datagrams counts as connected
// to the kernel once anybody has connected to it.
func unixSockets(visit func(unixSocket) error) error {
	request := unixRequest(unixShowName | unixShowVFS | unixShowUID)
	native.PutUint32(request[4:], stateListen|stateClose|stateEstablished)
	return ask(request, unix.NLM_F_DUMP, func(body []byte) error {
		s, err := parseUnix(body)
		if err != nil {
			return err
		}
		if body[unixTypeAt] != unix.SOCK_DGRAM && body[unixStateAt] == tcpEstablished {
			return nil // a connection, which has the name of its listener
		}
		return visit(s)
	})
}

// Node returns the low 32 bits of the inode number of the path that the unix
// socket fd is bound to, and 0 when it is bound to none.
//
// It needs no privilege, but is a weaker witness than the ioctl SIOCUNIXFILE:
// sock_diag has no more bits, and its device number is that of the superblock,
// which differs from that of stat(2) on btrfs and overlayfs.
func Node(fd int) (uint32, error) {
	s, err := unixSocketOf(fd, unixShowVFS)
	if err != nil {
		return 0, fmt.Errorf("node of socket: %w", err)
	}
	return s.node, nil
}

// unixSocketOf asks for what show names of one unix socket.
func unixSocketOf(fd int, show uint32) (unixSocket, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return unixSocket{}, err
	}
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return unixSocket{}, fmt.Errorf("SO_COOKIE: %w", err)
	}
	// The cookie makes the kernel refuse another socket whose inode number
	// happens to be the same.
	request := unixRequest(show)
	native.PutUint32(request[8:], uint32(st.Ino))
	native.PutUint32(request[16:], uint32(cookie))
	native.PutUint32(request[20:], uint32(cookie>>32))
	var found unixSocket
	err = ask(request, 0, func(body []byte) error {
		var err error
		found, err = parseUnix(body)
		return err
	})
	return found, err
}

func unixRequest(show uint32) []byte {
	request := make([]byte, unixRequestSize)
	request[0] = unix.AF_UNIX
	native.PutUint32(request[12:], show)
	return request
}

// parseUnix reads one unix_diag_msg with its attributes.
func parseUnix(b []byte) (unixSocket, error) {
	if len(b) < unixMessageSize {
		return unixSocket{}, fmt.Errorf("%w: a unix socket of %d bytes, want %d", errAnswer, len(b), unixMessageSize)
	}
	if b[0] != unix.AF_UNIX {
		return unixSocket{}, fmt.Errorf("%w: a unix socket of family %d", errAnswer, b[0])
	}
	s := unixSocket{inode: native.Uint32(b[4:])}
	err := attributes(b[unixMessageSize:], func(kind uint16, value []byte) {
		switch {
		case kind == unixAttrName && len(value) > 0:
			s.name = sunName(value)
		case kind == unixAttrVFS && len(value) >= 8:
			s.node = native.Uint32(value)
		case kind == unixAttrIcon:
			for ; len(value) >= 4; value = value[4:] {
				s.waiting = append(s.waiting, native.Uint32(value))
			}
		case kind == unixAttrUID && len(value) >= 4:
			s.uid = native.Uint32(value)
		}
	})
	if err != nil {
		return unixSocket{}, err
	}
	return s, nil
}

// sunName returns the text of a sun_path: an abstract name is shown with "@"
// for its first byte, a path ends at the first NUL.
func sunName(b []byte) string {
	if b[0] == 0 {
		return "@" + string(b[1:])
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	return string(path)
}
