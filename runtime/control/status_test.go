package control

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

func TestStatusOfInstances(t *testing.T) {
	run := []plan.Command{{Exec: "/bin/srv"}}
	p := &plan.Plan{Services: []plan.Service{
		{Name: "w@db", Run: run},
		{Name: "w@many", Run: run, Multiple: true},
		{Name: "w@web", Run: run, After: []plan.Name{"w@db"}},
	}}
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

	started, err := c.Start(t.Context(), &controlv1.StartRequest{Names: []string{"many", "many", "w@web", "many[1]", "many[3]"}})
	must(t, err)
	persisted, err := c.Start(t.Context(), &controlv1.StartRequest{Names: []string{"w@many[1]"}, Persist: true})
	must(t, err)
	stopped, err := c.Stop(t.Context(), &controlv1.StopRequest{Names: []string{"w@many[2]"}})
	must(t, err)
	var got []string
	for _, r := range append(append(started.Results, persisted.Results...), stopped.Results...) {
		got = append(got, r.Name+": "+r.Message)
	}
	want := []string{
		"w@many: started",
		"w@many: started",
		"w@web: failed: it waits for service w@db, which is inactive",
		"w@many[1]: already active",
		"w@many[3]: no such instance of service w@many: 3",
		"w@many[1]: failed: already active, but not persistent: an instance cannot be persistent, only its service",
		"w@many[2]: ", // nobody ends it here
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}

	status, err := c.Status(t.Context(), &controlv1.StatusRequest{})
	must(t, err)
	const cause = "command by uid 0"
	wantStatus := []*controlv1.ServiceStatus{
		{Name: "w@db", State: "inactive"},
		{
			Name: "w@many", State: "active", Pids: []int32{1, 1}, Reason: "1 of 2 instances active", Starts: 2,
			Instances: []*controlv1.InstanceStatus{
				{Instance: "1", State: "active", Pids: []int32{1}, Reason: cause, Starts: 1},
				{Instance: "2", State: "stopping", Pids: []int32{1}, Reason: cause, Starts: 1},
			},
		},
		{Name: "w@web", State: "waiting", Reason: cause + "; waits for w@db", WaitsFor: []string{"w@db"}},
	}
	if diff := cmp.Diff(wantStatus, status.Services, protocmp.Transform()); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}
