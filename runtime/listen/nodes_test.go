package listen

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// nodeBed is a running watch and a folder with nodes.
type nodeBed struct {
	*testing.T
	dir   string
	nodes *Nodes
	gone  chan Gone
	last  uint64
}

func newNodeBed(t *testing.T) *nodeBed {
	t.Helper()
	keepsDescriptors(t)
	nodes, err := NewNodes()
	must(t, err)
	b := &nodeBed{T: t, dir: t.TempDir(), nodes: nodes, gone: make(chan Gone, 4096)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- nodes.Run(ctx, func(g Gone) { b.gone <- g }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		must(t, nodes.Close())
	})
	return b
}

// socket binds a socket at a path below the bed's folder.
func (b *nodeBed) socket(name string) (path string) {
	b.Helper()
	path = filepath.Join(b.dir, name)
	must(b, os.MkdirAll(filepath.Dir(path), 0o755))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	owned(b, fd, err)
	must(b, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	return path
}

// facts are those of the node at a path, under a cookie of its own.
func (b *nodeBed) facts(path string) Facts {
	b.Helper()
	var st unix.Stat_t
	must(b, unix.Lstat(path, &st))
	b.last++
	return Facts{Path: path, Dev: st.Dev, Ino: st.Ino, Cookie: b.last}
}

// watched binds and watches a socket.
func (b *nodeBed) watched(name string) Facts {
	b.Helper()
	f := b.facts(b.socket(name))
	must(b, b.nodes.Add(f))
	return f
}

// next returns what is reported next.
func (b *nodeBed) next() Gone {
	b.Helper()
	select {
	case g := <-b.gone:
		return g
	case <-time.After(patience):
		b.Fatal("nothing is reported")
	}
	return Gone{}
}

// nextAfter returns the first report of a later socket: one that is gone may be
// reported again as long as it is watched.
func (b *nodeBed) nextAfter(cookie uint64) Gone {
	b.Helper()
	g := b.next()
	for g.Cookie <= cookie {
		g = b.next()
	}
	return g
}

// nothing checks that nothing is reported but of a node that is removed now: events
// come in their order.
func (b *nodeBed) nothing() {
	b.Helper()
	last := b.watched("last")
	must(b, os.Remove(last.Path))
	if g := b.next(); g.Cookie != last.Cookie {
		b.Errorf("reported: %v, want nothing", g)
	}
}

func TestS146Nodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(b *nodeBed, f Facts) error
		want string // %s is the path
	}{
		{name: "deleted", want: "its node %s was deleted", do: func(_ *nodeBed, f Facts) error { return os.Remove(f.Path) }},
		{name: "renamed", want: "its node %s was renamed", do: func(_ *nodeBed, f Facts) error {
			return os.Rename(f.Path, f.Path+".away")
		}},
		{name: "renamed into another directory", want: "its node %s was renamed", do: func(b *nodeBed, f Facts) error {
			return os.Rename(f.Path, filepath.Join(b.dir, "away"))
		}},
		{name: "replaced by a file", want: "its node %s was replaced by a regular file", do: func(b *nodeBed, f Facts) error {
			file := filepath.Join(b.dir, "file")
			must(b, os.WriteFile(file, nil, 0o600))
			return os.Rename(file, f.Path)
		}},
		{name: "replaced by another socket", want: "its node %s was replaced by another socket", do: func(b *nodeBed, f Facts) error {
			return os.Rename(b.socket("other"), f.Path)
		}},
		{name: "directory removed", want: "its node %s was deleted", do: func(_ *nodeBed, f Facts) error {
			return os.RemoveAll(filepath.Dir(f.Path))
		}},
		{name: "directory renamed", want: "its node %s was renamed", do: func(b *nodeBed, f Facts) error {
			return os.Rename(filepath.Dir(f.Path), filepath.Join(b.dir, "away"))
		}},
		{name: "directory above renamed", want: "its node %s was renamed", do: func(b *nodeBed, _ Facts) error {
			return os.Rename(filepath.Join(b.dir, "a"), filepath.Join(b.dir, "away"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newNodeBed(t)
			other := b.watched("a/other")
			f := b.watched("a/b/s")
			must(t, tt.do(b, f))
			got := b.nextAfter(other.Cookie) // which may go with the directory above
			if want := (Gone{f.Cookie, fmt.Sprintf(tt.want, f.Path)}); got != want {
				t.Errorf("reported: %+v, want %+v", got, want)
			}
		})
	}
}

func TestNodesWhatDoesNotMatter(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(b *nodeBed, f Facts) error
	}{
		{name: "mode", do: func(_ *nodeBed, f Facts) error { return os.Chmod(f.Path, 0o600) }},
		{name: "times", do: func(_ *nodeBed, f Facts) error { return os.Chtimes(f.Path, time.Now(), time.Now()) }},
		{name: "another file", do: func(b *nodeBed, f Facts) error {
			file := filepath.Join(filepath.Dir(f.Path), "file")
			must(b, os.WriteFile(file, nil, 0o600))
			return os.Remove(file)
		}},
		{name: "a second name", do: func(_ *nodeBed, f Facts) error { return os.Link(f.Path, f.Path+"2") }},
		{name: "removed on purpose", do: func(b *nodeBed, f Facts) error {
			b.nodes.Remove(f.Cookie)
			return os.Remove(f.Path)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newNodeBed(t)
			must(t, tt.do(b, b.watched("a/s")))
			b.nothing()
		})
	}
}

func TestNodesBeforeAdd(t *testing.T) {
	b := newNodeBed(t)
	f := b.facts(b.socket("s"))
	must(t, os.Remove(f.Path))
	must(t, b.nodes.Add(f))
	b.nodes.Check(f.Cookie, func(g Gone) { b.gone <- g })
	if g := b.next(); g.Cookie != f.Cookie {
		t.Errorf("reported: %+v, want %d", g, f.Cookie)
	}
	if err := b.nodes.Add(f); err == nil {
		t.Error("the same socket is watched twice")
	}
	must(t, b.nodes.Add(Facts{Local: "@abstract", Cookie: 99}))
	b.nodes.Check(99, func(g Gone) { t.Errorf("reported: %+v", g) })
}

// What was lost is found by a look at everything.
func TestNodesOverflow(t *testing.T) {
	b := newNodeBed(t)
	f, other := b.watched("a/s"), b.watched("b/s")
	got := b.nodes.concerned(inotifyEvent{wd: -1, mask: unix.IN_Q_OVERFLOW})
	if len(got) != 2 || got[0] != f.Cookie || got[1] != other.Cookie {
		t.Errorf("concerned: %v, want both", got)
	}
}

func TestS146NodesLeakNothing(t *testing.T) {
	b := newNodeBed(t)
	stays := b.watched("a/stays")
	for i := range 100 {
		f := b.watched("a/s")
		must(t, os.Remove(f.Path))
		if g := b.nextAfter(f.Cookie - 1); g.Cookie != f.Cookie {
			t.Fatalf("removal %d: reported %+v, want %d", i, g, f.Cookie)
		}
		b.nodes.Remove(f.Cookie)
		b.nodes.Remove(f.Cookie) // once more does nothing
	}
	for i := range 100 {
		f := b.watched("c/s")
		must(t, os.RemoveAll(filepath.Dir(f.Path)))
		if g := b.nextAfter(f.Cookie - 1); g.Cookie != f.Cookie {
			t.Fatalf("removal %d of a directory: reported %+v, want %d", i, g, f.Cookie)
		}
		b.nodes.Remove(f.Cookie)
		b.settle()
	}
	b.nodes.Remove(stays.Cookie)
	if len(b.nodes.nodes)+len(b.nodes.dirs) != 0 {
		t.Errorf("left: %d nodes, %d directories", len(b.nodes.nodes), len(b.nodes.dirs))
	}
	if n := b.watches(); n != 0 {
		t.Errorf("the kernel has %d watches, want none", n)
	}
}

// settle takes reports until one of a node of its own: those before are over then.
func (b *nodeBed) settle() {
	b.Helper()
	mark := b.watched("mark")
	must(b, os.Remove(mark.Path))
	for b.next().Cookie != mark.Cookie {
	}
	b.nodes.Remove(mark.Cookie)
}

// watches returns how many watches the kernel has, from /proc/self/fdinfo.
func (b *nodeBed) watches() (n int) {
	b.Helper()
	must(b, b.nodes.raw.Control(func(fd uintptr) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		must(b, err)
		n = strings.Count("\n"+string(text), "\ninotify ")
	}))
	return n
}

func TestNextEvent(t *testing.T) {
	event := func(size uint32, name string) []byte {
		b := binary.NativeEndian.AppendUint32(nil, 7)
		b = binary.NativeEndian.AppendUint32(b, unix.IN_DELETE)
		b = binary.NativeEndian.AppendUint32(b, 0)
		return append(binary.NativeEndian.AppendUint32(b, size), name...)
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want inotifyEvent
		rest int
	}{
		{name: "nothing"},
		{name: "cut off", in: event(0, "")[:15]},
		{name: "a name that is cut off", in: event(16, "abc")},
		{name: "a name larger than everything", in: event(1<<32-1, "abc")},
		{name: "no name", in: event(0, ""), want: inotifyEvent{7, unix.IN_DELETE, ""}},
		{name: "padded", in: event(4, "abc\x00more"), want: inotifyEvent{7, unix.IN_DELETE, "abc"}, rest: 4},
		{name: "not padded", in: event(3, "abc"), want: inotifyEvent{7, unix.IN_DELETE, "abc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, rest := nextEvent(tt.in); got != tt.want || len(rest) != tt.rest {
				t.Errorf("nextEvent = %+v, %d bytes left; want %+v, %d", got, len(rest), tt.want, tt.rest)
			}
		})
	}
}
