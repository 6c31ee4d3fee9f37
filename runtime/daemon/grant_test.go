package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/store"
)

// What a grant and a revoke come to depends on what the plan says without them.
func TestChange(t *testing.T) {
	p := &plan.Plan{Permissions: []plan.Permission{
		{Name: "a@mixed", ID: 2000, Users: []string{"4001"}, Groups: []string{"5001"}, Links: []uint16{2001}},
		{Name: "a@linked", ID: 2001, Users: []string{"4005"}, Groups: []string{"5005"}},
		{Name: "a@users", ID: 2002, Users: []string{"root", "4001"}},
		{Name: "a@empty", ID: 2003},
	}}
	user := func(id uint32) grantee { return grantee{id: id, title: "user"} }
	group := func(id uint32) grantee { return grantee{id: id, group: true, title: "group"} }
	ids := func(list ...uint32) []uint32 { return list }
	tests := []struct {
		name   string
		of     plan.Name
		before plan.Grant
		who    grantee
		revoke bool
		want   *plan.Grant // nil: already so, or refused
		err    string
	}{
		{name: "grant", of: "a@empty", who: user(4003), want: &plan.Grant{Users: ids(4003)}},
		{name: "grant again", of: "a@empty", before: plan.Grant{Users: ids(4003)}, who: user(4003)},
		{name: "grant what the plan gives", of: "a@mixed", who: user(4001)},
		{name: "grant what a link gives, so that it lasts", of: "a@mixed", who: user(4005), want: &plan.Grant{Users: ids(4005)}},
		{name: "grant after a revoke of the plan", of: "a@mixed", before: plan.Grant{NotUsers: ids(4001, 4004)}, who: user(4001), want: &plan.Grant{NotUsers: ids(4004)}},
		{name: "grant after a revoke of a group's member", of: "a@mixed", before: plan.Grant{NotUsers: ids(4004)}, who: user(4004), want: &plan.Grant{Users: ids(4004), NotUsers: ids()}},
		{name: "grant a group", of: "a@empty", who: group(5003), want: &plan.Grant{Groups: ids(5003)}},
		{name: "grant a group of the plan", of: "a@mixed", who: group(5001)},
		{name: "grant a group that was revoked", of: "a@mixed", before: plan.Grant{NotGroups: ids(5001)}, who: group(5001), want: &plan.Grant{NotGroups: ids()}},
		{name: "grant root", of: "a@mixed", who: user(0)},

		{name: "revoke a grant", of: "a@users", before: plan.Grant{Users: ids(4003)}, who: user(4003), revoke: true, want: &plan.Grant{Users: ids()}},
		{name: "revoke a grant where a group may give it too", of: "a@mixed", before: plan.Grant{Users: ids(4003)}, who: user(4003), revoke: true, want: &plan.Grant{Users: ids(), NotUsers: ids(4003)}},
		{name: "revoke what the plan gives", of: "a@users", who: user(4001), revoke: true, want: &plan.Grant{NotUsers: ids(4001)}},
		{name: "revoke what a group of a process may give", of: "a@mixed", who: user(4004), revoke: true, want: &plan.Grant{NotUsers: ids(4004)}},
		{name: "revoke what nothing gives", of: "a@users", who: user(4003), revoke: true},
		{name: "revoke again", of: "a@mixed", before: plan.Grant{NotUsers: ids(4001)}, who: user(4001), revoke: true},
		{name: "revoke a group of the plan", of: "a@mixed", who: group(5001), revoke: true, want: &plan.Grant{NotGroups: ids(5001)}},
		{name: "revoke it again", of: "a@mixed", before: plan.Grant{NotGroups: ids(5001)}, who: group(5001), revoke: true},
		{name: "revoke a group that was granted", of: "a@empty", before: plan.Grant{Groups: ids(5003)}, who: group(5003), revoke: true, want: &plan.Grant{Groups: ids()}},
		{name: "revoke a group without it", of: "a@empty", who: group(5003), revoke: true},
		{name: "revoke a group of a link", of: "a@mixed", who: group(5005), revoke: true, err: "holds a@mixed by its links"},
		{name: "revoke root", of: "a@users", who: user(0), revoke: true, err: "user 0 holds every permission"},
		{name: "of no permission", of: "a@gone", who: user(4001), err: "without that permission"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			grants := map[plan.Name]plan.Grant{tt.of: tt.before}
			got, _, err := newChange(p, grants, control.Grant{Permission: tt.of, Revoke: tt.revoke}, tt.who).apply()
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error = %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("grant (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[plan.Name]plan.Grant{tt.of: tt.before}, grants); diff != "" {
				t.Errorf("what was so before has changed (-want +got):\n%s", diff)
			}
		})
	}
}

// Who is excluded from one permission of a socket may hold another of it.
func TestS106S107RulesWithGrants(t *testing.T) {
	p := &plan.Plan{
		Permissions: []plan.Permission{
			{Name: "a@one", ID: 2000, Users: []string{"4001", "4002"}, Groups: []string{"5001"}},
			{Name: "a@two", ID: 2001, Users: []string{"4002"}, Groups: []string{"0"}},
		},
		Sockets: []plan.Socket{
			{Name: "a@one", Permissions: []uint16{2000}},
			{Name: "a@both", Permissions: []uint16{2000, 2001}},
		},
	}
	with := p.WithGrants(map[plan.Name]plan.Grant{"a@one": {Users: []uint32{4009}, NotUsers: []uint32{4001, 4002}}},
		func(string) (uint32, bool) { return 0, false })
	want := rules{
		"a@one":  {UIDs: []uint32{4009}, GIDs: []uint32{5001}, Except: []uint32{4001, 4002}},
		"a@both": {UIDs: []uint32{4009, 4002}, GIDs: []uint32{0, 5001}, Except: []uint32{4001}},
	}
	if diff := cmp.Diff(want, resolveRules(with, slog.New(slog.DiscardHandler))); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if r := (&resolver{plan: with}); r.excluded([]uint16{2001}) != nil {
		t.Error("somebody is excluded from a permission that nobody was excluded from")
	}
}

func TestRestoreGrant(t *testing.T) {
	good, err := cond.ParseJSON([]byte(`{"users": [4003], "not_groups": [10]}`))
	if err != nil {
		t.Fatal(err)
	}
	bad, err := cond.ParseJSON([]byte(`{"users": [-1]}`))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := &daemon{log: slog.New(slog.NewTextHandler(&log, nil))}
	d.restoreGrant(store.Branch{State: grantsRecord, Branch: "a@one", Value: good})
	d.restoreGrant(store.Branch{State: grantsRecord, Branch: "a@two", Value: bad})
	want := map[plan.Name]plan.Grant{"a@one": {Users: []uint32{4003}, NotGroups: []uint32{10}}}
	if diff := cmp.Diff(want, d.grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "permission=a@two") {
		t.Errorf("the log does not say that one cannot be read:\n%s", text)
	}
}
