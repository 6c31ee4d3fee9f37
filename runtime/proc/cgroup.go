package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroups makes control groups (cgroups(7), version 2) below the one that this
// process is in. They hold together what belongs to a service, whatever sessions
// and process groups its processes make, and they can be killed in one go. No
// controller is enabled: limits of resources are not what they are for.
type Cgroups struct {
	dir  string // of this daemon, in the file system
	path string // the same, as /proc/PID/cgroup has it
	lock int    // a descriptor of dir with flock(2), for as long as the daemon lives
	last atomic.Uint64
}

// Names below the daemon's own group. Both prefixes keep clear of the kernel's
// files, which begin with the name of a controller and a dot.
const (
	daemonGroup  = "rindrun-"
	serviceGroup = "rind-"

	// maxGroupName leaves room for a number within NAME_MAX.
	maxGroupName = 200

	// maxClaims bounds the search for a name that is free.
	maxClaims = 100
)

// lastDaemon tells daemons in one process apart.
var lastDaemon atomic.Uint64

// OpenCgroups returns where the daemon may make groups, or an error that says
// why it may not; then processes are held together by their process groups.
//
// Where systemd runs the machine the daemon's own group must be delegated to it
// (Delegate=yes): every group has one writer, see "Control Group APIs and
// Delegation" of systemd.
func OpenCgroups() (*Cgroups, error) {
	c, err := openCgroups("/proc/self", "/run/systemd/system")
	if err != nil {
		return nil, fmt.Errorf("control groups: %w", err)
	}
	return c, nil
}

func openCgroups(self, systemd string) (*Cgroups, error) {
	own, err := groupOf(filepath.Join(self, "cgroup"))
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile(filepath.Join(self, "mountinfo"))
	if err != nil {
		return nil, err
	}
	parent, ok := groupDir(string(mounts), own)
	if !ok {
		return nil, fmt.Errorf("%s is in no cgroup2 mount", own)
	}
	if _, err := os.Stat(systemd); err == nil && !delegated(parent) {
		return nil, fmt.Errorf("%s is not delegated: set Delegate=yes in the unit of rindrun", parent)
	}
	sweep(parent)
	c, err := claim(parent, own)
	if err != nil {
		return nil, err
	}
	if err := c.usable(parent); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// claim makes a group for this daemon and locks it. Other daemons may see it between
// the two and take it for one that was left behind; then there is another name.
func claim(parent, own string) (*Cgroups, error) {
	for range maxClaims {
		name := fmt.Sprintf("%s%d-%d", daemonGroup, os.Getpid(), lastDaemon.Add(1))
		c := &Cgroups{dir: filepath.Join(parent, name), path: path.Join(own, name)}
		if err := os.Mkdir(c.dir, 0o755); errors.Is(err, fs.ErrExist) {
			continue // of a daemon with this pid: before this one, or in another namespace
		} else if err != nil {
			return nil, err
		}
		fd, err := lockDir(c.dir)
		if err == nil {
			c.lock = fd
			return c, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.ENOENT) {
			return nil, errors.Join(err, os.Remove(c.dir))
		}
	}
	return nil, fmt.Errorf("%s: no name is free in %d attempts", filepath.Join(parent, daemonGroup+strconv.Itoa(os.Getpid())), maxClaims)
}

// lockDir locks a folder that is there, and returns the descriptor that holds the
// lock. It fails with EWOULDBLOCK if somebody else has it.
func lockDir(dir string) (fd int, err error) {
	fd, err = unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	var locked, there unix.Stat_t
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		if err = unix.Fstat(fd, &locked); err == nil {
			err = unix.Stat(dir, &there)
		}
		if err == nil && (locked.Ino != there.Ino || locked.Dev != there.Dev) {
			err = unix.ENOENT // removed, and made again by another
		}
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("lock %s: %w", dir, err), unix.Close(fd))
	}
	return fd, nil
}

// usable reports why the groups cannot serve their purpose.
func (c *Cgroups) usable(parent string) error {
	// Without cgroup.kill (Linux 5.14) a group that forks cannot be killed for
	// certain.
	if err := unix.Access(filepath.Join(c.dir, "cgroup.kill"), unix.W_OK); err != nil {
		return fmt.Errorf("cgroup.kill: %w: needs Linux 5.14", err)
	}
	if kind, err := os.ReadFile(filepath.Join(c.dir, "cgroup.type")); err != nil || string(kind) != "domain\n" {
		// Below a threaded group there is none that takes processes.
		return errors.Join(fmt.Errorf("%s is a group of type %q", c.dir, bytes.TrimSpace(kind)), err)
	}
	// Who moves a process writes to the group that both groups have in common.
	if err := unix.Access(filepath.Join(parent, "cgroup.procs"), unix.W_OK); err != nil {
		return fmt.Errorf("%s/cgroup.procs: %w", parent, err)
	}
	return nil
}

// delegated says whether systemd has given the group away; it leaves a mark.
func delegated(dir string) bool {
	for _, attr := range []string{"trusted.delegate", "user.delegate"} {
		var value [1]byte
		if n, err := unix.Getxattr(dir, attr, value[:]); err == nil && n == 1 && value[0] == '1' {
			return true
		}
	}
	return false
}

// sweep removes what daemons that were killed have left, as far as it is empty. Whose
// daemon lives is locked; a pid would say nothing, since those who share the hierarchy
// may count in pid namespaces of their own.
func sweep(parent string) {
	dirs, err := filepath.Glob(filepath.Join(parent, daemonGroup+"*"))
	if err != nil {
		return // the pattern is good
	}
	for _, dir := range dirs {
		fd, err := lockDir(dir)
		if err != nil {
			continue
		}
		_ = removeTree(dir) // what is in use stays
		_ = unix.Close(fd)
	}
}

// groupOf reads the version 2 group from a file like /proc/PID/cgroup.
func groupOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if group, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok && !strings.HasPrefix(group, "/..") {
			return group, nil
		}
	}
	return "", fmt.Errorf("%s: no group of version 2", file)
}

// groupDir returns the folder of a group, given /proc/PID/mountinfo, see
// proc_pid_mountinfo(5).
func groupDir(mountinfo, group string) (string, bool) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, point := f[3], f[4]
		if rest, ok := strings.CutPrefix(group, strings.TrimSuffix(root, "/")); ok && (rest == "" || rest[0] == '/') {
			return filepath.Join(unescape(point), rest), true
		}
	}
	return "", false
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// String returns the folder of the groups.
func (c *Cgroups) String() string { return c.dir }

// New makes an empty group. The caller removes it.
func (c *Cgroups) New(name string) (*Cgroup, error) {
	name = strings.ReplaceAll(name, "/", "-")
	name = fmt.Sprintf("%s%s-%d", serviceGroup, name[:min(len(name), maxGroupName)], c.last.Add(1))
	g := &Cgroup{dir: filepath.Join(c.dir, name), path: path.Join(c.path, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	fd, err := unix.Open(g.dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control group: open %s: %w", g.dir, err), os.Remove(g.dir))
	}
	g.fd = fd
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(fmt.Errorf("control group: stat %s: %w", g.dir, err), g.Remove())
	}
	g.id = st.Ino
	return g, nil
}

// Close removes the folder of the groups, which must all be removed by then.
// It is called once.
func (c *Cgroups) Close() error { return errors.Join(removeTree(c.dir), unix.Close(c.lock)) }

// A Cgroup is the control group of one process and of all that it starts.
type Cgroup struct {
	dir, path string
	fd        int
	id        uint64 // of the kernel: the inode number of dir
}

// String returns the folder of the group.
func (g *Cgroup) String() string { return g.dir }

// Kill sends SIGKILL to all that is in the group, and to what is being forked.
func (g *Cgroup) Kill() error {
	if err := os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte{'1'}, 0); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	return nil
}

// signal sends a signal to every process of the group that is not in the process
// group pgid, which is signalled in one go.
func (g *Cgroup) signal(sig syscall.Signal, pgid int) error {
	var errs []error
	for _, pid := range g.processes() {
		if err := g.signalOne(pid, sig, pgid); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("send %s to process %d: %w", unix.SignalName(sig), pid, err))
		}
	}
	return errors.Join(errs...)
}

// signalOne pins the process before it looks where it is: the number may have
// passed to another process since it was read.
func (g *Cgroup) signalOne(pid int, sig syscall.Signal, pgid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(pidfd) }()
	if group, err := unix.Getpgid(pid); err != nil || group == pgid || !g.has(pid) {
		return err
	}
	return unix.PidfdSendSignal(pidfd, sig, nil, 0)
}

// processes returns who is in the group and in groups that the service has made
// below it.
func (g *Cgroup) processes() []int {
	var pids []int
	walk(g.dir, 0, func(dir string) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return // removed meanwhile
		}
		for field := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	})
	return pids
}

// has says whether a process is in the group or below it.
func (g *Cgroup) has(pid int) bool {
	group, err := groupOf(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && (group == g.path || strings.HasPrefix(group, g.path+"/"))
}

// Wait returns when nobody is in the group but zombies, or when ctx ends.
func (g *Cgroup) Wait(ctx context.Context) error {
	// The file is fit for poll(2): POLLPRI says that it has changed.
	fd, err := unix.Openat(g.fd, "cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("control group: open %s/cgroup.events: %w", g.dir, err)
	}
	defer func() { _ = unix.Close(fd) }()
	const look = 100 * time.Millisecond // how late the end of ctx may be seen
	for {
		text := make([]byte, 256)
		n, err := unix.Pread(fd, text, 0)
		if err != nil {
			return fmt.Errorf("control group: read %s/cgroup.events: %w", g.dir, err)
		}
		if bytes.Contains(text[:n], []byte("populated 0")) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("control group: %s: processes do not end: %w", g.dir, context.Cause(ctx))
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
		if _, err := unix.Poll(fds, int(look.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("control group: poll %s/cgroup.events: %w", g.dir, err)
		}
	}
}

// Remove removes the group, which must be empty, with what the service has made
// below it. It is called once.
func (g *Cgroup) Remove() error {
	return errors.Join(removeTree(g.dir), unix.Close(g.fd))
}

// maxGroupDepth bounds what is followed below the group of a service.
const maxGroupDepth = 32

// walk calls visit for dir and every folder below it, the deepest first.
func walk(dir string, depth int, visit func(dir string)) {
	if depth < maxGroupDepth {
		for _, name := range subgroups(dir) {
			walk(filepath.Join(dir, name), depth+1, visit)
		}
	}
	visit(dir)
}

func subgroups(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil // removed meanwhile
	}
	defer func() { _ = f.Close() }()
	var names []string
	for {
		entries, err := f.ReadDir(64)
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
		if errors.Is(err, io.EOF) || err != nil {
			return names
		}
	}
}

func removeTree(dir string) error {
	var err error
	walk(dir, 0, func(d string) { err = os.Remove(d) }) // the last one is dir
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control group: %w", err)
	}
	return nil
}
