package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/peer"
)

func TestResolveRules(t *testing.T) {
	p := &plan.Plan{
		Permissions: []plan.Permission{
			{ID: 2000, Users: []string{"root", "4001", "no-such-user-here"}, Groups: []string{"root", "5001", "4294967295"}},
		},
		Sockets: []plan.Socket{
			{Name: "a@closed", Permissions: []uint16{2000}},
			{Name: "a@nobody", Permissions: []uint16{plan.Login}},
			{Name: "a@open", Permissions: []uint16{2000, plan.AnyPermission}},
			{Name: "a@plain"},
		},
	}
	var log bytes.Buffer
	got := resolveRules(p, slog.New(slog.NewTextHandler(&log, nil)))
	want := rules{
		"a@closed": &peer.Rule{UIDs: []uint32{4001, 0}, GIDs: []uint32{5001, 0}},
		"a@nobody": &peer.Rule{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resolveRules (-want +got):\n%s", diff)
	}
	for _, name := range []string{"user=no-such-user-here", "group=4294967295"} {
		if n := strings.Count(log.String(), name); n != 1 {
			t.Errorf("%s is in %d entries of the log, want 1:\n%s", name, n, log.String())
		}
	}
}

// The options of a guarded socket let nobody in before its list is set, and turn
// nobody away from one that is not published.
func TestS144GuardedOptions(t *testing.T) {
	tests := []struct {
		name    string
		options map[string]string
		rule    *peer.Rule
		path    bool
		want    map[string]string
	}{
		{name: "for everybody", options: map[string]string{"mode": "0640"}, path: true, want: map[string]string{"mode": "0640"}},
		{name: "stream", options: map[string]string{"mode": "0600", "user": "x"}, rule: &peer.Rule{}, path: true, want: map[string]string{"mode": "0666", "user": "x"}},
		{name: "no options", rule: &peer.Rule{}, path: true, want: map[string]string{"mode": "0666"}},
		{name: "dgram", options: map[string]string{"kind": "dgram"}, rule: &peer.Rule{}, path: true, want: map[string]string{"kind": "dgram", "mode": "0600"}},
		{name: "abstract", options: map[string]string{"kind": "stream"}, rule: &peer.Rule{}, want: map[string]string{"kind": "stream"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := guarded(&plan.Socket{Options: tt.options}, tt.rule, tt.path)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}
