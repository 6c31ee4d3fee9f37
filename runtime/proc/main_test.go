package proc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/coreos/go-systemd/v22/activation"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// modeEnv makes the test binary play another program: a service, or a daemon that
// starts one.
const modeEnv = "RIND_PROC_TEST_MODE"

var modes = map[string]func() error{
	"report":       modeReport,
	"activation":   modeActivation,
	"flip":         modeFlip,
	"closed-stdin": modeClosedStdin,
	"start":        modeStart,
	"filtered":     modeFiltered,
}

func TestMain(m *testing.M) {
	// Not os.Exit in the played programs: under the race detector it takes a second.
	if status, launched := LauncherMain(os.Args); launched {
		syscall.Exit(status)
	}
	if run := modes[os.Getenv(modeEnv)]; run != nil {
		status := 0
		if err := run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		syscall.Exit(status)
	}
	goleak.VerifyTestMain(m)
}

// A way is one of the two ways of starting a service, which must not differ.
type way struct {
	name string
	via  func(*job, time.Duration) (*Process, error)
}

var ways = []way{{"clone", startClone}, {"launcher", startLauncher}}

func (w way) start(spec *Spec) (*Process, error) {
	j, err := newJob(spec)
	if err != nil {
		return nil, err
	}
	return w.via(j, startTimeout)
}

// check begins a test of one way: it skips what cannot be had, and wants neither
// processes nor descriptors to be left in the end.
func (w way) check(t *testing.T) {
	t.Helper()
	if w.name == "clone" {
		skipWithoutClone(t)
	}
	checkLeaks(t)
}

func skipWithoutClone(tb testing.TB) {
	tb.Helper()
	_, err := way{via: startClone}.start(&Spec{Exec: "/nonexistent", Stdin: Null, Stdout: Null, Stderr: Null})
	if errors.Is(err, errCloneRefused) {
		tb.Skip("clone3 is not to be had here")
	}
}

// checkLeaks wants the test to leave what it found.
func checkLeaks(t *testing.T) {
	t.Helper()
	before := openFDs()
	t.Cleanup(func() {
		after := openFDs()
		for fd, link := range before {
			if after[fd] == link {
				delete(after, fd)
			}
		}
		maps.DeleteFunc(after, func(_ int, link string) bool {
			return link == "anon_inode:[eventpoll]" || link == "anon_inode:[eventfd]" // the poller's own
		})
		if len(after) > 0 {
			t.Errorf("descriptors left: %v", after)
		}
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.ECHILD) {
			t.Errorf("a child is left: waitid: %v, want ECHILD", err)
		}
	})
}

// openFDs returns every open descriptor with what it is, and opens none.
func openFDs() map[int]string {
	fds := map[int]string{}
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			if err != nil {
				link = err.Error()
			}
			fds[fd] = link
		}
	}
	return fds
}

// facts are what a service can see of how it was started.
type facts struct {
	PID, PGID, SID int
	Inode          string // of its own pidfd, "" if it has none
	Args           []string
	Env            []string       // sorted, without modeEnv
	FDs            map[int]string // inherited
	NonBlock       map[int]bool   // of the descriptors from 3 on
	Dir            string
}

func modeReport() error {
	f := facts{FDs: openFDs(), NonBlock: map[int]bool{}, PID: os.Getpid(), Args: os.Args}
	for fd := range f.FDs {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			return err
		}
		// An inherited descriptor has no close-on-exec, or it would have been closed.
		// Those that the Go runtime opens have it.
		if flags&unix.FD_CLOEXEC != 0 {
			delete(f.FDs, fd)
			continue
		}
		if flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil {
			return err
		}
		if fd >= firstFile {
			f.NonBlock[fd] = flags&unix.O_NONBLOCK != 0
		}
	}
	var err error
	if f.SID, err = unix.Getsid(0); err != nil {
		return err
	}
	f.PGID = unix.Getpgrp()
	if ino, ok := ownPidfdInode(); ok {
		f.Inode = strconv.FormatUint(ino, 10)
	}
	if f.Dir, err = os.Getwd(); err != nil {
		return err
	}
	f.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, modeEnv+"=") })
	slices.Sort(f.Env)
	return json.NewEncoder(os.Stdout).Encode(f)
}

// modeActivation uses the descriptors as a program written for systemd does.
func modeActivation() error {
	for _, f := range activation.Files(false) {
		fmt.Println(f.Name(), f.Fd())
	}
	named, err := activation.ListenersWithNames()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		for _, l := range named[name] {
			fmt.Println(name, l.Addr())
		}
	}
	return nil
}

// modeFlip is an owner that changes O_NONBLOCK of descriptor 3, and prints what
// it was.
func modeFlip() error {
	was, err := unix.FcntlInt(firstFile, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	fmt.Println(was&unix.O_NONBLOCK != 0)
	_, err = unix.FcntlInt(firstFile, unix.F_SETFL, was^unix.O_NONBLOCK)
	return err
}

// modeClosedStdin is a daemon without standard input, whose first socket is
// descriptor 0. It starts a service that gets that socket, and /dev/null.
func modeClosedStdin() error {
	if err := unix.Close(0); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil || fd != 0 {
		return fmt.Errorf("socket is %d, %w: want descriptor 0", fd, err)
	}
	spec := reportSpec(1)
	spec.Stdin = Null
	spec.Files = []File{{FD: 0, Name: "zero"}}
	return startAndWait(spec)
}

// modeStart is a daemon that starts the Spec of its environment.
func modeStart() error {
	spec := new(Spec)
	if err := json.Unmarshal([]byte(os.Getenv("SPEC")), spec); err != nil {
		return err
	}
	return startAndWait(spec)
}

// modeFiltered is a daemon in a container whose filter has no clone3. It starts a
// service twice.
func modeFiltered() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE3, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	for _, service := range []string{"first", "second"} {
		if err := wait(Start(&Spec{Exec: "echo", Args: []string{service}, Stdin: Null, Stdout: 1, Stderr: 2})); err != nil {
			return err
		}
	}
	fmt.Println("refused:", cloneRefused.Load())
	return nil
}

func startAndWait(spec *Spec) error {
	for _, w := range ways {
		if w.name != os.Getenv("WAY") {
			continue
		}
		return wait(w.start(spec))
	}
	return errors.New("WAY names no way of starting")
}

func wait(p *Process, err error) error {
	if err != nil {
		return err
	}
	exit, err := p.Wait(context.Background())
	if err = errors.Join(err, p.Close()); err != nil || exit != (Exit{}) {
		return fmt.Errorf("service: %v, %w", exit, err)
	}
	return nil
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// reportSpec is a service that prints its facts.
func reportSpec(stdout int, env ...string) *Spec {
	return &Spec{
		Name: "service app@test", Exec: self(),
		Env:   append([]string{modeEnv + "=report"}, env...),
		Stdin: Null, Stdout: stdout, Stderr: 2,
	}
}

// output runs a service to its end, successful, and returns what it printed and
// its pid.
func output(t *testing.T, w way, spec *Spec) (out string, pid int) {
	t.Helper()
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec.Stdout = fdOf(t, wr)
	p, err := w.start(spec)
	wr.Close()
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	defer closeProcess(t, p)
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait(t.Context())
	if err != nil || exit != (Exit{}) {
		t.Fatalf("the service ended with %v, %v, having printed:\n%s", exit, err, b)
	}
	return string(b), p.PID()
}

func report(t *testing.T, w way, spec *Spec) facts {
	t.Helper()
	out, pid := output(t, w, spec)
	f := decodeFacts(t, out)
	if f.PID != pid {
		t.Errorf("the service has pid %d, Process says %d", f.PID, pid)
	}
	return f
}

func decodeFacts(t *testing.T, out string) facts {
	t.Helper()
	var f facts
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return f
}

// fdOf returns the number of an open file, and leaves its flags alone.
func fdOf(t *testing.T, f *os.File) int {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	if err := conn.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return n
}

func closeProcess(t *testing.T, p *Process) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// listeners returns sockets and what /proc/self/fd says of them.
func listeners(t *testing.T, n int) (fds []int, links []string) {
	t.Helper()
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 1)); err != nil {
			t.Fatal(err)
		}
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			t.Fatal(err)
		}
		fds, links = append(fds, fd), append(links, link)
	}
	return fds, links
}

// daemon runs the test binary as a daemon and returns what its service printed.
func daemon(t *testing.T, w way, cmd *exec.Cmd, mode string) string {
	t.Helper()
	cmd.Env = append(cmd.Env, modeEnv+"="+mode, "WAY="+w.name)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("daemon: %v\n%s", err, stderr.String())
	}
	return stdout.String()
}

// public returns a copy of the test binary that every user may execute.
func public(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(self())
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "proc.test")
	err = errors.Join(os.WriteFile(exe, b, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may change to another user")
	}
}

// firstLine reads one line of what a service prints, while it goes on.
func firstLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("the service printed %q, then %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}
