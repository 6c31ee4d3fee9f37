package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A step is one operation between clone and exec: a system call, or one of the
// pseudo calls below. No step may be undone or skipped: the first that fails ends
// the new process.
type step struct {
	verb, object string // for errors: "chdir", "/srv"

	nr   uint64
	args [6]arg

	// feeds is the index of a later step whose first argument is this one's
	// result; 0 is none, since nothing comes before step 0.
	feeds int
}

func (st *step) String() string { return describe(st.verb, st.object) }

func describe(verb, object string) string {
	if object == "" {
		return verb
	}
	return verb + " " + object
}

// An arg is a number, or a place in the image whose address is passed.
type arg struct {
	value uint64
	place bool
}

// Pseudo calls of the assembly loop, for what the new process has to compute.
const (
	callFormat = ^uint64(0)     // writes its first argument as decimal digits and a NUL to the second
	callLoad   = ^uint64(0) - 1 // results in the 64-bit word at its first argument
)

// A script is the list of steps for one job, and the memory they refer to.
type script struct {
	image *image
	steps []step
}

func num[T ~int | ~uint | ~uint32 | ~uint64](v T) arg { return arg{value: uint64(v)} }

// add appends a step and returns its index.
func (s *script) add(verb, object string, nr uint64, args ...arg) int {
	st := step{verb: verb, object: object, nr: nr}
	copy(st.args[:], args)
	s.steps = append(s.steps, st)
	return len(s.steps) - 1
}

// feed makes the result of step from the first argument of step to.
func (s *script) feed(from, to int) { s.steps[from].feeds = to }

// session makes the process the leader of a new session and process group, so
// that the group can be signalled and no terminal can stop it.
func (s *script) session() { s.add("setsid", "", unix.SYS_SETSID) }

var stdioNames = [3]string{"stdin", "stdout", "stderr"}

// A move is a descriptor on the way to its place.
type move struct {
	fd, place int
	what      string
	from      int // the step that results in the source, or -1: fd itself
}

// pack puts every descriptor into its place: 0, 1, 2 and 3, 4, … without
// close-on-exec.
//
// Sources and places may overlap in any way, so it goes in two rounds. In the
// first, each source that lies in the range of the places but not in its own one
// is duplicated to above the range; so is /dev/null, wherever open puts it. After
// that, no place holds a source that is still needed elsewhere. In the second,
// each source is duplicated into its place.
func (s *script) pack(j *job) {
	end := firstFile + len(j.Files)
	var moves []move
	for i, fd := range j.Stdio {
		moves = append(moves, move{fd: fd, place: i, from: -1, what: "for " + stdioNames[i]})
	}
	for i, f := range j.Files {
		moves = append(moves, move{fd: f.FD, place: firstFile + i, from: -1, what: fmt.Sprintf("for socket %q", f.Name)})
	}
	for i := range moves {
		m := &moves[i]
		switch {
		case m.fd == Null:
			open := s.openNull(m)
			m.from = s.add("move", "/dev/null "+m.what, unix.SYS_FCNTL, arg{}, num(unix.F_DUPFD_CLOEXEC), num(end))
			s.feed(open, m.from)
		case m.fd != m.place && m.fd < end:
			m.from = s.add("move", m.String(), unix.SYS_FCNTL, num(m.fd), num(unix.F_DUPFD_CLOEXEC), num(end))
		}
	}
	for i := range moves {
		m := &moves[i]
		switch {
		case m.fd == m.place:
			s.add("keep", m.String(), unix.SYS_FCNTL, num(m.fd), num(unix.F_SETFD), num(0))
		case m.from >= 0:
			at := s.add("place", m.String(), unix.SYS_DUP3, arg{}, num(m.place), num(0))
			s.feed(m.from, at)
		default:
			s.add("place", m.String(), unix.SYS_DUP3, num(m.fd), num(m.place), num(0))
		}
	}
}

func (m *move) String() string {
	if m.fd == Null {
		return "/dev/null " + m.what
	}
	return "descriptor " + strconv.Itoa(m.fd) + " " + m.what
}

func (s *script) openNull(m *move) int {
	flags := unix.O_WRONLY
	if m.place == 0 {
		flags = unix.O_RDONLY
	}
	return s.add("open", m.String(), unix.SYS_OPENAT, num(unix.AT_FDCWD), s.image.text("/dev/null"),
		num(flags|unix.O_CLOEXEC), num(0))
}

// seal makes sure that nothing above the places is inherited, whatever flags it
// has. A launcher asks for CLOSE_RANGE_CLOEXEC, because it still needs to report
// that exec failed. A clone closes at once: the daemon learns of the exec when the
// memory is released, and the kernel closes what is close-on-exec only after that,
// so a port that the daemon has closed would be taken for a moment longer.
func (s *script) seal(j *job, flags int) {
	s.add("close_range", "", unix.SYS_CLOSE_RANGE, num(firstFile+len(j.Files)), num(uint64(^uint32(0))), num(flags))
}

// credentials takes on the identity of the service. The user goes last, because
// the right to change the others goes with it. These are the bare system calls,
// which change one thread and not the process: in both ways of starting, the
// thread that runs the steps is the one that becomes the service.
func (s *script) credentials(c *Credential) {
	if c == nil {
		return
	}
	uid, gid := num(c.UID), num(c.GID)
	s.add("setgroups", fmt.Sprint(c.Groups), unix.SYS_SETGROUPS, num(len(c.Groups)), s.image.ids(c.Groups))
	s.add("setgid", fmt.Sprint(c.GID), unix.SYS_SETRESGID, gid, gid, gid)
	s.add("setuid", fmt.Sprint(c.UID), unix.SYS_SETRESUID, uid, uid, uid)
}

// directory enters the working directory, after credentials: what the service's
// user may not enter, the service may not be put into.
func (s *script) directory(dir string) {
	if dir != "" {
		s.add("chdir", dir, unix.SYS_CHDIR, s.image.text(dir))
	}
}

// blocking sets O_NONBLOCK of each inherited description as the job says, by
// then in its place. The other status flags are read here, before the process
// exists: they are those of a listener, and nobody changes them.
func (s *script) blocking(j *job) error {
	for i, f := range j.Files {
		if f.Stored {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(f.FD), unix.F_GETFL, 0)
		if err != nil {
			return fmt.Errorf("descriptor %d for socket %q: %w", f.FD, f.Name, err)
		}
		flags &^= unix.O_NONBLOCK
		if f.NonBlock {
			flags |= unix.O_NONBLOCK
		}
		s.add("set O_NONBLOCK of", fmt.Sprintf("socket %q", f.Name), unix.SYS_FCNTL,
			num(firstFile+i), num(unix.F_SETFL), num(flags))
	}
	return nil
}

// signals gives the service every signal unblocked and with its default action.
// Exec alone keeps the blocked and the ignored ones, and those are the daemon's
// business: started by nohup, it ignores SIGHUP, but its services need not.
func (s *script) signals() {
	const (
		sigsetSize = 8  // of the kernel, on every 64-bit port
		actionSize = 32 // struct sigaction of the kernel, or more
		lastSignal = 64
	)
	// All zero is SIG_DFL without flags, and the empty set.
	zero := s.image.space(actionSize)
	for sig := 1; sig <= lastSignal; sig++ {
		if sig == int(unix.SIGKILL) || sig == int(unix.SIGSTOP) {
			continue // the kernel refuses to change these
		}
		s.add("reset signal", strconv.Itoa(sig), unix.SYS_RT_SIGACTION, num(sig), zero, num(0), num(sigsetSize))
	}
	s.add("unblock signals", "", unix.SYS_RT_SIGPROCMASK, num(unix.SIG_SETMASK), zero, num(0), num(sigsetSize))
}

// A stepError says which step of a start failed, and with what.
type stepError struct {
	verb, object string
	errno        syscall.Errno
}

func (e *stepError) Error() string {
	text := describe(e.verb, e.object) + ": " + e.errno.Error()
	if hint := e.hint(); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

func (e *stepError) Unwrap() error { return e.errno }

// hint is the remedy, where the errno alone does not lead to it.
func (e *stepError) hint() string {
	switch {
	case e.errno == unix.EMFILE:
		return "raise the limit of open files"
	case e.verb == "close_range" && (e.errno == unix.ENOSYS || e.errno == unix.EINVAL):
		return "needs Linux 5.11"
	case e.verb == "setuid" && e.errno == unix.EPERM:
		return "needs CAP_SETUID"
	case e.verb == verbLimit && e.errno == unix.EPERM:
		return "above the hard limit of rindrun, or of the kernel: needs CAP_SYS_RESOURCE"
	case (e.verb == "setgid" || e.verb == "setgroups") && e.errno == unix.EPERM:
		return "needs CAP_SETGID"
	case e.verb == "exec":
		return e.execHint()
	}
	return ""
}

func (e *stepError) execHint() string {
	switch e.errno { //nolint:exhaustive // the others speak for themselves
	case unix.ENOENT:
		if _, err := os.Stat(e.object); err == nil {
			return "the file is there, but the interpreter it names is not"
		}
	case unix.EACCES:
		info, err := os.Stat(e.object)
		switch {
		case err == nil && !info.Mode().IsRegular():
			return "not a regular file"
		case err == nil && info.Mode().Perm()&0o111 == 0:
			return "not executable: chmod +x"
		case err == nil || errors.Is(err, unix.EACCES):
			return "the user of the service must be able to execute it and to search the directories above it"
		}
	case unix.ENOEXEC:
		return "neither a program of this machine nor a script that begins with #!"
	case unix.EAGAIN:
		return "the user of the service has too many processes"
	case unix.E2BIG:
		return "arguments and environment are too long"
	}
	return ""
}
