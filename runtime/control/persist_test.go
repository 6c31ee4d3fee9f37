package control

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/loop"
)

// kernel answers what an engine asks for: everything can be opened but
// old/dns@udp.
type kernel struct{ e *flow.Engine }

func (k kernel) Watch(context.Context) (<-chan loop.Announcement, error) { return nil, loop.ErrClosed }

func (k kernel) Snapshot(context.Context) (flow.Snapshot, error) { return k.e.Snapshot(), nil }

func (k kernel) Ask(_ context.Context, by string, event func(flow.Request) flow.Event) (flow.Reply, error) {
	var reply flow.Reply
	for todo := []flow.Event{event(flow.Request{ID: 1, By: by})}; len(todo) > 0; todo = todo[1:] {
		for _, f := range k.e.Step(todo[0]) {
			switch f := f.(type) {
			case flow.OpenSocket:
				if f.Socket == "old/dns@udp" {
					todo = append(todo, flow.OpenFailed{Socket: f.Socket, Reason: "in use"})
					continue
				}
				todo = append(todo, flow.Opened{Socket: f.Socket})
			case flow.CloseSocket:
				todo = append(todo, flow.Closed(f))
			case flow.Spawn:
				todo = append(todo, flow.ProcessStarted{Process: f.Process, PID: 1})
			case flow.Reply:
				reply = f
			default: // nobody waits for an answer
			}
		}
	}
	return reply, nil
}

func TestPersist(t *testing.T) {
	p := testPlan()
	for i := range p.Sockets {
		p.Sockets[i].Listen = string(p.Sockets[i].Name)
	}
	for i := range p.Services {
		p.Services[i].Run = []plan.Command{{Exec: "/bin/srv"}}
	}
	k := kernel{flow.New(p, flow.Config{})}
	k.e.Step(flow.Boot{})
	path := filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(t.Context(), path, Options{
		Plan: p, Engine: k, Log: slog.New(slog.DiscardHandler),
		Facts: func() Facts { return Facts{} }, Shutdown: func(string) {},
	})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close(context.WithoutCancel(t.Context()))) })
	c := NewClient(path)

	steps := []struct {
		name    string
		stop    bool
		persist bool
		unit    []string
		want    []string // messages
		active  []string
	}{
		{name: "S126-several", persist: true, unit: []string{"dns@udp", "web@app"}, want: []string{"started, persistent", "started, persistent"}, active: []string{"dns@udp", "web@app"}},
		{name: "again", persist: true, unit: []string{"dns@udp"}, want: []string{"already active"}, active: []string{"dns@udp", "web@app"}},
		{name: "S128-a-failing-start", persist: true, unit: []string{"old/dns@udp"}, want: []string{"failed: in use"}, active: []string{"dns@udp", "web@app"}},
		{name: "S15-the-kind-is-kept", persist: true, unit: []string{"socket:web@http"}, want: []string{"started, persistent"}, active: []string{"dns@udp", "web@app", "socket web@http"}},
		{name: "without", stop: true, unit: []string{"dns@udp"}, want: []string{"stopped"}, active: []string{"dns@udp", "web@app", "socket web@http"}},
		{name: "S127-only-that-one", stop: true, persist: true, unit: []string{"dns@udp"}, want: []string{"already inactive, not persistent any more"}, active: []string{"web@app", "socket web@http"}},
		{name: "the-other-of-that-name", stop: true, persist: true, unit: []string{"service:web@http"}, want: []string{"already inactive"}, active: []string{"web@app", "socket web@http"}},
		{name: "S127-with-its-kind", stop: true, persist: true, unit: []string{"socket:web@http"}, want: []string{"stopped, not persistent any more"}, active: []string{"web@app"}},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			kind, names := controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, tt.unit
			switch tt.unit[0] {
			case "socket:web@http":
				kind, names = controlv1.UnitKind_UNIT_KIND_SOCKET, []string{"web@http"}
			case "service:web@http":
				kind, names = controlv1.UnitKind_UNIT_KIND_SERVICE, []string{"web@http"}
			}
			var results []*controlv1.UnitResult
			if tt.stop {
				resp, err := c.Stop(t.Context(), &controlv1.StopRequest{Kind: kind, Names: names, Persist: tt.persist})
				must(t, err)
				results = resp.GetResults()
			} else {
				resp, err := c.Start(t.Context(), &controlv1.StartRequest{Kind: kind, Names: names, Persist: tt.persist})
				must(t, err)
				results = resp.GetResults()
			}
			var got []string
			for _, r := range results {
				got = append(got, r.GetMessage())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			var active []string
			for _, st := range k.e.Snapshot().States {
				for _, v := range st.Branches {
					active = append(active, v.Text())
				}
			}
			if diff := cmp.Diff(tt.active, active); diff != "" {
				t.Errorf("rind@active (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPersistInstance(t *testing.T) {
	h := newHandler(Options{Plan: testPlan()}, 1, 0)
	u := unit{kind: controlv1.UnitKind_UNIT_KIND_SERVICE, name: "web@app", instance: "a"}
	for _, tt := range []struct {
		name string
		then keeper
		want string
	}{
		{"start", h.persist, "failed: done, but not persistent: an instance cannot be persistent, only its service"},
		{"stop", h.forget, "failed: done, but nothing is forgotten: an instance cannot be persistent, only its service"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			result := &controlv1.UnitResult{Outcome: controlv1.Outcome_OUTCOME_DONE, Message: "done"}
			tt.then(t.Context(), u, result)
			if result.GetOutcome() != controlv1.Outcome_OUTCOME_FAILED || result.GetMessage() != tt.want {
				t.Errorf("the result is %v %q, want %q", result.GetOutcome(), result.GetMessage(), tt.want)
			}
		})
	}
}
