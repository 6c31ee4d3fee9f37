package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

var usual = UnixOptions{Mode: 0o666, DirMode: 0o755}

// bindUnix binds or fails the test; the socket is closed with the test.
func bindUnix(t *testing.T, path string, opts UnixOptions) *Socket {
	t.Helper()
	s, err := BindUnix(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// deadNode leaves a socket that nobody has open.
func deadNode(t *testing.T, path, kind string) {
	t.Helper()
	s, err := BindUnix(t.Context(), path, UnixOptions{Kind: kind, Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func stat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestCheckUnix(t *testing.T) {
	tests := []struct{ name, in, wantErr string }{
		{"path", "/run/x.sock", ""},
		{"abstract", "@x", ""},
		{"107 bytes", "/" + strings.Repeat("x", 106), ""},
		{"108 bytes", "/" + strings.Repeat("x", 107), "it has 108 bytes and a unix socket takes at most 107"},
		{"108 bytes abstract", "@" + strings.Repeat("x", 107), "it has 108 bytes and a unix socket takes at most 107"},
		{"empty", "", "want an absolute path, or @ and the name of an abstract socket"},
		{"relative", "x.sock", "want an absolute path, or @ and the name of an abstract socket"},
		{"abstract without name", "@", "want an absolute path, or @ and the name of an abstract socket"},
		{"NUL", "/run/\x00", "it must not contain a NUL byte"},
		{"not clean", "/run//a/../x", "write /run/x"},
		{"slash at the end", "/run/x/", "write /run/x"},
		{"root", "/", "the root directory cannot be a socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CheckUnix(tt.in)
			e, _ := errors.AsType[*Error](err)
			switch {
			case tt.wantErr == "" && (err != nil || got != tt.in):
				t.Errorf("CheckUnix(%q) = %q, %v, want it back", tt.in, got, err)
			case tt.wantErr != "" && (e == nil || e.Code != InvalidAddress || e.Hint != tt.wantErr):
				t.Errorf("CheckUnix(%q) = %v, want the hint %q", tt.in, err, tt.wantErr)
			}
		})
	}
}

func TestS27StaleNode(t *testing.T) {
	for _, kind := range []string{"stream", "dgram", "seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			deadNode(t, path, kind)
			bindUnix(t, path, usual)
			if err := probeAt(path); !errors.Is(err, unix.EPROTOTYPE) {
				t.Errorf("the new node answers %v, want a live stream socket", err)
			}
		})
	}
}

func probeAt(path string) error {
	pin, _, err := pinNode(path)
	if err != nil {
		return err
	}
	defer fdpass.Close(pin)
	return probe(pin)
}

// TestS145LiveSocket has a live socket of every kind at the path, in every
// state, and looks afterwards whether anything arrived there.
func TestS145LiveSocket(t *testing.T) {
	tests := []struct {
		name, kind string
		listen     bool
	}{
		{"stream that listens", "stream", true},
		{"stream that does not listen yet", "stream", false},
		{"seqpacket", "seqpacket", true},
		{"dgram", "dgram", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			live := bindUnix(t, path, UnixOptions{Kind: tt.kind, Mode: 0o666})
			if tt.listen {
				if err := unix.Listen(live.FD, 1); err != nil {
					t.Fatal(err)
				}
			}
			before := stat(t, path)
			s, err := BindUnix(t.Context(), path, usual)
			if err == nil {
				s.close()
			}
			wantInUse(t, err, path, "a live socket of another process")
			if after := stat(t, path); after.Ino != before.Ino || after.Ctim != before.Ctim {
				t.Error("the live node has changed")
			}
			if tt.listen {
				_, _, err = unix.Accept4(live.FD, unix.SOCK_CLOEXEC)
			} else if tt.kind == "dgram" {
				_, _, err = unix.Recvfrom(live.FD, make([]byte, 1), unix.MSG_DONTWAIT)
			} else {
				return
			}
			if !errors.Is(err, unix.EAGAIN) {
				t.Errorf("the live socket got something: %v", err)
			}
		})
	}
}

func wantInUse(t *testing.T, err error, path, what string) {
	t.Helper()
	want := fmt.Sprintf("bind %s: address already in use: %s is there", path, what)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != AddressInUse || e.Message != want || e.Hint == "" {
		t.Errorf("error %v, want %q with a hint and the code %s", err, want, AddressInUse)
	}
}

func TestS28OtherFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	dead := path("dead")
	deadNode(t, dead, "stream")
	tests := []struct {
		name string
		make func(path string) error
		what string
	}{
		{"file", func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }, "a regular file"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "a directory"},
		{"link to a dead socket", func(p string) error { return os.Symlink(dead, p) }, "a symbolic link"},
		{"dangling link", func(p string) error { return os.Symlink("/nonexistent/x", p) }, "a symbolic link"},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, "a named pipe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := path(tt.name)
			if err := tt.make(p); err != nil {
				t.Fatal(err)
			}
			before := stat(t, p)
			s, err := BindUnix(t.Context(), p, usual)
			if err == nil {
				s.close()
			}
			wantInUse(t, err, p, tt.what)
			if after := stat(t, p); after != before {
				t.Errorf("it has changed from %+v to %+v", before, after)
			}
		})
	}
}

// TestS24Parents expects that directories which are there keep their mode.
func TestS24Parents(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o711); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(there, link); err != nil {
		t.Fatal(err)
	}
	bindUnix(t, filepath.Join(link, "a/b/s"), UnixOptions{Mode: 0o600, DirMode: 0o751})
	for path, want := range map[string]fs.FileMode{there: 0o711, there + "/a": 0o751, there + "/a/b": 0o751} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %#o, want %#o", path, fi.Mode().Perm(), want)
		}
	}
	bindUnix(t, filepath.Join(dir, "shared/s"), UnixOptions{Mode: 0o600, DirMode: 0o2775})
	if fi, err := os.Stat(filepath.Join(dir, "shared")); err != nil || fi.Mode() != fs.ModeDir|fs.ModeSetgid|0o775 {
		t.Errorf("shared is %v, %v, want setgid and 0775", fi, err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := BindUnix(t.Context(), dir+"/file/x/s", usual)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != InvalidAddress {
		t.Errorf("below a file: %v, want the code %s", err, InvalidAddress)
	}
}

func TestS26FirstMode(t *testing.T) {
	tests := []struct {
		name     string
		typ      int
		uid, gid int
		mode     uint32
		want     uint32
	}{
		{"stream without owner", unix.SOCK_STREAM, -1, -1, 0o640, 0o640},
		{"stream with owner: nobody connects before listen", unix.SOCK_STREAM, 5, -1, 0o600, 0o666},
		{"dgram without owner", unix.SOCK_DGRAM, -1, -1, 0o640, 0o640},
		{"dgram with group: nobody may write yet", unix.SOCK_DGRAM, -1, 5, 0o660, 0o000},
		{"dgram for all", unix.SOCK_DGRAM, 5, 5, 0o666, 0o666},
		{"dgram that all may read", unix.SOCK_DGRAM, 5, 5, 0o664, 0o444},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := binding{typ: tt.typ, owner: owner{tt.uid, tt.gid}, mode: tt.mode}
			if got := b.firstMode(); got != tt.want {
				t.Errorf("firstMode() = %#o, want %#o", got, tt.want)
			}
		})
	}
}

func TestS26Owner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	for _, kind := range []string{"stream", "dgram", "seqpacket"} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			bindUnix(t, path, UnixOptions{Kind: kind, Mode: 0o620, User: "nobody", Group: "4242"})
			st := stat(t, path)
			if st.Uid != 65534 || st.Gid != 4242 || st.Mode&0o7777 != 0o620 {
				t.Errorf("the node is %d:%d %#o, want 65534:4242 0620", st.Uid, st.Gid, st.Mode&0o7777)
			}
		})
	}
}

func TestUnknownOwner(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name string
		opts UnixOptions
		want string
	}{
		{"user", UnixOptions{User: "no such"}, `option user: cannot find user "no such"`},
		{"group", UnixOptions{Group: "no such"}, `option group: cannot find group "no such"`},
		{"id that means nobody", UnixOptions{User: "4294967295"}, `option user: "4294967295" is not an id`},
		{"negative id", UnixOptions{User: "-1"}, `option user: cannot find user "-1"`},
		{"kind", UnixOptions{Kind: "raw"}, "bind " + dir + `/x: unknown kind "raw"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := BindUnix(t.Context(), dir+"/x", tt.opts)
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != InvalidOption || e.Field == "" || !strings.HasPrefix(e.Message, tt.want) {
				t.Errorf("error %v, want %q with the code %s", err, tt.want, InvalidOption)
			}
			if _, err := os.Lstat(dir + "/x"); err == nil {
				t.Error("a node is left")
			}
		})
	}
}

// TestS147Swap puts another socket at the path between bind and publish, as an
// attacker with write access to a directory can.
func TestS147Swap(t *testing.T) {
	dir := t.TempDir()
	for name, swap := range map[string]func(path, victim string) error{
		"another socket": func(path, victim string) error { return os.Rename(victim, path) },
		"a symlink": func(path, victim string) error {
			return errors.Join(os.Rename(victim, victim+".2"), os.Remove(path), os.Symlink(victim+".2", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, victim := filepath.Join(dir, "s"+name), filepath.Join(dir, "victim"+name)
			deadNode(t, victim, "stream")
			before := stat(t, victim)
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer fdpass.Close(fd)
			if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				t.Fatal(err)
			}
			if err := swap(path, victim); err != nil {
				t.Fatal(err)
			}
			b := binding{fd: fd, typ: unix.SOCK_STREAM, address: path, mode: 0o600, owner: owner{12345, -1}}
			err = b.publish()
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != Unavailable {
				t.Errorf("publish: %v, want the code %s", err, Unavailable)
			}
			b.remove()
			after := stat(t, path)
			if after.Mode&unix.S_IFMT == unix.S_IFLNK {
				after = stat(t, victim+".2")
			}
			if after.Ino != before.Ino || after.Uid != before.Uid || after.Mode != before.Mode {
				t.Errorf("the victim has changed from %+v to %+v", before, after)
			}
		})
	}
}

func TestDiscardRemovesOnlyItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := bindUnix(t, path, usual)
	s.Discard()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Discard the node is there (%v)", err)
	}
	bindUnix(t, path, usual)
	s.Discard()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("Discard removed the node of another socket: %v", err)
	}
}

// TestConcurrentStale lets many binds meet at one dead node: exactly one wins,
// and its node stays.
func TestConcurrentStale(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		deadNode(t, path, "stream")
		var wg sync.WaitGroup
		won := make(chan *Socket, 8)
		for range cap(won) {
			wg.Go(func() {
				if s, err := BindUnix(t.Context(), path, usual); err == nil {
					won <- s
				}
			})
		}
		wg.Wait()
		close(won)
		if len(won) != 1 {
			t.Fatalf("%d binds won, want 1", len(won))
		}
		for s := range won {
			if err := unix.Listen(s.FD, 1); err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Errorf("the winner's node is not there: %v", err)
			} else {
				c.Close()
			}
			s.close()
		}
	}
}

// TestDevice compares the two ways to know a file's device where they agree.
func TestDevice(t *testing.T) {
	pin, st, err := pinNode("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer fdpass.Close(pin)
	if dev, err := deviceOf(pin); err != nil || dev != st.Dev {
		t.Errorf("deviceOf = %#x, %v, want %#x", dev, err, st.Dev)
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(diagRequest(5))
	f.Add(make([]byte, 44))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _, _ = parseDiag(b) // must not panic
	})
}
