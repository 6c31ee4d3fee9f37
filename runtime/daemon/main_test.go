package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/proc"
)

// modeEnv makes the test binary play a service.
const modeEnv = "RIND_DAEMON_TEST_MODE"

// limit is for everything that is expected to happen at once.
const limit = 20 * time.Second

// pluginDir has the real plugins.
var pluginDir string

func TestMain(m *testing.M) {
	if status, launched := proc.LauncherMain(os.Args); launched {
		syscall.Exit(status)
	}
	if play := plays[os.Getenv(modeEnv)]; play != nil {
		status := 0
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		syscall.Exit(status) // not os.Exit, which takes a second under the race detector
	}
	os.Exit(withPlugins(m))
}

func withPlugins(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rind")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	pluginDir = dir
	for _, kind := range []string{"tcp", "udp", "uds"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "rind-transport-"+kind), "../../plugins/"+kind)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", cmd, err, out)
			return 1
		}
	}
	// So that the descriptors of Go's poller are there before any are counted.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	status := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	return status
}

// bed is a folder of its own and a daemon in it.
type bed struct {
	t    *testing.T
	dir  string
	opts Options
	log  *logBuffer

	cancel    context.CancelCauseFunc
	impatient chan struct{}
	reload    chan struct{}
	done      chan struct{} // closed when Run has returned
	err       error         // of Run
	client    controlv1connect.ControlServiceClient
}

// newBed returns a bed for a plan, whose daemon must leave nothing behind.
func newBed(t *testing.T, p *plan.Plan) *bed {
	t.Helper()
	if len(p.Transports) == 0 {
		for i := range p.Sockets {
			if kind := p.Sockets[i].Type; !slices.ContainsFunc(p.Transports, func(tr plan.Transport) bool { return tr.Name == kind }) {
				p.Transports = append(p.Transports, plan.Transport{Name: kind, Version: "0"})
			}
		}
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("the plan of the test: %v", err)
	}
	// Not t.TempDir: paths of unix sockets must be short.
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.Chmod(dir, 0o755)) // for services with a user of their own
	b := &bed{t: t, dir: dir, log: &logBuffer{}, impatient: make(chan struct{}), reload: make(chan struct{}), done: make(chan struct{})}
	b.opts = Options{
		Plan: p, RuntimeDir: b.file("run"), SocketDir: b.file("sock"), PluginDirs: []string{pluginDir},
		Environ: os.Environ(), Version: "test", Impatient: b.impatient, Reload: b.reload,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	checkLeaks(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s", b.log)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return b
}

// run starts the daemon of a plan and returns once it is ready.
func run(t *testing.T, p *plan.Plan) *bed {
	t.Helper()
	b := newBed(t, p)
	b.start()
	return b
}

// start starts the daemon and returns once it is ready.
func (b *bed) start() {
	b.t.Helper()
	ready := make(chan struct{})
	b.opts.Ready = func() error {
		close(ready)
		return nil
	}
	b.launch()
	select {
	case <-ready:
	case <-b.done:
		b.t.Fatalf("Run ended: %v", b.err)
	case <-time.After(limit):
		b.t.Fatal("the daemon is not ready")
	}
}

// launch starts the daemon.
func (b *bed) launch() {
	var ctx context.Context
	ctx, b.cancel = context.WithCancelCause(context.WithoutCancel(b.t.Context()))
	b.client = control.NewClient(b.opts.Control)
	if b.opts.Control == "" {
		b.client = control.NewClient(b.file("run/control.sock"))
	}
	go func() {
		defer close(b.done)
		b.err = Run(ctx, b.opts)
	}()
	b.t.Cleanup(func() {
		b.cancel(errors.New("end of the test"))
		b.wait()
	})
}

// wait waits for the end of Run, which must be a good one.
func (b *bed) wait() {
	b.t.Helper()
	select {
	case <-b.done:
	case <-time.After(limit):
		buf := make([]byte, 1<<20)
		b.t.Fatalf("Run has not ended\n%s\n%s", b.log, buf[:stacks(buf)])
	}
	if b.err != nil {
		b.t.Errorf("Run: %v", b.err)
	}
	b.checkNothingLeft()
}

// stop ends the daemon as a signal does.
func (b *bed) stop() {
	b.t.Helper()
	b.cancel(errors.New("signal test"))
	b.wait()
}

// checkNothingLeft wants no node and no process that knows the bed.
func (b *bed) checkNothingLeft() {
	b.t.Helper()
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.Type() == fs.ModeSocket || d.Name() == "lock") {
			b.t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		b.t.Error(err)
	}
	for _, pid := range b.processes() {
		b.t.Errorf("left behind: process %d", pid)
	}
}

// processes returns the processes, but for this one, whose environment or command
// line names the bed.
func (b *bed) processes() []int {
	b.t.Helper()
	entries, err := os.ReadDir("/proc")
	must(b.t, err)
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, name := range []string{"environ", "cmdline"} {
			text, err := os.ReadFile(filepath.Join("/proc", e.Name(), name))
			if err == nil && bytes.Contains(text, []byte(b.dir)) {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

func (b *bed) file(name string) string { return filepath.Join(b.dir, name) }

// play returns the command that plays a part in this bed.
func (b *bed) play(mode string) plan.Command { return play(mode, "BED", b.dir) }

// play returns a command that plays a part, with more variables.
func play(mode string, env ...string) plan.Command {
	c := plan.Command{Exec: "/proc/self/exe", Env: map[string]string{modeEnv: mode}}
	exe, err := os.Executable()
	if err == nil {
		c.Exec = exe
	}
	for i := 0; i+1 < len(env); i += 2 {
		c.Env[env[i]] = env[i+1]
	}
	return c
}

// status returns the status of the daemon.
func (b *bed) status() *controlv1.StatusResponse {
	b.t.Helper()
	st, err := b.client.Status(b.t.Context(), &controlv1.StatusRequest{})
	must(b.t, err)
	return st
}

func (b *bed) socket(name plan.Name) *controlv1.SocketStatus {
	b.t.Helper()
	for _, s := range b.status().GetSockets() {
		if s.GetName() == string(name) {
			return s
		}
	}
	b.t.Fatalf("no socket %s in the status", name)
	return nil
}

// await polls the status, which is the only thing to wait on from outside.
func (b *bed) await(what string, ok func(*controlv1.StatusResponse) bool) {
	b.t.Helper()
	b.poll(func() bool { return ok(b.status()) }, func() string { return what })
}

// awaitText polls a file until its text is as wanted, and returns it.
func (b *bed) awaitText(name string, ok func(text string) bool) (text string) {
	b.t.Helper()
	b.poll(func() bool {
		data, err := os.ReadFile(b.file(name))
		text = string(data)
		return err == nil && ok(text)
	}, func() string { return fmt.Sprintf("%s has %q", name, text) })
	return text
}

// awaitLines waits until the file in which services say something has a line n
// times.
func (b *bed) awaitLines(line string, n int) {
	b.t.Helper()
	b.awaitText("said", func(text string) bool {
		count := 0
		for l := range strings.Lines(text) {
			if l == line+"\n" {
				count++
			}
		}
		return count >= n
	})
}

// poll waits until ok says so.
func (b *bed) poll(ok func() bool, failed func() string) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("not as wanted within %v: %s", limit, failed())
		}
	}
}

// startService starts a service and returns the daemon's answer.
func (b *bed) startService(name plan.Name) *controlv1.UnitResult {
	b.t.Helper()
	kind := controlv1.UnitKind_UNIT_KIND_SERVICE
	resp, err := b.client.Start(b.t.Context(), &controlv1.StartRequest{Kind: kind, Names: []string{string(name)}})
	must(b.t, err)
	return resp.GetResults()[0]
}

// call connects, sends a line and returns the answer up to the end.
func call(t *testing.T, network, address, line string) string {
	t.Helper()
	conn, err := net.DialTimeout(network, address, limit)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(limit)))
	_, err = io.WriteString(conn, line+"\n")
	must(t, err)
	answer, err := io.ReadAll(conn)
	must(t, err)
	return string(answer)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// leftOf returns the descriptors that were not there before.
func leftOf(before map[int]string) map[int]string {
	left := descriptors()
	maps.DeleteFunc(left, func(fd int, link string) bool { return before[fd] == link })
	return left
}

// checkLeaks wants the test to leave the descriptors and children that it found.
func checkLeaks(t *testing.T) {
	t.Helper()
	before := descriptors()
	t.Cleanup(func() {
		// A daemon of another test in this process may be closing a connection.
		late := time.After(limit)
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for left := leftOf(before); len(left) > 0; left = leftOf(before) {
			select {
			case <-look.C:
				continue
			case <-late:
			}
			t.Errorf("descriptors are left: %v", left)
			break
		}
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.ECHILD) {
			t.Errorf("a child is left: waitid: %v, want ECHILD", err)
		}
	})
}

// descriptors returns every open descriptor with what it is, and opens none.
func descriptors() map[int]string {
	fds := map[int]string{}
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			continue
		}
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			link = err.Error()
		}
		fds[fd] = link
	}
	return fds
}

// logBuffer collects a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
