package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPath is searched for a bare Exec when Env has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// firstFile is the number of the first inherited descriptor, SD_LISTEN_FDS_START
// of sd_listen_fds(3).
const firstFile = 3

// Null stands for /dev/null in place of a descriptor of [Spec].
const Null = -1

// A Spec says what to start. All descriptors in it are the caller's: they stay
// open here, whether Start succeeds or not.
type Spec struct {
	// Name begins every error, as in "service app@web".
	Name string

	// Exec is the program: an absolute path, or a bare name, which is searched
	// in the PATH of Env. The service sees it as its argument 0.
	Exec string

	// Args are the arguments after argument 0.
	Args []string

	// Env is the whole environment, KEY=VALUE. The variables of the descriptor
	// protocol in it are dropped, and set anew if there are Files.
	Env []string

	// Dir is the working directory, entered with the credentials of the service.
	// Empty is the daemon's own.
	Dir string

	// Cred is who runs the service. Nil is who runs the daemon.
	Cred *Credential

	// Umask is the file mode creation mask; nil is the daemon's own.
	Umask *uint32

	// Limits are resource limits that differ from the daemon's own.
	Limits []Limit

	// Capabilities are all that the service has, by the names of capabilities(7),
	// and all that it can get: nothing else is in its bounding set. Nil is what
	// its user has.
	Capabilities []string

	// NoNewPrivileges makes set-user-ID programs and the like ordinary ones.
	NoNewPrivileges bool

	// Cgroup is the control group of the service, or nil. It must outlive the
	// Process.
	Cgroup *Cgroup

	// PIDEnv are the names of variables that have the pid of the service.
	PIDEnv []string

	// Files become descriptors 3, 4, … in this order.
	Files []File

	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2. [Null] is
	// /dev/null; the zero value is the daemon's own standard input.
	Stdin, Stdout, Stderr int
}

// A File is a descriptor that a service inherits.
type File struct {
	FD int

	// Name is the descriptor's name in LISTEN_FDNAMES: at most 255 printable
	// ASCII characters without ':' (fdname_is_valid of systemd).
	Name string

	// NonBlock says whether the service finds O_NONBLOCK set.
	//
	// The flag belongs to the open file description, which the service shares
	// with the daemon and with every other holder. It is set right before exec,
	// at every start, and stays as the service leaves it. So whoever keeps a
	// descriptor that was ever handed out must treat it as possibly blocking:
	// poll it, but never accept or read from it without MSG_DONTWAIT or a
	// description of its own.
	NonBlock bool

	// Stored says that the descriptor is one that the service gave away to get it
	// back (FDSTORE=1 of sd_notify(3)). Its flags are the service's own business,
	// and it is not among the sockets of RIND_SOCKET_NAMES.
	Stored bool
}

// A Limit is a resource limit, see setrlimit(2). [Infinity] is none.
type Limit struct {
	Resource   string // "nofile", as in the names RLIMIT_NOFILE and so on
	Soft, Hard uint64
}

// Infinity is the value of a [Limit] that is none.
const Infinity = unix.RLIM_INFINITY

// job is a Spec that was checked and made ready for either way of starting it.
// Its fields are exported for gob, which carries it to the launcher.
type job struct {
	Name  string
	Path  string   // absolute
	Argv  []string // with argument 0
	Env   []string // all but what only the new process knows
	Dir   string
	Cred  *Credential
	Files []File
	Stdio [3]int

	Umask  int // -1: as it is
	Limits []Limit
	Caps   privileges
	NoNew  bool
	PIDEnv []string
	Group  int // descriptor of cgroup.procs, for the launcher alone; -1: none

	cgroup *Cgroup
}

// hasIdentity says whether variables have to be made in the new process.
func (j *job) hasIdentity() bool { return len(j.Files)+len(j.PIDEnv) > 0 }

func newJob(spec *Spec) (*job, error) {
	path, err := lookPath(spec)
	if err != nil {
		return nil, err
	}
	j := &job{
		Name:  spec.Name,
		Path:  path,
		Argv:  append([]string{spec.Exec}, spec.Args...),
		Env:   append(withoutSocketEnv(spec.Env, spec.PIDEnv), socketEnv(spec.Files)...),
		Dir:   spec.Dir,
		Cred:  spec.Cred,
		Files: spec.Files,
		Stdio: [3]int{spec.Stdin, spec.Stdout, spec.Stderr},

		Umask: -1, Limits: spec.Limits, NoNew: spec.NoNewPrivileges, PIDEnv: spec.PIDEnv, Group: -1, cgroup: spec.Cgroup,
	}
	if spec.Umask != nil {
		j.Umask = int(*spec.Umask & maxUmask)
	}
	if err := j.check(); err != nil {
		return nil, err
	}
	if j.Caps, err = restrict(spec.Capabilities, j.Cred, j.NoNew); err != nil {
		return nil, err
	}
	if j.Cred.isOwn() {
		j.Cred = nil // setgroups needs CAP_SETGID even to change nothing
	}
	return j, nil
}

// check refuses what would reach the service as something else than was asked.
func (j *job) check() error {
	for _, s := range append(append([]string{j.Path, j.Dir}, j.Argv...), j.Env...) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("%q: a program, directory, argument or variable cannot have a NUL byte", s)
		}
	}
	if c := j.Cred; c != nil && (c.UID == noID || c.GID == noID) {
		return fmt.Errorf("user %d, group %d: %d is no id: the kernel takes it for \"do not change\"", c.UID, c.GID, noID)
	}
	for i, fd := range j.Stdio {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil && fd != Null {
			return fmt.Errorf("descriptor %d for %s: %w", fd, stdioNames[i], err)
		}
	}
	for _, l := range j.Limits {
		if _, ok := resources[l.Resource]; !ok {
			return fmt.Errorf("limit %q: there is no such resource", l.Resource)
		}
		if l.Soft > l.Hard {
			return fmt.Errorf("limit %s: the soft limit is above the hard one", l)
		}
	}
	for _, f := range j.Files {
		if _, err := unix.FcntlInt(uintptr(f.FD), unix.F_GETFD, 0); err != nil {
			return fmt.Errorf("descriptor %d for socket %q: %w", f.FD, f.Name, err)
		}
		if !validFDName(f.Name) {
			return fmt.Errorf("descriptor name %q: must be at most 255 printable ASCII characters without ':'", f.Name)
		}
	}
	return nil
}

func validFDName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == ':' {
			return false
		}
	}
	return len(name) <= 255
}

// lookPath returns the absolute path of the program. It looks with the daemon's
// eyes; whether the service's user may execute the file is for exec to say.
func lookPath(spec *Spec) (string, error) {
	switch {
	case filepath.IsAbs(spec.Exec):
		return spec.Exec, nil
	case spec.Exec == "" || strings.Contains(spec.Exec, "/"):
		return "", fmt.Errorf("exec %q: must be an absolute path, or a bare name to search in PATH", spec.Exec)
	}
	path := defaultPath
	for _, kv := range spec.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // it would mean the daemon's working directory
		}
		file := filepath.Join(dir, spec.Exec)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("exec %s: %w in PATH %s", spec.Exec, unix.ENOENT, path)
}
