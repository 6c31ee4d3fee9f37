package flow

import (
	"testing"

	"github.com/rind-sockets/rind/plan"
)

// Who is turned away is counted and causes nothing, also while the socket is
// being closed.
func TestS101S111DeniedCausesNothing(t *testing.T) {
	p := &plan.Plan{Sockets: []plan.Socket{{
		Name: "w@a", Type: "uds", Listen: "@a", Enabled: true, Permissions: []uint16{2000},
		Trigger: []plan.Action{{Do: plan.OpScript, Command: "true"}},
	}}}
	e := New(p, Config{})
	e.Step(Boot{})
	e.Step(Opened{Socket: "w@a"})
	e.Step(Accessed{Socket: "w@a"})
	for range 2 {
		if effects := e.Step(Denied{Socket: "w@a", Access: Access{UID: 4003}}); len(effects) != 0 {
			t.Errorf("Denied causes %v", effects)
		}
	}
	e.Step(StopSocket{Socket: "w@a"})
	e.Step(Denied{Socket: "w@a", Access: Access{UID: 4003}})
	e.Step(Denied{Socket: "w@unknown"})
	got := e.Snapshot().Sockets[0]
	if got.Denials != 3 || got.Accesses != 0 {
		t.Errorf("%d denials and %d accesses, want 3 and 0", got.Denials, got.Accesses)
	}
}
