package decode_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

func decodeText(text string) (*unit.File, *diag.List) {
	return decode.File(&source.File{Name: "a.toml", Text: []byte(text)}, "a")
}

// withoutPlaces compares units by what they say.
var withoutPlaces = cmp.Options{cmpopts.IgnoreTypes(source.Place{}), cmpopts.IgnoreFields(unit.File{}, "Source")}

func str(s string) unit.String { return unit.String{Value: s} }

func list(items ...string) unit.List {
	var l unit.List
	for _, s := range items {
		l.Items = append(l.Items, str(s))
	}
	return l
}

// TestEveryKey decodes a file with every key.
func TestEveryKey(t *testing.T) {
	got, diags := decodeText(string(read(t, "testdata/clean/every-key.toml")))
	if len(diags.All()) > 0 {
		t.Fatalf("diagnostics: %+v", diags.All()[0])
	}
	id := func(id int64) unit.PermissionRef { return unit.PermissionRef{ID: unit.Int{Value: id}} }
	named := func(name string) unit.PermissionRef { return unit.PermissionRef{Name: str(name)} }
	yes := unit.Bool{Value: true}
	number := func(n int64) unit.Int { return unit.Int{Value: n} }
	after := func(d time.Duration) unit.Duration { return unit.Duration{Value: d} }
	resource := func(name string, soft, hard int64) (l unit.ResourceLimits) {
		for i, r := range unit.Resources {
			if r.Name == name {
				l.Limits[i] = unit.ResourceLimit{Soft: number(soft), Hard: number(hard)}
			}
		}
		return l
	}
	limits := resource("nofile", 1024, 1024)
	limits.Limits[1] = resource("core", unit.Infinity, unit.Infinity).Limits[1]
	limits.Limits[9] = resource("nproc", 10, unit.Infinity).Limits[9]
	want := &unit.File{
		Group: "a",
		Sockets: []*unit.Socket{{
			Name: str("web"), Type: str("tcp"), Listen: str(":8080"), Owner: str("web"), Lifecycle: str("owned"),
			FDName: str("http"), NonBlocking: yes, Accept: yes, Stdio: yes, FlushPending: yes,
			Limits: &unit.SocketLimits{
				Trigger:        &unit.Burst{Burst: number(20), Interval: after(2 * time.Second)},
				MaxConnections: number(100), PerSource: number(5), OnLimit: str("refuse"),
			},
			StartOn: unit.Conditions{Items: []unit.Condition{
				{Bare: str("rind@online")},
				{
					State:  str("cfg"),
					Target: unit.Test{As: unit.Any{Value: map[string]any{"status": "up", "ports": []any{int64(80), int64(443)}}}},
					Branch: unit.Test{Equal: str("eth0")},
				},
				{Signal: str("go"), Target: unit.Test{Contains: str("x")}},
				{All: unit.Conditions{Items: []unit.Condition{
					{Bare: str("cfg")},
					{Any: unit.Conditions{Items: []unit.Condition{{Bare: str("go")}}}},
					{Not: &unit.Condition{Bare: str("state blob")}},
				}}},
				{Not: &unit.Condition{State: str("blob")}},
			}},
			StopOn: unit.Conditions{Items: []unit.Condition{{State: str("blob"), Target: unit.Test{Binary: yes}}}},
			Trigger: unit.Triggers{Items: []unit.Trigger{
				{Script: str("echo $RIND_ACCESS_UID")},
				{Exec: str("/bin/echo"), Args: list("a", "b")},
				{State: str("cfg"), Payload: unit.Any{Value: map[string]any{
					"id":     int64(1),
					"nested": map[string]any{"list": []any{int64(1), 2.5, true, "x", map[string]any{}}},
				}}},
				{State: str("cfg"), Remove: yes, Branch: unit.Test{As: unit.Any{Value: map[string]any{"id": int64(1)}}}},
				{Signal: str("go"), Payload: unit.Any{Value: "now"}},
				{Service: str("web"), Stop: yes},
				{Socket: str("web")},
				{Timer: str("idle"), Stop: yes},
			}},
			OnStop:      unit.Triggers{Items: []unit.Trigger{{Signal: str("go")}}},
			Permissions: unit.PermissionRefs{Items: []unit.PermissionRef{named("ops"), id(0), id(65535)}},
			ManagedBy:   unit.PermissionRefs{Items: []unit.PermissionRef{id(1000)}},
			Options: []unit.Option{
				{Key: str("backlog"), Value: unit.Any{Value: int64(128)}, Prefer: true},
				{Key: str("keepalive"), Value: unit.Any{Value: map[string]any{"time": int64(60), "probes": int64(3)}}},
				{Key: str("multicast"), Value: unit.Any{Value: []any{"224.0.0.1"}}},
			},
		}},
		Services: []*unit.Service{
			{
				Name: str("web"), Group: str("33"), WorkingDir: str("/srv"),
				Umask: str("0027"), EnvFile: str("/etc/web.env"), Ready: str("notify"),
				After: list("db@main", "pair"), Capabilities: list("CAP_NET_BIND_SERVICE"), Limits: &limits,
				NoNewPrivileges: yes, Space: &unit.Space{Choice: unit.Choice{Word: str("user")}},
				UserSource: &unit.UserSource{State: str("rind@user_session"), Field: str("name"), BranchKey: str("seat")},
				Stop:       &unit.Stop{Signal: str("SIGINT"), Timeout: after(90 * time.Second)},
				Watchdog:   &unit.Watchdog{Interval: after(30 * time.Second), Grace: after(5 * time.Second), Action: str("signal")},
				Branching: &unit.Branching{
					State: str("rind@user_session"), Key: str("session_id"), MaxInstances: number(4), Enabled: yes,
				},
				ManagedBy: unit.PermissionRefs{Items: []unit.PermissionRef{named("ops")}},
				Stdout:    &unit.Output{Choice: unit.Choice{Word: str("null")}},
				Stderr:    &unit.Output{File: str("/var/log/web.log")},
				Run: []unit.Run{{
					Exec: str("/usr/bin/web"), Args: list("--fd", "3"),
					Env: []unit.EnvVar{{Name: str("LANG"), Value: str("C")}, {Name: str("MODE"), Value: str("fd")}},
				}},
				Env:     []unit.EnvVar{{Name: str("LANG"), Value: str("C")}},
				StartOn: unit.Conditions{Items: []unit.Condition{{Bare: str("rind@online")}}},
				OnStart: unit.Triggers{Items: []unit.Trigger{{Signal: str("go")}}},
				Restart: unit.Restart{
					MaxRetries: number(3), Backoff: after(100 * time.Millisecond), MaxBackoff: after(time.Minute), ResetAfter: after(90 * time.Second),
				},
			},
			{
				Name: str("pair"), User: str("www-data"), Restart: unit.Restart{Always: true},
				Run:   []unit.Run{{Exec: str("a")}, {Exec: str("b")}, {Variable: str("third")}},
				Space: &unit.Space{Choice: unit.Choice{Word: str("system")}},
			},
			{Name: str("tables"), Run: []unit.Run{{Exec: str("a"), Env: []unit.EnvVar{{Name: str("A"), Value: str("1")}}}, {Exec: str("b")}}},
		},
		States: []*unit.State{
			{
				Name: str("cfg"), Payload: str("json"), Branch: list("id", "name:id"), Impermanent: yes,
				After:          unit.Conditions{Items: []unit.Condition{{Bare: str("rind@net-interface")}}},
				ActivateOnNone: unit.Absences{Items: []unit.Absence{{Name: str("blob")}, {Name: str("rind@user_session"), Branch: str("seat")}}},
				AutoPayload:    &unit.AutoPayload{Eval: str("/bin/hostname"), Args: list("-f"), Insert: list("id"), Many: yes, Timeout: after(time.Second)},
				Permissions:    unit.PermissionRefs{Items: []unit.PermissionRef{named("ops")}},
			},
			{Name: str("blob"), Payload: str("bytes"), AutoPayload: &unit.AutoPayload{Variable: str("third"), Insert: list("a", "b")}},
		},
		Signals: []*unit.Signal{{
			Name: str("go"), Payload: str("string"), Branch: list("id"),
			After:       unit.Conditions{Items: []unit.Condition{{Bare: str("state cfg(target/up) and not blob")}}},
			Permissions: unit.PermissionRefs{Items: []unit.PermissionRef{id(1000)}},
		}},
		Timers: []*unit.Timer{{
			Name: str("idle"), Duration: after(90 * time.Minute), After: list("web"), Repeat: yes,
			Finish: unit.Triggers{Items: []unit.Trigger{{Service: str("web"), Stop: yes}}},
		}},
		Variables: []*unit.Variable{{
			Name: str("third"), Default: unit.Any{Value: map[string]any{"exec": "/bin/third", "level": 1.5}}, Env: str("THIRD"),
		}},
		Permissions: []*unit.Permission{{
			Name: str("ops"), ID: unit.Int{Value: 2000},
			Links: unit.PermissionRefs{Items: []unit.PermissionRef{named("admins"), id(1000)}},
			Users: list("root", "1000"), Groups: list("wheel"), Group: str("adm"),
		}},
	}
	if diff := cmp.Diff(want, got, withoutPlaces); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	if s := got.Sockets[0]; !s.OnStart.Set() || len(s.OnStart.Items) > 0 || got.Services[1].StartOn.Set() {
		t.Error("an empty array is set, and an absent one is not")
	}
	// The file uses every key, so a new row must be added there.
	written := string(read(t, "testdata/clean/every-key.toml"))
	for _, k := range unit.Kinds {
		for _, f := range k.Fields {
			if !strings.Contains(written, f.Key) {
				t.Errorf("every-key.toml does not use %s of %s", f.Key, k.Name)
			}
		}
	}
}

// TestTableIsBound binds a value of a wrong type to every key: nothing but an
// error about the type may come of it.
func TestTableIsBound(t *testing.T) {
	for _, k := range unit.Kinds {
		for _, f := range k.Fields {
			if f.Type == unit.TypeAny {
				continue // which takes everything but what has no JSON form
			}
			_, diags := decodeText("[[" + k.Name + "]]\n" + f.Key + " = 1979-05-27\n")
			i := slices.IndexFunc(diags.All(), func(d diag.Diagnostic) bool { return d.Code != diag.MissingKey })
			if i < 0 || diags.All()[i].Code != diag.WrongType || !strings.Contains(diags.All()[i].Message, "must be "+f.Type.String()) {
				t.Errorf("a date for %s of %s: %+v", f.Key, k.Name, diags.All())
			}
		}
	}
}

// TestStatements has the statements of the conformance list that a single file
// decides.
func TestStatements(t *testing.T) {
	const socket = "[[socket]]\nname = \"web\"\ntype = \"tcp\"\nlisten = \":1\"\n"
	tests := []struct {
		name, text string
		want       []string // code and message of each diagnostic
	}{
		{"S3 type must be a string", "[[socket]]\nname = \"web\"\ntype = 1\nlisten = \":1\"\n", []string{"K1007 `type` must be a string, got an integer"}},
		{"S4 no name", "[[socket]]\ntype = \"tcp\"\nlisten = \":1\"\n", []string{"K1008 socket has no `name`"}},
		{"S4 no type", "[[socket]]\nname = \"web\"\nlisten = \":1\"\n", []string{"K1008 socket \"web\" has no `type`"}},
		{"S4 no listen", "[[socket]]\nname = \"web\"\ntype = \"tcp\"\n", []string{"K1008 socket \"web\" has no `listen`"}},
		{"S5 all at once", "[[socket]]\nname = x\n[[socket]]\nnam = 1\n" + socket, []string{
			"S0001 invalid TOML: `x` is no value",
			"K1008 socket \"x\" has no `type`", "K1008 socket \"x\" has no `listen`",
			"K1005 socket has no key \"nam\"", "K1008 socket has no `type`", "K1008 socket has no `listen`",
		}},
		{"S6 managed", socket + "lifecycle = \"managed\"\n", nil},
		{"S6 owned", socket + "lifecycle = \"owned\"\n", nil},
		{"S6 absent", socket, nil},
		{"S6 something else", socket + "lifecycle = \"Owned\"\n", []string{"K1009 `lifecycle` must be one of `managed`, `owned`, got \"Owned\""}},
		{"S8 underscore", socket + "start_on = []\n", []string{"K1005 socket \"web\" has no key \"start_on\""}},
		{"S8 no dash", socket + "onstart = []\n", []string{"K1005 socket \"web\" has no key \"onstart\""}},
		{"S9 single table", "[socket]\nname = \"web\"\n", []string{"K1002 `socket` must be an array of tables"}},
		{"S10 start-on", socket + "start-on = \"x\"\n", []string{"K1007 `start-on` must be an array of conditions, got a string"}},
		{"S10 trigger", socket + "trigger = \"x\"\n", []string{"K1007 `trigger` must be an array of triggers, got a string"}},
		{"S10 permissions", socket + "permissions = \"x\"\n", []string{"K1007 `permissions` must be an array of permission names or ids, got a string"}},
		{"S11 neither state nor signal", socket + "start-on = [{ target = \"x\" }]\n", []string{"K1011 the condition names neither a state nor a signal"}},
		{"S11 empty condition", socket + "stop-on = [{}]\n", []string{"K1011 the condition names neither a state nor a signal"}},
		{"S16 TOML 1.1", socket + "options = {\n  a = 1, # comment\n  b = \"\\e\\x41\",\n}\n", nil},
		{"S19 names and ids", socket + "permissions = [\"ops\", 1000]\nmanaged-by = [0, 65535]\n", nil},
		{"S19 out of range", socket + "permissions = [65536]\n", []string{"K1014 65536 is not a permission id"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, diags := decodeText(tt.text)
			var got []string
			for _, d := range diags.All() {
				got = append(got, string(d.Code)+" "+d.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrokenUnits: what has a name stays, so that references to it resolve.
func TestBrokenUnits(t *testing.T) {
	lost := func(keys ...string) unit.Lost {
		l := unit.Lost{}
		for _, key := range keys {
			l[key] = true
		}
		return l
	}
	tests := []struct {
		name, text string
		want       []*unit.State
	}{
		{"sound", "[[state]]\nname = \"a\"\npayload = \"none\"\n", []*unit.State{{Name: str("a"), Payload: str("none")}}},
		{"wrong value", "[[state]]\nname = \"a\"\npayload = \"x\"\n", []*unit.State{{Name: str("a"), Payload: str("x"), Lost: lost("payload")}}},
		{"wrong type", "[[state]]\nname = \"a\"\npayload = 1\n", []*unit.State{{Name: str("a"), Lost: lost("payload")}}},
		{"without a name", "[[state]]\npayload = \"none\"\n", nil},
		{"syntax error", "[[state]]\nname = \"a\"\npayload = x\n", []*unit.State{{Name: str("a"), Lost: lost("payload")}}},
		{"syntax error in the name", "[[state]]\nname = \"a\npayload = \"none\"\n", []*unit.State{{Name: str("a"), Payload: str("none"), Lost: lost("name")}}},
		{"no name that can be understood", "[[state]]\nname = ?\npayload = \"none\"\n", nil},
		{"open bracket above the name", "[[state]]\nbranch = [\nname = \"a\"\n[[state]]\nname = \"b\"\npayload = \"none\"\n", []*unit.State{
			{Name: str("a"), Lost: lost("branch", "")}, {Name: str("b"), Payload: str("none")},
		}},
		{"extended table", "[[state]]\nname = \"a\"\npayload = \"none\"\nx = {}\nx.y = 1\n", []*unit.State{{Name: str("a"), Payload: str("none"), Lost: lost("")}}},
		{"between others", "[[state]]\nname = \"a\"\npayload = \"none\"\n[[state]]\nname = 'b' 1\n[[state]]\nname = \"c\"\npayload = \"json\"\n", []*unit.State{
			{Name: str("a"), Payload: str("none")}, {Name: str("c"), Payload: str("json")},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, diags := decodeText(tt.text)
			if diff := cmp.Diff(tt.want, got.States, withoutPlaces); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if broken := slices.ContainsFunc(got.States, func(s *unit.State) bool { return s.Lost != nil }); broken && diags.Errors() == 0 {
				t.Error("a unit is broken without an error")
			}
		})
	}
}

// TestPlaces: a bound value knows its place, also in a file with syntax errors.
func TestPlaces(t *testing.T) {
	f := &source.File{Name: "a.toml", Text: []byte("[[state]]\nname = ?\n[[state]]\nname = \"b\"\npayload = \"none\"\nbranch = [\"k\"]\n")}
	got, _ := decode.File(f, "a")
	if len(got.States) != 1 {
		t.Fatalf("%d states", len(got.States))
	}
	var index decode.Index
	s := got.States[0]
	for want, place := range map[string]source.Place{"[[state]]": s.At, `"b"`: s.Name.At, `"k"`: s.Branch.Items[0].At, `["k"]`: s.Branch.At} {
		at := index.Locate(place)
		line, _ := f.Position(at.Start)
		if text := string(f.Text[at.Start:at.End]); text != want || line < 3 {
			t.Errorf("line %d %q, want %q of the second unit", line, text, want)
		}
	}
}
