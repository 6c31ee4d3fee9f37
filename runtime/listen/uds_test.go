package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func udsWant(address string) Want { return Want{Type: "uds", Address: address} }

func abstractName(tb testing.TB) string {
	tb.Helper()
	return "@rind-" + tb.Name() + "-" + strconv.Itoa(os.Getpid())
}

// S170: every wrong unix socket is refused with its reason, and is not closed.
func TestS170WrongUnixDescriptor(t *testing.T) {
	tests := []struct {
		name string
		make func(t fixture, path string) bad
	}{
		{name: "tcp for uds", make: func(t fixture, path string) bad {
			return bad{boundTCP(t, loopback()), udsWant(path), "the plugin returned a tcp socket, want uds stream"}
		}},
		{name: "dgram for stream", make: func(t fixture, path string) bad {
			return bad{boundUnix(t, unix.SOCK_DGRAM, path), udsWant(path), "the plugin returned a uds dgram socket, want uds stream"}
		}},
		{name: "stream for seqpacket", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			return bad{fd, with(udsWant(path), "kind", "seqpacket"), "the plugin returned a uds stream socket, want uds seqpacket"}
		}},
		{name: "not bound", make: func(t fixture, path string) bad {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return bad{owned(t, fd, err), udsWant(path), "the plugin returned a socket that is not bound, want " + path}
		}},
		{name: "a pair", make: func(t fixture, path string) bad {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			must(t, err)
			owned(t, pair[1], nil)
			return bad{owned(t, pair[0], nil), udsWant(path), "the plugin returned a connected socket, want it bound only"}
		}},
		{name: "listening", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, unix.Listen(fd, 1))
			return bad{fd, udsWant(path), "the plugin returned a socket that is listening already, want it bound only"}
		}},
		{name: "another path", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path+"2")
			return bad{fd, udsWant(path), "the returned socket is bound to " + path + "2, want " + path}
		}},
		{name: "abstract for a path", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, "@"+path)
			return bad{fd, udsWant(path), "the returned socket is bound to @" + path + ", want " + path}
		}},
		{name: "abstract name that goes on", make: func(t fixture, _ string) bad {
			name := abstractName(t)
			fd := boundUnix(t, unix.SOCK_STREAM, name+"\x00more")
			return bad{fd, udsWant(name), "the returned socket is bound to " + name + "\x00more, want " + name}
		}},
		{name: "relative path that looks abstract", make: func(t fixture, path string) bad {
			t.Chdir(filepath.Dir(path))
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			owned(t, fd, err)
			bindRaw(t, fd, "@s") // unix.Bind would take the name for an abstract one
			return bad{fd, udsWant("@s"), "the returned socket is bound to ./@s, want @s"}
		}},
		{name: "nothing there", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, os.Remove(path))
			return bad{fd, udsWant(path), "the returned socket is bound to " + path + ", but nothing is there"}
		}},
		{name: "another file there", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, nil, 0o666))
			return bad{fd, udsWant(path), "the returned socket is bound to " + path + ", but a regular file is there"}
		}},
		{name: "a symbolic link to it there", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, os.Rename(path, path+"2"))
			must(t, os.Symlink(path+"2", path))
			return bad{fd, udsWant(path), "the returned socket is bound to " + path + ", but a symbolic link is there"}
		}},
		{name: "another inode there", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, os.Remove(path))
			boundUnix(t, unix.SOCK_STREAM, path)
			return bad{fd, udsWant(path), "the returned socket is bound to " + path + ", but another socket is there"}
		}},
		{name: "default mode", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path, mode(0o660))
			return bad{fd, udsWant(path), path + " has mode 0660, want 0666"}
		}},
		{name: "mode", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_DGRAM, path)
			w := Want{Type: "uds", Address: path, Options: map[string]string{"kind": "dgram", "mode": "0600"}}
			return bad{fd, w, path + " has mode 0666, want 0600"}
		}},
		{name: "user", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			return bad{fd, with(udsWant(path), "user", "4242"), path + " belongs to user " + strconv.Itoa(os.Geteuid()) + ", want 4242"}
		}},
		{name: "group", make: func(t fixture, path string) bad {
			fd := boundUnix(t, unix.SOCK_STREAM, path)
			must(t, os.Chown(path, -1, os.Getegid()))
			return bad{fd, with(udsWant(path), "group", "4242"), path + " belongs to group " + strconv.Itoa(os.Getegid()) + ", want 4242"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			refused(t, tt.make(fixture{t}, filepath.Join(t.TempDir(), "s")))
		})
	}
}

// bindRaw binds to exactly these bytes.
func bindRaw(tb testing.TB, fd int, path string) {
	tb.Helper()
	sa := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i, b := range []byte(path) {
		sa.Path[i] = int8(b)
	}
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	if errno != 0 {
		tb.Fatal(os.NewSyscallError("bind", errno))
	}
}

// S23, S25, S26: what was asked for passes, and the facts are the kernel's.
func TestVerifyUnix(t *testing.T) {
	for kind, typ := range kinds {
		t.Run(kind, func(t *testing.T) {
			keepsDescriptors(t)
			path := filepath.Join(t.TempDir(), "s")
			fd := boundUnix(t, typ, path)
			accepted(t, fd, with(udsWant(path), "kind", kind), factsOf(t, path, typ))
		})
		t.Run(kind+" abstract", func(t *testing.T) {
			keepsDescriptors(t)
			name := abstractName(t)
			fd := boundUnix(t, typ, name)
			accepted(t, fd, with(udsWant(name), "kind", kind), Facts{Local: name, Stream: typ != unix.SOCK_DGRAM})
		})
	}
	t.Run("mode, user and group", func(t *testing.T) {
		needRoot(t)
		keepsDescriptors(t)
		path := filepath.Join(t.TempDir(), "s")
		fd := boundUnix(t, unix.SOCK_STREAM, path, mode(0o640))
		must(t, os.Chown(path, 0, 4242))
		w := udsWant(path)
		w.Options = map[string]string{"mode": "0640", "user": "root", "group": "4242"}
		accepted(t, fd, w, factsOf(t, path, unix.SOCK_STREAM))
	})
	t.Run("the longest path", func(t *testing.T) {
		keepsDescriptors(t)
		dir := t.TempDir()
		path := dir + "/" + strings.Repeat("s", 107-len(dir)-1)
		fd := boundUnix(t, unix.SOCK_STREAM, path)
		accepted(t, fd, udsWant(path), factsOf(t, path, unix.SOCK_STREAM))
	})
}

func factsOf(tb testing.TB, path string, typ int) Facts {
	tb.Helper()
	var st unix.Stat_t
	must(tb, unix.Lstat(path, &st))
	return Facts{Local: path, Stream: typ != unix.SOCK_DGRAM, Path: path, Dev: st.Dev, Ino: st.Ino}
}

// Without CAP_NET_ADMIN the node is compared by what sock_diag tells.
func TestOwnsNodeUnprivileged(t *testing.T) {
	needRoot(t)
	keepsDescriptors(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	fd := boundUnix(t, unix.SOCK_STREAM, path)
	boundUnix(t, unix.SOCK_STREAM, path+"2")
	unbound, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	owned(t, unbound, err)
	var own, other unix.Stat_t
	must(t, unix.Lstat(path, &own))
	must(t, unix.Lstat(path+"2", &other))
	on(t, func() error {
		// The thread loses its capabilities with its uid.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			return errno
		}
		if _, err := unix.IoctlRetInt(fd, siocUnixFile); !errors.Is(err, unix.EPERM) {
			t.Errorf("SIOCUNIXFILE without CAP_NET_ADMIN = %v, want EPERM", err)
		}
		for _, tt := range []struct {
			name string
			fd   int
			st   *unix.Stat_t
			want bool
		}{
			{name: "own node", fd: fd, st: &own, want: true},
			{name: "other node", fd: fd, st: &other},
			{name: "no node", fd: unbound, st: &own},
		} {
			if got, err := ownsNode(tt.fd, tt.st); got != tt.want || err != nil {
				t.Errorf("%s: ownsNode = %v, %v; want %v", tt.name, got, err, tt.want)
			}
		}
		return nil
	})
}

// S28: only our own node is ever removed.
func TestS28RemoveNode(t *testing.T) {
	tests := []struct {
		name string
		// prepare changes what is at path since the socket was bound there.
		prepare func(t fixture, path string)
		foreign bool
		left    bool // something is at path afterwards
	}{
		{name: "ours", prepare: func(fixture, string) {}},
		{name: "gone", prepare: func(t fixture, path string) { must(t, os.Remove(path)) }},
		{name: "directory gone", prepare: func(t fixture, path string) { must(t, os.RemoveAll(filepath.Dir(path))) }},
		{name: "directory is a file", prepare: func(t fixture, path string) {
			must(t, os.RemoveAll(filepath.Dir(path)))
			must(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
		}},
		{name: "another socket", foreign: true, left: true, prepare: func(t fixture, path string) {
			must(t, os.Remove(path))
			boundUnix(t, unix.SOCK_STREAM, path)
		}},
		{name: "a regular file", foreign: true, left: true, prepare: func(t fixture, path string) {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, nil, 0o600))
		}},
		{name: "a directory", foreign: true, left: true, prepare: func(t fixture, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}},
		{name: "a symlink to ours", foreign: true, left: true, prepare: func(t fixture, path string) {
			must(t, os.Rename(path, path+"2"))
			must(t, os.Symlink(path+"2", path))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keepsDescriptors(t)
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "s")
			boundUnix(t, unix.SOCK_STREAM, path)
			f := factsOf(t, path, unix.SOCK_STREAM)
			tt.prepare(fixture{t}, path)
			err := RemoveNode(f.Path, f.Dev, f.Ino)
			if errors.Is(err, ErrForeignNode) != tt.foreign || err != nil && !tt.foreign {
				t.Errorf("RemoveNode = %v, want a foreign node: %v", err, tt.foreign)
			}
			if _, err := os.Lstat(path); (err == nil) != tt.left {
				t.Errorf("lstat afterwards: %v, want something there: %v", err, tt.left)
			}
		})
	}
}
