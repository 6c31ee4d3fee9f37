package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// senderEnv makes the test binary send a message as a service does.
const senderEnv = "RIND_NOTIFY_TEST_SEND"

func TestMain(m *testing.M) {
	if text := os.Getenv(senderEnv); text != "" {
		if sent, err := daemon.SdNotify(false, text); !sent || err != nil {
			fmt.Fprintln(os.Stderr, sent, err)
			syscall.Exit(1)
		}
		syscall.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const limit = 20 * time.Second

// heard is what came: a copy that outlives the handler.
type heard struct {
	message    Message
	fault, err error
	pid        int
	alive      bool // the pidfd is that of a process that still runs
	files      int
	hasPIDFD   bool
}

func hear(r *Received, err error) heard {
	if err != nil {
		return heard{err: err}
	}
	return heard{
		message: r.Message, fault: r.Fault, pid: r.PID, files: len(r.Files), hasPIDFD: r.PIDFD >= 0,
		alive: r.PIDFD >= 0 && unix.PidfdSendSignal(r.PIDFD, 0, nil, 0) == nil,
	}
}

// ear is a socket of a test that keeps what it hears.
type ear struct {
	*Socket
	got chan heard
}

// listen returns a socket that must leave nothing behind.
func listen(t *testing.T) *ear {
	t.Helper()
	before := descriptors(t)
	e := open(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, func(r *Received, err error) { e.got <- hear(r, err) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(e.Path()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", e.Path(), err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, %d were before", after, before)
		}
	})
	return e
}

func open(t *testing.T) *ear {
	t.Helper()
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // the path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := Listen(filepath.Join(dir, "n"), os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	return &ear{s, make(chan heard, 4096)}
}

func descriptors(t *testing.T) int {
	t.Helper()
	n := 0
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			if err != nil || !strings.HasPrefix(link, "anon_inode:[event") { // the poller's own
				n++
			}
		}
	}
	return n
}

func (e *ear) next(t *testing.T) heard {
	t.Helper()
	select {
	case h := <-e.got:
		return h
	case <-time.After(limit):
		t.Fatal("nothing was heard")
	}
	return heard{}
}

// send sends a message from this process.
func (e *ear) send(t *testing.T, text string, fds ...int) {
	t.Helper()
	if err := e.trySend(text, fds...); err != nil {
		t.Fatal(err)
	}
}

func (e *ear) trySend(text string, fds ...int) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(s, []byte(text), oob, &unix.SockaddrUnix{Name: e.Path()}, 0)
}

func TestS159WhoSpeaks(t *testing.T) {
	e := listen(t)
	e.send(t, "READY=1")
	if h := e.next(t); !h.message.Ready || h.pid != os.Getpid() || !h.alive || h.err != nil {
		t.Errorf("heard %+v", h)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), senderEnv+"=STATUS=from a service", "NOTIFY_SOCKET="+e.Path())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if h := e.next(t); h.message.Status != "from a service" || h.pid != cmd.Process.Pid {
		t.Errorf("heard %+v from process %d", h, cmd.Process.Pid)
	}
}

// Who claims to be somebody else is found out by its pidfd.
func TestS159ClaimedPID(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may claim another pid")
	}
	e := listen(t)
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	oob := unix.UnixCredentials(&unix.Ucred{Pid: 1, Uid: 0, Gid: 0})
	if err := unix.Sendmsg(s, []byte("READY=1"), oob, &unix.SockaddrUnix{Name: e.Path()}, 0); err != nil {
		t.Skipf("this process may not claim another pid: %v", err)
	}
	if h := e.next(t); h.pid != 1 || !h.hasPIDFD || h.err != nil {
		t.Errorf("heard %+v", h)
	}
}

func TestS159Dropped(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(null) })
	many := make([]int, MaxFiles)
	for i := range many {
		many[i] = null
	}
	tests := []struct {
		name, text, want string
		files            []int
	}{
		{"oversized", "READY=1\n" + strings.Repeat("x", MaxMessage), "message dropped: longer than 4096 bytes", many},
		{"one byte too long", strings.Repeat("x", MaxMessage+1), "message dropped: longer than 4096 bytes", nil},
		{"NUL", "READY=1\x00READY=1", "message dropped: a NUL byte within the message", many[:3]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			e.send(t, tt.text, tt.files...)
			if h := e.next(t); h.err == nil || h.err.Error() != tt.want {
				t.Errorf("heard %+v, want %s", h, tt.want)
			}
			e.send(t, "READY=1", many...)
			if h := e.next(t); !h.message.Ready || h.files != MaxFiles {
				t.Errorf("heard %+v after it", h)
			}
		})
	}
}

// As long as a message may be is not too long.
func TestS159Longest(t *testing.T) {
	e := listen(t)
	e.send(t, "STATUS="+strings.Repeat("x", MaxMessage-len("STATUS=")))
	if h := e.next(t); h.err != nil || len(h.message.Status) != MaxMessage-len("STATUS=") {
		t.Errorf("heard %d bytes, %v", len(h.message.Status), h.err)
	}
}

// Without room for its descriptors a message is dropped whole, and those that
// there was room for are closed.
func TestS159TruncatedControlData(t *testing.T) {
	e := open(t)
	defer e.Close()
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	before := descriptors(t)
	e.oob = e.oob[:unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4)+unix.CmsgSpace(8)]
	e.send(t, "FDSTORE=1", null, null, null, null, null, null, null, null)
	if err := e.Drain(func(r *Received, err error) { e.got <- hear(r, err) }); err != nil {
		t.Fatal(err)
	}
	if h := e.next(t); h.err == nil || h.err.Error() != "message dropped: not all of its descriptors could be received" {
		t.Errorf("heard %+v", h)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// Only the user of the service and root may send.
func TestS159Mode(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir := t.TempDir()
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534
	}
	s, err := Listen(filepath.Join(dir, "n"), uid)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var st unix.Stat_t
	if err := unix.Lstat(s.Path(), &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&0o777 != 0o600 || int(st.Uid) != uid {
		t.Errorf("mode %04o, user %d, want 0600 and %d", st.Mode&0o777, st.Uid, uid)
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	long := filepath.Join(dir, strings.Repeat("x", maxPath))
	tests := []struct{ name, path, want string }{
		{"too long", long, fmt.Sprintf("%d bytes, at most 107 fit into a socket address: choose a shorter --runtime-dir", len(long))},
		{"taken", taken, "bind: address already in use"},
		{"no such folder", filepath.Join(dir, "no", "n"), "bind: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Listen(tt.path, os.Geteuid())
			if err == nil || !strings.HasPrefix(err.Error(), "notification socket "+tt.path) || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
	if _, err := os.Stat(taken); err != nil {
		t.Errorf("the file of somebody else: %v", err)
	}
}

// What was sent before the end is heard after it.
func TestS159Drain(t *testing.T) {
	e := open(t)
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx, func(*Received, error) { t.Error("heard something before anything was sent") }); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		e.send(t, fmt.Sprintf("STATUS=%d", n))
	}
	if err := e.Drain(func(r *Received, err error) { e.got <- hear(r, err) }); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		if h := e.next(t); h.message.Status != strconv.Itoa(n) {
			t.Errorf("message %d is %+v", n, h)
		}
	}
}

// Whoever has stopped hearing may hear again.
func TestRunAgain(t *testing.T) {
	e := open(t)
	defer e.Close()
	for n := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		e.send(t, fmt.Sprintf("STATUS=%d", n))
		err := e.Run(ctx, func(r *Received, err error) {
			e.got <- hear(r, err)
			cancel()
		})
		if err != nil {
			t.Fatal(err)
		}
		if h := e.next(t); h.message.Status != strconv.Itoa(n) {
			t.Errorf("round %d: heard %+v", n, h)
		}
	}
}

// Who floods waits: in a second no more is taken than the burst and the rate
// allow, and nothing of it is lost.
func TestS159Flood(t *testing.T) {
	p := newPace(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that waiting shows at once
	taken := 0
	for p.wait(t.Context(), time.Unix(0, 0)) && p.left > 1 {
		taken++
	}
	if taken != burst-2 {
		t.Errorf("%d messages at once, want %d before the last", taken, burst-2)
	}
	if p.wait(ctx, time.Unix(0, 0)) {
		t.Error("the burst is over, and there is no wait")
	}
	if !p.wait(t.Context(), time.Unix(0, 0).Add(time.Second)) || p.left != burst-1 {
		t.Errorf("%d left after a second, want %d", p.left, burst-1)
	}
	const messages = burst + 40
	e := listen(t)
	begin := time.Now()
	go func() {
		for range messages {
			if err := e.trySend("WATCHDOG=1"); err != nil {
				e.got <- heard{err: err}
				return
			}
		}
	}()
	for range messages {
		if h := e.next(t); !h.message.Alive {
			t.Fatalf("heard %+v", h)
		}
	}
	if took, least := time.Since(begin), 40*time.Second/Rate; took < least {
		t.Errorf("%d messages in %v, want at least %v", messages, took, least)
	}
}
