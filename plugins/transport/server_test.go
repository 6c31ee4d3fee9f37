package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

const testManifest = `manifest = 1
name = "test"
version = "0.0.1"
protocol = [1]
features = ["batch"]
[[scheme]]
name = "test"
address = '[a-z0-9/.:]+'
option = [
  { name = "depth", type = "int", min = 1, max = 9, default = 3 },
  { name = "wide", type = "bool" },
  { name = "mode", type = "mode" },
]
`

// bindFunc is a transport of one function.
type bindFunc func(ctx context.Context, ep Endpoint) (*Socket, error)

func (f bindFunc) Bind(ctx context.Context, ep Endpoint) (*Socket, error) { return f(ctx, ep) }

// newServer returns a server around f, the host's end of its channel, and its
// log.
func newServer(t *testing.T, f bindFunc) (*server, int, *bytes.Buffer) {
	t.Helper()
	m, err := manifest.Parse([]byte(testManifest))
	if err != nil {
		t.Fatal(err)
	}
	host, theirs, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fdpass.Close(host) })
	ch, err := newChannel(theirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.file.Close() })
	var log bytes.Buffer
	return &server{manifest: m, transport: f, channel: ch, log: newLogger(&log)}, host, &log
}

func udp(ctx context.Context, _ Endpoint) (*Socket, error) {
	return BindInet(ctx, "udp", "127.0.0.1:0", InetOptions{})
}

func request(address string) *transportv1.BindRequest {
	return &transportv1.BindRequest{Endpoint: &transportv1.Endpoint{Id: "x@y", Scheme: "test", Address: address}}
}

var token = wire.Token([]byte("0123456789abcdef"))

// frames reads what is in the channel, closes the descriptors and returns how
// many there were by frame.
func frames(t *testing.T, host int) []wire.Frame {
	t.Helper()
	var all []wire.Frame
	buf := make([]byte, wire.FrameSize)
	for {
		n, fds, err := fdpass.Recv(host, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		fdpass.Close(fds...)
		f, err := wire.ParseFrame(buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		if int(f.Count) != len(fds) {
			t.Fatalf("%d descriptors with %+v", len(fds), f)
		}
		all = append(all, f)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestBindResults plays every kind of author.
func TestBindResults(t *testing.T) {
	tests := []struct {
		name string
		bind bindFunc
		req  *transportv1.BindRequest
		want *transportv1.BindError // nil means success
	}{
		{name: "success", bind: udp},
		{
			name: "an Error is passed on",
			bind: func(context.Context, Endpoint) (*Socket, error) {
				return nil, fmt.Errorf("wrapped: %w", &Error{
					Code: Unavailable, Message: "no tunnel", Hint: "start it", Errno: unix.ENETUNREACH, RetryAfter: time.Second,
				})
			},
			want: &transportv1.BindError{
				Code: Unavailable, Message: "no tunnel", Hint: "start it", OsErrno: int32(unix.ENETUNREACH), RetryAfterMs: 1000,
			},
		},
		{
			name: "an errno gets its code",
			bind: func(context.Context, Endpoint) (*Socket, error) {
				return nil, os.NewSyscallError("bind", unix.EADDRINUSE)
			},
			want: &transportv1.BindError{
				Code: AddressInUse, Message: "bind: address already in use", OsErrno: int32(unix.EADDRINUSE),
			},
		},
		{
			name: "an error that is not valid UTF-8",
			bind: func(context.Context, Endpoint) (*Socket, error) { return nil, errors.New("bad \xff byte") },
			want: &transportv1.BindError{Code: Internal, Message: "bad \uFFFD byte"},
		},
		{
			name: "a panic is an internal error",
			bind: func(context.Context, Endpoint) (*Socket, error) { panic("oops") },
			want: &transportv1.BindError{Code: Internal, Message: "the transport test panicked: oops"},
		},
		{
			name: "no socket",
			bind: func(context.Context, Endpoint) (*Socket, error) { return nil, nil },
			want: &transportv1.BindError{Code: Internal, Message: "the transport test returned no socket for x"},
		},
		{
			name: "not a descriptor",
			bind: func(context.Context, Endpoint) (*Socket, error) { return &Socket{FD: -1}, nil },
			want: &transportv1.BindError{
				Code: Internal, Message: "the transport test bound x wrongly: descriptor -1 is not a socket: bad file descriptor",
			},
		},
		{
			name: "a socket that listens",
			bind: func(ctx context.Context, _ Endpoint) (*Socket, error) {
				s, err := BindInet(ctx, "tcp", "127.0.0.1:0", InetOptions{})
				if err == nil {
					err = unix.Listen(s.FD, 1)
				}
				return s, err
			},
			want: &transportv1.BindError{Code: Internal, Message: "the transport test bound x wrongly: " + errListening.Error()},
		},
		{
			name: "an address that the manifest refuses",
			req:  request("X"),
			want: &transportv1.BindError{
				Code: InvalidAddress, Message: `test address "X": it does not match [a-z0-9/.:]+`,
			},
		},
		{
			name: "an unknown scheme",
			req:  &transportv1.BindRequest{Endpoint: &transportv1.Endpoint{Scheme: "tcp"}},
			want: &transportv1.BindError{Code: Unsupported, Message: `the transport test has no scheme "tcp"`},
		},
		{
			name: "an unknown option",
			req: &transportv1.BindRequest{Endpoint: &transportv1.Endpoint{
				Scheme: "test", Address: "x", Options: map[string]string{"deep": "1"},
			}},
			want: &transportv1.BindError{Code: InvalidOption, Message: `option "deep" is unknown to the transport test`},
		},
		{
			name: "an option out of range",
			req: &transportv1.BindRequest{Endpoint: &transportv1.Endpoint{
				Scheme: "test", Address: "x", Options: map[string]string{"depth": "10"},
			}},
			want: &transportv1.BindError{Code: InvalidOption, Message: "option depth must be an integer from 1 to 9, got 10"},
		},
		{
			name: "another network namespace",
			req:  &transportv1.BindRequest{Netns: "/run/netns/x", Endpoint: request("x").GetEndpoint()},
			want: &transportv1.BindError{
				Code: Unsupported, Message: `the transport test binds in its own network namespace only, not in "/run/netns/x"`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, host, _ := newServer(t, tt.bind)
			before := openFiles(t)
			req := tt.req
			if req == nil {
				req = request("x")
			}
			req.Token = token[:]
			resp, err := s.Bind(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want.String(), resp.GetResult().GetError().String()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			sent := frames(t, host)
			want := []wire.Frame{{Count: 1, Token: token}}
			if tt.want != nil {
				want = nil
			}
			if diff := cmp.Diff(want, sent); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d open files, before it were %d", after, before)
			}
		})
	}
}

// TestBatchFrames binds more than fits in two frames, with failures between.
func TestBatchFrames(t *testing.T) {
	s, host, _ := newServer(t, func(ctx context.Context, ep Endpoint) (*Socket, error) {
		if strings.HasPrefix(ep.Address, "bad") {
			return nil, unix.EADDRINUSE
		}
		return udp(ctx, ep)
	})
	s.channel.most = 4
	before := openFiles(t)
	req := &transportv1.BindBatchRequest{Token: token[:]}
	for i := range 14 {
		address := "x"
		if i%3 == 1 {
			address = "bad"
		}
		req.Items = append(req.Items, request(address))
	}
	resp, err := s.BindBatch(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range resp.GetResults() {
		if failed := r.GetError() != nil; failed != (i%3 == 1) {
			t.Errorf("item %d: %v", i, r)
		}
	}
	want := []wire.Frame{{Count: 4, Token: token}, {Count: 4, Token: token, First: 4}, {Count: 1, Token: token, First: 8}}
	if diff := cmp.Diff(want, frames(t, host)); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}

	req.AllOrNothing = true
	if resp, err = s.BindBatch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	for i, r := range resp.GetResults() {
		want := Unavailable
		if i == 1 {
			want = AddressInUse
		}
		if got := r.GetError().GetCode(); got != want {
			t.Errorf("all or nothing: item %d has the code %s, want %s", i, got, want)
		}
	}
	if sent := frames(t, host); sent != nil {
		t.Errorf("all or nothing: %v was sent", sent)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before it were %d", after, before)
	}
}

// TestCancelledBind fills the channel, so that a bind waits there, and cancels
// the call: neither a descriptor nor a node may be left.
func TestCancelledBind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	bound := make(chan struct{}, 1)
	s, host, _ := newServer(t, func(ctx context.Context, _ Endpoint) (*Socket, error) {
		sock, err := BindUnix(ctx, path, UnixOptions{Mode: 0o600})
		bound <- struct{}{}
		return sock, err
	})
	fill(t, s.channel)
	before := openFiles(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 1)
	go func() {
		req := request("x")
		req.Token = token[:]
		_, err := s.Bind(ctx, req)
		errs <- err
	}()
	<-bound
	cancel()
	if err := <-errs; status.Code(err) != codes.Canceled {
		t.Errorf("Bind = %v, want Canceled", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the node is still there (%v)", err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before it were %d", after, before)
	}
	for _, f := range frames(t, host) {
		if f.Token == token {
			t.Error("the descriptor was sent")
		}
	}
	// The deadline that woke the writer must not stay.
	if err := s.channel.send(t.Context(), wire.Frame{Count: 1, Token: token}, []int{host}); err != nil {
		t.Errorf("send after a cancelled one: %v", err)
	}
	frames(t, host)
}

// fill sends frames until the channel takes no more.
func fill(t *testing.T, ch *channel) {
	t.Helper()
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fdpass.Close(null)
	frame := wire.Frame{Count: 1}.Bytes()
	err = ch.raw.Write(func(s uintptr) bool {
		for {
			if err := fdpass.Send(int(s), frame, unix.MSG_DONTWAIT, null); err != nil {
				if !errors.Is(err, unix.EAGAIN) {
					t.Error(err)
				}
				return true
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBadToken(t *testing.T) {
	s, _, _ := newServer(t, udp)
	for _, n := range []int{0, 15, 17} {
		if _, err := s.Bind(t.Context(), &transportv1.BindRequest{Token: make([]byte, n)}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("Bind with a token of %d bytes: %v, want InvalidArgument", n, err)
		}
		if _, err := s.BindBatch(t.Context(), &transportv1.BindBatchRequest{Token: make([]byte, n)}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("BindBatch with a token of %d bytes: %v, want InvalidArgument", n, err)
		}
	}
}

func TestPanicIsLogged(t *testing.T) {
	s, _, log := newServer(t, func(context.Context, Endpoint) (*Socket, error) { panic("oops") })
	req := request("x")
	req.Token = token[:]
	if _, err := s.Bind(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("log %q: %v", log, err)
	}
	stack, _ := line["stack"].(string)
	if line["@level"] != "error" || line["@message"] != "the transport panicked" || line["panic"] != "oops" || !strings.Contains(stack, "TestPanicIsLogged") {
		t.Errorf("log line %v", line)
	}
	stamp, _ := line["@timestamp"].(string)
	if _, err := time.Parse(timeFormat, stamp); err != nil {
		t.Error(err)
	}

	_, err := s.intercept(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, func(context.Context, any) (any, error) { panic("again") })
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "/x/Y: the transport test panicked: again") {
		t.Errorf("a panic in a handler: %v, want Internal", err)
	}
}

func TestConfigure(t *testing.T) {
	s, _, _ := newServer(t, udp)
	resp, err := s.Configure(t.Context(), &transportv1.ConfigureRequest{Settings: map[string]string{"b": "", "a": ""}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range resp.GetProblems() {
		got = append(got, p.GetField()+": "+p.GetMessage())
	}
	want := []string{`a: the transport test has no setting "a"`, `b: the transport test has no setting "b"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestEndpointOptions(t *testing.T) {
	m, err := manifest.Parse([]byte(testManifest))
	if err != nil {
		t.Fatal(err)
	}
	ep, err := NewEndpoint(&m.Schemes[0], "x", map[string]string{"wide": "false", "mode": "0640"})
	if err != nil {
		t.Fatal(err)
	}
	if got := ep.Int("depth"); got != 3 {
		t.Errorf("Int(depth) = %d, want the default 3", got)
	}
	if got := ep.OptionalBool("wide"); got == nil || *got || ep.Bool("wide") {
		t.Errorf("OptionalBool(wide) = %v, want false", got)
	}
	if got := ep.Mode("mode"); got != 0o640 {
		t.Errorf("Mode(mode) = %#o, want 0640", got)
	}
	if ep.OptionalBool("absent") != nil || ep.Int("absent") != 0 || ep.Mode("absent") != 0 || ep.Text("absent") != "" {
		t.Error("an absent option has a value")
	}
}

func TestCodeOf(t *testing.T) {
	tests := map[unix.Errno]Code{
		unix.EADDRINUSE: AddressInUse, unix.EADDRNOTAVAIL: AddressNotAvailable, unix.EACCES: Permission,
		unix.EMFILE: ResourceExhausted, unix.ETOOMANYREFS: ResourceExhausted, unix.EAFNOSUPPORT: Unsupported,
		unix.EINVAL: InvalidAddress, unix.ENETUNREACH: Unavailable, unix.EBADF: Internal,
	}
	for errno, want := range tests {
		if got := CodeOf(errno); got != want {
			t.Errorf("CodeOf(%s) = %s, want %s", errno, got, want)
		}
	}
	if got := asError(context.DeadlineExceeded).Code; got != Unavailable {
		t.Errorf("a deadline has the code %s, want %s", got, Unavailable)
	}
}

func TestFromConn(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	s, err := FromConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.Bound != address {
		t.Errorf("Bound = %s, want %s", s.Bound, address)
	}
	if flags, err := unix.FcntlInt(uintptr(s.FD), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags are %#o (%v), want O_NONBLOCK", flags, err)
	}
	if _, err := conn.WriteTo([]byte("x"), conn.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}

	before := openFiles(t)
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := FromConn(l); !errors.Is(err, errListening) {
		t.Errorf("FromConn of a listener = %v, %v, want an error that says what to do", s, err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before it were %d", after, before)
	}
}

func TestLogLevels(t *testing.T) {
	var buf bytes.Buffer
	newLogger(&buf).Warn("hello", slog.Group("g", slog.String("msg", "kept")))
	var line map[string]any
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "@timestamp")
	want := map[string]any{"@level": "warn", "@message": "hello", "g": map[string]any{"msg": "kept"}}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}
