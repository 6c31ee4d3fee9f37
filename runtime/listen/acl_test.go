package listen

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
	"github.com/rind-sockets/rind/runtime/peer"
)

// publicDir is a directory that every user can reach.
func publicDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // the directories above t.TempDir are private
	must(tb, err)
	tb.Cleanup(func() { os.RemoveAll(dir) })
	must(tb, os.Chmod(dir, 0o755))
	return dir
}

func connectTo(path string, typ int) error {
	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
}

// The kernel lets exactly those connect whom the rule has, whoever accepts.
func TestS110S144Restrict(t *testing.T) {
	needRoot(t)
	rule := &peer.Rule{UIDs: []uint32{4001, 4002, 4001}, GIDs: []uint32{5001}}
	clients := []struct {
		name     string
		uid, gid uint32
		groups   []uint32
		want     error
	}{
		{name: "S103 root", uid: 0, gid: 0},
		{name: "S100 a user", uid: 4001, gid: 9000},
		{name: "S106 the other user", uid: 4002, gid: 9000},
		{name: "S107 primary group", uid: 4003, gid: 5001},
		{name: "S107 supplementary group", uid: 4003, gid: 9000, groups: []uint32{9001, 5001}},
		{name: "S101 neither", uid: 4003, gid: 9000, groups: []uint32{9001}, want: unix.EACCES},
		{name: "the group of the node", uid: 4003, gid: 0, want: unix.EACCES},
		{name: "a group with the number of the user", uid: 9000, gid: 4001, want: unix.EACCES},
	}
	for kind, typ := range kinds {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(publicDir(t), "s")
			fd := boundUnix(t, typ, path)
			w := udsWant(path)
			w.Options = map[string]string{"kind": kind}
			facts, err := Verify(fd, w)
			must(t, err)
			must(t, Restrict(fd, &facts, rule))
			must(t, Publish(fd, facts.Stream, 0))
			for _, c := range clients {
				t.Run(c.name, func(t *testing.T) {
					err := ownthread.As(c.uid, c.gid, c.groups, func() error { return connectTo(path, typ) })
					if !errors.Is(err, c.want) || c.want == nil && err != nil {
						t.Errorf("connect = %v, want %v", err, c.want)
					}
				})
			}
		})
	}
}

// Before it is published, a restricted stream refuses everybody alike, so that
// nobody who may connect is ever told EACCES.
func TestS144NothingBeforeItIsPublished(t *testing.T) {
	needRoot(t)
	path := filepath.Join(publicDir(t), "s")
	fd := boundUnix(t, unix.SOCK_STREAM, path)
	facts, err := Verify(fd, udsWant(path))
	must(t, err)
	allowed := func() error {
		return ownthread.As(4001, 9000, nil, func() error { return connectTo(path, unix.SOCK_STREAM) })
	}
	if err := allowed(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect before the list is set = %v, want ECONNREFUSED", err)
	}
	must(t, Restrict(fd, &facts, &peer.Rule{UIDs: []uint32{4001}}))
	if err := allowed(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect before listen = %v, want ECONNREFUSED", err)
	}
	must(t, Publish(fd, true, 0))
	must(t, allowed())
}

func TestRestrictLeavesAnotherNodeAlone(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	fd := boundUnix(t, unix.SOCK_STREAM, path)
	facts, err := Verify(fd, udsWant(path))
	must(t, err)
	must(t, os.Remove(path))
	boundUnix(t, unix.SOCK_STREAM, path)
	if err := Restrict(fd, &facts, &peer.Rule{}); !errors.Is(err, ErrForeignNode) {
		t.Errorf("Restrict = %v, want ErrForeignNode", err)
	}
	st, err := os.Lstat(path)
	must(t, err)
	if st.Mode().Perm() != 0o666 {
		t.Errorf("the other node has mode %v now", st.Mode())
	}
}

func TestRestrictWithoutLists(t *testing.T) {
	needRoot(t)
	dir := publicDir(t)
	if err := unix.Mount("none", dir, "ramfs", 0, ""); err != nil {
		t.Skipf("cannot mount a file system without lists: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	path := filepath.Join(dir, "s")
	fd := boundUnix(t, unix.SOCK_STREAM, path)
	facts, err := Verify(fd, udsWant(path))
	must(t, err)
	if err := Restrict(fd, &facts, &peer.Rule{UIDs: []uint32{4001}}); !errors.Is(err, ErrNoACL) {
		t.Errorf("Restrict = %v, want ErrNoACL", err)
	}
}

func TestEncodeACL(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		got, err := encodeACL(7, 8, &peer.Rule{UIDs: []uint32{9, 7, 3}, GIDs: []uint32{8}})
		must(t, err)
		id := "\xff\xff\xff\xff"
		want := "\x02\x00\x00\x00" +
			"\x01\x00\x06\x00" + id + // the owner is allowed
			"\x02\x00\x06\x00\x03\x00\x00\x00" + "\x02\x00\x06\x00\x09\x00\x00\x00" +
			"\x04\x00\x06\x00" + id +
			"\x10\x00\x06\x00" + id +
			"\x20\x00\x00\x00" + id
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("encodeACL = %x, want %x", got, want)
		}
	})
	t.Run("S107 users who are excepted, among them the owner", func(t *testing.T) {
		got, err := encodeACL(7, 8, &peer.Rule{UIDs: []uint32{9}, GIDs: []uint32{8, 10}, Except: []uint32{7, 3}})
		must(t, err)
		id := "\xff\xff\xff\xff"
		want := "\x02\x00\x00\x00" +
			"\x01\x00\x00\x00" + id +
			"\x02\x00\x00\x00\x03\x00\x00\x00" + "\x02\x00\x06\x00\x09\x00\x00\x00" +
			"\x04\x00\x06\x00" + id + "\x08\x00\x06\x00\x0a\x00\x00\x00" +
			"\x10\x00\x06\x00" + id +
			"\x20\x00\x00\x00" + id
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("encodeACL = %x, want %x", got, want)
		}
	})
	t.Run("too many", func(t *testing.T) {
		_, err := encodeACL(0, 0, &peer.Rule{UIDs: slices.Repeat([]uint32{1}, maxACL+1)})
		if !strings.Contains(errText(err), "put the users into groups") {
			t.Errorf("error = %v, want the remedy", err)
		}
	})
}

// A server with a gate closes the denied alone, and the next one is served.
func TestS104S105Gate(t *testing.T) {
	needRoot(t)
	keepsDescriptors(t)
	rule := &peer.Rule{UIDs: []uint32{4001}, GIDs: []uint32{5001}}
	tests := []struct {
		name string
		open func() (int, unix.Sockaddr, Facts)
	}{
		{name: "S101 abstract", open: func() (int, unix.Sockaddr, Facts) {
			name := abstractName(t)
			fd, facts := listening(t, udsWant(name), boundUnix(t, unix.SOCK_STREAM, name))
			return fd, &unix.SockaddrUnix{Name: name}, facts
		}},
		{name: "S109 tcp on loopback", open: func() (int, unix.Sockaddr, Facts) {
			fd, facts := listening(t, tcpWant("127.0.0.1:0"), boundTCP(t, loopback()))
			sa, err := unix.Getsockname(fd)
			must(t, err)
			return fd, sa, facts
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fd, sa, facts := tt.open()
			s := newServer(t, fd, facts)
			denied := map[int]int{}
			s.SetGate(Gate{Allow: rule.Allows, Denied: func(a Access) { denied[a.UID]++ }})
			domain := unix.AF_UNIX
			if facts.Path == "" && !strings.HasPrefix(facts.Local, "@") {
				domain = unix.AF_INET
			}
			var clients []int
			for _, uid := range []uint32{4003, 4001, 4003, 0} {
				must(t, ownthread.As(uid, 9000, nil, func() error {
					c, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
					if err != nil {
						return err
					}
					clients = append(clients, c)
					return unix.Connect(c, sa)
				}))
			}
			var served []int
			for _, a := range serve(t, s) {
				served = append(served, a.UID)
			}
			for _, c := range clients {
				must(t, unix.Close(c))
			}
			if want := []int{4001, 0}; !slices.Equal(served, want) {
				t.Errorf("served %v, want %v", served, want)
			}
			if denied[4003] != 2 || len(denied) != 1 {
				t.Errorf("denied %v, want uid 4003 twice", denied)
			}
		})
	}
}
