package control

import (
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/peer"
)

func accessPlan() *plan.Plan {
	return &plan.Plan{
		Permissions: []plan.Permission{
			{Name: "rind@system-services", ID: plan.SystemServices, Users: []string{"2000"}},
			{Name: "web@admins", ID: 1100, Users: []string{"2001"}, Groups: []string{"3000"}},
			{Name: "web@leads", ID: 1101, Users: []string{"2002"}},
			{Name: "web@staff", ID: 1102, Links: []uint16{1101}},
		},
		States: []plan.State{
			{Name: "web@open", Payload: cond.None}, {Name: "web@mode", Payload: cond.String, Permissions: []uint16{1102}},
		},
		Signals: []plan.Signal{{Name: "web@go", Payload: cond.None, Permissions: []uint16{1100}}, {Name: "web@stop", Payload: cond.None}},
		Services: []plan.Service{
			{Name: "web@app", ManagedBy: []uint16{1100}}, {Name: "web@other"},
		},
		Sockets: []plan.Socket{{Name: "web@http", Type: "tcp", Owner: "web@app", ManagedBy: []uint16{1102}}, {Name: "web@plain", Type: "tcp"}},
	}
}

// TestAccess shows who may do what: one letter for each thing that is allowed.
func TestAccess(t *testing.T) {
	const everything = "http plain app other open mode go stop"
	tests := []struct {
		name string
		who  peer.Cred
		want string
	}{
		{"S117 root", peer.Cred{UID: 0}, everything},
		{"the daemon's user", peer.Cred{UID: 500}, everything},
		{"S118 system-services", peer.Cred{UID: 2000}, "http plain app other open stop"},
		{"S119 a user of managed-by", peer.Cred{UID: 2001}, "app go"},
		{"S119 the primary group", peer.Cred{UID: 4000, GID: 3000}, "app go"},
		{"S119 a supplementary group", peer.Cred{UID: 4000, GID: 1, Groups: []uint32{2, 3000}}, "app go"},
		{"S119 a permission by a link", peer.Cred{UID: 2002}, "http mode"},
		{"S120 somebody else", peer.Cred{UID: 4000, GID: 4000}, ""},
	}
	v := newView(accessPlan(), 500)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := caller{cred: tt.who}
			var can []string
			check := func(name string, err error) {
				if err == nil {
					can = append(can, name)
					return
				}
				if !strings.HasPrefix(err.Error(), "permission denied for uid ") {
					t.Errorf("%s: %v, want permission denied", name, err)
				}
			}
			for _, name := range []plan.Name{"web@http", "web@plain"} {
				check(name.Short(), v.mayOperate(c, unit{kind: controlv1.UnitKind_UNIT_KIND_SOCKET, name: name}))
			}
			for _, name := range []plan.Name{"web@app", "web@other"} {
				check(name.Short(), v.mayOperate(c, unit{kind: controlv1.UnitKind_UNIT_KIND_SERVICE, name: name}))
			}
			for _, name := range []plan.Name{"web@open", "web@mode"} {
				check(name.Short(), v.maySet(c, name))
				if read := v.mayRead(c, cond.State, name); read != (v.maySet(c, name) == nil) {
					t.Errorf("%s may be read: %v", name, read)
				}
			}
			for _, name := range []plan.Name{"web@go", "web@stop"} {
				check(name.Short(), v.mayEmit(c, name))
			}
			if got := strings.Join(can, " "); got != tt.want {
				t.Errorf("may do %q, want %q", got, tt.want)
			}
			if v.known(c) != (tt.want != "") {
				t.Errorf("known is %v", v.known(c))
			}
		})
	}
}

// TestUnknownCaller shows that whoever the kernel does not tell may do nothing.
func TestUnknownCaller(t *testing.T) {
	v := newView(accessPlan(), 500)
	c := callerOf(t.Context())
	if v.known(c) || v.manages(c) || v.maySet(c, "web@open") == nil {
		t.Error("a caller without credentials may do something")
	}
}

// TestDenialNamesWhoMay shows the text that an operator gets.
func TestDenialNamesWhoMay(t *testing.T) {
	err := newView(accessPlan(), 500).mayOperate(caller{cred: peer.Cred{UID: 7}}, unit{kind: controlv1.UnitKind_UNIT_KIND_SERVICE, name: "web@app"})
	const want = "permission denied for uid 7: only uid 0 and the daemon's user (uid 500), and who holds rind@system-services or web@admins, may start and stop service web@app"
	if got := errText(err); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
