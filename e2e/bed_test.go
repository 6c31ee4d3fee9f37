package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// bed is a folder of its own with unit files, and the daemon that runs them.
type bed struct {
	t   *testing.T
	dir string
	ip  string // a loopback address that no other test uses

	reports *inbox     // reports of probes
	path    string     // PATH of the daemon
	plugins string     // folder with the plugins
	program string     // rindrun
	user    *user.User // of the daemon; nil: the test's
	within  []string   // command that runs the daemon, such as unshare; nil: none

	control controlv1connect.ControlServiceClient

	daemon *exec.Cmd
	log    *output
	exited chan struct{} // closed once the daemon has been waited for
}

var beds atomic.Uint32

// newBed lays out unit files, given as a txtar archive. In them $DIR is the
// folder of the bed, $IP its address, $BIN the folder of the programs, and
// $PROBE a probe that reports to the bed.
func newBed(t *testing.T, units string) *bed {
	t.Helper()
	// Not t.TempDir: paths of unix sockets must be short.
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	n := beds.Add(1)
	b := &bed{
		t: t, dir: dir,
		ip:      fmt.Sprintf("127.%d.%d.%d", 10+os.Getpid()%240, n/250, 1+n%250),
		path:    bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		plugins: bin,
		program: program("rindrun"),
		control: newControl(filepath.Join(dir, "run", "control.sock")),
	}
	t.Cleanup(b.cleanUp)
	// A service with a user of its own reaches its sockets and files here.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.reports = newInbox(t, b.file("report.sock"))
	for _, file := range txtar.Parse([]byte(b.expand(units))).Files {
		b.write(filepath.Join("units", file.Name), string(file.Data))
	}
	return b
}

// run lays out unit files, compiles them and starts the daemon.
func run(t *testing.T, units string) *bed {
	t.Helper()
	b := newBed(t, units)
	b.compile()
	b.start()
	return b
}

// asShipped makes the daemon one without the race detector.
func (b *bed) asShipped() {
	b.t.Helper()
	path, err := withoutRaceDetector()
	if err != nil {
		b.t.Fatal(err)
	}
	b.program = path
}

func (b *bed) expand(text string) string {
	return strings.NewReplacer(
		"$DIR", b.dir,
		"$IP", b.ip,
		"$BIN", bin,
		"$PROBE", program("probe"),
		"$REPORT", b.file("report.sock"),
	).Replace(text)
}

// file returns a path below the bed's folder.
func (b *bed) file(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) write(name, text string) {
	b.t.Helper()
	name = b.file(name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) compile() {
	b.t.Helper()
	out, err := exec.CommandContext(b.t.Context(), program("rindc"), "build", b.file("units"), "-o", b.file("plan.json")).CombinedOutput()
	if err != nil {
		b.t.Fatalf("rindc build: %v\n%s", err, out)
	}
}

// command returns rindrun with the environment that makes daemon and clients of
// this bed find each other.
func (b *bed) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = []string{
		"PATH=" + b.path,
		"HOME=" + b.dir,
		"RIND_RUNTIME_DIR=" + b.file("run"),
		"RIND_STATE_DIR=" + b.file("state"),
		"RIND_SOCKET_DIR=" + b.file("sock"),
		"RIND_PLUGIN_DIR=" + b.plugins,
		"RIND_LOG_LEVEL=debug",
		"GORACE=" + os.Getenv("GORACE"),
	}
	return cmd
}

// start starts the daemon and returns once it says that it is ready.
func (b *bed) start(env ...string) {
	b.t.Helper()
	notify := newInbox(b.t, b.file("notify.sock"))
	defer notify.close()
	// The daemon ends by a signal of the test, not with its context, which is
	// over before the clean-up.
	b.daemon = b.command(context.WithoutCancel(b.t.Context()), "run", b.file("plan.json"))
	b.daemon.Env = append(b.daemon.Env, "NOTIFY_SOCKET="+b.file("notify.sock"))
	if len(b.within) > 0 {
		b.daemon.Path = b.within[0]
		b.daemon.Args = append(slices.Clone(b.within), append([]string{b.program}, b.daemon.Args[1:]...)...)
	}
	b.daemon.Env = append(b.daemon.Env, env...)
	b.log = &output{}
	b.daemon.Stderr = b.log
	if b.user != nil {
		b.giveUp()
	}
	if err := b.daemon.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan struct{})
	b.exited = exited
	go func() {
		_ = b.daemon.Wait() // how it ended is in ProcessState
		close(exited)
	}()
	for {
		message, err := notify.next(exited)
		if err != nil {
			b.t.Fatalf("waiting for the daemon to be ready: %v", err)
		}
		if strings.Contains("\n"+string(message)+"\n", "\nREADY=1\n") {
			return
		}
	}
}

// giveUp makes the daemon run as the bed's user, which gets the folder.
func (b *bed) giveUp() {
	b.t.Helper()
	uid, err := strconv.Atoi(b.user.Uid)
	if err != nil {
		b.t.Fatal(err)
	}
	gid, err := strconv.Atoi(b.user.Gid)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chown(b.dir, uid, gid); err != nil {
		b.t.Fatal(err)
	}
	b.daemon.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}
}

// signal sends a signal to the daemon.
func (b *bed) signal(sig os.Signal) {
	b.t.Helper()
	if err := b.daemon.Process.Signal(sig); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits for the daemon to end and returns its exit status.
func (b *bed) wait() int {
	b.t.Helper()
	select {
	case <-b.exited:
	case <-time.After(patience):
		b.t.Fatalf("the daemon still runs %v after it should have ended", patience)
	}
	return b.daemon.ProcessState.ExitCode()
}

// stop ends the daemon as an operator would, and checks that it leaves nothing.
func (b *bed) stop(sig os.Signal) {
	b.t.Helper()
	b.signal(sig)
	if code := b.wait(); code != 0 {
		b.t.Errorf("exit status after %v is %d, want 0", sig, code)
	}
	b.checkNothingLeft()
}

// checkNothingLeft checks that a daemon that has ended left no socket and no
// process behind.
func (b *bed) checkNothingLeft() {
	b.t.Helper()
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSocket && filepath.Dir(path) != b.dir {
			b.t.Errorf("left behind: socket %s", path)
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
	for _, pid := range processesOf(b.dir) {
		b.t.Errorf("left behind: process %s", describe(pid))
	}
}

// cleanUp ends a daemon that still runs, as an operator would, checks that it
// leaves nothing, and shows its log if the test failed.
func (b *bed) cleanUp() {
	if b.exited != nil {
		select {
		case <-b.exited:
		default:
			if b.t.Failed() {
				// One failure is enough to look at.
				b.signal(syscall.SIGTERM)
				b.wait()
			} else {
				b.stop(syscall.SIGTERM)
			}
		}
		if text := b.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") {
			b.t.Error("the daemon or a plugin has a data race or a panic")
		}
		if b.t.Failed() {
			b.t.Logf("the log of the daemon:\n%s", b.log)
		}
	}
	for _, pid := range processesOf(b.dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by now
	}
	if err := os.RemoveAll(b.dir); err != nil {
		b.t.Error(err)
	}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// inbox is a datagram socket that keeps everything it receives.
type inbox struct {
	conn *net.UnixConn
	path string
	got  chan []byte
}

func newInbox(t *testing.T, path string) *inbox {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	// Everybody may report, also a service with a user of its own.
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	in := &inbox{conn: conn, path: path, got: make(chan []byte, 1024)}
	t.Cleanup(in.close)
	go func() {
		defer close(in.got)
		buf := make([]byte, 256<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // closed
			}
			in.got <- bytes.Clone(buf[:n])
		}
	}()
	return in
}

// close ends the inbox. It may be called twice.
func (in *inbox) close() {
	if err := in.conn.Close(); err == nil {
		_ = os.Remove(in.path) // gone with its folder at the latest
	}
}

var errNothing = errors.New("nothing came")

// next returns the next message. It gives up when ended is closed, or in time.
func (in *inbox) next(ended <-chan struct{}) ([]byte, error) {
	select {
	case m, ok := <-in.got:
		if !ok {
			return nil, net.ErrClosed
		}
		return m, nil
	case <-ended:
		// What was sent before the end counts.
		select {
		case m := <-in.got:
			return m, nil
		default:
			return nil, fmt.Errorf("%w before the process ended", errNothing)
		}
	case <-time.After(patience):
		return nil, fmt.Errorf("%w within %v", errNothing, patience)
	}
}
