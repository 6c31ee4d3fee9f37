package listen

import (
	"bytes"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

// node is the name of a unix socket and what its node in the file system must
// look like.
type node struct {
	name     string // "/abs/path" or "@abstract"
	mode     uint32
	uid, gid *uint32 // nil: the plugin's choice
}

// kinds are the types of unix sockets by the name that the option kind has.
var kinds = map[string]int{
	"stream":    unix.SOCK_STREAM,
	"dgram":     unix.SOCK_DGRAM,
	"seqpacket": unix.SOCK_SEQPACKET,
}

// kindName returns the name of a type of unix sockets, or "".
func kindName(typ int) string {
	for name, t := range kinds {
		if t == typ {
			return name
		}
	}
	return ""
}

// expectUnix reads the address and the options of a unix socket.
func (e *expectation) expectUnix(w Want) error {
	if !strings.HasPrefix(w.Address, "/") && !strings.HasPrefix(w.Address, "@") {
		return errors.New("want an absolute path or @name")
	}
	e.node.name = w.Address
	kind, given := w.Options["kind"]
	if !given {
		kind = "stream"
	}
	typ, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("option kind = %q, want stream, dgram or seqpacket", kind)
	}
	e.typ, e.name = typ, "uds "+kind

	mode, given := w.Options["mode"]
	if !given {
		mode = "0666"
	}
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || bits > 0o7777 {
		return fmt.Errorf("option mode = %q, want an octal file mode", mode)
	}
	e.node.mode = uint32(bits)
	e.node.uid, err = ownerID(w, "user", func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return err
	}
	e.node.gid, err = ownerID(w, "group", func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return err
}

// ownerID reads the option user or group: a decimal id or a name.
func ownerID(w Want, name string, lookup func(string) (string, error)) (*uint32, error) {
	text, ok := w.Options[name]
	if !ok || text == "" {
		return nil, nil
	}
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		found, lerr := lookup(text)
		if lerr != nil {
			return nil, fmt.Errorf("option %s = %q: %w", name, text, lerr)
		}
		if number, err = strconv.ParseUint(found, 10, 32); err != nil {
			return nil, fmt.Errorf("option %s: id of %s: %w", name, text, err)
		}
	}
	id := uint32(number)
	return &id, nil
}

// checkUnix checks the name of a unix socket and its node.
func (e *expectation) checkUnix(fd int, facts *Facts) error {
	name, err := unixName(fd)
	if err != nil {
		return err
	}
	switch {
	case name == "":
		return mismatch("the plugin returned a socket that is not bound, want %s", e.node.name)
	case name != e.node.name:
		return mismatch("the returned socket is bound to %s, want %s", name, e.node.name)
	}
	facts.Local = name
	if strings.HasPrefix(name, "@") {
		return nil
	}
	var st unix.Stat_t
	switch err := unix.Lstat(name, &st); {
	case absent(err):
		return mismatch("the returned socket is bound to %s, but nothing is there", name)
	case err != nil:
		return fmt.Errorf("lstat %s: %w", name, err)
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return mismatch("the returned socket is bound to %s, but %s is there", name, fileKind(st.Mode))
	}
	ours, err := ownsNode(fd, &st)
	if err != nil {
		return err
	}
	if !ours {
		return mismatch("the returned socket is bound to %s, but another socket is there", name)
	}
	facts.Path, facts.Dev, facts.Ino = name, st.Dev, st.Ino
	return e.node.checkAttributes(&st)
}

// checkAttributes checks who may connect.
func (n *node) checkAttributes(st *unix.Stat_t) error {
	if mode := st.Mode & 0o7777; mode != n.mode {
		return mismatch("%s has mode %04o, want %04o", n.name, mode, n.mode)
	}
	if n.uid != nil && st.Uid != *n.uid {
		return mismatch("%s belongs to user %d, want %d", n.name, st.Uid, *n.uid)
	}
	if n.gid != nil && st.Gid != *n.gid {
		return mismatch("%s belongs to group %d, want %d", n.name, st.Gid, *n.gid)
	}
	return nil
}

// siocUnixFile is SIOCUNIXFILE of <linux/un.h>: an O_PATH descriptor of the
// node that the socket is bound to.
const siocUnixFile = unix.SIOCPROTOPRIVATE

// ownsNode reports whether st is the node that the kernel made for fd. The path
// alone proves nothing: the node may have been replaced since, or the plugin
// may have bound the same path in another mount namespace.
func ownsNode(fd int, st *unix.Stat_t) (bool, error) {
	pin, err := unix.IoctlRetInt(fd, siocUnixFile)
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTTY):
		// It takes CAP_NET_ADMIN and Linux 4.20. What follows does not, but
		// compares less.
		ino, err := peer.Node(fd)
		return err == nil && ino == uint32(st.Ino), err
	case err != nil:
		return false, fmt.Errorf("ioctl SIOCUNIXFILE: %w", err)
	}
	defer func() { _ = unix.Close(pin) }() // O_PATH: nothing can be lost
	var own unix.Stat_t
	if err := unix.Fstat(pin, &own); err != nil {
		return false, fmt.Errorf("fstat: %w", err)
	}
	return own.Dev == st.Dev && own.Ino == st.Ino, nil
}

// unixName returns the name that the unix socket fd is bound to, "@name" for an
// abstract one, "" for none. [unix.Getsockname] cannot tell an abstract name
// from the relative path "@name", and cuts it at a zero byte.
func unixName(fd int) (string, error) {
	var sa unix.RawSockaddrUnix
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return "", fmt.Errorf("getsockname: %w", errno)
	}
	raw := (*[unsafe.Sizeof(sa)]byte)(unsafe.Pointer(&sa))
	n := min(int(size), len(raw)) // a path of 108 bytes is reported one longer than there is
	name := raw[min(n, int(unsafe.Offsetof(sa.Path))):n]
	switch {
	case len(name) == 0:
		return "", nil
	case name[0] == 0:
		return "@" + string(name[1:]), nil
	}
	path, _, _ := bytes.Cut(name, []byte{0})
	if path[0] == '@' { // a relative path, written so that it is not taken for an abstract name
		return "./" + string(path), nil
	}
	return string(path), nil
}

// ErrForeignNode is wrapped by the error of [RemoveNode] when what is at the
// path is not ours.
var ErrForeignNode = errors.New("it is not the node of this socket")

// RemoveNode removes the node at path if it is still the socket with this device
// and inode number. Anything else is left alone and is [ErrForeignNode]; nothing
// there is no error.
//
// Call it before the socket is closed: while a socket is open, its inode number
// belongs to it even when the node is gone; afterwards another file may have it.
// The directory is pinned, so that replacing a component of its path redirects
// nothing. Linux has no way to remove a name only if it is a certain inode: who
// can write to the directory itself can put something else there between the
// last look and the removal.
func RemoveNode(path string, dev, ino uint64) error {
	return removeFile(path, unix.S_IFSOCK, dev, ino)
}

// absent reports whether an error says that nothing is at a path.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
