package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
)

func TestExplain(t *testing.T) {
	p := &plan.Plan{Permissions: []plan.Permission{
		{Name: "a@operators", ID: 2000, Users: []string{"ann", "4001"}, Links: []uint16{2001}},
		{Name: "a@staff", ID: 2001, Groups: []string{"wheel"}, Links: []uint16{2000}},
	}}
	uds := plan.Socket{Name: "a@s", Type: "uds", Listen: "s.sock", Permissions: []uint16{2000, plan.Login}}
	abstract, served, owned := uds, uds, uds
	abstract.Listen, abstract.Owner = "@s", "a@srv"
	served.Listen = "@s"
	owned.Owner = "a@srv"
	const (
		byKernel = "the access control list of the path, also while the owner runs"
		byScreen = "the daemon disconnects others before the owner starts; while the owner runs, it accepts everybody"
		byAccept = "the daemon closes what it accepts from others"
	)
	tests := []struct {
		name      string
		socket    plan.Socket
		who       plan.Peer
		unguarded bool
		want      plan.Explanation
	}{
		{
			name: "for everybody", socket: plan.Socket{Type: "udp"}, who: plan.Peer{UID: 4003},
			want: plan.Explanation{Allowed: true, Grounds: []string{"the socket is for everybody"}, Enforcement: "nothing", Detail: "nobody is kept out"},
		},
		{
			name: "S103 root", socket: uds,
			want: plan.Explanation{Allowed: true, Grounds: []string{"user 0 holds every permission"}, Enforcement: "kernel", Detail: byKernel},
		},
		{
			name: "a user by name and by number", socket: owned, who: plan.Peer{UID: 4001, User: "ann"},
			want: plan.Explanation{
				Allowed: true, Enforcement: "kernel", Detail: byKernel,
				Grounds: []string{"permission a@operators: user ann holds it", "permission a@operators: user 4001 holds it"},
			},
		},
		{
			name: "S108 a group of a linked permission", socket: abstract, who: plan.Peer{UID: 4003, Groups: []string{"wheel"}},
			want: plan.Explanation{
				Allowed: true, Enforcement: "screening", Detail: byScreen,
				Grounds: []string{"permission a@operators, which a@staff implies: group wheel holds it"},
			},
		},
		{
			name: "nobody", socket: served, who: plan.Peer{UID: 4003, User: "bob", Groups: []string{"users"}},
			want: plan.Explanation{
				Grounds:     []string{"neither the user nor a group holds a@operators or rind@login"},
				Enforcement: "accept", Detail: byAccept,
			},
		},
		{
			name: "no lists in the file system", socket: owned, unguarded: true,
			want: plan.Explanation{Allowed: true, Grounds: []string{"user 0 holds every permission"}, Enforcement: "screening", Detail: byScreen},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := p.Explain(&tt.socket, tt.who, tt.unguarded)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Explain (-want +got):\n%s", diff)
			}
		})
	}
}
