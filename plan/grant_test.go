package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
)

// grantable is a plan, and numbers of its groups.
func grantable() (*plan.Plan, func(string) (uint32, bool)) {
	return &plan.Plan{
		Digest: "sha256:0",
		Permissions: []plan.Permission{
			{Name: "a@operators", ID: 2000, Users: []string{"ann"}, Groups: []string{"wheel", "adm"}, Links: []uint16{2001}},
			{Name: "a@staff", ID: 2001, Users: []string{"bob"}},
		},
	}, func(name string) (uint32, bool) { return map[string]uint32{"wheel": 10}[name], name == "wheel" }
}

func TestS107WithGrants(t *testing.T) {
	var (
		ann = plan.Peer{UID: 4001, User: "ann"}
		bob = plan.Peer{UID: 4002, User: "bob"}
		cid = plan.Peer{UID: 4003, User: "cid", Groups: []string{"10", "wheel"}}
		dan = plan.Peer{UID: 4004, User: "dan", Groups: []string{"11"}}
	)
	tests := []struct {
		name   string
		grants map[plan.Name]plan.Grant
		of     uint16
		want   []bool // of ann, bob, cid and dan
	}{
		{name: "none", of: 2000, want: []bool{true, true, true, false}},
		{
			name: "a user and a group", of: 2000, want: []bool{true, true, true, true},
			grants: map[plan.Name]plan.Grant{"a@operators": {Groups: []uint32{11}}},
		},
		{
			name: "a user who holds it by the plan, by a link, by a group", of: 2000, want: []bool{false, false, false, false},
			grants: map[plan.Name]plan.Grant{"a@operators": {NotUsers: []uint32{4001, 4002, 4003}}},
		},
		{
			name: "one that is linked to", of: 2000, want: []bool{true, false, true, true},
			grants: map[plan.Name]plan.Grant{"a@staff": {Users: []uint32{4004}, NotUsers: []uint32{4002}}},
		},
		{
			name: "a group by name", of: 2000, want: []bool{true, true, false, false},
			grants: map[plan.Name]plan.Grant{"a@operators": {NotGroups: []uint32{10}}},
		},
		{
			name: "a builtin one", of: plan.Login, want: []bool{true, false, false, false},
			grants: map[plan.Name]plan.Grant{"rind@login": {Users: []uint32{4001}}},
		},
		{
			name: "one that the plan does not have", of: 2000, want: []bool{true, true, true, false},
			grants: map[plan.Name]plan.Grant{"a@gone": {Users: []uint32{4004}, NotUsers: []uint32{4001}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, group := grantable()
			with := p.WithGrants(tt.grants, group)
			var got []bool
			for _, who := range []plan.Peer{ann, bob, cid, dan} {
				got = append(got, with.Allows([]uint16{tt.of}, who))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ann, bob, cid, dan hold it (-want +got):\n%s", diff)
			}
			if !with.Allows([]uint16{tt.of}, plan.Peer{}) {
				t.Error("user 0 does not hold it")
			}
			if fresh, _ := grantable(); !cmp.Equal(fresh, p) || with.Digest != p.Digest {
				t.Errorf("the plan itself has changed:\n%s", cmp.Diff(fresh, p))
			}
		})
	}
}

func TestExplainGrants(t *testing.T) {
	p, group := grantable()
	with := p.WithGrants(map[plan.Name]plan.Grant{
		"a@operators": {Users: []uint32{4004}, NotUsers: []uint32{4001}, NotGroups: []uint32{10}},
		"a@staff":     {Groups: []uint32{12}, NotUsers: []uint32{4002}},
	}, group)
	s := plan.Socket{Name: "a@s", Type: "uds", Listen: "s.sock", Permissions: []uint16{2000}}
	const none = "neither the user nor a group holds a@operators"
	for _, tt := range []struct {
		name string
		who  plan.Peer
		want []string
	}{
		{"granted", plan.Peer{UID: 4004}, []string{"permission a@operators: user 4004 was granted it at run time"}},
		{
			"granted to a group of a link",
			plan.Peer{UID: 4005, Groups: []string{"12"}},
			[]string{"permission a@operators, which a@staff implies: group 12 was granted it at run time"},
		},
		{"revoked", plan.Peer{UID: 4001, User: "ann"}, []string{"permission a@operators: revoked from user 4001 at run time", none}},
		{
			"revoked of a link",
			plan.Peer{UID: 4002, User: "bob"},
			[]string{"permission a@operators, which a@staff implies: revoked from user 4002 at run time", none},
		},
		{
			"revoked from a group",
			plan.Peer{UID: 4003, Groups: []string{"10", "wheel"}},
			[]string{"permission a@operators: revoked from group 10 at run time", none},
		},
		{"a stranger", plan.Peer{UID: 4006}, []string{none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, with.Explain(&s, tt.who, false).Grounds); diff != "" {
				t.Errorf("grounds (-want +got):\n%s", diff)
			}
		})
	}
}
