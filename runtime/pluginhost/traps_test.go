package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// The traps are those of go-plugin inside a daemon. newHost proves for each that
// no process, goroutine, descriptor or directory is left.

func TestT1StderrThatGoPluginPanicsOn(t *testing.T) {
	h := newHost(t, nil)
	if r := h.bind("bad-json"); r.Err != nil {
		t.Fatal(r.Err)
	}
	await(t, "plain line", h.log.has(`plain\x00text`))
	log := h.log.String()
	for _, want := range []string{
		`text="{\"@message\": 1}"`, // no message: the line as it is
		`text=well fields.@level=7 fields.a=\x1b[31mred`,
		`plugin=bad-json`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("log does not have %s", want)
		}
	}
	if strings.Contains(log, "\x1b") {
		t.Errorf("log has control characters: %q", log)
	}
}

func TestT2PluginThatStopsAnswering(t *testing.T) {
	t.Run("an RPC without an answer", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.BindTimeout = 100 * time.Millisecond })
		r := h.bind("stuck")
		wantErr(t, r.Err, "transport stuck: plugin "+h.dir+"/rind-transport-stuck:", "did not answer Bind within 101ms")
		if pe := asPluginError(t, r.Err); !pe.Temporary() {
			t.Error("a time-out is not temporary")
		}
		first := h.processOf("stuck")
		await(t, "its end", first.exited)
		if r := h.bind("stuck"); r.Err == nil || h.status("stuck").Launches != 2 {
			t.Errorf("not started again: %v, %+v", r.Err, h.status("stuck"))
		}
	})
	t.Run("stopped by a signal, when the host closes", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.StopGrace = 100 * time.Millisecond })
		if r := h.bind("good"); r.Err != nil {
			t.Fatal(r.Err)
		}
		p := h.processOf("good")
		if err := unix.Kill(p.pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > limit/2 {
			t.Errorf("close took %v", took)
		}
		if r := h.Bind(t.Context(), Transport{Name: "good"}, []Endpoint{tcpEndpoint()})[0]; !errors.Is(r.Err, ErrClosed) {
			t.Errorf("bind after close: %v, want ErrClosed", r.Err)
		}
	})
	t.Run("does not end when asked", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.StopGrace = 50 * time.Millisecond })
		if r := h.bind("stubborn"); r.Err != nil {
			t.Fatal(r.Err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("close without time", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.StopGrace = time.Hour })
		if r := h.bind("stubborn"); r.Err != nil {
			t.Fatal(r.Err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Close(ctx); err != nil {
			t.Fatalf("close: %v; a killed plugin is gone at once", err)
		}
	})
}

// TestStart has the plugins that do not come to their first call: T3, T10 and
// relatives.
func TestStart(t *testing.T) {
	short := func(o *Options) { o.StartTimeout = 300 * time.Millisecond }
	tests := []struct {
		trap, play string
		change     func(*Options)
		want       []string
	}{
		{"T3 announces a TCP address", "wants-tcp", nil, []string{`the tcp address "127.0.0.1:9"; only a unix socket in its own directory`}},
		{"T3 announces an abstract socket", "wants-abstract", nil, []string{`called at "@rind", which is not in its directory`}},
		{"T3 announces a socket elsewhere", "wants-outside", nil, []string{`/run/outside"`, `which is not in its directory`}},
		{"T3 another process has its socket", "other-peer", nil, []string{"its socket belongs to process"}},
		{"T10 no newline", "no-newline", nil, []string{"more than 4096 bytes without a newline"}},
		{"T10 garbage", "garbage", nil, []string{`printed "hello, world" in place of the go-plugin handshake`}},
		{"T10 garbage and exit", "garbage-exits", nil, []string{`printed "usage: something" in place of the go-plugin handshake`}},
		{"T10 exits", "exits", nil, []string{"it exited with status 3", `the last line of its output: "cannot do it"`}},
		{"T10 dies of a signal", "kills-itself", nil, []string{"it was ended by SIGKILL"}},
		{"T10 says nothing", "never", short, []string{"did not print its handshake within 300ms"}},
		{"T10 closes stdout", "closes-stdout", nil, []string{"closed its standard output before the go-plugin handshake"}},
		{"net/rpc", "wants-netrpc", nil, []string{"does not speak gRPC"}},
		{"a certificate nobody asked for", "wants-tls", nil, []string{"sent a TLS certificate"}},
		{"another go-plugin", "other-core", nil, []string{`go-plugin handshake has version "7", not 1`}},
		{"another protocol version", "mad-version", nil, []string{`speaks version "99" of the transport protocol, this rindrun speaks [1]`}},
		{"never accepts", "never-accepts", nil, []string{"does not serve the socket that it announced"}},
		{"Describe without an answer", "mute", func(o *Options) { o.DescribeTimeout = 100 * time.Millisecond }, []string{"did not answer Describe within 100ms and was killed"}},
		{"Describe refused", "refuses", nil, []string{`Describe failed: FailedPrecondition: not \x1b[31mtoday`}},
		{"T9 huge answer", "huge", nil, []string{"Describe failed: ResourceExhausted"}},
		{"another name", "misnamed", nil, []string{`says that it is the plugin of "somebody-else"`}},
	}
	for _, tt := range tests {
		t.Run(tt.trap, func(t *testing.T) {
			h := newHost(t, tt.change)
			begin := time.Now()
			r := h.bind(tt.play)
			if took := time.Since(begin); took > limit {
				t.Errorf("took %v", took)
			}
			path := filepath.Join(h.dir, prefix+tt.play)
			wantErr(t, r.Err, append(tt.want, "transport "+tt.play+": plugin "+path+": ")...)
			for _, foreign := range []string{"Unrecognized remote", "architecture", "go-plugin:"} {
				if strings.Contains(r.Err.Error(), foreign) {
					t.Errorf("error has text of go-plugin: %v", r.Err)
				}
			}
			await(t, "its end", h.current(tt.play).done)
			s := h.status(tt.play)
			s.LastError = ""
			if diff := cmp.Diff(Status{Name: tt.play, Path: path, Launches: 1}, s); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(h.opts.RuntimeDir, pluginsDir, tt.play)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its directory is still there: %v", err)
			}
		})
	}
}

// TestExec has the programs that the kernel does not start.
func TestExec(t *testing.T) {
	write := func(text string, mode os.FileMode) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		make   func(t *testing.T, path string)
		change func(*Options)
		want   string
	}{
		{"not a program", write("\x7fELF and nothing that follows", 0o755), nil, "not a program for this machine"},
		{"no interpreter", write("#!/no/such/interpreter\n", 0o755), nil, "its interpreter or dynamic loader is missing"},
		{"not executable", write("#!/bin/sh\n", 0o644), nil, "rind-transport-x is not executable"},
		{"a directory", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil, "rind-transport-x is not a regular file"},
		{"a loop of links", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Symlink(filepath.Base(path), path); err != nil {
				t.Fatal(err)
			}
		}, nil, "too many levels of symbolic links"},
		{"no room for the socket", write("#!/bin/true\n", 0o755), func(o *Options) {
			o.RuntimeDir = filepath.Join(o.RuntimeDir, strings.Repeat("r", 80))
		}, "choose a shorter --runtime-dir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, tt.change)
			tt.make(t, filepath.Join(h.dir, prefix+"x"))
			r := h.bindAll("x", tcpEndpoint())[0]
			wantErr(t, r.Err, "transport x: ", tt.want)
			if s := h.status("x"); s.Launches != 0 || s.LastError == "" {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

func TestT4GrandchildHoldsThePipes(t *testing.T) {
	for _, play := range []string{"grandchild", "escaped-grandchild"} {
		t.Run(play, func(t *testing.T) {
			h := newHost(t, nil)
			if r := h.bind(play); r.Err != nil {
				t.Fatal(r.Err)
			}
			child, err := strconv.Atoi(h.report(play))
			if err != nil {
				t.Fatal(err)
			}
			gone := watchPID(t, child)
			p := h.processOf(play)
			if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			await(t, "end of the process and its readers", p.done)
			if play == "escaped-grandchild" { // it left the group: only not waited for
				if err := unix.Kill(child, unix.SIGKILL); err != nil {
					t.Errorf("the grandchild is gone: %v; the test proves nothing", err)
				}
			}
			await(t, "end of the grandchild", gone)
			if r := h.bind(play); r.Err != nil {
				t.Errorf("not started again: %v", r.Err)
			}
			again, err := strconv.Atoi(h.report(play))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(again, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// hostProgram is the name under which this program is a host that is killed.
const hostProgram = "rind-test-host"

// runHost binds one socket with the plugin "stubborn", writes the plugin's pid,
// and waits to be killed.
func runHost(base string) int {
	h := New(Options{Dirs: []string{base}, RuntimeDir: filepath.Join(base, "run")})
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if r := h.Bind(ctx, Transport{Name: "stubborn"}, []Endpoint{tcpEndpoint()})[0]; r.Err != nil {
		fmt.Fprintln(os.Stderr, r.Err)
		return 1
	}
	// Threads that end do not take the plugin with them.
	for range 4 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
		}()
		<-done
	}
	fmt.Println(h.Status()[0].PID)
	forever()
	return 0
}

func TestT5HostIsKilled(t *testing.T) {
	base := shortDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(base, prefix+"stubborn")); err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self, base)
	host.Args[0] = hostProgram
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	gone := watchPID(t, pid)
	select {
	case <-gone:
		t.Fatal("the plugin did not live until its host was killed")
	default:
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "end of the plugin that ignores everything", gone)
	if err := host.Wait(); err == nil {
		t.Error("the host was not killed")
	}
}

func TestT6T7SocketDirectory(t *testing.T) {
	h := newHost(t, nil)
	dir := filepath.Join(h.opts.RuntimeDir, pluginsDir, "good")
	if err := os.MkdirAll(filepath.Join(dir, "stale"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Of a host that was killed; newHost looks whether it is gone in the end.
	if err := os.MkdirAll(filepath.Join(h.opts.RuntimeDir, pluginsDir, "old", "stale"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r := h.bind("good"); r.Err != nil {
		t.Fatal(r.Err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("directory: %v, %v, want mode 0700", info, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "stale")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stale content is still there: %v", err)
	}
	p := h.processOf("good")
	if filepath.Dir(p.addr) != dir {
		t.Errorf("socket %s is not in %s", p.addr, dir)
	}
	in := h.current("good")
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "cleaning up", in.done)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of a killed plugin is still there: %v", err)
	}
}

func TestT8OutputFlood(t *testing.T) {
	t.Run("many lines", func(t *testing.T) {
		h := newHost(t, nil)
		for range 3 {
			if r := h.bind("flood-stderr"); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		await(t, "report of dropped lines", h.log.has("plugin output dropped"))
		if n := strings.Count(h.log.String(), `msg="plugin output"`); n > maxLineRate*30 {
			t.Errorf("%d lines logged", n)
		}
	})
	t.Run("one long line", func(t *testing.T) {
		h := newHost(t, nil)
		if r := h.bind("long-line"); r.Err != nil {
			t.Fatal(r.Err)
		}
		await(t, "line", h.log.has("yyy…"))
		if n := len(h.log.String()); n > 2*maxLine {
			t.Errorf("%d bytes logged", n)
		}
	})
	t.Run("stdout after the handshake", func(t *testing.T) {
		h := newHost(t, nil)
		if r := h.bind("prints"); r.Err != nil {
			t.Fatal(r.Err)
		}
		await(t, "line", h.log.has("printed to stdout after the handshake"))
	})
}

func TestT9HugeAnswer(t *testing.T) {
	h := newHost(t, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantErr(t, h.bind("huge").Err, "ResourceExhausted")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("the host allocated %d MiB for it", grown>>20)
	}
}

// TestT11DialerDoesNotAskTheClient would hang: go-plugin dials with its mutex
// held.
func TestT11DialerDoesNotAskTheClient(t *testing.T) {
	h := newHost(t, nil)
	done := make(chan Result, 1)
	go func() { done <- h.bind("good") }()
	select {
	case r := <-done:
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	case <-time.After(limit):
		t.Fatal("deadlock")
	}
}

func TestS172NothingElseReachesAPlugin(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("PLUGIN_MULTIPLEX_GRPC", "true")
	t.Setenv(wire.CookieKey, "of somebody else")
	// As if whoever started the daemon had left it: not close-on-exec.
	leak, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(leak) })

	h := newHost(t, func(o *Options) { o.Env = []string{"GODEBUG=madvdontneed=1", wire.FDKey + "=77"} })
	if r := h.bind("environment"); r.Err != nil {
		t.Fatal(r.Err)
	}
	lines := strings.Split(strings.TrimSpace(h.report("environment")), "\n")
	for i, line := range lines {
		if before, _, ok := strings.Cut(line, ":["); ok {
			lines[i] = before // pipe:[123]
		}
	}
	lines = slices.DeleteFunc(lines, func(s string) bool { // what Go's runtime has opened since
		return strings.Contains(s, " anon_inode") || strings.Contains(s, " /sys/fs/cgroup/")
	})
	slices.Sort(lines)
	want := []string{
		"0 /dev/null",
		"1 pipe",
		"2 pipe",
		"3 socket",
		"GODEBUG=madvdontneed=1",
		"PLUGIN_MAX_PORT=25000",
		"PLUGIN_MIN_PORT=10000",
		"PLUGIN_PROTOCOL_VERSIONS=1",
		"PLUGIN_UNIX_SOCKET_DIR=" + filepath.Join(h.opts.RuntimeDir, pluginsDir, "environment"),
		"RIND_PLUGIN_FD=3",
		"RIND_TRANSPORT_PLUGIN=rind.transport",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("environment and descriptors (-want +got):\n%s", diff)
	}
}
