package transport

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// fileID tells files apart, while they exist.
type fileID struct{ dev, ino uint64 }

func fileIDOf(st *unix.Stat_t) fileID { return fileID{dev: st.Dev, ino: st.Ino} }

// procFD is a path to the very file of a descriptor, wherever its name leads.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// newDirs is what directories get that are created.
type newDirs struct {
	mode  uint32
	owner owner
}

// makeParents creates the missing directories above a path. It changes no
// directory that is there: the mode of a new one comes from mkdir alone, and
// what appears in the place of a missing one must not be a symlink.
func makeParents(p string, dirs newDirs) error {
	dir := path.Dir(p)
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); !errors.Is(err, unix.ENOENT) {
		return nil // there, or bind says what is wrong
	}
	at, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return sysError("open", "/", err, "")
	}
	defer func() { fdpass.Close(at) }()
	for name := range strings.SplitSeq(strings.TrimPrefix(dir, "/"), "/") {
		next, err := openOrMakeDir(at, name, dirs)
		if err != nil {
			return sysError("create directory", dir, fmt.Errorf("at %s: %w", name, err), hintIf(err, unix.EPERM, "dir-user and dir-group need CAP_CHOWN"))
		}
		fdpass.Close(at)
		at = next
	}
	return nil
}

func openOrMakeDir(at int, name string, dirs newDirs) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, 0)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	made := unix.Mkdirat(at, name, dirs.mode)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return -1, made
	}
	fd, err = unix.Openat(at, name, flags|unix.O_NOFOLLOW, 0)
	if err != nil || made != nil {
		return fd, err // made != nil: somebody else made it just now, which is as good
	}
	if err := dirs.finish(fd); err != nil {
		fdpass.Close(fd)
		// It has the wrong owner or mode, which the next attempt would leave as it is.
		if rerr := unix.Unlinkat(at, name, unix.AT_REMOVEDIR); rerr != nil {
			err = fmt.Errorf("%w; and remove it: %w", err, rerr)
		}
		return -1, err
	}
	return fd, nil
}

// finish gives a directory that has been made what mkdir(2) does not: its owner, and the
// bits above 0777.
func (d newDirs) finish(fd int) error {
	if !d.owner.none() {
		if err := unix.Fchownat(fd, "", d.owner.uid, d.owner.gid, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("change its owner: %w", err)
		}
	}
	if d.mode > 0o777 {
		if err := unix.Chmod(procFD(fd), d.mode); err != nil {
			return fmt.Errorf("change its mode: %w", err)
		}
	}
	return nil
}

// pinNode opens what is at a path, and not what a symlink there leads to. While
// it is open, its inode number belongs to nobody else.
func pinNode(p string) (fd int, st *unix.Stat_t, err error) {
	fd, err = unix.Open(p, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	st = new(unix.Stat_t)
	if err := unix.Fstat(fd, st); err != nil {
		fdpass.Close(fd)
		return -1, nil, err
	}
	return fd, st, nil
}

// removeDead removes the socket at a path if nobody has it open any more.
// Anything else at the path is an [*Error] that says what it is.
func removeDead(p string) error {
	pin, st, err := pinNode(p)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil // gone since
	case err != nil:
		return sysError("look at", p, err, "")
	}
	defer fdpass.Close(pin)
	if what := notASocket(st.Mode); what != "" {
		return inUse(p, what, "remove it or choose another path: only a dead socket is replaced")
	}
	switch err := probe(pin); {
	case errors.Is(err, unix.ECONNREFUSED):
	case err == nil, errors.Is(err, unix.EPROTOTYPE), errors.Is(err, unix.EPERM):
		return inUse(p, "a live socket of another process", "stop that process or choose another path")
	default:
		return sysError("find out whether the socket is live that is at", p, err, "remove it if no process uses it")
	}
	if err := unlinkIf(p, fileIDOf(st)); err != nil {
		return sysError("remove the dead socket", p, err, "")
	}
	return nil
}

func inUse(p, what, hint string) *Error {
	return &Error{
		Code: AddressInUse, Errno: unix.EADDRINUSE, Hint: hint,
		Message: fmt.Sprintf("bind %s: %s: %s is there", p, unix.EADDRINUSE, what),
	}
}

// notASocket says what a file is that is not a socket.
func notASocket(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return ""
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a named pipe"
	}
	return "a device"
}

// probe connects a datagram socket to a pinned node, which tells everything and
// leaves no trace at the other end: ECONNREFUSED is a dead node, EPROTOTYPE a
// live stream or seqpacket socket, success or EPERM a live datagram socket.
func probe(pin int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer fdpass.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: procFD(pin)})
}

// unlinkMu makes one step of a look and an unlink, for the calls of this
// process: the slower of two that replace a dead node must not remove the node
// of the faster.
var unlinkMu sync.Mutex

// unlinkIf unlinks the file at a path if it is that file. A file that another
// process puts there between the look and the unlink is lost: Linux has no
// unlink by inode.
func unlinkIf(p string, id fileID) error {
	unlinkMu.Lock()
	defer unlinkMu.Unlock()
	dir, err := unix.Open(path.Dir(p), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer fdpass.Close(dir)
	name := path.Base(p)
	var st unix.Stat_t
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	case fileIDOf(&st) != id:
		return nil
	}
	return unix.Unlinkat(dir, name, 0)
}
