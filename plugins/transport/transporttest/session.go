package transporttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

const (
	startLimit = 5 * time.Second
	callLimit  = 10 * time.Second
)

// session is one running plugin and the host's side of it.
type session struct {
	transportv1.TransportClient

	t         *testing.T // of the check that it was started for
	cmd       *exec.Cmd
	handshake string
	socketDir string
	conn      *grpc.ClientConn
	stderr    *tail
	stdout    *firstLine
	exited    chan struct{} // closed once cmd has been waited for

	channel int // the host's end, or -1
}

// start starts the plugin, with nothing but what the protocol promises, and
// stops it at the end of the test.
func (k *kit) start(t *testing.T) *session {
	t.Helper()
	return k.startAs(t, k.Path)
}

// startAs starts the plugin by a command line.
func (k *kit) startAs(t *testing.T, name string, args ...string) *session {
	t.Helper()
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // the path of a unix socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ours, theirs, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	child := os.NewFile(uintptr(theirs), "channel")
	s := &session{t: t, socketDir: dir, channel: ours, exited: make(chan struct{}), stderr: &tail{}, stdout: newFirstLine()}
	t.Cleanup(s.closeChannel)

	s.cmd = exec.CommandContext(t.Context(), name, args...)
	s.cmd.Env = []string{
		wire.CookieKey + "=" + wire.CookieValue,
		wire.FDKey + "=3",
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", wire.ProtocolVersion),
		"PLUGIN_UNIX_SOCKET_DIR=" + dir,
	}
	s.cmd.Dir = "/"
	s.cmd.ExtraFiles = []*os.File{child}
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.WaitDelay = time.Second // a process that it leaves may hold the pipes
	err = s.cmd.Start()
	_ = child.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // the state is in cmd.ProcessState
	}()
	t.Cleanup(s.kill)

	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	select {
	case s.handshake = <-s.stdout.line:
	case <-s.exited:
		t.Fatalf("it ended without a handshake (%s); standard error:\n%s", s.cmd.ProcessState, s.stderr)
	case <-ctx.Done():
		t.Fatalf("no handshake within %s; standard error:\n%s", startLimit, s.stderr)
	}
	s.dial(t)
	return s
}

// dial checks the handshake line on the way: it is where the socket is.
func (s *session) dial(t *testing.T) {
	t.Helper()
	f := strings.Split(strings.TrimSuffix(s.handshake, "\n"), "|")
	want := []string{"1", fmt.Sprint(wire.ProtocolVersion), "unix", s.socketDir, "grpc"}
	if len(f) < 5 || f[0] != want[0] || f[1] != want[1] || f[2] != want[2] || filepath.Dir(f[3]) != want[3] || f[4] != want[4] {
		t.Fatalf("handshake is %q, want %s/…|grpc with fields separated by |; standard error:\n%s",
			s.handshake, strings.Join(want[:4], "|"), s.stderr)
	}
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", f[3])
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.conn = conn
	s.TransportClient = transportv1.NewTransportClient(conn)
}

func (s *session) kill() {
	_ = unix.Kill(-s.cmd.Process.Pid, unix.SIGKILL) // the group may be gone
	<-s.exited
}

func (s *session) closeChannel() {
	if s.channel >= 0 {
		fdpass.Close(s.channel)
		s.channel = -1
	}
}

// waitExit fails the test unless the process ends within d.
func (s *session) waitExit(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	select {
	case <-s.exited:
	case <-ctx.Done():
		t.Fatalf("the plugin still runs after %s", d)
	}
}

// message is one message of the channel. Its descriptors are closed with the
// test.
type message struct {
	wire.Frame

	fds []int
}

// receive returns the messages that are in the channel now, without waiting.
func (s *session) receive(t *testing.T) []message {
	t.Helper()
	var all []message
	buf := make([]byte, wire.FrameSize+1)
	for {
		n, fds, err := fdpass.Recv(s.channel, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			t.Fatalf("channel: %v", err)
		}
		if n == 0 {
			t.Fatalf("channel: the plugin closed it; standard error:\n%s", s.stderr)
		}
		t.Cleanup(func() { fdpass.Close(fds...) })
		f, err := wire.ParseFrame(buf[:n])
		if err != nil {
			t.Fatalf("channel: %v", err)
		}
		if int(f.Count) != len(fds) {
			t.Fatalf("channel: %d descriptors came with a frame that says %d", len(fds), f.Count)
		}
		all = append(all, message{f, fds})
	}
}

// descriptors returns the descriptors that are in the channel for a token, in
// order. It fails the test when there is any other.
func (s *session) descriptors(t *testing.T, token wire.Token) []int {
	t.Helper()
	return inOrder(t, token, s.receive(t))
}

func inOrder(t *testing.T, token wire.Token, messages []message) []int {
	t.Helper()
	var fds []int
	for _, m := range messages {
		if m.Token != token {
			t.Fatalf("channel: token %x, want %x", m.Token, token)
		}
		if int(m.First) != len(fds) {
			t.Fatalf("channel: a frame begins with descriptor %d, want %d", m.First, len(fds))
		}
		fds = append(fds, m.fds...)
	}
	return fds
}

func newToken() wire.Token {
	var token wire.Token
	_, _ = rand.Read(token[:]) // never fails
	return token
}

func callContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callLimit)
	t.Cleanup(cancel)
	return ctx
}

// bindOne binds one endpoint and returns the result and what was sent.
func (s *session) bindOne(t *testing.T, ep *transportv1.Endpoint) (*transportv1.BindResult, []int) {
	t.Helper()
	token := newToken()
	resp, err := s.Bind(callContext(t), &transportv1.BindRequest{Token: token[:], Endpoint: ep, Backlog: 128})
	if err != nil {
		t.Fatalf("Bind %s: %v", ep.GetAddress(), err)
	}
	if resp.GetResult() == nil {
		t.Fatalf("Bind %s: the answer has no result", ep.GetAddress())
	}
	return resp.GetResult(), s.descriptors(t, token)
}

// mustBind binds one endpoint and returns its descriptor.
func (s *session) mustBind(t *testing.T, ep *transportv1.Endpoint) (*transportv1.BindResult, int) {
	t.Helper()
	result, fds := s.bindOne(t, ep)
	if e := result.GetError(); e != nil {
		t.Fatalf("Bind %s: %s: %s", ep.GetAddress(), e.GetCode(), e.GetMessage())
	}
	if len(fds) != 1 {
		t.Fatalf("Bind %s: %d descriptors were sent before the answer, want 1", ep.GetAddress(), len(fds))
	}
	return result, fds[0]
}

// openSockets counts the sockets that the plugin has open.
func (s *session) openSockets(t *testing.T) int {
	t.Helper()
	n := 0
	for _, link := range s.openFiles(t) {
		if strings.HasPrefix(link, "socket:") {
			n++
		}
	}
	return n
}

func (s *session) openFiles(t *testing.T) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil { // else closed since
			links = append(links, link)
		}
	}
	return links
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements [io.Writer] and never fails.
func (w *tail) Write(p []byte) (int, error) {
	const most = 16 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if len(w.buf) > most {
		w.buf = bytes.Clone(w.buf[len(w.buf)-most:])
	}
	return len(p), nil
}

// String returns what is kept.
func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.buf)
}

// firstLine splits standard output into the handshake and the rest.
type firstLine struct {
	line chan string // gets the first line, or the first bytes of a longer one
	rest tail

	buf  []byte
	sent bool
}

func newFirstLine() *firstLine { return &firstLine{line: make(chan string, 1)} }

// Write implements [io.Writer] and never fails. One goroutine calls it.
func (w *firstLine) Write(p []byte) (int, error) {
	const longest = 4 << 10
	if w.sent {
		return w.rest.Write(p)
	}
	w.buf = append(w.buf, p...)
	end := bytes.IndexByte(w.buf, '\n') + 1
	if end == 0 && len(w.buf) > longest {
		end = longest
	}
	if end > 0 {
		w.sent = true
		w.line <- string(w.buf[:end])
		_, _ = w.rest.Write(w.buf[end:])
	}
	return len(p), nil
}
