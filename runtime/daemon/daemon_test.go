package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/listen"
)

// owned returns a plan with one owned tcp socket and its owner.
func owned(run plan.Command) *plan.Plan {
	return &plan.Plan{
		Sockets: []plan.Socket{{
			Name: "t@in", Type: "tcp", Listen: "127.0.0.1:0", Owner: "t@app", Lifecycle: plan.Owned, Enabled: true, FDName: "in",
		}},
		Services: []plan.Service{{Name: "t@app", Run: []plan.Command{run}}},
	}
}

// alone returns a plan with one service.
func alone(run plan.Command) *plan.Plan {
	return &plan.Plan{Services: []plan.Service{{Name: "t@app", Run: []plan.Command{run}}}}
}

func script(text string) plan.Action { return plan.Action{Do: plan.OpScript, Command: text} }

// An owner sees its socket, its own variables, and nothing that is the daemon's
// own business.
func TestS71S80S81OwnerInheritsWhatIsItsOwn(t *testing.T) {
	b := newBed(t, owned(play("once", "WORD", "unit", "HOME", "/unit")))
	b.opts.Environ = []string{
		"PATH=/bin:/usr/bin", "HOME=/daemon", "WORD=daemon", "KEPT=yes",
		"LISTEN_FDS=7", "LISTEN_PID=1", "NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=1", "RIND_ACCESS_UID=0",
	}
	b.start()
	var got inheritance
	must(t, json.Unmarshal([]byte(call(t, "tcp", b.socket("t@in").GetAddresses()[0], "hello")), &got))
	want := inheritance{
		PID: got.PID, UID: os.Getuid(), GID: os.Getgid(), Stdin: "/dev/null", Files: []string{"3 socket"},
		Env: map[string]string{
			"PATH": "/bin:/usr/bin", "HOME": "/unit", "WORD": "unit", "KEPT": "yes", modeEnv: "once",
			"LISTEN_FDS": "1", "LISTEN_PID": strconv.Itoa(got.PID), "LISTEN_FDNAMES": "in",
			"RIND_SOCKET_FDS": "3", "RIND_SOCKET_COUNT": "1", "RIND_SOCKET_NAMES": "in",
		},
	}
	want.Dir, _ = os.Getwd()
	if ino, ok := got.Env["LISTEN_PIDFDID"]; ok { // Linux 6.9
		want.Env["LISTEN_PIDFDID"] = ino
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the owner sees (-want +got):\n%s", diff)
	}
}

// everything is a plan with a socket of each kind, whose owner runs, hooks, and a
// program of a trigger.
func everything(b *bed) {
	p := b.opts.Plan
	for i, kind := range []string{"tcp", "udp", "uds"} {
		endpoint := "127.0.0.1:0"
		if kind == "uds" {
			endpoint = "deep/down/in.sock"
		}
		p.Sockets = append(p.Sockets, plan.Socket{
			Name: plan.Name("t@" + kind), Type: kind, Listen: endpoint, Owner: "t@app", Order: i,
			Lifecycle: plan.Owned, Enabled: true, FDName: kind,
			OnStop: []plan.Action{script("echo stopped " + kind + " >>" + b.file("said"))},
		})
		p.Transports = append(p.Transports, plan.Transport{Name: kind, Version: "0"})
	}
	p.Sockets = append(p.Sockets, plan.Socket{
		Name: "t@bare", Type: "uds", Listen: b.file("bare.sock"), Lifecycle: plan.Managed, Enabled: true, FDName: "bare",
		Trigger: []plan.Action{script("echo began >>" + b.file("said") + "; exec sleep 1000")},
	})
	p.Services = []plan.Service{
		{Name: "t@app", Run: []plan.Command{b.play("serve"), b.play("escape")}},
		{Name: "t@stubborn", Run: []plan.Command{b.play("stubborn")}},
	}
}

// Whatever runs, when Run returns nothing of it is left: no process, descriptor,
// goroutine, node or lock.
func TestS134RunLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, b *bed)
	}{
		{"its context ends", func(_ *testing.T, b *bed) { b.cancel(errors.New("signal test")) }},
		{"somebody asks for it", func(t *testing.T, b *bed) {
			t.Helper()
			_, err := b.client.Shutdown(t.Context(), &controlv1.ShutdownRequest{})
			must(t, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, &plan.Plan{})
			everything(b)
			must(t, b.opts.Plan.Validate())
			b.start()
			for _, name := range []plan.Name{"t@app", "t@stubborn"} {
				if r := b.startService(name); r.GetOutcome() != controlv1.Outcome_OUTCOME_DONE {
					t.Fatalf("start of %s: %s", name, r.GetMessage())
				}
			}
			call(t, "unix", b.file("bare.sock"), "")
			b.awaitLines("serve", 2) // the second is of the play escape
			b.awaitLines("stubborn", 1)
			b.awaitLines("began", 1)
			tt.end(t, b)
			// A service that takes its time does not get it from somebody in a hurry.
			b.await("the service is being stopped", func(st *controlv1.StatusResponse) bool {
				return st.GetServices()[1].GetState() == "stopping"
			})
			begin := time.Now()
			b.impatient <- struct{}{}
			b.endEscaped(func() {
				b.wait()
				if d := time.Since(begin); d >= plan.StopTimeout {
					t.Errorf("the end took %v although somebody was in a hurry", d)
				}
			})
			for _, kind := range []string{"tcp", "udp", "uds"} {
				b.awaitLines("stopped "+kind, 1)
			}
		})
	}
}

// said returns the rest of the line that begins with word.
func (b *bed) said(word string) string {
	b.t.Helper()
	text := b.awaitText("said", func(text string) bool {
		_, rest, ok := strings.Cut(text, word+" ")
		return ok && strings.Contains(rest, "\n")
	})
	_, rest, _ := strings.Cut(text, word+" ")
	rest, _, _ = strings.Cut(rest, "\n")
	return rest
}

// endEscaped ends the process that has left its service for good before what
// follows looks for processes. Without a control group that is what it takes to
// get rid of it.
func (b *bed) endEscaped(then func()) {
	b.t.Helper()
	pid, err := strconv.Atoi(b.said("escaped"))
	must(b.t, err)
	<-b.done // although it still holds the output open
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		must(b.t, err)
	}
	awaitGone(b.t, pid)
	then()
}

// awaitGone waits until a process that is no child of ours is no more than a
// zombie.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	must(t, err)
	defer unix.Close(fd)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(limit.Milliseconds()))
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(fds, int(limit.Milliseconds()))
	}
	if err != nil || n == 0 {
		t.Errorf("process %d still runs (%v)", pid, err)
	}
}

// What is left in the group of a service goes with its main process, also while
// the daemon runs (ADR 0014).
func TestGroupGoesWithTheMainProcess(t *testing.T) {
	b := newBed(t, alone(plan.Command{Exec: "/bin/true"}))
	b.opts.Plan.Services[0].Run[0] = b.play("leave")
	b.start()
	b.startService("t@app")
	pid, err := strconv.Atoi(b.said("left"))
	must(t, err)
	awaitGone(t, pid)
}

// A service may close its output; that is no reason to lose sight of it.
func TestServiceThatClosesItsOutput(t *testing.T) {
	b := newBed(t, alone(plan.Command{Exec: "/bin/true"}))
	b.opts.Plan.Services[0].Run[0] = b.play("closed")
	b.start()
	b.startService("t@app")
	b.awaitLines("serve", 1)
	if st := b.status().GetServices()[0]; st.GetState() != "active" || len(st.GetPids()) != 1 {
		t.Errorf("the service is %s with processes %v", st.GetState(), st.GetPids())
	}
}

// What fails before the daemon runs leaves nothing, and says in one line what it
// is about.
func TestFailedStart(t *testing.T) {
	taken := run(t, &plan.Plan{})
	tests := []struct {
		name   string
		change func(t *testing.T, b *bed)
		want   []string
	}{
		{
			name: "two plugins are missing",
			change: func(t *testing.T, b *bed) {
				t.Helper()
				b.opts.Plan.Transports = []plan.Transport{{Name: "one"}, {Name: "two"}}
				b.opts.PluginDirs = []string{"/nowhere"}
			},
			want: []string{"missing plugin", "rind-transport-one", "rind-transport-two", "/nowhere"},
		},
		{
			name: "the runtime directory is a file",
			change: func(t *testing.T, b *bed) {
				t.Helper()
				must(t, os.WriteFile(b.opts.RuntimeDir, nil, 0o600))
			},
			want: []string{"runtime directory", "not a directory", "--runtime-dir"},
		},
		{
			name:   "the runtime directory cannot be written to",
			change: func(_ *testing.T, b *bed) { b.opts.RuntimeDir = "/proc/self" },
			want:   []string{"runtime directory", "/proc/self/lock", "--runtime-dir"},
		},
		{
			name: "the path of the control socket is too long",
			change: func(_ *testing.T, b *bed) {
				b.opts.RuntimeDir = b.file(strings.Repeat("long", 30))
			},
			want: []string{"control socket", "at most 107", "--runtime-dir"},
		},
		{
			name: "another daemon has the runtime directory",
			change: func(_ *testing.T, b *bed) {
				b.opts.RuntimeDir = taken.opts.RuntimeDir
			},
			want: []string{taken.opts.RuntimeDir, "another rindrun (pid " + strconv.Itoa(os.Getpid()) + ")"},
		},
		{
			name: "another daemon has the control socket",
			change: func(_ *testing.T, b *bed) {
				b.opts.Control = taken.file("run/control.sock")
			},
			want: []string{"control socket", taken.file("run/control.sock"), "another rindrun is running"},
		},
		{
			name: "a file is in the place of the control socket",
			change: func(t *testing.T, b *bed) {
				t.Helper()
				b.opts.Control = b.file("file")
				must(t, os.WriteFile(b.opts.Control, nil, 0o600))
			},
			want: []string{"is not a socket", "--control"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, &plan.Plan{})
			tt.change(t, b)
			err := Run(t.Context(), b.opts)
			if err == nil {
				t.Fatal("Run succeeded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Run: %v\nwant %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("Run: %q is more than one line", err)
			}
			b.checkNothingLeft()
		})
	}
	if st := taken.status(); st.GetVersion() != "test" {
		t.Errorf("the first daemon answers %v", st)
	}
}

// freeze stops a process. Its threads go on for a moment after the signal was sent.
func (b *bed) freeze(pid int) {
	b.t.Helper()
	must(b.t, syscall.Kill(pid, syscall.SIGSTOP))
	var state string
	b.poll(func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		must(b.t, err)
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			_, state, _ = strings.Cut(string(stat), ") ")
			if err != nil || !strings.HasPrefix(state, "T") { // a thread may also have ended
				return false
			}
		}
		return len(threads) > 0
	}, func() string { return fmt.Sprintf("a thread of %d is not stopped: %s", pid, state) })
}

// The end may come before the beginning, and in the middle of it.
func TestEndDuringTheStart(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		b := newBed(t, owned(play("once")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b.opts.Ready = unexpected(t)
		must(t, Run(ctx, b.opts))
		b.checkNothingLeft()
	})
	t.Run("while a plugin starts", func(t *testing.T) {
		b := newBed(t, owned(play("once")))
		b.opts.PluginDirs = []string{b.dir}
		pid := b.file("plugin.pid")
		must(t, os.WriteFile(filepath.Join(b.dir, "rind-transport-tcp"),
			[]byte("#!/bin/sh\necho $$ >"+pid+"\nexec sleep 1000\n"), 0o755))
		b.opts.Ready = unexpected(t)
		b.launch()
		b.awaitText("plugin.pid", func(text string) bool { return text != "" })
		begin := time.Now()
		b.stop()
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("the end took %v: it waited for the plugin", d)
		}
	})
	t.Run("while a plugin does not answer Bind", func(t *testing.T) {
		b := run(t, owned(play("once")))
		socket := []string{"t@in"}
		_, err := b.client.Stop(t.Context(), &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: socket})
		must(t, err)
		b.freeze(int(b.status().GetPlugins()[0].GetPid()))
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			resp, err := b.client.Start(t.Context(), &controlv1.StartRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: socket})
			if err != nil || resp.GetResults()[0].GetOutcome() != controlv1.Outcome_OUTCOME_FAILED {
				t.Errorf("the start answers %v, %v, want its failure", resp, err)
			}
		}()
		b.await("the socket is being opened", func(st *controlv1.StatusResponse) bool {
			return st.GetSockets()[0].GetState() == "starting"
		})
		begin := time.Now()
		b.stop()
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("the end took %v: it waited for the answer", d)
		}
		<-answered
	})
}

// unexpected is a Ready that must not be called.
func unexpected(t *testing.T) func() error {
	t.Helper()
	return func() error {
		t.Error("Ready was called")
		return nil
	}
}

// Ready may take long; the daemon works meanwhile.
func TestReadyDoesNotHoldUpTheDaemon(t *testing.T) {
	b := newBed(t, owned(play("once")))
	called, release := make(chan struct{}), make(chan struct{})
	b.opts.Ready = func() error {
		close(called)
		<-release
		return errors.New("nobody to tell")
	}
	b.launch()
	<-called
	if got := b.socket("t@in").GetState(); got != "listening" {
		t.Errorf("the socket is %s, want listening", got)
	}
	close(release)
	b.stop()
	if !strings.Contains(b.log.String(), "nobody to tell") {
		t.Errorf("the error of Ready is not in the log:\n%s", b.log)
	}
}

// A client that goes away in the middle of its call changes nothing for others.
func TestS131ClientThatLeaves(t *testing.T) {
	b := newBed(t, alone(plan.Command{Exec: "/bin/true"}))
	b.opts.Plan.Services[0].Run[0] = b.play("stubborn")
	b.start()
	b.startService("t@app")
	b.awaitLines("stubborn", 1)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := b.client.Stop(ctx, &controlv1.StopRequest{Names: []string{"app"}})
		left <- err
	}()
	b.await("the stop is under way", func(st *controlv1.StatusResponse) bool {
		return st.GetServices()[0].GetState() == "stopping"
	})
	cancel()
	if err := <-left; err == nil {
		t.Error("the call of a client that left succeeded")
	}
	b.cancel(errors.New("signal test"))
	b.impatient <- struct{}{}
	b.wait()
}

// What a crash leaves in the runtime directory does not prevent the next start.
func TestS135LeftOversOfACrash(t *testing.T) {
	b := newBed(t, &plan.Plan{})
	must(t, os.Mkdir(b.file("run"), 0o700))
	must(t, os.WriteFile(b.file("run/lock"), []byte("1\n"), 0o600))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: b.file("run/control.sock")})
	must(t, err)
	l.SetUnlinkOnClose(false)
	l.Close()
	must(t, os.MkdirAll(b.file("run/plugins/tcp"), 0o700))
	b.start()
	b.status()
	b.stop()
	if _, err := os.Lstat(b.file("run/plugins")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of the plugins is left: %v", err)
	}
}

// Whoever connects to a socket without owner decides neither how many programs
// run nor how many wait: the rest of a flood waits in the kernel's queue.
func TestTriggersOfAFloodAreBounded(t *testing.T) {
	const flood = 4 * listen.Batch
	b := newBed(t, &plan.Plan{})
	b.opts.Plan.Transports = []plan.Transport{{Name: "uds", Version: "0"}}
	b.opts.Plan.Sockets = []plan.Socket{{
		Name: "t@bare", Type: "uds", Listen: "bare.sock", Lifecycle: plan.Managed, Enabled: true, FDName: "bare",
		Trigger: []plan.Action{script("echo in >>" + b.file("said") + "; exec sleep 1000")},
	}}
	b.start()
	for range flood {
		conn, err := net.Dial("unix", b.file("sock/bare.sock"))
		must(t, err)
		defer conn.Close()
	}
	b.awaitLines("in", maxCommands)
	b.poll(func() bool { return strings.Contains(b.log.String(), "waits for others") }, b.log.String)
	// One batch may run and another one wait.
	if got := b.socket("t@bare").GetAccesses(); got > maxCommands+listen.Batch {
		t.Errorf("%d of %d accesses were taken although %d programs run", got, flood, maxCommands)
	}
	text, err := os.ReadFile(b.file("said"))
	must(t, err)
	if got := strings.Count(string(text), "in\n"); got != maxCommands {
		t.Errorf("%d programs run, want %d", got, maxCommands)
	}
}
