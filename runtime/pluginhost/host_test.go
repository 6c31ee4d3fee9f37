package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// report returns what a play has left.
func (h *testHost) report(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.opts.RuntimeDir, pluginsDir, name, "report"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// current returns the process of a plugin with its connection.
func (h *testHost) current(name string) *instance {
	h.t.Helper()
	for _, p := range h.all() {
		if in := p.current(); p.name == name && in != nil {
			return in
		}
	}
	h.t.Fatalf("%s was not started", name)
	return nil
}

func asPluginError(t *testing.T, err error) *PluginError {
	t.Helper()
	var pe *PluginError
	if !errors.As(err, &pe) {
		t.Fatalf("%v is no PluginError", err)
	}
	return pe
}

func TestBind(t *testing.T) {
	many := make([]Endpoint, 0, 1500) // more than one BindBatch, and than one frame
	for i := range cap(many) {
		ep := tcpEndpoint()
		ep.ID = fmt.Sprint(i)
		if i%7 == 3 {
			ep.Address = "refused"
		}
		many = append(many, ep)
	}
	raiseLimit(t)
	for _, tt := range []struct {
		name, play string
		eps        []Endpoint
	}{
		{"none", "good", nil},
		{"one", "good", many[:1]},
		{"one that is refused", "good", many[3:4]},
		{"a batch with refusals", "good", many[:20]},
		{"several batches", "good", many},
		{"a plugin without batches", "single", many[:20]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, nil)
			h.install(tt.play)
			for i, r := range h.bindAll(tt.play, tt.eps...) {
				ep := tt.eps[i]
				if ep.Address == "refused" {
					wantErr(t, r.Err, "bind refused: permission denied (needs CAP_NET_BIND_SERVICE)")
					continue
				}
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				if want := ep.Address + " of " + ep.ID; r.Bound != want {
					t.Errorf("endpoint %d is bound to %q, want %q", i, r.Bound, want)
				}
				if flags, err := unix.FcntlInt(uintptr(r.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor %d is not close-on-exec: %#x, %v", r.FD, flags, err)
				}
			}
		})
	}
}

// raiseLimit allows this process, and the plugins that it starts, as many
// descriptors as there may be.
func raiseLimit(t *testing.T) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: old.Max, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

func TestBindConcurrently(t *testing.T) {
	h := newHost(t, nil)
	h.install("good", "single")
	var wg sync.WaitGroup
	for i := range 16 {
		name := []string{"good", "single"}[i%2]
		wg.Go(func() {
			for _, r := range h.Bind(t.Context(), Transport{Name: name}, []Endpoint{tcpEndpoint(), tcpEndpoint()}) {
				if r.Err != nil {
					t.Error(r.Err)
					continue
				}
				unix.Close(r.FD)
			}
		})
	}
	wg.Wait()
	for _, s := range h.Status() {
		if s.Launches != 1 || s.PID == 0 || s.Violations != 0 || s.LastError != "" {
			t.Errorf("status: %+v", s)
		}
	}
}

func TestS153PluginIsKilledUnderLoad(t *testing.T) {
	h := newHost(t, nil)
	r := h.bind("good")
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := unix.Listen(r.FD, 128); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(must1(unix.Dup(r.FD))), "listener")
	ln, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("x"))
			c.Close()
		}
	})
	defer served.Wait()
	defer ln.Close()

	for round := range 3 {
		pid := h.status("good").PID
		for i := range 300 {
			if i == 100 {
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatalf("round %d, connection %d: %v", round, i, err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 1 {
				t.Fatalf("round %d, connection %d: %v", round, i, err)
			}
			c.Close()
		}
		if r := h.bind("good"); r.Err != nil {
			t.Fatalf("round %d: %v", round, r.Err)
		}
		s := h.status("good")
		if s.PID == pid || s.Launches != uint64(round+2) {
			t.Errorf("round %d: status %+v after process %d was killed", round, s, pid)
		}
		wantErr(t, errors.New(s.LastError), "SIGKILL")
	}
}

// TestS153CallMeetsADyingPlugin repeats a call that the host made before it could
// know that the plugin was gone.
func TestS153CallMeetsADyingPlugin(t *testing.T) {
	h := newHost(t, nil)
	for want := range uint64(3) {
		if r := h.bind("dies-at-second"); r.Err != nil {
			t.Fatal(r.Err)
		}
		if s := h.status("dies-at-second"); s.Launches != want+1 {
			t.Errorf("%d launches, want %d", s.Launches, want+1)
		}
	}
}

// TestS153PluginIsKilledOften kills a plugin more often than one may end that
// does not work.
func TestS153PluginIsKilledOften(t *testing.T) {
	for _, play := range []string{"good", "refuses-bind"} {
		t.Run(play, func(t *testing.T) {
			h := newHost(t, nil)
			for kills := range 2 * maxCrashes {
				r := h.bind(play)
				if _, refused := errors.AsType[*BindError](r.Err); r.Err != nil && !refused {
					t.Fatalf("after %d kills: %v", kills, r.Err)
				}
				if err := unix.Kill(h.status(play).PID, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				await(t, "its end", h.current(play).done)
			}
		})
	}
}

func TestPluginThatDiesOfTheCall(t *testing.T) {
	h := newHost(t, nil)
	r := h.bind("crashes")
	wantErr(t, r.Err, "it exited with status 2", `the last line of its output: "panic: boom`)
	if s := h.status("crashes"); s.Launches != 1 {
		t.Errorf("%d launches; the call that kills it is not repeated", s.Launches)
	}
	await(t, "log of the panic", h.log.has("level=ERROR msg=\"plugin output\""))
}

func TestPluginThatClosesItsChannel(t *testing.T) {
	h := newHost(t, nil)
	wantErr(t, h.bind("closes-channel").Err, "closed its descriptor channel")
	await(t, "its end", h.processOf("closes-channel").exited)
	wantErr(t, errors.New(h.status("closes-channel").LastError), "closed its descriptor channel")
}

func TestCrashLoop(t *testing.T) {
	h := newHost(t, nil)
	for range maxCrashes {
		wantErr(t, h.bind("exits").Err, "it exited with status 3")
	}
	before := h.status("exits")
	r := h.bind("exits")
	wantErr(t, r.Err, "keeps failing and is not started for another", "last: ", "exited with status 3")
	if pe := asPluginError(t, r.Err); pe.After <= 0 || pe.After > minDelay || !pe.Temporary() {
		t.Errorf("refused for %v, temporary %v", pe.After, pe.Temporary())
	}
	if s := h.status("exits"); before.Launches != maxCrashes || s.Launches != maxCrashes {
		t.Errorf("%d, then %d launches, want %d", before.Launches, s.Launches, maxCrashes)
	}
}

func TestManifest(t *testing.T) {
	const right = "sha256:abababababababababababababababababababababababababababababababab"
	h := newHost(t, nil)
	h.install("good")
	for _, tt := range []struct{ manifest, want string }{
		{right, ""},
		{"", ""},
		{"sha256:00", "was built with another manifest (" + right + ") than the plan (sha256:00): recompile the plan"},
		{right, ""},
	} {
		r := h.Bind(t.Context(), Transport{Name: "good", Manifest: tt.manifest}, []Endpoint{tcpEndpoint()})[0]
		if r.FD >= 0 {
			unix.Close(r.FD)
		}
		if tt.want == "" && r.Err != nil {
			t.Errorf("%q: %v", tt.manifest, r.Err)
		}
		if tt.want != "" {
			wantErr(t, r.Err, tt.want, h.dir, "1.2.3")
		}
	}
	if s := h.status("good"); s.Launches != 1 {
		t.Errorf("%d launches", s.Launches)
	}
}

func TestFind(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	put := func(dir, name string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, prefix+name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	put(a, "first", 0o755)
	put(b, "first", 0o755)
	put(a, "second", 0o644)
	put(b, "second", 0o755)
	put(b, "unfit", 0o644)
	for _, tt := range []struct {
		name string
		dirs []string
		find string
		want string // path, or error
	}{
		{"the first of two", []string{a, b}, "first", a + "/rind-transport-first"},
		{"the first that is executable", []string{a, b}, "second", b + "/rind-transport-second"},
		{"not executable", []string{a, b}, "unfit", "transport unfit: " + b + "/rind-transport-unfit is not executable (chmod +x, or install the plugin again)"},
		{"missing", []string{a, b}, "tcp", "transport tcp: no executable rind-transport-tcp in " + a + ", " + b + " (install the plugin or set --plugin-dir)"},
		{"no directories", nil, "tcp", "transport tcp: no executable rind-transport-tcp: no plugin directory is configured (set --plugin-dir)"},
		{"a path", []string{a}, "../x", `transport ../x: "../x" is not a transport name (1 to 200 of A-Z a-z 0-9 _ . -)`},
		{"a directory", []string{a}, "..", `transport ..: ".." is not a transport name (1 to 200 of A-Z a-z 0-9 _ . -)`},
		{"nothing", []string{a}, "", `transport : "" is not a transport name (1 to 200 of A-Z a-z 0-9 _ . -)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := New(Options{Dirs: tt.dirs, RuntimeDir: t.TempDir()})
			got, err := h.Find(tt.find)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Find: %q, want %q", got, tt.want)
			}
			missing := strings.Contains(tt.want, "no executable")
			if errors.Is(err, ErrNotFound) != missing {
				t.Errorf("errors.Is(%v, ErrNotFound) is not %v", err, missing)
			}
			r := h.Bind(t.Context(), Transport{Name: tt.find}, []Endpoint{tcpEndpoint()})[0]
			if err != nil && (r.Err == nil || r.Err.Error() != err.Error()) {
				t.Errorf("Bind: %v, want %v", r.Err, err)
			}
			if err := h.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	why := errors.New("the operator has changed his mind")
	t.Run("during the start", func(t *testing.T) {
		h := newHost(t, nil)
		h.install("never")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan Result, 1)
		go func() { done <- h.Bind(ctx, Transport{Name: "never"}, []Endpoint{tcpEndpoint()})[0] }()
		await(t, "its directory", untilExists(t, filepath.Join(h.opts.RuntimeDir, pluginsDir, "never")))
		cancel(why)
		if r := <-done; !errors.Is(r.Err, why) {
			t.Errorf("error %v, want the cause", r.Err)
		}
	})
	t.Run("before the start", func(t *testing.T) {
		h := newHost(t, nil)
		h.install("good")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if r := h.Bind(ctx, Transport{Name: "good"}, []Endpoint{tcpEndpoint()})[0]; !errors.Is(r.Err, why) {
			t.Errorf("error %v, want the cause", r.Err)
		}
	})
	t.Run("during the call, by Close", func(t *testing.T) {
		h := newHost(t, nil)
		h.install("late")
		done := make(chan Result, 1)
		go func() { done <- h.Bind(t.Context(), Transport{Name: "late"}, []Endpoint{tcpEndpoint()})[0] }()
		await(t, "the call", h.log.has("bind begins"))
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if r := <-done; !errors.Is(r.Err, ErrClosed) {
			t.Errorf("error %v, want ErrClosed", r.Err)
		}
	})
}

// untilExists returns a channel that is closed when a path appears.
func untilExists(t *testing.T, path string) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Stat(path); err == nil || t.Context().Err() != nil {
				return
			}
		}
	}()
	return done
}

func TestBindError(t *testing.T) {
	for _, tt := range []struct {
		name      string
		from      *transportv1.BindError
		want      *BindError
		text      string
		temporary bool
	}{
		{
			"all fields",
			&transportv1.BindError{Code: transportv1.BindError_ADDRESS_IN_USE, Message: "address already in use", OsErrno: int32(unix.EADDRINUSE), RetryAfterMs: 250},
			&BindError{Address: "a:1", Code: transportv1.BindError_ADDRESS_IN_USE, Message: "address already in use", Errno: unix.EADDRINUSE, RetryAfter: 250 * time.Millisecond},
			"bind a:1: address already in use", true,
		},
		{
			"a message with the address",
			&transportv1.BindError{Code: transportv1.BindError_INVALID_OPTION, Message: "setsockopt a:1: no", Hint: "do\nnot"},
			&BindError{Address: "a:1", Code: transportv1.BindError_INVALID_OPTION, Message: "setsockopt a:1: no", Hint: `do\nnot`},
			`setsockopt a:1: no (do\nnot)`, false,
		},
		{
			"only an errno",
			&transportv1.BindError{Code: transportv1.BindError_PERMISSION, OsErrno: int32(unix.EACCES)},
			&BindError{Address: "a:1", Code: transportv1.BindError_PERMISSION, Message: "permission denied", Errno: unix.EACCES},
			"bind a:1: permission denied", false,
		},
		{
			"a code of the future, mad numbers",
			&transportv1.BindError{Code: 4711, OsErrno: -5, RetryAfterMs: 1<<32 - 1},
			&BindError{Address: "a:1", Code: transportv1.BindError_INTERNAL, Message: "internal", RetryAfter: maxRetryAfter},
			"bind a:1: internal", true,
		},
		{
			"nothing",
			&transportv1.BindError{},
			&BindError{Address: "a:1", Code: transportv1.BindError_INTERNAL, Message: "internal"},
			"bind a:1: internal", true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newBindError("a:1", tt.from)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Error() != tt.text || got.Temporary() != tt.temporary {
				t.Errorf("%q, temporary %v; want %q, %v", got, got.Temporary(), tt.text, tt.temporary)
			}
			if tt.want.Errno != 0 && !errors.Is(got, tt.want.Errno) {
				t.Errorf("errors.Is(%v, %v) is false", got, tt.want.Errno)
			}
		})
	}
}
