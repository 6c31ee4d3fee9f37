package proc

import (
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUmask has all the bits that a file mode creation mask can have.
const maxUmask = 0o777

// verbLimit is the step that sets a resource limit.
const verbLimit = "set the limit"

// resources are the limits of setrlimit(2), by the names of systemd and of unit
// files.
var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE,
	"nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC,
	"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING,
	"stack": unix.RLIMIT_STACK,
}

func (l Limit) String() string {
	return fmt.Sprintf("%s to %s:%s", l.Resource, limitText(l.Soft), limitText(l.Hard))
}

func limitText(v uint64) string {
	if v == Infinity {
		return "infinity"
	}
	return strconv.FormatUint(v, 10)
}

// join moves the process into a control group, given its cgroup.procs.
func (s *script) join(group int) {
	if group >= 0 {
		s.add("join", "the control group", unix.SYS_WRITE, num(group), s.image.text("0"), num(1))
	}
}

func (s *script) umask(mask int) {
	if mask >= 0 {
		s.add("umask", fmt.Sprintf("%04o", mask), unix.SYS_UMASK, num(mask))
	}
}

// limits sets resource limits, before credentials: the right to raise them goes
// with the user. It comes after pack, whose places may lie above the limit of
// open files.
func (s *script) limits(limits []Limit) {
	for _, l := range limits {
		s.add(verbLimit, l.String(), unix.SYS_PRLIMIT64, num(0), num(resources[l.Resource]),
			s.image.pair(l.Soft, l.Hard), num(0))
	}
}

// ownOpenFiles keeps syscall.Exec from putting the limit of open files back to
// what it was before Go raised it, if the job has one: a limit that was set by
// way of package syscall is the program's own.
func ownOpenFiles(limits []Limit) error {
	for _, l := range limits {
		if l.Resource != "nofile" {
			continue
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
			return fmt.Errorf("limit of open files: %w", err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
			return fmt.Errorf("limit of open files: %w", err)
		}
	}
	return nil
}

// noNewPrivileges comes after everything that needs privileges.
func (s *script) noNewPrivileges(set bool) {
	if set {
		s.add("set no_new_privs", "", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
	}
}
