package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a daemon whose time and answers the test decides.
type scene struct {
	*Metrics

	now   time.Time
	view  View
	err   error // of looks
	looks int
	ready bool
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{now: time.Unix(1000, 0), ready: true}
	s.view.Sockets = []flow.SocketStatus{{
		Def: &plan.Socket{Name: "t@a", Owner: "t@svc"}, State: flow.SocketHeld, Accesses: 3, Activations: 2, Denials: 5, Refused: 1,
	}, {
		Def: &plan.Socket{Name: "t@d"}, State: flow.SocketListening,
	}}
	s.view.Services = []flow.ServiceStatus{{
		Def:            &plan.Service{Name: "t@svc"},
		InstanceStatus: flow.InstanceStatus{State: flow.ServiceActive, PIDs: []int{7}, Starts: 4, Restarts: 1},
	}}
	s.view.Queues = map[plan.Name]Queue{"t@a": {Length: 2}, "t@d": {Datagrams: true, Length: 100}}
	s.Metrics = New(t.Context(), Options{
		Version: "1.2.3",
		Look:    func(context.Context) (View, error) { s.looks++; return s.view, s.err },
		Alive:   func(context.Context) error { return s.err },
		Load: func() Load {
			return Load{Busy: 2500 * time.Millisecond, Steps: 9, Longest: time.Millisecond, Inbox: 6}
		},
		Plugins: func() []Plugin { return []Plugin{{Name: "tcp", Running: true, Launches: 2}} },
		Reloads: func() Reloads { return Reloads{Done: 2, Failed: 1} },
		Spans:   func() *Spans { return &Spans{Sent: 3, Overflown: 2, Failed: 1} },
		Ready:   func() bool { return s.ready },
		Now:     func() time.Time { return s.now },
	})
	return s
}

// A start of the owner takes 2 ms until there is a process and 40 ms until it is
// ready; the socket is held for a second.
func TestActivation(t *testing.T) {
	s := newScene(t)
	id := flow.ProcessID{Service: "t@svc", Incarnation: 1}
	s.Step(flow.Accessed{Socket: "t@a"}, []flow.Effect{
		flow.Spawn{Process: id, Sockets: []plan.Name{"t@a", "t@d"}},
		flow.Transition{Kind: "socket", Name: "t@a", From: "listening", To: "held"},
	})
	s.now = s.now.Add(2 * time.Millisecond)
	s.Step(flow.ProcessStarted{Process: id, PID: 7}, nil)
	s.now = s.now.Add(38 * time.Millisecond)
	s.Step(flow.Notified{Process: id}, []flow.Effect{flow.Transition{Kind: "service", Name: "t@svc", To: "active"}})
	s.now = s.now.Add(960 * time.Millisecond)
	s.Step(flow.ProcessExited{Process: id, Status: flow.ExitStatus{Code: 1}}, []flow.Effect{
		flow.Transition{Kind: "socket", Name: "t@a", From: "held", To: "paused"},
	})
	s.now = s.now.Add(time.Hour) // not held
	want := `
# HELP rind_service_exits_total How processes have ended: success, failure or signal.
# TYPE rind_service_exits_total counter
rind_service_exits_total{result="failure",service="t@svc"} 1
rind_service_exits_total{result="signal",service="t@svc"} 0
rind_service_exits_total{result="success",service="t@svc"} 0
# HELP rind_socket_held_seconds_total Time that the owner has had the socket.
# TYPE rind_socket_held_seconds_total counter
rind_socket_held_seconds_total{socket="t@a"} 1
rind_socket_held_seconds_total{socket="t@d"} 0
# HELP rind_socket_pauses_total How often the socket was paused.
# TYPE rind_socket_pauses_total counter
rind_socket_pauses_total{socket="t@a"} 1
rind_socket_pauses_total{socket="t@d"} 0
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want),
		"rind_service_exits_total", "rind_socket_held_seconds_total", "rind_socket_pauses_total"); err != nil {
		t.Error(err)
	}
	got := s.timings.ofSocket("t@a")
	if got.started.count != 1 || got.started.sum != 2*time.Millisecond || got.started.cumulative()[0.0025] != 1 || got.started.cumulative()[0.001] != 0 {
		t.Errorf("until started: %+v, want one of 2ms", got.started)
	}
	if got.ready.count != 1 || got.ready.sum != 40*time.Millisecond {
		t.Errorf("until ready: %+v, want one of 40ms", got.ready)
	}
	if other := s.timings.ofSocket("t@d"); other.started.count != 0 {
		t.Errorf("a socket that was handed over and not accessed counts as an activation: %+v", other.started)
	}
	if n := s.timings.tracker.Pending(); n != 0 {
		t.Errorf("%d starts that are over are kept", n)
	}
}

// Each connection of a socket that accepts is an activation of its own.
func TestActivationOfConnections(t *testing.T) {
	s := newScene(t)
	for n := range uint64(3) {
		id := flow.ProcessID{Service: "t@svc", Instance: fmt.Sprint(n), Incarnation: n}
		s.Step(flow.Connected{Socket: "t@a", Connection: n + 1}, []flow.Effect{flow.Spawn{Process: id, Connection: n + 1}})
		s.now = s.now.Add(time.Millisecond)
		s.Step(flow.ProcessStarted{Process: id}, []flow.Effect{
			flow.Dismiss{Connection: n + 1}, flow.Transition{Kind: "service", Name: "t@svc", Instance: id.Instance, To: "active"},
		})
	}
	got := s.timings.ofSocket("t@a")
	if got.started.count != 3 || got.ready.sum != 3*time.Millisecond {
		t.Errorf("started %+v, ready %+v; want three of 1ms", got.started, got.ready)
	}
	if n := s.timings.tracker.Pending(); n != 0 {
		t.Errorf("%d connections that are gone are kept", n)
	}
}

// An access that nobody is started for is forgotten when the socket is watched
// again, and does not make the next activation look slow.
func TestForgottenAccess(t *testing.T) {
	s := newScene(t)
	s.Step(flow.Accessed{Socket: "t@a"}, nil)
	s.Step(flow.Inspected{Socket: "t@a"}, []flow.Effect{flow.Watch{Socket: "t@a"}})
	s.now = s.now.Add(time.Hour)
	id := flow.ProcessID{Service: "t@svc", Incarnation: 1}
	s.Step(flow.Accessed{Socket: "t@a"}, []flow.Effect{flow.Spawn{Process: id, Sockets: []plan.Name{"t@a"}}})
	s.Step(flow.ProcessStarted{Process: id}, nil)
	if got := s.timings.ofSocket("t@a").started; got.count != 1 || got.sum != 0 {
		t.Errorf("%+v, want one of 0s", got)
	}
}

// A daemon that is given many plans does not remember the units of all.
func TestReloadForgets(t *testing.T) {
	s := newScene(t)
	for _, name := range []plan.Name{"t@a", "t@d"} {
		s.Step(flow.ResumeSocket{Socket: name}, []flow.Effect{flow.Transition{Kind: "socket", Name: name, From: "listening", To: "paused"}})
	}
	for _, name := range []plan.Name{"t@svc", "t@old"} {
		s.Step(flow.ProcessExited{Process: flow.ProcessID{Service: name}, Status: flow.ExitStatus{Code: 1}}, nil)
	}
	next := &plan.Plan{Sockets: []plan.Socket{{Name: "t@a"}}, Services: []plan.Service{{Name: "t@svc"}}}
	s.Step(flow.Reload{Plan: next}, []flow.Effect{flow.Reply{Request: 1}}) // refused
	if len(s.timings.sockets) != 2 || len(s.timings.services) != 2 {
		t.Errorf("a plan that was refused changes what is known: %v, %v", s.timings.sockets, s.timings.services)
	}
	s.Step(flow.Reload{Plan: next}, []flow.Effect{flow.TakePlan{}})
	if len(s.timings.sockets) != 1 || s.timings.ofSocket("t@a").pauses != 1 {
		t.Errorf("sockets %v, want t@a with its pause", s.timings.sockets)
	}
	if len(s.timings.services) != 1 || s.timings.ofService("t@svc").failed != 1 {
		t.Errorf("services %v, want t@svc with its exit", s.timings.services)
	}
}

func TestFormat(t *testing.T) {
	s := newScene(t)
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "rind_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestLooks(t *testing.T) {
	s := newScene(t)
	for range 20 {
		if _, err := s.registry.Gather(); err != nil {
			t.Fatal(err)
		}
	}
	if s.looks != 1 {
		t.Errorf("20 scrapes at one moment looked %d times, want once", s.looks)
	}
	s.now = s.now.Add(lookEvery)
	s.err = errors.New("stuck")
	if n := testutil.CollectAndCount(s.Metrics, "rind_socket_state", "rind_service_state"); n != 0 {
		t.Errorf("%d series of units from a loop that does not answer, want none", n)
	}
	if n := testutil.CollectAndCount(s.Metrics, "rind_loop_up", "rind_loop_inbox_depth"); n != 2 {
		t.Errorf("%d series of the loop, want 2", n)
	}
	if s.looks != 2 {
		t.Errorf("looked %d times, want twice", s.looks)
	}
}

func TestCheckAddress(t *testing.T) {
	tests := []struct {
		address string
		ok      bool
	}{
		{"127.0.0.1:9464", true},
		{"[::1]:0", true},
		{"unix:/run/rind/metrics.sock", true},
		{"unix:metrics.sock", false},
		{"0.0.0.0:9464", false},
		{":9464", false},
		{"192.0.2.1:9464", false},
		{"localhost:9464", false}, // a name may resolve to anything
		{"9464", false},
		{"", false},
	}
	for _, tt := range tests {
		if err := CheckAddress(tt.address); (err == nil) != tt.ok {
			t.Errorf("CheckAddress(%q) = %v, want success %v", tt.address, err, tt.ok)
		}
	}
}

func TestServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	for _, address := range []string{"127.0.0.1:0", unixPrefix + path} {
		t.Run(address, func(t *testing.T) {
			s := newScene(t)
			server, err := s.Serve(t.Context(), address, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			client := clientOf(server)
			defer client.CloseIdleConnections()
			steps := []struct {
				path   string
				change func()
				status int
				want   string
			}{
				{"/metrics", func() {}, 200, `rind_socket_queue_length{socket="t@a"} 2`},
				{"/metrics", func() {}, 200, `rind_socket_denials_total{reason="permission",socket="t@a"} 5`},
				{"/metrics", func() {}, 200, `rind_spans_dropped_total{reason="queue"} 2`},
				{"/healthz", func() {}, 200, "ok"},
				{"/readyz", func() {}, 200, "ok"},
				{"/readyz", func() { s.ready = false }, 503, "not ready"},
				{"/healthz", func() { s.err = errors.New("stuck") }, 503, "stuck"},
				{"/debug/pprof/", func() {}, 404, ""},
			}
			for _, step := range steps {
				step.change()
				status, body := get(t, client, step.path)
				if status != step.status || !strings.Contains(body, step.want) {
					t.Errorf("%s: status %d, want %d with %q:\n%s", step.path, status, step.status, step.want, body)
				}
			}
			if err := server.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is left behind", path)
			}
		})
	}
}

// Whoever opens connections and says nothing does not keep others from asking for
// longer than it may wait, nor does it get more of them than there are.
// Go makes listeners of Multipath TCP where nothing else is said, and ss(8) shows them
// as such.
func TestPlainTCP(t *testing.T) {
	s := &Server{}
	l, err := s.listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		t.Fatalf("the listener is a %T", l)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	protocol := 0
	if ctlErr := raw.Control(func(fd uintptr) { protocol, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL) }); ctlErr != nil || err != nil {
		t.Fatal(ctlErr, err)
	}
	if protocol != unix.IPPROTO_TCP {
		t.Errorf("the protocol of the listener is %d, want that of TCP, %d", protocol, unix.IPPROTO_TCP)
	}
}

func TestTooManyConnections(t *testing.T) {
	s := newScene(t)
	server, err := s.Serve(t.Context(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var silent []net.Conn
	for range maxConnections + 1 {
		c, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	last := silent[maxConnections]
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection too many: read says %v, want that it is closed", err)
	}
	for _, c := range silent {
		c.Close()
	}
	if err := server.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	s := newScene(t)
	if _, err := s.Serve(t.Context(), unixPrefix+path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "answers") {
		t.Errorf("a live socket was not left alone: %v", err)
	}
	left.Close()
	server, err := s.Serve(t.Context(), unixPrefix+path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	if err := server.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func clientOf(s *Server) *http.Client {
	addr := s.Addr()
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
		},
	}}
}

func get(t *testing.T, client *http.Client, path string) (status int, body string) {
	t.Helper()
	r, err := client.Get("http://rind" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
