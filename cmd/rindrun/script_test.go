package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/proc"
)

// patience is how long a script waits for what must happen at once.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if status, launched := proc.LauncherMain(os.Args); launched {
		os.Exit(status)
	}
	testscript.Main(m, map[string]func(){"rindrun": main})
}

// TestScripts runs the command lines of testdata/script against this program. The
// daemon in them runs testPlan.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Not below the folder of the script: paths of unix sockets must be short.
			dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // see above
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			env.Setenv("DIR", dir)
			env.Setenv("RIND_RUNTIME_DIR", filepath.Join(dir, "run"))
			env.Setenv("RIND_STATE_DIR", filepath.Join(dir, "state"))
			env.Setenv("RIND_SOCKET_DIR", filepath.Join(dir, "sock"))
			env.Setenv("RIND_PLUGIN_DIR", "plugins")
			env.Setenv("RIND_LOG_FORMAT", "text")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second under the race detector
			env.Values[daemonKey{}] = &background{}
			return writePlan(env.WorkDir)
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "daemon": startDaemon, "stalled": startStalled, "signal": signalDaemon, "ended": awaitDaemon, "forget": forgetLog,
		},
	})
}

// testPlan has units whose names are no help to whoever reads a command line. Its
// transport is a plugin that cannot work, so that every start of a socket fails.
func testPlan() *plan.Plan {
	socket := func(name plan.Name) plan.Socket {
		return plan.Socket{Name: name, Type: "bad", Listen: "anywhere", Lifecycle: plan.Managed, FDName: "x"}
	}
	return &plan.Plan{
		Transports: []plan.Transport{{Name: "bad", Version: "0"}},
		States:     []plan.State{{Name: "t@doc", Payload: cond.JSON}, {Name: "t@word", Payload: cond.String}},
		Signals:    []plan.Signal{{Name: "t@go", Payload: cond.None}},
		Services: []plan.Service{
			{Name: "t@both", Run: []plan.Command{{Exec: "sleep", Args: []string{"1000"}}}},
			{Name: "t@noise", Run: []plan.Command{{Exec: "printf", Args: []string{`red \033[31m\n`}}}},
			{Name: "t@nothing", Run: []plan.Command{{Exec: "/nowhere/no\x1b[31mthing"}}},
			{Name: "t@where", Run: []plan.Command{{Exec: "sh", Args: []string{"-c", `pwd; echo "$RIND_RUNTIME_DIR"`}}}},
			{Name: "t@socket", Run: []plan.Command{{Exec: "sleep", Args: []string{"1000"}}}},
		},
		Sockets: []plan.Socket{socket("t@both"), socket("t@only"), socket("u@service")},
	}
}

// writePlan writes plan.json, and the plugin that it needs to be there.
func writePlan(dir string) error {
	p := testPlan()
	if err := p.Validate(); err != nil {
		return err
	}
	data, err := p.Encode()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "plan.json"), data, 0o644),
		os.WriteFile(filepath.Join(dir, "plugins", "rind-transport-bad"), []byte("#!/bin/sh\nexit 1\n"), 0o755),
	)
}

// exits runs a program that must end with a certain status:
//
//	exits STATUS PROGRAM [ARG…]
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := statusOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("%s ended with status %d, want %d", args[1], got, want)
	}
}

func statusOf(ts *testscript.TestScript, err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

type daemonKey struct{}

// background is the daemon of a script.
type background struct {
	cmd  *exec.Cmd
	log  *os.File // the reader of its standard error
	done chan error
	text bytes.Buffer
	read chan struct{} // closed when text is complete

	readOnce sync.Once
}

// readLog reads the log, until the end of the daemon or of our interest.
func (b *background) readLog() {
	b.readOnce.Do(func() {
		go func() {
			defer close(b.read)
			_, _ = b.text.ReadFrom(b.log)
		}()
	})
}

func daemonOf(ts *testscript.TestScript) *background {
	b, ok := ts.Value(daemonKey{}).(*background)
	if !ok {
		ts.Fatalf("the script has no daemon")
	}
	return b
}

// startDaemon runs plan.json and returns when the daemon says that it is ready:
//
//	daemon [FLAG…]
func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: daemon [FLAG…]")
	}
	launch(ts, false, args)
}

// startStalled is startDaemon with a standard error that is full, and that nobody
// reads before the end.
func startStalled(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: stalled [FLAG…]")
	}
	launch(ts, true, args)
}

// fill fills a pipe.
func fill(w *os.File) error {
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	for {
		if _, err := unix.Write(fd, make([]byte, 4096)); errors.Is(err, unix.EAGAIN) {
			return unix.SetNonblock(fd, false)
		} else if err != nil {
			return err
		}
	}
}

func launch(ts *testscript.TestScript, stalled bool, args []string) {
	b := daemonOf(ts)
	notify := filepath.Join(ts.Getenv("DIR"), "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: notify})
	ts.Check(err)
	defer os.Remove(notify)
	defer conn.Close()
	program, err := exec.LookPath("rindrun")
	ts.Check(err)
	b.cmd, b.done = exec.Command(program, append([]string{"run", "plan.json"}, args...)...), make(chan error, 1)
	b.text, b.read, b.readOnce = bytes.Buffer{}, make(chan struct{}), sync.Once{}
	b.cmd.Dir = ts.MkAbs(".")
	for _, key := range []string{"PATH", "RIND_RUNTIME_DIR", "RIND_STATE_DIR", "RIND_SOCKET_DIR", "RIND_PLUGIN_DIR", "RIND_LOG_FORMAT", "GORACE"} {
		b.cmd.Env = append(b.cmd.Env, key+"="+ts.Getenv(key))
	}
	b.cmd.Env = append(b.cmd.Env, "NOTIFY_SOCKET="+notify)
	r, w, err := os.Pipe()
	ts.Check(err)
	b.log, b.cmd.Stderr = r, w
	if stalled {
		ts.Check(fill(w))
	}
	ts.Check(b.cmd.Start())
	w.Close()
	go func() { b.done <- b.cmd.Wait() }()
	if !stalled {
		b.readLog()
	}
	ts.Defer(func() {
		if b.cmd.ProcessState == nil {
			_ = b.cmd.Process.Kill() // the script failed
		}
		r.Close()
	})
	ts.Check(conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		ts.Fatalf("the daemon is not ready: %q, %v", buf[:n], err)
	}
}

// signalDaemon sends a signal to the daemon: signal TERM.
func signalDaemon(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal TERM|INT|HUP")
	}
	ts.Check(daemonOf(ts).cmd.Process.Signal(signals[args[0]]))
}

// forgetLog closes the reading end of the daemon's log.
func forgetLog(ts *testscript.TestScript, _ bool, _ []string) {
	b := daemonOf(ts)
	ts.Check(b.log.Close())
	<-b.read
}

// awaitDaemon waits until the daemon ends with a certain status, and makes its log
// the file "log":
//
//	ended STATUS
func awaitDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ended STATUS")
	}
	b := daemonOf(ts)
	select {
	case err := <-b.done:
		if got := fmt.Sprint(statusOf(ts, err)); got != args[0] {
			ts.Fatalf("the daemon ended with status %s, want %s", got, args[0])
		}
	case <-time.After(patience):
		ts.Fatalf("the daemon has not ended")
	}
	b.readLog()
	<-b.read
	text := strings.ReplaceAll(b.text.String(), ts.Getenv("DIR"), "DIR")
	ts.Check(os.WriteFile(ts.MkAbs("log"), []byte(text), 0o644))
}
