package proc

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A launcher is this executable, started again to become the service. What it
// needs is in descriptors whose numbers are fixed; those of the service follow.
const (
	launcherName = "rind-launcher" // its argument 0
	launcherExe  = "/proc/self/exe"

	launcherJob    = 3 // a sealed memfd with the job, in gob
	launcherReport = 4 // a pipe, see below
	launcherFiles  = 5
)

// What a launcher reports: reached when only exec is left, then nothing if exec
// succeeds, since exec closes the pipe. When a step fails, failed, the errno as 32
// bits little-endian, the verb, a NUL byte and the object.
const (
	reached = 'r'
	failed  = 'f'

	maxReport = 64 << 10
)

// launcherFailed is the exit status of a launcher that did not become a service;
// 127 as from the assembly and from sh(1).
const launcherFailed = 127

// startLauncher starts the job by way of a launcher.
func startLauncher(j *job, timeout time.Duration) (*Process, error) {
	memfd, err := sealedJob(j)
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	defer func() { _ = unix.Close(memfd) }()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("launcher: pipe: %w", err)
	}
	report := os.NewFile(uintptr(pipe[0]), "launcher report")
	defer func() { _ = report.Close() }()
	group, err := openGroup(j.cgroup)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("launcher: %w", err), unix.Close(pipe[1]))
	}
	pid, pidfd, err := forkLauncher(j, memfd, pipe[1], group)
	if group >= 0 {
		_ = unix.Close(group)
	}
	// Ours must be closed, or the end of the launcher's would not show.
	_ = unix.Close(pipe[1])
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	if err := readReport(report, timeout); err != nil {
		return nil, errors.Join(err, kill(pidfd), unix.Close(pidfd))
	}
	return newProcess(pid, pidfd, j.cgroup)
}

// forkLauncher starts the launcher. The numbers are passed as they are: as an
// os.File each would lose O_NONBLOCK on the description that it shares.
func forkLauncher(j *job, memfd, report, group int) (pid, pidfd int, err error) {
	files := make([]uintptr, launcherFiles, launcherFiles+len(j.Files))
	for i, fd := range j.Stdio {
		files[i] = uintptr(fd) // Null is what ForkExec takes for closed
	}
	files[launcherJob], files[launcherReport] = uintptr(memfd), uintptr(report)
	for _, f := range j.Files {
		files = append(files, uintptr(f.FD))
	}
	if group >= 0 {
		files = append(files, uintptr(group))
	}
	pidfd = -1
	pid, err = syscall.ForkExec(launcherExe, []string{launcherName}, &syscall.ProcAttr{
		Files: files,
		Sys:   &syscall.SysProcAttr{PidFD: &pidfd},
	})
	if err != nil {
		return 0, -1, fmt.Errorf("start %s: %w", launcherExe, err)
	}
	if pidfd < 0 {
		// The pid is that of a child which nobody else reaps, so it is still ours.
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, werr := syscall.Wait4(pid, nil, 0, nil)
			return 0, -1, errors.Join(fmt.Errorf("pidfd_open: %w", err), werr)
		}
	}
	return pid, pidfd, nil
}

// openGroup opens the file that moves whoever writes 0 to it into the group. It
// returns -1 without a group.
func openGroup(g *Cgroup) (int, error) {
	if g == nil {
		return -1, nil
	}
	fd, err := unix.Openat(g.fd, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s/cgroup.procs: %w", g, err)
	}
	return fd, nil
}

// sealedJob returns a memfd with the job that nobody can change any more, with
// the numbers that descriptors have in the launcher.
func sealedJob(j *job) (int, error) {
	in := *j
	in.Files = nil
	for i, f := range j.Files {
		f.FD = launcherFiles + i
		in.Files = append(in.Files, f)
	}
	for i, fd := range j.Stdio {
		if fd != Null {
			in.Stdio[i] = i
		}
	}
	if j.cgroup != nil {
		in.Group = launcherFiles + len(j.Files)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(&in); err != nil {
		return -1, err
	}
	fd, err := unix.MemfdCreate(launcherName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	for rest := buf.Bytes(); len(rest) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, rest)
		rest = rest[max(n, 0):]
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err == nil {
		_, err = unix.Seek(fd, 0, io.SeekStart)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("memfd: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// readReport returns nil if the launcher became the service, and otherwise why
// not.
func readReport(report *os.File, timeout time.Duration) error {
	if err := report.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(report, maxReport))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("launcher: not done within %s, killed", timeout)
	case err != nil:
		return fmt.Errorf("launcher: %w", err)
	}
	b, ok := bytes.CutPrefix(b, []byte{reached})
	switch {
	case len(b) == 0 && ok:
		return nil
	case len(b) < 5 || b[0] != failed:
		return fmt.Errorf("launcher: ended before exec: main of %s must call proc.LauncherMain first", launcherExe)
	}
	verb, object, _ := strings.Cut(string(b[5:]), "\x00")
	return &stepError{verb: verb, object: object, errno: syscall.Errno(binary.LittleEndian.Uint32(b[1:]))}
}

// LauncherMain turns this process into a service if it was started as a launcher,
// and does not return then unless it fails. Every program that calls [Start] must
// call it first thing in main, with os.Args, and exit with status if launched is
// true:
//
//	if status, launched := proc.LauncherMain(os.Args); launched {
//		os.Exit(status)
//	}
func LauncherMain(args []string) (status int, launched bool) {
	if len(args) != 1 || args[0] != launcherName {
		return 0, false
	}
	// The steps change this thread alone, and exec must come from the same one.
	runtime.LockOSThread()
	report, err := unix.FcntlInt(launcherReport, unix.F_DUPFD_CLOEXEC, launcherFiles)
	if err != nil {
		return launcherFailed, true // nobody started this as a launcher
	}
	err = launch(report)
	e, ok := errors.AsType[*stepError](err)
	if !ok {
		e = &stepError{verb: "launcher", object: err.Error(), errno: unix.EPROTO}
	}
	// If this fails too, the end of the pipe tells enough.
	_, _ = unix.Write(report, e.encode())
	return launcherFailed, true
}

func (e *stepError) encode() []byte {
	b := binary.LittleEndian.AppendUint32([]byte{failed}, uint32(e.errno))
	b = append(b, e.verb...)
	b = append(b, 0)
	b = append(b, e.object...)
	return b[:min(len(b), maxReport-1)]
}

// launch becomes the service. It returns only if it cannot, and then why.
func launch(report int) error {
	j, err := readJob(launcherJob)
	if err != nil {
		return err
	}
	env := append(j.Env, identityEnv(j)...)
	if err := ownOpenFiles(j.Limits); err != nil {
		return err
	}
	s := &script{image: newImage()}
	s.join(j.Group)
	s.session()
	// The places are all taken from the start, by the service's descriptors and
	// the launcher's two: none can be a descriptor of the Go runtime.
	s.pack(j)
	s.seal(j, unix.CLOSE_RANGE_CLOEXEC)
	s.umask(j.Umask)
	s.limits(j.Limits)
	s.restrictBefore(j.Caps)
	s.credentials(j.Cred)
	s.restrictAfter(j.Caps)
	s.noNewPrivileges(j.NoNew)
	s.directory(j.Dir)
	if err := s.blocking(j); err != nil {
		return err
	}
	s.signals()
	if err := s.run(); err != nil {
		return err
	}
	if _, err := unix.Write(report, []byte{reached}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	// Not a step, because syscall.Exec also puts the limit of open files back to
	// what it was before Go raised it, which only package syscall knows.
	err = syscall.Exec(j.Path, j.Argv, env)
	errno, _ := errors.AsType[syscall.Errno](err)
	return &stepError{verb: "exec", object: j.Path, errno: errno}
}

// readJob reads the memfd and leaves it open: while its number is taken, the
// runtime opens nothing there that pack would overwrite.
func readJob(fd int) (*job, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	b := make([]byte, st.Size) // what the sender had in memory
	for n := 0; n < len(b); {
		m, err := unix.Pread(fd, b[n:], int64(n))
		if err == nil && m == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("job: %w", err)
		}
		n += m
	}
	j := new(job)
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(j); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	return j, nil
}

// run carries out the steps on the calling thread, like the assembly does.
func (s *script) run() error {
	first := s.image.seal(s.steps)
	defer s.image.unpin()
	words := s.image.words
	for i := range s.steps {
		at := first + i*stepWords
		a := words[at+stepArgs : at+stepResult]
		r, _, errno := unix.RawSyscall6(uintptr(words[at]), uintptr(a[0]), uintptr(a[1]), uintptr(a[2]),
			uintptr(a[3]), uintptr(a[4]), uintptr(a[5]))
		if errno != 0 {
			return &stepError{verb: s.steps[i].verb, object: s.steps[i].object, errno: errno}
		}
		if to := words[at+stepFeeds]; to != 0 {
			words[to/wordSize] = uint64(r)
		}
	}
	runtime.KeepAlive(unsafe.SliceData(words))
	return nil
}
