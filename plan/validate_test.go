package plan_test

import (
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

func TestValidate(t *testing.T) {
	http := func(p *plan.Plan) *plan.Socket { return &p.Sockets[0] }
	admin := func(p *plan.Plan) *plan.Socket { return &p.Sockets[1] }
	do := func(a plan.Action) func(*plan.Plan) {
		return func(p *plan.Plan) { admin(p).Trigger = []plan.Action{a} }
	}
	when := func(e cond.Expr) func(*plan.Plan) {
		return func(p *plan.Plan) { http(p).StopOn = &e }
	}
	guard := func(g *cond.Guard) func(*plan.Plan) { return when(*stateAtom("rind@net-configured", g)) }
	mode := func(g *cond.Guard) func(*plan.Plan) { return when(*stateAtom("web@mode", g)) }
	tests := []struct {
		name   string
		change func(*plan.Plan)
		want   string // empty: still valid
	}{
		{"sound", func(*plan.Plan) {}, ""},
		{"S91 owner does not exist", func(p *plan.Plan) { http(p).Owner = "web@nope" }, `socket web@http: owner "web@nope" is no service of the plan`},
		{"S98 owned by what branches", func(p *plan.Plan) {
			srv(p).Branching = &plan.Branching{State: "rind@net-configured", Key: "name"}
		}, "socket web@http: lifecycle is owned, but owner web@srv has an instance for each branch of a state"},
		{"owned without owner", func(p *plan.Plan) { http(p).Owner = "" }, "socket web@http: lifecycle is owned, but it has no owner"},
		{"order without owner", func(p *plan.Plan) { admin(p).Owner = "" }, "socket web@admin: it has an order, but no owner"},
		{"order twice", func(p *plan.Plan) { admin(p).Order = 0 }, "socket web@admin: order 0 is also that of socket web@http"},
		{"order with a gap", func(p *plan.Plan) { admin(p).Order = 2 }, "socket web@admin: order 2 is not below the number of sockets of web@srv, which is 2"},
		{"negative order", func(p *plan.Plan) { admin(p).Order = -1 }, "socket web@admin: order -1 is not below"},
		{"lifecycle", func(p *plan.Plan) { admin(p).Lifecycle = "" }, `socket web@admin: lifecycle is "", want managed or owned`},
		{"unlisted transport", func(p *plan.Plan) { http(p).Type = "vsock" }, `socket web@http: type "vsock" is not among the transports`},
		{"transport twice", func(p *plan.Plan) { p.Transports[0].Name = "tcp" }, "transport tcp: listed twice"},
		{"checksums without a shape", func(p *plan.Plan) {
			p.Transports[0].Checksums = map[string]string{"any": "sha256:" + strings.Repeat("0", 64)}
		}, "transport uds: it has either the shape of its sockets or the checksums"},
		{"checksum of another kind", func(p *plan.Plan) {
			p.Transports[0].Shape, p.Transports[0].Checksums = &plan.Shape{}, map[string]string{"any": "md5:00"}
		}, `transport uds: the checksum for any is "md5:00", want sha256: and 64 hex digits`},
		{"transport without name", func(p *plan.Plan) { p.Transports = append(p.Transports, plan.Transport{}) }, "transport : it has no name"},
		{"same name twice", func(p *plan.Plan) { admin(p).Name = "web@http" }, "socket web@http: defined twice"},
		{"S15 same name of another kind", func(p *plan.Plan) { p.Signals[1].Name = "web@mode"; http(p).Trigger = nil }, ""},
		{"name without group", func(p *plan.Plan) { admin(p).Name = "admin" }, `socket admin: name "admin" has no group: want group@name`},
		{"empty segment", func(p *plan.Plan) { admin(p).Name = "a//b@c" }, `group of name "a//b@c": a segment is empty`},
		{"character", func(p *plan.Plan) { admin(p).Name = "a@b c" }, `name "a@b c": character ' ' is not one of`},
		{"long name", func(p *plan.Plan) { admin(p).Name = plan.Name("a@" + strings.Repeat("x", 201)) }, "a segment has 201 bytes, at most 200 are allowed"},
		{"descriptor name", func(p *plan.Plan) { http(p).FDName = "a:b" }, `fd_name "a:b": ":" at byte 1 is not allowed`},
		{"long descriptor name", func(p *plan.Plan) { http(p).FDName = strings.Repeat("a", 256) }, "it has 256 bytes, at most 255 are allowed"},
		{"no descriptor name", func(p *plan.Plan) { http(p).FDName = "" }, "it is empty"},
		{"no endpoint", func(p *plan.Plan) { http(p).Listen = "" }, `socket web@http: listen "": it is empty`},
		{"no port", func(p *plan.Plan) { http(p).Listen = "localhost" }, `listen "localhost": want host:port`},
		{"port", func(p *plan.Plan) { http(p).Listen = "localhost:65536" }, `port "65536" is not a number from 0 to 65535`},
		{"bare v6", func(p *plan.Plan) { http(p).Listen = "::1:80" }, "an IPv6 address stands in brackets"},
		{"v6", func(p *plan.Plan) { http(p).Listen = "[::1]:80" }, ""},
		{"long path", func(p *plan.Plan) { admin(p).Listen = "/" + strings.Repeat("x", 107) }, "it has 108 bytes, at most 107 are allowed"},
		{"abstract name", func(p *plan.Plan) { admin(p).Listen = "@" + strings.Repeat("x", 107) }, ""},
		{"NUL in a path", func(p *plan.Plan) { admin(p).Listen = "/a\x00" }, "it has a control character"},
		{"unknown permission", func(p *plan.Plan) { admin(p).Permissions = []uint16{8} }, "socket web@admin: permissions has id 8, which is no permission"},
		{"unknown manager", func(p *plan.Plan) { admin(p).ManagedBy = []uint16{8} }, "managed_by has id 8"},
		{"unknown link", func(p *plan.Plan) { p.Permissions[0].Links = []uint16{9} }, "permission web@ops: links has id 9"},
		{"permission id twice", func(p *plan.Plan) {
			p.Permissions = append(p.Permissions, plan.Permission{Name: "web@zed", ID: 7})
		}, "permission web@zed: id 7 is also that of web@ops"},
		{"builtin id taken", func(p *plan.Plan) { p.Permissions[0].ID = 1001; admin(p).Permissions = nil }, "id 1001 is that of a builtin permission"},
		{"builtin permission", func(p *plan.Plan) {
			p.Permissions = append(p.Permissions, plan.Permission{Name: "rind@login", ID: plan.Login})
		}, ""},
		{"state without kind", func(p *plan.Plan) { p.States[1].Payload = 0 }, "state web@mode: it has no payload kind"},
		{"signal without kind", func(p *plan.Plan) { p.Signals[0].Payload = 9 }, "signal web@up: it has no payload kind"},
		{"branch keys of a string", func(p *plan.Plan) { p.States[1].Branch = []plan.BranchKey{{Target: "x"}} }, "a state of kind string has no branch keys"},
		{"branch key twice", func(p *plan.Plan) {
			p.States[0].Branch = []plan.BranchKey{{Target: "name"}, {Target: "name"}}
		}, `branch key "name" is empty or listed twice`},
		{"nothing to run", func(p *plan.Plan) { p.Services[0].Run = nil }, "service web@srv: it runs nothing"},
		{"no exec", func(p *plan.Plan) { p.Services[0].Run[0].Exec = "" }, "service web@srv: run[0] has no exec"},
		{"negative retries", func(p *plan.Plan) { p.Services[0].Restart.MaxRetries = -1 }, "restart.max_retries is negative"},

		{"unknown operation", do(plan.Action{Do: "reboot"}), `socket web@admin: trigger[0]: unknown operation "reboot"`},
		{"script without command", do(plan.Action{Do: plan.OpScript}), "script without command"},
		{"script with args", do(plan.Action{Do: plan.OpScript, Command: "x", Args: []string{"a"}}), "script has a args, which it cannot have"},
		{"exec with target", do(plan.Action{Do: plan.OpExec, Command: "x", Target: "web@srv"}), "exec has a target"},
		{"start without target", do(plan.Action{Do: plan.OpStartService}), "start-service without target"},
		{"start with payload", do(plan.Action{Do: plan.OpStartService, Target: "web@srv", Payload: str("")}), "start-service has a payload"},
		{"emit without payload", do(plan.Action{Do: plan.OpEmit, Target: "web@up"}), "emit without payload"},
		{"emit with filter", do(plan.Action{Do: plan.OpEmit, Target: "web@up", Payload: str(""), Filter: pred(cond.Target, cond.OpEqual, "")}), "emit has a filter"},
		{"emit of another kind", do(plan.Action{Do: plan.OpEmit, Target: "web@blob", Payload: str("")}), "the payload is string, want json"},
		{"emit a state", do(plan.Action{Do: plan.OpEmit, Target: "web@mode", Payload: str("")}), "emit web@mode, which is no signal of the plan"},
		{"set a signal", do(plan.Action{Do: plan.OpSetState, Target: "web@up", Payload: str("")}), "set-state web@up, which is no state of the plan"},
		{"start a socket as a service", do(plan.Action{Do: plan.OpStartService, Target: "web@http"}), "web@http, which is no service"},
		{"stop a service as a socket", do(plan.Action{Do: plan.OpStopSocket, Target: "web@srv"}), "web@srv, which is no socket"},
		{"set without branch key", do(plan.Action{Do: plan.OpSetState, Target: "rind@net-configured", Payload: document(t, `{"id":1}`)}), `the branch key "name" is missing`},
		{"set no object", do(plan.Action{Do: plan.OpSetState, Target: "rind@net-configured", Payload: document(t, `[]`)}), "the payload of a json state is an object"},
		{"set with branch key", do(plan.Action{Do: plan.OpSetState, Target: "rind@net-configured", Payload: document(t, `{"name":"eth0"}`)}), ""},
		{"filter of another kind", do(plan.Action{Do: plan.OpRemoveState, Target: "web@mode", Filter: pred(cond.Branch, cond.OpEqual, "x")}), "branch tests something that has no branch keys"},

		{"empty condition", when(cond.Expr{}), "socket web@http: stop_on: a condition has exactly one of and, or, not, atom"},
		{"two in one condition", when(cond.Expr{Atom: stateAtom("web@mode", nil).Atom, Not: stateAtom("web@mode", nil)}), "exactly one of"},
		{"nested empty condition", when(cond.Expr{And: []cond.Expr{{}}}), "exactly one of"},
		{"not signal", when(cond.Expr{Not: &cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "web@up"}}}), "not signal web@up: the absence of an event is no condition"},
		{"unknown state", when(*stateAtom("web@up", nil)), `"web@up" is no state of the plan`},
		{"unknown signal", when(cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "web@mode"}}), `"web@mode" is no signal of the plan`},
		{"atom without kind", when(cond.Expr{Atom: &cond.Atom{Name: "web@mode"}}), "an atom names a state or a signal"},
		{"empty guard", guard(&cond.Guard{}), "state rind@net-configured: a guard has exactly one of and, or, not, pred"},
		{"nested guard", guard(&cond.Guard{Not: &cond.Guard{And: []cond.Guard{{}}}}), "a guard has exactly one of"},
		{"unknown operator", guard(pred(cond.Target, "~", "x")), `unknown operator "~"`},
		{"no root", guard(pred(0, cond.OpEqual, "x")), "a path starts at target or branch"},
		{"path into a string", mode(pred(cond.Target, cond.OpEqual, "x", "a")), "a path leads into a payload of kind string"},
		{"has on a string", mode(pred(cond.Target, cond.OpHas, "x")), "operator has cannot test a payload of kind string"},
		{"branch of a string", mode(pred(cond.Branch, cond.OpEqual, "x")), "branch tests something that has no branch keys"},
		{"contains a number", guard(pred(cond.Target, cond.OpContains, true)), "operator contains: want a string, got true"},
		{"unknown type", guard(pred(cond.Target, cond.OpIs, "float")), `operator is: want one of json, string`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := sample(t)
			tt.change(p)
			err := p.Validate()
			if tt.want == "" && err != nil {
				t.Errorf("Validate error = %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestValidateJoinsAllProblems(t *testing.T) {
	p := sample(t)
	p.Sockets[0].Owner = "web@nope"
	p.Sockets[1].FDName = ""
	p.Services[0].Run = nil
	err := p.Validate()
	if err == nil {
		t.Fatal("Validate error = nil")
	}
	for _, want := range []string{"socket web@http: owner", "socket web@admin: fd_name", "service web@srv: it runs nothing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Validate error = %v, want it to have %q", err, want)
		}
	}
}

func TestEveryOperationHasAShape(t *testing.T) {
	for _, op := range plan.Ops {
		p := sample(t)
		p.Sockets[1].Trigger = []plan.Action{{Do: op}}
		if err := p.Validate(); err == nil || strings.Contains(err.Error(), "unknown operation") {
			t.Errorf("Validate of an empty %s = %v, want that something is missing", op, err)
		}
	}
}

func TestIndex(t *testing.T) {
	p := sample(t)
	p.Sockets[0].Order, p.Sockets[1].Order = 1, 0
	x := p.Index()
	if s, ok := x.Socket("web@admin"); !ok || s != &p.Sockets[1] {
		t.Errorf("Socket(web@admin) = %v, %v", s, ok)
	}
	if _, ok := x.Service("web@admin"); ok {
		t.Error("Service(web@admin) found a socket")
	}
	var order []plan.Name
	for _, s := range x.SocketsOf("web@srv") {
		order = append(order, s.Name)
	}
	if len(order) != 2 || order[0] != "web@admin" || order[1] != "web@http" {
		t.Errorf("SocketsOf(web@srv) = %v, want the order of the descriptors", order)
	}
	if _, ok := x.State("web@mode"); !ok {
		t.Error("State(web@mode) not found")
	}
	if _, ok := x.Signal("web@up"); !ok {
		t.Error("Signal(web@up) not found")
	}
	if q, ok := x.Permission("web@ops"); !ok || q.ID != 7 {
		t.Errorf("Permission(web@ops) = %v, %v", q, ok)
	}
}
