package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain runs the tests, or, under the name of a plugin, that plugin; or a
// host for the test that kills one.
func TestMain(m *testing.M) {
	name, isPlugin := strings.CutPrefix(filepath.Base(os.Args[0]), prefix)
	switch {
	case isPlugin && plays[name] != nil:
		plays[name]()
		os.Exit(0)
	case isPlugin:
		fmt.Fprintln(os.Stderr, "no such play:", name)
		os.Exit(2)
	case filepath.Base(os.Args[0]) == hostProgram:
		os.Exit(runHost(os.Args[1]))
	}
	// So that the descriptors of Go's poller are there before any are counted.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	goleak.VerifyTestMain(m)
}

// limit is for everything that is expected to happen at once.
const limit = 10 * time.Second

// testHost is a host with the plays installed as plugins.
type testHost struct {
	*Host

	t    *testing.T
	dir  string // of the plugins
	log  *logBuffer
	opts Options
}

// newHost returns a host whose Close, at the end of the test, must leave
// nothing behind.
func newHost(t *testing.T, change func(*Options)) *testHost {
	t.Helper()
	base := shortDir(t)
	h := &testHost{t: t, dir: filepath.Join(base, "p"), log: &logBuffer{}}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.opts = Options{
		Dirs:       []string{h.dir},
		RuntimeDir: filepath.Join(base, "run"),
		Log:        slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		// Generous where the plugin is expected to answer: the machine may be
		// busy.
		StartTimeout:    limit,
		DescribeTimeout: limit,
		BindTimeout:     limit,
		// With the race detector, a program sleeps for a second at its end by default.
		Env: []string{"GORACE=atexit_sleep_ms=0"},
	}
	if change != nil {
		change(&h.opts)
	}
	before := openFDs(t)
	h.Host = New(h.opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if after := openFDs(t); after != before {
			t.Errorf("descriptors left open: before:\n%s\nafter:\n%s", before, after)
		}
		if left, err := os.ReadDir(filepath.Join(h.opts.RuntimeDir, pluginsDir)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("directories left: %v, %v", left, err)
		}
		goleak.VerifyNone(t)
		if t.Failed() {
			t.Logf("log of the host:\n%s", h.log.String())
		}
	})
	return h
}

// shortDir is like t.TempDir with a path that a unix socket address can have.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ph") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// install makes plays available as plugins.
func (h *testHost) install(names ...string) {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(h.dir, prefix+name)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// bind installs a play and binds one endpoint with it.
func (h *testHost) bind(name string) Result {
	h.t.Helper()
	if _, err := os.Lstat(filepath.Join(h.dir, prefix+name)); err != nil {
		h.install(name)
	}
	return h.bindAll(name, tcpEndpoint())[0]
}

// bindAll binds endpoints and sees to it that the descriptors are closed.
func (h *testHost) bindAll(name string, eps ...Endpoint) []Result {
	h.t.Helper()
	results := h.Bind(h.t.Context(), Transport{Name: name}, eps)
	if len(results) != len(eps) {
		h.t.Fatalf("%d results for %d endpoints", len(results), len(eps))
	}
	for _, r := range results {
		if (r.FD >= 0) == (r.Err != nil) {
			h.t.Fatalf("result has both or neither of descriptor and error: %+v", r)
		}
		if r.FD >= 0 {
			h.t.Cleanup(func() { unix.Close(r.FD) })
		}
	}
	return results
}

// status returns the status of one plugin.
func (h *testHost) status(name string) Status {
	h.t.Helper()
	for _, s := range h.Status() {
		if s.Name == name {
			return s
		}
	}
	h.t.Fatalf("no status of %s", name)
	return Status{}
}

// processOf returns the process of a plugin that was started last.
func (h *testHost) processOf(name string) *process {
	h.t.Helper()
	for _, p := range h.all() {
		if in := p.current(); p.name == name && in != nil {
			return in.proc
		}
	}
	h.t.Fatalf("%s was not started", name)
	return nil
}

func tcpEndpoint() Endpoint {
	return Endpoint{ID: "web/http", Scheme: "tcp", Address: "127.0.0.1:0", Backlog: 128}
}

// wantErr fails the test unless err has every part in its text.
func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not have %q", err, part)
		}
	}
}

// await waits for done to be closed.
func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s: nothing after %v", what, limit)
	}
}

// watchPID returns a channel that is closed when a process ends, be it a child
// or not.
func watchPID(t *testing.T, pid int) <-chan struct{} {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		done := make(chan struct{})
		close(done)
		return done
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer unix.Close(fd)
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(p, int(limit/time.Millisecond))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n == 1 {
				close(done)
			}
			return
		}
	}()
	return done
}

// openFDs lists the descriptors of this process.
func openFDs(t *testing.T) string {
	t.Helper()
	return listFDs("/proc/self/fd")
}

func listFDs(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(target, "/proc/") {
			continue // the one that reads the directory
		}
		fmt.Fprintf(&b, "%s %s\n", e.Name(), target)
	}
	return b.String()
}

// logBuffer is a log that can be waited for.
type logBuffer struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	waits []logWait
}

type logWait struct {
	text string
	done chan struct{}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	var rest []logWait
	for _, w := range l.waits {
		if bytes.Contains(l.buf.Bytes(), []byte(w.text)) {
			close(w.done)
			continue
		}
		rest = append(rest, w)
	}
	l.waits = rest
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// has returns a channel that is closed when the log has a text.
func (l *logBuffer) has(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := make(chan struct{})
	if bytes.Contains(l.buf.Bytes(), []byte(text)) {
		close(done)
		return done
	}
	l.waits = append(l.waits, logWait{text, done})
	return done
}
