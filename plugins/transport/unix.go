package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// UnixOptions are options of a unix socket. An abstract socket has only a kind
// and Settings.
type UnixOptions struct {
	Kind     string   // stream, dgram or seqpacket; empty means stream
	Mode     uint32   // permissions of the socket's node; 0 is for root alone
	User     string   // owner of the node: name or decimal id; empty leaves it as it is
	Group    string   // group of the node, likewise
	DirMode  uint32   // permissions of the directories that are created
	DirUser  string   // their owner, as User
	DirGroup string   // their group, as Group
	Symlinks []string // absolute clean paths of symbolic links to the node

	// Settings has what is set on the socket itself: receive-buffer,
	// pass-credentials, …
	Settings Settings
}

// UnixOptions returns the options of the endpoint, which have the names that they
// have in the manifest of uds.
func (ep Endpoint) UnixOptions() UnixOptions {
	return UnixOptions{
		Kind:     ep.Text("kind"),
		Mode:     ep.Mode("mode"),
		User:     ep.Text("user"),
		Group:    ep.Text("group"),
		DirMode:  ep.Mode("dir-mode"),
		DirUser:  ep.Text("dir-user"),
		DirGroup: ep.Text("dir-group"),
		Symlinks: ep.List("symlinks"),
		Settings: ep.Settings(),
	}
}

// owner is what chown(2) takes; -1 leaves an id as it is.
type owner struct{ uid, gid int }

// none reports whether nothing is to be changed.
func (o owner) none() bool { return o.uid < 0 && o.gid < 0 }

// lookupOwner looks up a user and a group, whose options are named for errors.
func lookupOwner(userOption, userName, groupOption, groupName string) (owner, error) {
	uid, err := lookup(userOption, "user", userName, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return owner{}, err
	}
	gid, err := lookup(groupOption, "group", groupName, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return owner{uid: uid, gid: gid}, err
}

// maxUnixPath is the longest path or abstract name: sun_path with its zero.
const maxUnixPath = 107

var kinds = map[string]int{
	"": unix.SOCK_STREAM, "stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "seqpacket": unix.SOCK_SEQPACKET,
}

// CheckUnix returns the canonical spelling of the address of a unix socket: an
// absolute clean path or "@" and a name; or an [*Error].
func CheckUnix(address string) (string, error) {
	e := &Error{Code: InvalidAddress, Message: fmt.Sprintf("address %q is not valid", clip(address))}
	abstract := strings.HasPrefix(address, "@")
	switch {
	case len(address) > maxUnixPath:
		e.Hint = fmt.Sprintf("it has %d bytes and a unix socket takes at most %d", len(address), maxUnixPath)
	case strings.ContainsRune(address, 0):
		e.Hint = "it must not contain a NUL byte"
	case abstract && len(address) > 1:
		return address, nil
	case abstract || !path.IsAbs(address):
		e.Hint = "want an absolute path, or @ and the name of an abstract socket"
	case path.Clean(address) != address:
		e.Hint = "write " + path.Clean(address)
	case address == "/":
		e.Hint = "the root directory cannot be a socket"
	default:
		return address, nil
	}
	return "", e
}

// BindUnix binds a unix socket and does not listen. The address is an absolute
// path or "@" and an abstract name. The error is an [*Error].
//
// Directories of the path that are missing are created, and stay. A socket that nobody
// has open any more is replaced; a live socket, and anything that is not a
// socket, is left alone and makes the bind fail.
//
// The node has its final owner and permissions before anybody can connect,
// provided that the umask of the process is 0: otherwise who may connect can
// for a moment get EACCES.
func BindUnix(ctx context.Context, address string, opts UnixOptions) (*Socket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := CheckUnix(address); err != nil {
		return nil, err
	}
	typ, ok := kinds[opts.Kind]
	if !ok {
		return nil, &Error{
			Code: InvalidOption, Field: "kind",
			Message: fmt.Sprintf("bind %s: unknown kind %q", address, clip(opts.Kind)),
			Hint:    "want stream, dgram or seqpacket",
		}
	}
	own, err := lookupOwner("user", opts.User, "group", opts.Group)
	if err != nil {
		return nil, err
	}
	dirOwner, err := lookupOwner("dir-user", opts.DirUser, "dir-group", opts.DirGroup)
	if err != nil {
		return nil, err
	}

	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, sysError("open a socket for", address, err, "")
	}
	b := binding{
		fd: fd, typ: typ, address: address, mode: opts.Mode, owner: own,
		dirs: newDirs{mode: opts.DirMode, owner: dirOwner}, symlinks: opts.Symlinks,
	}
	s := sockopts{fd: fd, domain: unix.AF_UNIX, typ: typ, given: opts.Settings}
	err = s.apply(unixOptions, everyOption)
	if err == nil {
		err = b.bind()
	}
	if err != nil {
		fdpass.Close(fd)
		return nil, err
	}
	return &Socket{FD: fd, Bound: address, Refused: s.refused, Discard: b.remove}, nil
}

// lookup returns the id of a user or group, or -1 for an empty name. A decimal
// id need not be in any database.
func lookup(option, what, name string, find func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	text := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		if text, err = find(name); err != nil {
			return 0, &Error{
				Code: InvalidOption, Field: option,
				Message: fmt.Sprintf("option %s: cannot find %s %q: %s", option, what, clip(name), err),
				Hint:    fmt.Sprintf("create the %s, or write the name or decimal id of another", what),
			}
		}
	}
	// The largest number is -1 to chown(2), which means "leave it".
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, &Error{
			Code: InvalidOption, Field: option, Message: fmt.Sprintf("option %s: %q is not an id", option, clip(text)),
		}
	}
	return int(id), nil
}

// binding is one attempt to bind a socket to a path.
type binding struct {
	fd       int
	typ      int
	address  string
	mode     uint32
	owner    owner
	dirs     newDirs
	symlinks []string

	node  fileID        // of the bound socket
	links []createdLink // those that were not there before
}

func (b *binding) bind() error {
	sa := &unix.SockaddrUnix{Name: b.address}
	if strings.HasPrefix(b.address, "@") {
		if err := unix.Bind(b.fd, sa); err != nil {
			return sysError("bind", b.address, err, "")
		}
		return nil
	}
	if err := makeParents(b.address, b.dirs); err != nil {
		return err
	}
	// fchmod before bind is what the node gets, less the umask.
	if err := unix.Fchmod(b.fd, b.firstMode()); err != nil {
		return sysError("set the mode of", b.address, err, "")
	}
	err := unix.Bind(b.fd, sa)
	if errors.Is(err, unix.EADDRINUSE) {
		if err = removeDead(b.address); err == nil {
			err = unix.Bind(b.fd, sa)
		}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if err != nil {
		return sysError("bind", b.address, err, "")
	}
	if err = b.publish(); err == nil {
		err = b.link()
	}
	if err != nil {
		b.remove()
		return err
	}
	return nil
}

// firstMode returns the permissions between bind and chown. Nobody can connect
// to a stream before the host listens, so open permissions do no harm there and
// spare those who may connect an EACCES; a dgram socket takes messages at once,
// so nobody may do more than everybody will be allowed to.
func (b *binding) firstMode() uint32 {
	switch {
	case b.owner.none():
		return b.mode
	case b.typ != unix.SOCK_DGRAM:
		return 0o666
	}
	all := (b.mode >> 6) & (b.mode >> 3) & b.mode & 0o7
	return all<<6 | all<<3 | all
}

// publish gives the node its owner and its permissions.
func (b *binding) publish() error {
	pin, st, err := pinNode(b.address)
	if err != nil {
		return sysError("find the node of", b.address, err, "")
	}
	defer fdpass.Close(pin)
	ours, err := isNodeOf(b.fd, pin, st)
	if err != nil {
		return sysError("ask the kernel for the node of", b.address, err, "needs sock_diag (CONFIG_UNIX_DIAG)")
	}
	if !ours {
		return &Error{
			Code: Unavailable, Message: fmt.Sprintf("bind %s: something else took the place of the new socket", b.address),
			Hint: "nobody else should be able to write to the directories of the path",
		}
	}
	b.node = fileIDOf(st)
	if !b.owner.none() {
		if err := unix.Fchownat(pin, "", b.owner.uid, b.owner.gid, unix.AT_EMPTY_PATH); err != nil {
			return sysError("change the owner of", b.address, err, hintIf(err, unix.EPERM, "needs CAP_CHOWN"))
		}
	}
	if st.Mode&0o7777 == b.mode {
		return nil
	}
	// The link leads to the pinned node itself, not to what is at its path now.
	if err := unix.Chmod(procFD(pin), b.mode); err != nil {
		return sysError("change the mode of", b.address, err, "")
	}
	return nil
}

// createdLink is a symbolic link that this binding made.
type createdLink struct {
	path string
	id   fileID
}

// link makes the symbolic links. One that is there already and leads to the
// socket's path is as good; everything else that is there is left alone and makes
// the bind fail.
func (b *binding) link() error {
	for _, at := range b.symlinks {
		if err := makeParents(at, b.dirs); err != nil {
			return err
		}
		err := unix.Symlink(b.address, at)
		if errors.Is(err, unix.EEXIST) {
			target, rerr := os.Readlink(at)
			if rerr == nil && target == b.address {
				continue
			}
			what := "something else"
			if rerr == nil {
				what = "a symbolic link to " + clip(target)
			}
			e := inUse(at, what, "remove it, or remove it from the option symlinks")
			e.Message = fmt.Sprintf("option symlinks: link %s to %s: %s: %s is there", at, b.address, unix.EADDRINUSE, what)
			e.Field = "symlinks"
			return e
		}
		if err != nil {
			return optionError(sockopt{name: "symlinks"}, at, fmt.Errorf("link %s to %s: %w", at, b.address, err))
		}
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return optionError(sockopt{name: "symlinks"}, at, fmt.Errorf("look at %s: %w", at, err))
		}
		b.links = append(b.links, createdLink{at, fileIDOf(&st)})
	}
	return nil
}

// remove unlinks the links that were made, and the node, if it is still the one that this binding made. The
// socket must be open: until then the kernel gives the inode number to nobody.
func (b *binding) remove() {
	for _, l := range b.links {
		_ = unlinkIf(l.path, l.id) // a link that stays leads to where the next bind puts the node
	}
	if b.node != (fileID{}) {
		_ = unlinkIf(b.address, b.node) // a dead node stays then, and the next bind replaces it
	}
}

func hintIf(err error, errno unix.Errno, hint string) string {
	if errors.Is(err, errno) {
		return hint
	}
	return ""
}
