package resolve_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

func none(kind, name string) string {
	return fmt.Sprintf("[[%s]]\nname = %q\npayload = \"none\"\n", kind, name)
}

// table declares files by group, in the order of the groups.
func table(t *testing.T, gaps []resolve.Gap, files ...[2]string) (*resolve.Table, []diag.Diagnostic) {
	t.Helper()
	ds := &diag.List{}
	var units []*unit.File
	for _, in := range files {
		f, found := decode.File(&source.File{Name: in[0] + ".toml", Text: []byte(in[1])}, in[0])
		if found.Errors() > 0 {
			t.Fatalf("decode %s: %s", in[0], found.All()[0].Message)
		}
		units = append(units, f)
	}
	return resolve.New(units, gaps, ds), ds.All()
}

func ref(name string) unit.String {
	return unit.String{Value: name, At: source.UnitPlace(&source.File{}, "", 0)}
}

func TestS49Names(t *testing.T) {
	tab, ds := table(
		t, nil,
		[2]string{"a", none("state", "near") + none("state", "shared") + none("signal", "beep")},
		[2]string{"b/c", none("state", "far") + none("state", "shared") + none("state", "near")},
	)
	if len(ds) > 0 {
		t.Fatalf("declared with %v", ds)
	}
	tests := []struct {
		name, group, ref string
		want             string // name, or the code and message
		help             string
	}{
		{"full", "a", "b/c@far", "b/c@far", ""},
		{"own group first", "a", "near", "a@near", ""},
		{"own group first, elsewhere", "b/c", "near", "b/c@near", ""},
		{"the only one", "a", "far", "b/c@far", ""},
		{"the only one, from a group without any", "x", "far", "b/c@far", ""},
		{"builtin", "x", "online", "rind@online", ""},
		{"ambiguous", "x", "shared", `N2104 state "shared" is defined in several groups`, `write the full address: "a@shared", "b/c@shared"`},
		{"unknown", "a", "fra", `N2103 no state is named "fra"`, `did you mean "far"?`},
		{"as systemd writes it", "a", "far.target", `N2103 no state is named "far.target"`, `did you mean "far"?`},
		{"as systemd writes it, with a group", "a", "b/c@far.target", `N2103 no state is named "b/c@far.target"`, `did you mean "b/c@far"?`},
		{"another number", "a", "far1", `N2103 no state is named "far1"`, `did you mean "far"?`},
		{"unknown and far from all", "a", "zzzzzzzz", `N2103 no state is named "zzzzzzzz"`, "define it: `[[state]]` with `name = \"zzzzzzzz\"` in the file of group \"a\""},
		{"the right name in another group", "a", "a@far", `N2103 no state is named "a@far"`, `did you mean "b/c@far"?`},
		{"a name of another kind", "a", "beep", `N2103 no state is named "beep"`, `"beep" is a signal: name a state here`},
		{"a unit where a group is", "a", "beep@finished", `N2103 no state is named "beep@finished"`, `in front of the @ is a group of units, and "beep" is a signal: name a state here`},
		{"newer spelling", "a", "b:far", "N2105 ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, d := tab.In(tt.group).State(ref(tt.ref))
			got := ""
			if s != nil {
				got = string(s.Name)
			}
			if d != nil {
				got = fmt.Sprintf("%s %s", d.Code, d.Message)
				if tt.help != "" && d.Help != tt.help {
					t.Errorf("help %q, want %q", d.Help, tt.help)
				}
			}
			if strings.HasSuffix(tt.want, " ") && strings.HasPrefix(got, tt.want) {
				got = tt.want // only the start is given
			}
			if got != tt.want {
				t.Errorf("State(%q) in %q = %q, want %q", tt.ref, tt.group, got, tt.want)
			}
		})
	}
}

func TestFlow(t *testing.T) {
	tab, _ := table(
		t, nil,
		[2]string{"a", none("state", "x") + none("signal", "y") + none("state", "both") + none("signal", "both")},
		[2]string{"b", none("signal", "x") + none("state", "z") + none("signal", "w")},
		[2]string{"c", none("state", "z")},
	)
	tests := []struct{ name, group, ref, want string }{
		{"a state", "a", "x", "state a@x"},
		{"a signal", "a", "y", "signal a@y"},
		{"the own group hides the other kind elsewhere", "b", "x", "signal b@x"},
		{"both kinds, equally far", "c", "x", `"x" names both a state and a signal`},
		{"both kinds in one group", "a", "both", `"both" names both a state and a signal`},
		{"both kinds by full name", "c", "a@both", `"a@both" names both a state and a signal`},
		{"several groups", "a", "z", `"z" is defined in several groups`},
		{"neither", "a", "nil", `no state or signal is named "nil"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, d := tab.In(tt.group).Flow(ref(tt.ref))
			got := ""
			switch {
			case d != nil:
				got = d.Message
			case f.State != nil:
				got = "state " + string(f.State.Name)
			case f.Signal != nil:
				got = "signal " + string(f.Signal.Name)
			}
			if got != tt.want {
				t.Errorf("Flow(%q) in %q = %s, want %s", tt.ref, tt.group, got, tt.want)
			}
		})
	}
}

func TestS14Duplicates(t *testing.T) {
	const socket = "[[socket]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \":1\"\n"
	tab, ds := table(t, nil, [2]string{"g", socket + none("state", "s") + socket}, [2]string{"rind", none("state", "online") + none("state", "mine")})
	var got []string
	for _, d := range ds {
		line, _ := decode.Locate(d.At).File.Position(decode.Locate(d.At).Start)
		text := fmt.Sprintf("%d %s %s", line, d.Code, d.Message)
		for _, l := range d.Labels {
			at := decode.Locate(l.At)
			line, _ := at.File.Position(at.Start)
			text += fmt.Sprintf("; %d %s", line, l.Message)
		}
		got = append(got, text)
	}
	want := []string{
		`9 N2101 socket "g@s" is defined twice; 2 first defined here`,
		`2 N2102 state "rind@online" is builtin`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if len(tab.Sockets) != 2 {
		t.Errorf("%d sockets, want both, so that both are checked", len(tab.Sockets))
	}
	if s, d := tab.In("g").State(ref("mine")); d != nil || s.Name != "rind@mine" {
		t.Errorf("rind.toml does not add to the group rind: %v", d)
	}
}

func TestBuiltins(t *testing.T) {
	tab, _ := table(t, nil)
	type row struct {
		Name        plan.Name
		Payload     cond.Kind
		Keys        string
		Impermanent bool
	}
	var got []row
	for _, s := range tab.States {
		got = append(got, row{s.Name, s.Payload, strings.Join(s.BranchKeys(), ","), s.Impermanent})
	}
	want := []row{
		{"rind@active", cond.String, "", false},
		{"rind@online", cond.None, "", true},
		{"rind@net-interface", cond.JSON, "name", true},
		{"rind@net-configured", cond.JSON, "name", true},
		{"rind@net-dns_ready", cond.None, "", true},
		{"rind@maintenance-mode", cond.None, "", true},
		{"rind@user_session", cond.JSON, "session_id", true},
		{"rind@firewall", cond.None, "", true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("builtin states (-want +got):\n%s", diff)
	}
	for name, id := range map[string]uint16{"any": 0, "system-services": 1000, "login": 1001, "run0": 1002, "network": 1003} {
		q, d := tab.In("x").Permission(unit.PermissionRef{Name: ref(name)})
		if d != nil || q.ID != id {
			t.Errorf("permission %s = %v, %v; want id %d", name, q, d, id)
		}
	}
}

func TestStates(t *testing.T) {
	tab, _ := table(t, nil, [2]string{"g", none("state", "_scratch") +
		"[[state]]\nname = \"kept\"\npayload = \"json\"\nbranch = [\"a\", \"b : c\", \"d:d\"]\n" +
		"[[state]]\nname = \"gone\"\npayload = \"json\"\nimpermanent = true\n"})
	got := map[plan.Name]plan.State{}
	for _, s := range tab.States[:3] {
		got[s.Name] = s.State
	}
	want := map[plan.Name]plan.State{
		"g@_scratch": {Name: "g@_scratch", Payload: cond.None, Impermanent: true},
		"g@kept":     {Name: "g@kept", Payload: cond.JSON, Branch: []plan.BranchKey{{Target: "a"}, {Target: "b", Source: "c"}, {Target: "d"}}},
		"g@gone":     {Name: "g@gone", Payload: cond.JSON, Impermanent: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestGaps(t *testing.T) {
	gaps := []resolve.Gap{{Group: "lost"}, {Group: "half", Kind: "signal"}, {Group: "dir/"}}
	tab, _ := table(t, gaps, [2]string{"g", none("state", "s")})
	tests := []struct {
		name, ref string
		silent    bool
	}{
		{"in a file that is lost", "lost@x", true},
		{"of a kind that is lost", "half@x", false},
		{"below a directory that is lost", "dir/sub@x", true},
		{"a directory of a similar name", "directory@x", false},
		{"somewhere", "x", true},
		{"in a file that is whole", "g@x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, d := tab.In("g").State(ref(tt.ref))
			if s != nil || (d == nil) != tt.silent {
				t.Errorf("State(%q) = %v, %v; silent should be %v", tt.ref, s, d, tt.silent)
			}
		})
	}
	if _, d := tab.In("g").Signal(ref("half@x")); d != nil {
		t.Errorf("Signal(half@x) reports %q, but signals of half are lost", d.Message)
	}
	all, _ := table(t, []resolve.Gap{{Group: "/"}})
	if _, d := all.In("g").State(ref("any/group@x")); d != nil {
		t.Errorf("State reports %q, but every group may be lost", d.Message)
	}
}

func TestTimersAndVariables(t *testing.T) {
	timer := func(name string) string { return fmt.Sprintf("[[timer]]\nname = %q\nduration = 1\n", name) }
	variable := func(name, def string) string {
		return fmt.Sprintf("[[variable]]\nname = %q\ndefault = %s\n", name, def)
	}
	tab, ds := table(
		t, nil,
		[2]string{"a", timer("idle") + variable("level", `"info"`) + variable("depth", "3")},
		[2]string{"b", timer("idle") + timer("tick") + variable("depth", "{}") + "[[variable]]\nname = \"home\"\nenv = \"HOME\"\n"},
	)
	if len(ds) != 1 || ds[0].Code != resolve.DuplicateName || ds[0].Message != `variable "depth" is defined twice` || !strings.Contains(ds[0].Help, "have no group") {
		t.Errorf("declared with %+v, want one variable defined twice", ds)
	}
	for name, want := range map[string]plan.Name{"idle": "a@idle", "tick": "b@tick", "b@idle": "b@idle"} {
		if got, bad := tab.In("a").Timer(ref(name)); bad != nil || got.Name != want {
			t.Errorf("Timer(%q) = %+v, %+v; want %s", name, got, bad, want)
		}
	}
	if _, bad := tab.In("a").Timer(ref("tikc")); bad == nil || bad.Code != resolve.UnknownName || bad.Help != `did you mean "tick"?` {
		t.Errorf("Timer(tikc) = %+v", bad)
	}
	for name, want := range map[string]cond.Kind{"level": cond.String, "depth": cond.JSON, "home": cond.String} {
		if got, bad := tab.In("x").Variable(ref(name)); bad != nil || got.Name != name || got.Kind != want {
			t.Errorf("Variable(%q) = %+v, %+v; want kind %v", name, got, bad, want)
		}
	}
	if _, bad := tab.In("a").Variable(ref("a@level")); bad == nil || bad.Message != `no variable is named "a@level"` {
		t.Errorf("Variable(a@level) = %+v: a variable has no group", bad)
	}
	if _, bad := tab.In("a").Variable(ref("leval")); bad == nil || bad.Help != `did you mean "level"?` {
		t.Errorf("Variable(leval) = %+v", bad)
	}
	hidden, _ := table(t, []resolve.Gap{{Group: "c", Kind: "variable"}})
	if got, bad := hidden.In("a").Variable(ref("level")); got != nil || bad != nil {
		t.Errorf("Variable in a gap = %+v, %+v; want neither", got, bad)
	}
}
