package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testPlan() *plan.Plan {
	return &plan.Plan{
		Digest:   "sha256:00",
		States:   []plan.State{{Name: "net@up", Payload: cond.JSON}, {Name: "net@name", Payload: cond.String}},
		Signals:  []plan.Signal{{Name: "ops@halt", Payload: cond.None}},
		Services: []plan.Service{{Name: "web@app"}, {Name: "web@http"}},
		Sockets:  []plan.Socket{{Name: "web@http", Type: "tcp"}, {Name: "dns@udp", Type: "udp"}, {Name: "old/dns@udp", Type: "udp"}},
	}
}

// engine applies requests to a real engine, whose effects nobody carries out.
type engine struct{ e *flow.Engine }

func (en engine) Ask(_ context.Context, by string, event func(flow.Request) flow.Event) (flow.Reply, error) {
	for _, f := range en.e.Step(event(flow.Request{ID: 1, By: by})) {
		if r, ok := f.(flow.Reply); ok {
			return r, nil
		}
	}
	return flow.Reply{Outcome: flow.Done, Message: "under way"}, nil
}

func (en engine) Snapshot(context.Context) (flow.Snapshot, error) { return en.e.Snapshot(), nil }

func (en engine) Watch(context.Context) (<-chan loop.Announcement, error) {
	return nil, loop.ErrClosed
}

func testOptions(shutdown func(cause string)) Options {
	p := testPlan()
	return Options{
		Plan: p, Engine: engine{flow.New(p, flow.Config{})}, Log: slog.New(slog.DiscardHandler),
		Facts: func() Facts { return Facts{Version: "1.2.3"} }, Shutdown: shutdown,
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func mustJSON(tb testing.TB, text string) cond.Value {
	tb.Helper()
	v, err := cond.ParseJSON([]byte(text))
	must(tb, err)
	return v
}

func serve(t *testing.T) (path string, stopped chan string) {
	t.Helper()
	stopped = make(chan string, 1)
	path = filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(t.Context(), path, testOptions(func(cause string) { stopped <- cause }))
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the control socket is left: %v", err)
		}
	})
	return path, stopped
}

func TestUnitNames(t *testing.T) {
	const (
		anyKind = controlv1.UnitKind_UNIT_KIND_UNSPECIFIED
		socket  = controlv1.UnitKind_UNIT_KIND_SOCKET
		service = controlv1.UnitKind_UNIT_KIND_SERVICE
	)
	tests := []struct {
		name    string
		kind    controlv1.UnitKind
		in      string
		want    unit
		wantErr string
	}{
		{name: "full name", kind: anyKind, in: "web@app", want: unit{kind: service, name: "web@app"}},
		{name: "S122 a unique name is enough", kind: anyKind, in: "app", want: unit{kind: service, name: "web@app"}},
		{name: "S15 the kind decides between equal names", kind: socket, in: "web@http", want: unit{kind: socket, name: "web@http"}},
		{name: "S15 the other kind", kind: service, in: "http", want: unit{kind: service, name: "web@http"}},
		{name: "an instance", kind: anyKind, in: "web@http[eth0]", want: unit{kind: service, name: "web@http", instance: "eth0"}},
		{name: "an instance with any name", kind: service, in: "app[a[b]@c]", want: unit{kind: service, name: "web@app", instance: "a[b]@c"}},
		{name: "no instance", kind: service, in: "app[]", wantErr: "no such service: app[]"},
		{name: "an instance of nothing", kind: anyKind, in: "nope[x]", wantErr: "no such service: nope"},
		{name: "a socket has none", kind: socket, in: "http[x]", wantErr: "no such socket: http[x]"},
		{name: "S124 ambiguous between kinds", kind: anyKind, in: "web@http", wantErr: "web@http is ambiguous: it may be socket web@http or service web@http"},
		{name: "S125 ambiguous between groups", kind: socket, in: "udp", wantErr: "udp is ambiguous: it may be socket dns@udp or socket old/dns@udp"},
		{name: "S125 unknown", kind: socket, in: "nope", wantErr: "no such socket: nope"},
		{name: "a full name is never shortened", kind: anyKind, in: "x@app", wantErr: "no such socket or service: x@app"},
	}
	d := newDirectory(testPlan())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := d.unit(tt.kind, tt.in)
			if msg := errText(err); msg != tt.wantErr {
				t.Fatalf("unit(%v, %q) error = %q, want %q", tt.kind, tt.in, msg, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("unit(%v, %q) = %v, want %v", tt.kind, tt.in, got, tt.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCalls(t *testing.T) {
	path, stopped := serve(t)
	c := NewClient(path)
	ctx := t.Context()

	set, err := c.SetState(ctx, &controlv1.SetStateRequest{Name: "up", Payload: raw(`{"id": 1, "n": 1.0}`)})
	if err != nil || set.GetName() != "net@up" || !set.GetChanged() {
		t.Fatalf("SetState = %v, %v, want net@up changed", set, err)
	}
	if set, err = c.SetState(ctx, &controlv1.SetStateRequest{Name: "net@up", Payload: raw(`{"n":1.0,"id":1}`)}); err != nil || set.GetChanged() {
		t.Errorf("SetState to an equal value = %v, %v, want unchanged", set, err)
	}
	if set, err = c.SetState(ctx, &controlv1.SetStateRequest{Name: "net@up", Payload: raw(`{"n":1,"id":1}`)}); err != nil || !set.GetChanged() {
		t.Errorf("SetState 1.0 to 1 = %v, %v, want changed: numbers keep their spelling", set, err)
	}
	if rm, err := c.RemoveState(ctx, &controlv1.RemoveStateRequest{Name: "up", Filter: `{"id":2}`}); err != nil || rm.GetRemoved() != 0 {
		t.Errorf("RemoveState of another branch = %v, %v, want 0 removed", rm, err)
	}
	if rm, err := c.RemoveState(ctx, &controlv1.RemoveStateRequest{Name: "up", Filter: `{"id":1}`}); err != nil || rm.GetRemoved() != 1 {
		t.Errorf("RemoveState = %v, %v, want 1 removed", rm, err)
	}
	if _, err := c.Emit(ctx, &controlv1.EmitRequest{Name: "halt"}); err != nil {
		t.Errorf("Emit: %v", err)
	}
	st, err := c.Status(ctx, &controlv1.StatusRequest{})
	if err != nil || st.GetVersion() != "1.2.3" || len(st.GetSockets()) != 3 || st.GetSockets()[0].GetState() != "inactive" {
		t.Errorf("Status = %v, %v", st, err)
	}
	start, err := c.Start(ctx, &controlv1.StartRequest{Names: []string{"nope", "web@http"}})
	if err != nil || len(start.GetResults()) != 2 {
		t.Fatalf("Start = %v, %v, want a result for each name", start, err)
	}
	for i, want := range []controlv1.Outcome{controlv1.Outcome_OUTCOME_UNKNOWN_UNIT, controlv1.Outcome_OUTCOME_AMBIGUOUS} {
		if got := start.GetResults()[i].GetOutcome(); got != want {
			t.Errorf("Start result %d is %v, want %v", i, got, want)
		}
	}
	if _, err := c.Shutdown(ctx, &controlv1.ShutdownRequest{}); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if cause := <-stopped; !strings.HasPrefix(cause, "command by uid ") {
		t.Errorf("the cause of the shutdown is %q, want the caller in it", cause)
	}
}

func TestBadRequests(t *testing.T) {
	path, _ := serve(t)
	c := NewClient(path)
	tests := []struct {
		name string
		call func() error
		want connect.Code
		text string
	}{
		{
			name: "unknown state", want: connect.CodeNotFound, text: "no such state: nope",
			call: func() error {
				_, err := c.SetState(t.Context(), &controlv1.SetStateRequest{Name: "nope"})
				return err
			},
		},
		{
			name: "wrong kind", want: connect.CodeInvalidArgument, text: "payload is none, want json",
			call: func() error { _, err := c.SetState(t.Context(), &controlv1.SetStateRequest{Name: "up"}); return err },
		},
		{
			name: "broken json", want: connect.CodeInvalidArgument, text: "the payload is of kind json",
			call: func() error {
				_, err := c.SetState(t.Context(), &controlv1.SetStateRequest{Name: "up", Payload: raw("{")})
				return err
			},
		},
		{
			name: "branch key missing", want: connect.CodeInvalidArgument, text: `branch key "id"`,
			call: func() error {
				_, err := c.SetState(t.Context(), &controlv1.SetStateRequest{Name: "up", Payload: raw("{}")})
				return err
			},
		},
		{
			name: "signal with a payload", want: connect.CodeInvalidArgument, text: "has no content",
			call: func() error {
				_, err := c.Emit(t.Context(), &controlv1.EmitRequest{Name: "halt", Payload: raw("x")})
				return err
			},
		},
		{
			name: "S131 oversized", want: connect.CodeResourceExhausted, text: "larger than",
			call: func() error {
				_, err := c.SetState(t.Context(), &controlv1.SetStateRequest{Name: "name", Payload: raw(strings.Repeat("x", maxMessage+1))})
				return err
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			if connect.CodeOf(err) != tt.want || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want code %v and %q", err, tt.want, tt.text)
			}
		})
	}
	if _, err := c.Status(t.Context(), &controlv1.StatusRequest{}); err != nil {
		t.Errorf("Status afterwards: %v", err)
	}
}

// curl --unix-socket speaks plain JSON.
func TestPlainJSON(t *testing.T) {
	path, _ := serve(t)
	var d net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/rind.control.v1.ControlService/Status", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"web@http"`) {
		t.Errorf("plain JSON answered %s %s, %v", resp.Status, body, err)
	}
}

func TestListenRefusesWhatIsNotItsOwn(t *testing.T) {
	path, _ := serve(t)
	opts := testOptions(nil)
	if _, err := Listen(t.Context(), path, opts); err == nil || !strings.Contains(err.Error(), "another rindrun is running") {
		t.Errorf("a second daemon on a live socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), file, opts); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a regular file at the path: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file was touched: %v", err)
	}
}

func TestListenNamesAPathThatIsTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if _, err := Listen(t.Context(), path, testOptions(nil)); err == nil || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("Listen: %v, want the length that fits", err)
	}
}

func TestTooManyNames(t *testing.T) {
	path, _ := serve(t)
	for _, names := range [][]string{nil, make([]string, maxNames+1)} {
		_, err := NewClient(path).Start(t.Context(), &controlv1.StartRequest{Names: names})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("Start of %d names: %v, want an invalid argument", len(names), err)
		}
	}
}

func raw(s string) *controlv1.Payload {
	return &controlv1.Payload{Value: &controlv1.Payload_Raw{Raw: s}}
}
