package proc

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/proc/nofile"
)

// cloneAndRun calls clone3 and lets the new process run the steps that begin at
// word first. It returns the pid, or a negative errno.
//
// Not go:noescape: that image escapes is one of the reasons why it is not on the
// stack, which may move.
func cloneAndRun(image *uint64, first uintptr) uintptr

// cloneFlags: the memory is shared; the caller is not suspended (see
// startClone); signals that Go handles are back to their default before the new
// process can receive any, since a handler of Go would run on shared memory.
const cloneFlags = unix.CLONE_VM | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND | unix.CLONE_CHILD_CLEARTID

// The words of struct clone_args that are not zero.
const (
	argFlags      = 0
	argPidfd      = 1
	argChildTID   = 2
	argExitSignal = 4
	argCgroup     = 10
)

// startClone starts the job by clone3, or returns errCloneRefused.
//
// It does not use CLONE_VFORK as posix_spawn does. Under it the kernel suspends
// the calling thread until exec, and the Go scheduler, which takes the thread for
// a running one, cannot stop the world meanwhile: a program on a slow disk, or a
// user who stops the new process the moment it has his uid, would freeze the
// daemon. Instead the kernel clears wordShared when the new process leaves the
// memory (CLONE_CHILD_CLEARTID: mm_release, by exec or exit), and a futex waits
// for that in an ordinary system call, with a deadline.
func startClone(j *job, timeout time.Duration) (*Process, error) {
	s, err := newCloneScript(j)
	if err != nil {
		return nil, err
	}
	if j.Cred != nil || j.Caps.Restrict {
		dump.enter()
		defer dump.leave()
	}
	return s.clone(j, timeout)
}

// newCloneScript returns the steps that end in the service itself.
func newCloneScript(j *job) (*script, error) {
	s := &script{image: newImage()}
	env := s.image.texts(j.Env)
	s.session()
	s.pack(j)
	if j.hasIdentity() {
		env = append(env, s.identity(j)...)
	}
	s.openFiles()
	s.seal(j, 0)
	s.umask(j.Umask)
	s.limits(j.Limits)
	s.restrictBefore(j.Caps)
	s.credentials(j.Cred)
	s.restrictAfter(j.Caps)
	s.noNewPrivileges(j.NoNew)
	s.directory(j.Dir)
	if err := s.blocking(j); err != nil {
		return nil, err
	}
	s.signals()
	s.add("exec", j.Path, unix.SYS_EXECVE, s.image.text(j.Path),
		s.image.list(s.image.texts(j.Argv)), s.image.list(env))
	return s, nil
}

// kernelHasPidfs says whether pidfds have inodes of their own. That does not
// change while the kernel runs.
var kernelHasPidfs = sync.OnceValue(func() bool {
	_, ok := ownPidfdInode()
	return ok
})

// identity has the new process write its own pid, and the inode of its own pidfd,
// into the variables it returns.
func (s *script) identity(j *job) []arg {
	var env []arg
	for _, name := range j.pidVariables() {
		pid, digits := s.image.textAndRoom(name+"=", maxUint64Text)
		get := s.add("getpid", "", unix.SYS_GETPID)
		s.feed(get, s.add("format", "the pid", callFormat, arg{}, digits))
		env = append(env, pid)
	}
	if len(j.Files) == 0 || !kernelHasPidfs() {
		return env
	}
	id, digits := s.image.textAndRoom(envPIDFDID+"=", maxUint64Text)
	info := s.image.space(int(unsafe.Sizeof(unix.Statx_t{})))
	ino := info
	ino.value += uint64(unsafe.Offsetof(unix.Statx_t{}.Ino))
	get := s.add("getpid", "", unix.SYS_GETPID)
	open := s.add("pidfd_open", "", unix.SYS_PIDFD_OPEN)
	stat := s.add("statx", "of the pidfd", unix.SYS_STATX, arg{}, s.image.text(""),
		num(unix.AT_EMPTY_PATH), num(unix.STATX_INO), info)
	s.feed(get, open)
	s.feed(open, stat)
	load := s.add("load", "the inode", callLoad, ino)
	s.feed(load, s.add("format", "the inode", callFormat, arg{}, digits))
	return append(env, id)
}

// openFiles gives the service the limit of open files that the daemon was started
// with, which Go has raised for itself. It comes after pack, whose places may lie
// above that limit.
func (s *script) openFiles() {
	l, ok := nofile.Original()
	if !ok {
		return
	}
	s.limits([]Limit{{Resource: "nofile", Soft: l.Soft, Hard: l.Hard}})
}

// clone starts the process and returns when it has become the service.
func (s *script) clone(j *job, timeout time.Duration) (*Process, error) {
	im := s.image
	im.words[argFlags] = cloneFlags
	if j.cgroup != nil {
		im.words[argFlags] |= unix.CLONE_INTO_CGROUP
		im.words[argCgroup] = uint64(j.cgroup.fd)
	}
	im.words[argExitSignal] = uint64(unix.SIGCHLD)
	im.words[wordShared] = 1
	im.set(argPidfd, arg{value: wordPidfd * wordSize, place: true})
	im.set(argChildTID, arg{value: wordShared * wordSize, place: true})
	first := im.seal(s.steps)
	defer im.unpin()

	r := cloneAndRun(unsafe.SliceData(im.words), uintptr(first))
	if errno := syscall.Errno(-r); errno < 4096 {
		switch errno { //nolint:exhaustive // what a kernel or a filter refuses it with; the rest is a failure
		case unix.ENOSYS, unix.EPERM, unix.EINVAL:
			return nil, errCloneRefused
		}
		return nil, cloneError(j, errno)
	}
	pidfd := int(int32(im.words[wordPidfd]))
	late := !im.wait(pidfd, timeout)
	if late {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) // the only error: it has ended
	}
	if err := s.outcome(first, late, timeout); err != nil {
		// The end of a process is the end of its share in the memory, so the image
		// is safe to unpin. This wait has no deadline, because nothing can refuse
		// SIGKILL and the memory is not ours before.
		return nil, errors.Join(err, discard(pidfd))
	}
	return newProcess(int(r), pidfd, j.cgroup)
}

func cloneError(j *job, errno syscall.Errno) error {
	e := &stepError{verb: "clone", errno: errno}
	if j.cgroup != nil {
		e.object = "into control group " + j.cgroup.String()
	}
	return e
}

// wait returns true when the new process has left the memory, and false after
// timeout.
func (im *image) wait(pidfd int, timeout time.Duration) bool {
	const look = time.Second
	shared := (*uint32)(unsafe.Pointer(&im.words[wordShared]))
	deadline := time.Now().Add(timeout)
	for atomic.LoadUint32(shared) != 0 {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		// Whatever it returns (woken, changed before, interrupted, timed out), the
		// word decides. Not FUTEX_PRIVATE: the kernel wakes without it.
		ts := unix.NsecToTimespec(int64(min(left, look)))
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(shared)), futexWait, 1,
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		// Some kernels leave the word alone when a signal dumps core.
		if errno == unix.ETIMEDOUT && readable(pidfd) {
			return true
		}
	}
	return true
}

const futexWait = 0 // FUTEX_WAIT of linux/futex.h

// outcome returns nil if the new process got past exec, and otherwise why not.
func (s *script) outcome(first int, late bool, timeout time.Duration) error {
	for i := range s.steps {
		st := &s.steps[i]
		last := i == len(s.steps)-1
		switch r := s.image.words[first+i*stepWords+stepResult]; {
		case r == notRun && late:
			return fmt.Errorf("%s: not done within %s, killed", st, timeout)
		case r == notRun && !last:
			return fmt.Errorf("%s: killed before it was done", st)
		case r == notRun:
			// An exec that succeeds has no result. If the process was killed in the
			// middle of it, that is how the service ended.
		case int64(r) < 0:
			return &stepError{verb: st.verb, object: st.object, errno: syscall.Errno(-int64(r))}
		}
	}
	return nil
}

// dumpGuard keeps the daemon's memory from being read by the users of its
// services.
//
// A new process that has changed to another user still shares the daemon's
// memory until exec. The kernel knows the danger: with the change of user it
// marks the memory as not dumpable, so that this user cannot attach to the
// process. But the mark stays on the daemon, for good: no core dump, and a /proc
// directory that belongs to root. So it is taken off again, and not before the
// last such process has left the memory.
type dumpGuard struct {
	mu     sync.Mutex
	inside int // starts with other credentials that are between clone and exec
	before int // PR_GET_DUMPABLE when the first of them came
}

var dump dumpGuard

func (g *dumpGuard) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside == 0 {
		g.before, _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0) // takes no argument that could be wrong
	}
	g.inside++
}

func (g *dumpGuard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.before == 1 { // 2 cannot be set, only the kernel does
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}
