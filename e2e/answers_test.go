package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const answeringUnits = `
-- web.toml --
[[socket]]
name = "busy"
type = "tcp"
listen = "$IP:7001"

[[socket]]
name = "free"
type = "uds"
listen = "free.sock"

[[socket]]
name = "owned"
type = "uds"
listen = "owned.sock"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "vain"
type = "uds"
listen = "vain.sock"
owner = "broken"
lifecycle = "owned"

[[service]]
name = "broken"
run.exec = "$DIR/nothing"
`

// An answer is what has happened, and the status says why everything is as it is.
func TestS123S130AnswersAndReasons(t *testing.T) {
	t.Parallel()
	b := newBed(t, answeringUnits)
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.compile()
	b.start()
	b.awaitSocket("web@busy", "failed")
	for _, tt := range []struct {
		args, want string
		fails      bool
	}{
		{args: "start busy", want: "failed: ", fails: true},
		{args: "start socket web@busy", want: "address already in use", fails: true},
		{args: "stop free", want: "stopped"},
		{args: "stop free", want: "already inactive"},
		{args: "start free", want: "started"},
		{args: "start free", want: "already active"},
		{args: "start app", want: "started"},
		{args: "start service broken", want: "failed: ", fails: true},
		{args: "start broken", want: "no such file", fails: true},
		{args: "start free nobody", want: "no such", fails: true},
		{args: "pause nobody", want: "no such", fails: true},
		{args: "status nobody", want: "no such", fails: true},
		{args: "pause free", want: "paused"},
	} {
		res := b.rindrun(strings.Fields(tt.args)...)
		if (res.code != 0) != tt.fails || !strings.Contains(res.stdout+res.stderr, tt.want) {
			t.Errorf("rindrun %s: exit status %d, %q; want %q", tt.args, res.code, res.stdout+res.stderr, tt.want)
		}
	}
	if _, err := b.dial("unix", b.file("sock/vain.sock")); err != nil {
		t.Fatal(err)
	}
	b.awaitSocket("web@vain", "paused")
	out := b.do("status")
	for _, tt := range []struct{ unit, state, reason, lastError string }{
		{"web@busy", "failed", "address already in use", "address already in use"},
		{"web@free", "paused", "command by uid", ""},
		{"web@owned", "held", "owner web@app", ""},
		{"web@vain", "paused", "no such file", ""},
	} {
		st := b.socket(tt.unit)
		if st.GetState() != tt.state || !strings.Contains(st.GetReason(), tt.reason) || !strings.Contains(st.GetLastError(), tt.lastError) {
			t.Errorf("%s is %s, %q, last error %q; want %s, %q, %q",
				tt.unit, st.GetState(), st.GetReason(), st.GetLastError(), tt.state, tt.reason, tt.lastError)
		}
		if row := rowOf(out, tt.unit); !strings.Contains(row, tt.state) || !strings.Contains(row, tt.reason) {
			t.Errorf("the row of %s is %q, want %s and %q in it", tt.unit, row, tt.state, tt.reason)
		}
	}
	if st := b.socket("web@vain"); st.GetAccesses() != 1 || st.GetActivations() != 1 {
		t.Errorf("%d accesses and %d activations of web@vain, want 1 of each", st.GetAccesses(), st.GetActivations())
	}
	if svc := b.service("web@broken"); svc.GetState() != "failed" || !strings.Contains(svc.GetLastError(), "no such file") {
		t.Errorf("web@broken is %s, last error %q", svc.GetState(), svc.GetLastError())
	}
}

// rowOf returns the line of a table that is about a unit.
func rowOf(table, unit string) string {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, unit+" ") {
			return line
		}
	}
	return ""
}

// A listener is dead for everybody once its owner has shut it down: it is bound anew
// before the next activation.
func TestS150ListenerShutDownByItsOwner(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, listen string }{
		{"S150-tcp", "type = \"tcp\"\nlisten = \"$IP:7001\""},
		{"S150-uds", "type = \"uds\"\nlisten = \"s.sock\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, "\n-- web.toml --\n[[socket]]\nname = \"s\"\nowner = \"app\"\nlifecycle = \"owned\"\n"+tt.listen+"\n\n[[service]]\nname = \"app\"\n"+probeService)
			network, addr := "tcp", b.ip+":7001"
			if strings.Contains(tt.listen, "uds") {
				network, addr = "unix", b.file("sock/s.sock")
			}
			for range 3 {
				b.must(network, addr, "id")
				started := b.nextReport("app")
				b.must(network, addr, "shut 3")
				b.await("the socket is bound anew", func(st *controlv1.StatusResponse) bool {
					return !alive(t, started.PID) && b.socketOf(st, "web@s").GetState() == "listening"
				})
				b.eventually("the next activation", func() bool {
					answer, err := b.ask(network, addr, "id")
					return err == nil && strings.HasPrefix(answer, "app ")
				})
				b.nextReport("app")
				b.must(network, addr, "exit 0")
				b.awaitSocket("web@s", "listening")
			}
		})
	}
}

// A wait in the kernel is interrupted by many things, of which no handler hears: that
// a process was stopped and goes on, above all.
func TestS139InterruptedWaits(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	for range 20 {
		for _, sig := range []os.Signal{syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGURG, syscall.SIGCHLD} {
			b.signal(sig)
		}
	}
	b.must("tcp", b.ip+":7001", "id")
	app := b.nextReport("app")
	for range 20 {
		for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			b.signal(sig)
			if err := syscall.Kill(app.PID, sig); err != nil { // who waits for it is told
				t.Fatal(err)
			}
		}
	}
	b.must("tcp", b.ip+":7001", "exit 0")
	b.awaitSocket("web@http", "listening")
	b.must("tcp", b.ip+":7001", "id")
	if again := b.nextReport("app"); again.PID == app.PID {
		t.Errorf("process %d answers after its exit", again.PID)
	}
	for _, problem := range []string{"interrupted", "EINTR", `"level":"ERROR"`} {
		if log := b.log.String(); strings.Contains(log, problem) {
			t.Errorf("the log has %q", problem)
		}
	}
}

// Whoever can write to a directory on the way to a socket swaps it for a symbolic link
// to somewhere else, again and again: nothing there is touched.
func TestS147SwappedDirectories(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
-- web.toml --
[[socket]]
name = "s"
type = "uds"
listen = "sub/s.sock"
options = { mode = "0666" }
start-on = ["never"]

[[state]]
name = "never"
payload = "none"
`)
	b.compile()
	b.start()
	victim := b.file("victim")
	if err := errors.Join(os.MkdirAll(b.file("sock/sub"), 0o755), os.Mkdir(victim, 0o755), os.Symlink(victim, b.file("sock/link"))); err != nil {
		t.Fatal(err)
	}
	b.write("victim/s.sock", "precious")
	precious := filepath.Join(victim, "s.sock")
	if err := os.Chmod(precious, 0o600); err != nil {
		t.Fatal(err)
	}
	before := lstatOf(t, precious)
	ctx, stop := context.WithCancel(t.Context())
	swaps := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := unix.Renameat2(unix.AT_FDCWD, b.file("sock/sub"), unix.AT_FDCWD, b.file("sock/link"), unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("swap: %v", err)
				break
			}
		}
		swaps <- n
	}()
	started := 0
	for range 25 {
		if res := b.rindrun("start", "socket", "web@s"); res.code == 0 {
			started++
		}
		b.do("stop", "socket", "web@s")
	}
	stop()
	if n := <-swaps; n < 100 {
		t.Errorf("%d swaps during 25 starts, %d of which succeeded: the test proves nothing", n, started)
	}
	after := lstatOf(t, precious)
	if after.Ino != before.Ino || after.Mode != before.Mode || after.Uid != before.Uid || after.Ctim != before.Ctim {
		t.Errorf("the file was %+v and is %+v", before, after)
	}
	if text, err := os.ReadFile(precious); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
	entries, err := os.ReadDir(victim)
	if err != nil || len(entries) != 1 {
		t.Errorf("in the directory are %v, %v", entries, err)
	}
	// A socket whose directory was elsewhere when it stopped is left there.
	if err := errors.Join(os.RemoveAll(b.file("sock/sub")), os.RemoveAll(b.file("sock/link"))); err != nil {
		t.Error(err)
	}
}

func lstatOf(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}
