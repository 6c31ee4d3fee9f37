package record_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p := &plan.Plan{
		Transports: []plan.Transport{{Name: "tcp"}},
		States:     []plan.State{{Name: "w@link", Payload: cond.JSON}},
		Signals:    []plan.Signal{{Name: "w@knock", Payload: cond.String}},
		Services:   []plan.Service{{Name: "w@srv", Run: []plan.Command{{Exec: "/bin/srv"}}}},
		Sockets: []plan.Socket{
			{Name: "w@a", Type: "tcp", Listen: ":1", Owner: "w@srv", Lifecycle: plan.Owned, Enabled: true},
			{Name: "w@b", Type: "tcp", Listen: ":2", Lifecycle: plan.Managed, Enabled: true},
		},
		Digest: "sha256:1",
	}
	return p
}

// history is a life of the plan with an event of most kinds.
func history(t *testing.T) []flow.Event {
	t.Helper()
	link, err := cond.ParseJSON([]byte(`{"id":"eth0","speed":1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	id := flow.ProcessID{Service: "w@srv", Incarnation: 1}
	return []flow.Event{
		flow.Boot{},
		flow.Opened{Socket: "w@a", Addresses: []string{"127.0.0.1:1"}},
		flow.OpenFailed{Socket: "w@b", Reason: "taken", Retry: true},
		flow.SetState{State: "w@link", Value: link, From: flow.Request{ID: 1, By: "uid 0"}},
		flow.RemoveState{State: "w@link", Filter: &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Path: []string{"id"}, Op: cond.OpEqual, Lit: "eth0"}}},
		flow.EmitSignal{Signal: "w@knock", Value: cond.StringValue("<&>")},
		flow.Accessed{Socket: "w@a"},
		flow.ProcessStarted{Process: id, PID: 7},
		flow.ProcessExited{Process: id, Status: flow.ExitStatus{Signal: "SIGKILL"}},
		flow.TimerFired{Timer: flow.TimerID{Kind: flow.TimerReopen, Name: "w@b"}},
		flow.Shutdown{Cause: "the end"},
		flow.Closed{Socket: "w@a"},
	}
}

// written returns the record of that life.
func written(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	p := testPlan(t)
	r, err := record.New(&out, p, flow.Config{Announce: true})
	if err != nil {
		t.Fatal(err)
	}
	e := flow.New(p, flow.Config{Announce: true})
	for _, ev := range history(t) {
		r.Step(ev, e.Step(ev))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestS166Replay(t *testing.T) {
	text := written(t)
	tests := []struct {
		name, text string
		steps      int
		err        string // part of it; "" is none
	}{
		{"the same", text, 12, ""},
		{"cut off in the last line", text[:len(text)-10], 11, ""},
		{"cut off in the first line", text[:10], 0, "it is empty"},
		{"nothing", "", 0, "it is empty"},
		{"something else", "{}\n", 0, `the first line does not say that it is one of "rind.record"`},
		{"newer", strings.Replace(text, `"version":1`, `"version":2`, 1), 0, "it has version 2"},
		{"another plan", strings.Replace(text, "sha256:1", "sha256:2", 1), 0, "it was made with the plan sha256:2, this one is sha256:1"},
		{"an event is missing", strings.Replace(text, `{"Boot":{}}`, `{}`, 1), 0, "line 2: the event is missing"},
		{"an unknown event", strings.Replace(text, `{"Boot":{}}`, `{"Bot":{}}`, 1), 0, `line 2: there is no event "Bot"`},
		{"a damaged line", strings.Replace(text, `{"Accessed"`, `{"Acc`, 1), 6, "line 8: "},
		{"another effect", strings.Replace(text, `"Addresses":["127.0.0.1:1"]`, `"Addresses":[]`, 1), 12, ""},
		{"an effect that is not there", strings.Replace(text, `{"Unwatch":{"Socket":"w@a"}},`, ``, 1), 6, "line 8: the effects of Accessed differ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps, err := record.Replay(strings.NewReader(tt.text), testPlan(t))
			if steps != tt.steps {
				t.Errorf("%d steps, want %d", steps, tt.steps)
			}
			switch {
			case err == nil && tt.err != "":
				t.Errorf("no error, want %q", tt.err)
			case err != nil && (tt.err == "" || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %q, want %q", err, tt.err)
			}
		})
	}
}

// TestEvents checks that every event that an engine takes can be replayed.
func TestEvents(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../flow/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "isEvent" {
			continue
		}
		found++
		name, ok := f.Recv.List[0].Type.(*ast.Ident)
		if !ok {
			t.Fatalf("the receiver of isEvent is a %T", f.Recv.List[0].Type)
		}
		text := strings.SplitAfter(written(t), "\n")[0] + `{"event":{"` + name.Name + `":{}},"effects":[]}` + "\n"
		_, err := record.Replay(strings.NewReader(text), testPlan(t))
		if differs := (*record.DifferenceError)(nil); err != nil && !errors.As(err, &differs) && strings.Contains(err.Error(), "no event") {
			t.Errorf("%s: %v", name.Name, err)
		}
	}
	if found < 20 {
		t.Errorf("found %d events in ../flow/event.go", found)
	}
}

// full is a writer that cannot write.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// stuck is a writer that does not return before it is told to.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

func TestRecorderErrors(t *testing.T) {
	r, err := record.New(full{}, testPlan(t), flow.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.Step(flow.Boot{}, nil)
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Close() = %v, want the error of the writer", err)
	}
	slow := stuck{make(chan struct{})}
	if r, err = record.New(slow, testPlan(t), flow.Config{}); err != nil {
		t.Fatal(err)
	}
	for range 40 { // none of which waits
		r.Step(flow.Shutdown{Cause: strings.Repeat("x", 1<<20)}, nil)
	}
	close(slow.release)
	if err := r.Close(); !errors.Is(err, record.ErrSlow) {
		t.Errorf("Close() = %v, want %v", err, record.ErrSlow)
	}
}
