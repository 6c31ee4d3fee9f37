package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// isNodeOf reports whether a pinned node is the one that a socket is bound to.
// Only the kernel knows: a path may lead elsewhere than a moment before.
func isNodeOf(sock, pin int, st *unix.Stat_t) (bool, error) {
	dev, ino, err := nodeOf(sock)
	if err != nil {
		return false, err
	}
	if ino != uint32(st.Ino) || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false, nil
	}
	if dev == unix.Mkdev(unix.Major(st.Dev), unix.Minor(st.Dev)) {
		return true, nil
	}
	// btrfs and overlayfs show stat(2) another device than the kernel's own.
	own, err := deviceOf(pin)
	return dev == own, err
}

// nodeOf asks sock_diag for the device and the inode number of the node that a
// unix socket is bound to. The kernel cuts the number to 32 bits.
func nodeOf(sock int) (dev uint64, ino uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(sock, &st); err != nil {
		return 0, 0, err
	}
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, 0, err
	}
	defer fdpass.Close(nl)
	if err := unix.Sendto(nl, diagRequest(uint32(st.Ino)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, err
	}
	// The kernel answers before sendto returns, so there is nothing to wait for.
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(nl, buf, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, 0, err
	}
	return parseDiag(buf[:n])
}

// From linux/sock_diag.h and linux/unix_diag.h.
const (
	sockDiagByFamily = 20
	udiagShowVFS     = 0x02
	unixDiagVFS      = 1

	nlmsgHeader  = 16
	unixDiagReq  = 24
	unixDiagMsg  = 16
	attrHeader   = 4
	unixDiagVFS8 = 8 // inode and device, 32 bits each
)

// diagRequest asks for the node of the one socket with that inode number.
func diagRequest(ino uint32) []byte {
	b := make([]byte, nlmsgHeader+unixDiagReq)
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], uint32(len(b)))
	ne.PutUint16(b[4:], sockDiagByFamily)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST)
	req := b[nlmsgHeader:]
	req[0] = unix.AF_UNIX
	ne.PutUint32(req[4:], ^uint32(0)) // any state
	ne.PutUint32(req[8:], ino)
	ne.PutUint32(req[12:], udiagShowVFS)
	ne.PutUint64(req[16:], ^uint64(0)) // no cookie
	return b
}

func parseDiag(b []byte) (dev uint64, ino uint32, err error) {
	ne := binary.NativeEndian
	if len(b) < nlmsgHeader+4 {
		return 0, 0, fmt.Errorf("sock_diag answered %d bytes", len(b))
	}
	size, typ := int(ne.Uint32(b)), ne.Uint16(b[4:])
	if typ == unix.NLMSG_ERROR {
		return 0, 0, unix.Errno(-int32(ne.Uint32(b[nlmsgHeader:])))
	}
	if typ != sockDiagByFamily || size > len(b) || size < nlmsgHeader+unixDiagMsg {
		return 0, 0, fmt.Errorf("sock_diag answered a message of type %d with %d bytes", typ, size)
	}
	for attrs := b[nlmsgHeader+unixDiagMsg : size]; len(attrs) >= attrHeader; {
		n := int(ne.Uint16(attrs))
		if n < attrHeader || n > len(attrs) {
			break
		}
		if ne.Uint16(attrs[2:]) == unixDiagVFS && n >= attrHeader+unixDiagVFS8 {
			kdev := ne.Uint32(attrs[8:])
			return unix.Mkdev(kdev>>20, kdev&(1<<20-1)), ne.Uint32(attrs[4:]), nil
		}
		attrs = attrs[min((n+3)&^3, len(attrs)):]
	}
	return 0, 0, errors.New("sock_diag knows no node of the socket")
}

// deviceOf returns the device of the mount that a descriptor is on, as the
// kernel numbers it.
func deviceOf(fd int) (uint64, error) {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	_, after, ok := bytes.Cut(info, []byte("mnt_id:"))
	if !ok {
		return 0, fmt.Errorf("descriptor %d has no mount", fd)
	}
	id, _, _ := bytes.Cut(after, []byte("\n"))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != string(bytes.TrimSpace(id)) {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(f[2], "%d:%d", &major, &minor); err != nil {
			return 0, fmt.Errorf("mountinfo: device %q: %w", f[2], err)
		}
		return unix.Mkdev(major, minor), nil
	}
	return 0, fmt.Errorf("mount %s is not in mountinfo", bytes.TrimSpace(id))
}
