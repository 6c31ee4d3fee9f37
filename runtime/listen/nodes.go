package listen

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Gone says that the node of a unix socket is not at its path any more.
type Gone struct {
	Cookie uint64 // of the socket
	Reason string // "its node /run/a.sock was deleted"
}

// Nodes notices when the nodes of unix sockets go: somebody removes one, renames it
// or puts something else in its place, and the socket goes on listening where nobody
// can reach it. The kernel tells a socket nothing about that; inotify(7) tells what
// happens in the directory of the node, and that one above it has been moved.
//
// What inotify says is only a reason to look whether the node at the path is the one
// that the socket was bound to, by device and inode number. So mode, owner and access
// control list do not matter, nor does what has become of other files, and an event
// that was lost costs a look at every node.
//
// Not noticed is what inotify does not tell: a file system that is mounted over a
// directory, and a symbolic link in the path that leads elsewhere from now on.
//
// Run calls deliver on its own goroutine, Check on that of its caller; every method
// may be called from any goroutine.
type Nodes struct {
	file *os.File // the inotify instance
	raw  syscall.RawConn

	mu    sync.Mutex
	nodes map[uint64]*watchedNode // by cookie
	dirs  map[int]*watchedDir     // by watch descriptor
}

// watchedNode is the node of one socket.
type watchedNode struct {
	path     string
	dev, ino uint64
	dirs     []int // watch descriptors of its directory and those above
}

// watchedDir is a directory that is watched as often as there are nodes below it.
// The key of entries is the name of a node in it, "" for what is further below.
type watchedDir struct {
	entries map[string]map[uint64]bool // cookies
	uses    int
}

const (
	// nodeEvents are what may take a node away from its directory, or put something
	// else in its place.
	nodeEvents = unix.IN_DELETE | unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO

	// selfEvents are what happens to a directory itself. Those above the directory of
	// a node are watched for nothing else, so that a busy one such as /tmp costs
	// nothing.
	selfEvents = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

	// eventsSize is what one read(2) takes of the events, of at most 272 bytes each.
	eventsSize = 16 << 10
)

// NewNodes returns a watch of nothing. It starts nothing; Close frees its descriptor.
func NewNodes() (*Nodes, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init1: %w (fs.inotify.max_user_instances limits how many a user has)", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	raw, err := f.SyscallConn()
	if err == nil {
		err = f.SetReadDeadline(time.Time{}) // fails unless Go's poller has it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch inotify: %w", err), f.Close())
	}
	return &Nodes{file: f, raw: raw, nodes: map[uint64]*watchedNode{}, dirs: map[int]*watchedDir{}}, nil
}

// Close ends Run and frees the descriptor, and with it every watch.
func (n *Nodes) Close() error { return n.file.Close() }

// Add watches the node of a verified socket until Remove. What happened to it before
// is not reported: call Check afterwards. A socket without a node is not watched. After
// an error nothing is.
func (n *Nodes) Add(f Facts) error {
	if f.Path == "" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes[f.Cookie] != nil {
		return fmt.Errorf("watch the node %s: it is watched already", f.Path)
	}
	node := &watchedNode{path: f.Path, dev: f.Dev, ino: f.Ino}
	name, mask := filepath.Base(f.Path), uint32(nodeEvents|selfEvents)
	for dir := filepath.Dir(f.Path); ; dir = filepath.Dir(dir) {
		wd, err := n.watch(dir, mask)
		if errors.Is(err, unix.EACCES) && name == "" {
			break // what cannot be read cannot be watched, nor what is above it
		}
		if err != nil {
			n.release(f.Cookie, node)
			return fmt.Errorf("watch the node %s: %w", f.Path, err)
		}
		n.use(wd, name, f.Cookie)
		node.dirs = append(node.dirs, wd)
		if dir == "/" || dir == "." {
			break
		}
		name, mask = "", selfEvents
	}
	n.nodes[f.Cookie] = node
	return nil
}

// watch watches a directory for more than before.
func (n *Nodes) watch(dir string, mask uint32) (wd int, err error) {
	var werr error
	err = n.raw.Control(func(fd uintptr) {
		wd, werr = unix.InotifyAddWatch(int(fd), dir, mask|unix.IN_MASK_ADD|unix.IN_ONLYDIR)
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(werr, unix.ENOSPC):
		return 0, fmt.Errorf("inotify_add_watch %s: too many watches: raise fs.inotify.max_user_watches", dir)
	case werr != nil:
		return 0, fmt.Errorf("inotify_add_watch %s: %w", dir, werr)
	}
	return wd, nil
}

func (n *Nodes) use(wd int, name string, cookie uint64) {
	d := n.dirs[wd]
	if d == nil {
		d = &watchedDir{entries: map[string]map[uint64]bool{}}
		n.dirs[wd] = d
	}
	if d.entries[name] == nil {
		d.entries[name] = map[uint64]bool{}
	}
	d.entries[name][cookie] = true
	d.uses++
}

// Remove ends the watch of a socket's node, if there is one. Call it before the node
// is removed: what is done on purpose is no news.
func (n *Nodes) Remove(cookie uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if node := n.nodes[cookie]; node != nil {
		delete(n.nodes, cookie)
		n.release(cookie, node)
	}
}

// release gives back the directories of a node. The last one to use a directory ends
// its watch.
func (n *Nodes) release(cookie uint64, node *watchedNode) {
	for _, wd := range node.dirs {
		d := n.dirs[wd]
		if d == nil {
			continue // the directory is gone, and its watch with it
		}
		for _, name := range []string{filepath.Base(node.path), ""} {
			if delete(d.entries[name], cookie); len(d.entries[name]) == 0 {
				delete(d.entries, name)
			}
		}
		if d.uses--; d.uses > 0 {
			continue
		}
		delete(n.dirs, wd)
		// Both fail only if the watch is gone already: the directory is, or Close
		// was called.
		_ = n.raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

// Check looks at the node of a socket, if it is watched, and calls deliver if it is
// gone.
func (n *Nodes) Check(cookie uint64, deliver func(Gone)) { n.check([]uint64{cookie}, false, deliver) }

// check looks at nodes. Nothing is locked meanwhile: a file system may take its time.
func (n *Nodes) check(cookies []uint64, moved bool, deliver func(Gone)) {
	for _, cookie := range cookies {
		n.mu.Lock()
		node := n.nodes[cookie]
		n.mu.Unlock()
		if node == nil {
			continue
		}
		if reason := node.gone(moved); reason != "" {
			deliver(Gone{Cookie: cookie, Reason: reason})
		}
	}
}

// gone returns what has become of a node that is not at its path, else "". What cannot
// be seen is not gone.
func (w *watchedNode) gone(moved bool) string {
	var st unix.Stat_t
	err := unix.Lstat(w.path, &st)
	switch {
	case absent(err) && moved:
		return "its node " + w.path + " was renamed"
	case absent(err):
		return "its node " + w.path + " was deleted"
	case err != nil || st.Dev == w.dev && st.Ino == w.ino && st.Mode&unix.S_IFMT == unix.S_IFSOCK:
		return ""
	case st.Mode&unix.S_IFMT == unix.S_IFSOCK:
		return "its node " + w.path + " was replaced by another socket"
	}
	return "its node " + w.path + " was replaced by " + fileKind(st.Mode)
}

// Run calls deliver for every watched node that is gone, also again for one that is
// still watched, until ctx ends or Close is called; then it returns nil. It must be
// called once.
func (n *Nodes) Run(ctx context.Context, deliver func(Gone)) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		// It fails only when the file is closed, which ends Run as well.
		_ = n.file.SetReadDeadline(longAgo)
	})
	defer func() {
		if !stop() {
			<-woken
		}
	}()
	buf := make([]byte, eventsSize)
	for {
		size, err := n.file.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("watch the nodes of unix sockets: %w", err)
		}
		for events := buf[:size]; len(events) > 0 && ctx.Err() == nil; {
			var ev inotifyEvent
			if ev, events = nextEvent(events); ev.mask != 0 {
				n.check(n.concerned(ev), ev.mask&(unix.IN_MOVED_FROM|unix.IN_MOVE_SELF) != 0, deliver)
			}
		}
	}
}

// inotifyEvent is what inotify says.
type inotifyEvent struct {
	wd   int
	mask uint32
	name string // in the directory; empty: it is about the directory itself
}

// nextEvent reads one event. The kernel writes whole ones only; of anything else
// nothing is left.
func nextEvent(b []byte) (ev inotifyEvent, rest []byte) {
	if len(b) < unix.SizeofInotifyEvent {
		return inotifyEvent{}, nil
	}
	ev = inotifyEvent{wd: int(int32(binary.NativeEndian.Uint32(b))), mask: binary.NativeEndian.Uint32(b[4:])}
	size := uint64(binary.NativeEndian.Uint32(b[12:]))
	b = b[unix.SizeofInotifyEvent:]
	if size > uint64(len(b)) {
		return inotifyEvent{}, nil
	}
	name, _, _ := bytes.Cut(b[:size], []byte{0})
	ev.name = string(name)
	return ev, b[size:]
}

// concerned returns the cookies of the sockets that an event may be about.
func (n *Nodes) concerned(ev inotifyEvent) []uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ev.mask&unix.IN_Q_OVERFLOW != 0 {
		return slices.Sorted(maps.Keys(n.nodes)) // nobody knows what was lost
	}
	d := n.dirs[ev.wd]
	if d == nil {
		return nil // of a watch that has ended
	}
	if ev.name != "" {
		return slices.Sorted(maps.Keys(d.entries[ev.name]))
	}
	if ev.mask&unix.IN_IGNORED != 0 { // the kernel has ended the watch
		delete(n.dirs, ev.wd)
	}
	var all []uint64
	for _, cookies := range d.entries {
		all = slices.AppendSeq(all, maps.Keys(cookies))
	}
	slices.Sort(all)
	return all
}
