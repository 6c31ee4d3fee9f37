package words_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plan/words"
)

func jsonValue(t *testing.T, text string) *cond.Value {
	t.Helper()
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

func TestAction(t *testing.T) {
	text, none := cond.StringValue("now \"x\""), cond.NoneValue()
	raw := cond.BytesValue([]byte("a\xff"))
	filter := &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Path: []string{"id"}, Op: cond.OpEqual, Lit: json.Number("1")}}
	template := &plan.Template{Kind: cond.JSON, Each: "a@b", Node: plan.Node{Object: map[string]plan.Node{
		"who": {Access: "uid"},
		"all": {Array: []plan.Node{{Lit: "x"}, {Lit: nil}, {Var: "v"}, {State: "a@b", Path: []string{"c", "d"}}}},
	}}}
	tests := []struct {
		name   string
		action plan.Action
		want   string
	}{
		{"script", plan.Action{Do: plan.OpScript, Command: "echo \"a\"\nexit 0"}, `runs the script "echo \"a\"\nexit 0"`},
		{"exec", plan.Action{Do: plan.OpExec, Command: "/bin/a", Args: []string{"-x=1", "b c", ""}}, `runs /bin/a -x=1 "b c" ""`},
		{"set", plan.Action{Do: plan.OpSetState, Target: "a@b", Payload: jsonValue(t, `{"b":1.0, "a":[]}`)}, `sets state a@b with {"a":[],"b":1.0}`},
		{"remove", plan.Action{Do: plan.OpRemoveState, Target: "a@b"}, `removes state a@b`},
		{"remove some", plan.Action{Do: plan.OpRemoveState, Target: "a@b", Filter: filter}, `removes state a@b where branch/id == 1`},
		{"emit", plan.Action{Do: plan.OpEmit, Target: "a@b", Payload: &text}, `emits signal a@b with "now \"x\""`},
		{"emit bytes", plan.Action{Do: plan.OpEmit, Target: "a@b", Payload: &raw}, `emits signal a@b with the bytes "a\xff"`},
		{"emit nothing", plan.Action{Do: plan.OpEmit, Target: "a@b", Payload: &none}, `emits signal a@b`},
		{"template", plan.Action{Do: plan.OpEmit, Target: "a@b", Template: template}, `emits signal a@b with {"all":["x",null,var:v,state a@b/c/d],"who":access:uid} for each branch of state a@b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := words.Action(&tt.action); got != tt.want {
				t.Errorf("Action = %s, want %s", got, tt.want)
			}
		})
	}
	for _, op := range plan.Ops {
		if got := words.Action(&plan.Action{Do: op}); got == string(op) {
			t.Errorf("there are no words for %s", op)
		}
	}
}

func TestFields(t *testing.T) {
	p := &plan.Plan{Permissions: []plan.Permission{{Name: "ops@all", ID: 2000}}}
	duration := plan.Duration(5e9)
	tests := []struct {
		name string
		unit any
		want []words.Field
	}{
		{"socket", &plan.Socket{
			Name: "a@b", Type: "uds", Listen: "/run/a b", Owner: "a@s", Order: 1, Lifecycle: plan.Managed, FDName: "b",
			StartOn:     &cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "a@x"}},
			Trigger:     []plan.Action{{Do: plan.OpStopSocket, Target: "a@b"}, {Do: plan.OpScript, Command: "true"}},
			Permissions: []uint16{2000, plan.Login}, Options: map[string]string{"mode": "0660", "backlog": "5"},
		}, []words.Field{
			{"type", "uds"},
			{"listen", `"/run/a b"`},
			{"owner", "a@s"},
			{"lifecycle", "managed"},
			{"enabled", "false"},
			{"start-on", "state a@x"},
			{"trigger[0]", "stops socket a@b"},
			{"trigger[1]", "runs the script true"},
			{"permissions", "ops@all (2000), rind@login (1001)"},
			{"fd-name", "b"},
			{"options.backlog", "5"},
			{"options.mode", "0660"},
			{"descriptor", "4"},
		}},
		{"socket without owner", &plan.Socket{Name: "a@b", Enabled: true}, []words.Field{
			{"type", `""`}, {"listen", `""`}, {"lifecycle", `""`}, {"enabled", "true"}, {"fd-name", `""`},
		}},
		{"service", &plan.Service{
			Name: "a@s", Run: []plan.Command{{Exec: "a", Args: []string{"b", "c"}}, {Exec: "d", Env: map[string]string{"E": "f"}}},
			Stop: plan.Stop{Timeout: &duration}, Capabilities: []string{}, Limits: map[string]plan.Limit{"nofile": {Soft: 1, Hard: plan.Infinity}},
		}, []words.Field{
			{"run[0].args", `["b","c"]`},
			{"run[0].exec", "a"},
			{"run[1].env.E", "f"},
			{"run[1].exec", "d"},
			{"stop.timeout", "5s"},
			{"limits.nofile.hard", "infinity"},
			{"limits.nofile.soft", "1"},
			{"capabilities", "[]"},
		}},
		{"variable", &plan.Variable{Name: "v", Default: jsonValue(t, `{"a":1}`)}, []words.Field{{"default", `{"a":1}`}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, words.NamesOf(p).Fields(tt.unit)); diff != "" {
				t.Errorf("Fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{90 * time.Second, "1m30s"},
		{10 * time.Minute, "10m"},
		{time.Hour, "1h"},
		{10*time.Hour + time.Second, "10h0m1s"},
		{time.Hour + 10*time.Minute, "1h10m"},
		{time.Millisecond, "1ms"},
		{10 * time.Second, "10s"},
	}
	for _, tt := range tests {
		if got := words.Duration(plan.Duration(tt.d)); got != tt.want {
			t.Errorf("Duration(%v) = %s, want %s", tt.d, got, tt.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct{ text, want string }{{"", ""}, {"éééé", "éééé"}, {"ééééé", "ééé…"}} {
		if got := words.Clip(tt.text, 4); got != tt.want {
			t.Errorf("Clip(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}
