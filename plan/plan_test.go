package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

func str(s string) *cond.Value {
	v := cond.StringValue(s)
	return &v
}

func document(tb testing.TB, text string) *cond.Value {
	tb.Helper()
	v, err := cond.ParseJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return &v
}

func stateAtom(name string, g *cond.Guard) *cond.Expr {
	return &cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: name, Guard: g}}
}

func pred(root cond.Root, op cond.Op, lit any, path ...string) *cond.Guard {
	return &cond.Guard{Pred: &cond.Pred{Root: root, Path: path, Op: op, Lit: lit}}
}

// sample is a small plan that has something of everything.
func sample(tb testing.TB) *plan.Plan {
	tb.Helper()
	return &plan.Plan{
		Compiler: "rindc 0.1.0",
		Sources: []plan.Source{
			{File: "web.toml", SHA256: strings.Repeat("ab", 32), Units: map[string]int{"socket web@http": 1, "service web@srv": 9}},
		},
		Transports:  []plan.Transport{{Name: "uds", Version: "0.1.0", Manifest: "sha256:1"}, {Name: "tcp", Version: "0.1.0", Manifest: "sha256:0"}},
		Permissions: []plan.Permission{{Name: "web@ops", ID: 7, Links: []uint16{plan.SystemServices}, Users: []string{"ann"}}},
		States: []plan.State{
			{Name: "rind@net-configured", Payload: cond.JSON, Branch: []plan.BranchKey{{Target: "name"}}, Impermanent: true, Builtin: true},
			{Name: "web@mode", Payload: cond.String},
		},
		Signals: []plan.Signal{{Name: "web@up", Payload: cond.String}, {Name: "web@blob", Payload: cond.JSON}},
		Services: []plan.Service{{
			Name:    "web@srv",
			Run:     []plan.Command{{Exec: "/usr/bin/httpd", Args: []string{"<&>"}, Env: map[string]string{"B": "2", "A": "1"}}},
			Restart: plan.Restart{MaxRetries: 2},
			StopOn:  stateAtom("web@mode", pred(cond.Target, cond.OpEqual, "off")),
		}},
		Sockets: []plan.Socket{
			{
				Name: "web@http", Type: "tcp", Listen: "*:80", Owner: "web@srv", Lifecycle: plan.Owned, Enabled: true, FDName: "http",
				StartOn: &cond.Expr{Or: []cond.Expr{
					*stateAtom("rind@net-configured", pred(cond.Branch, cond.OpEqual, "eth0")),
					*stateAtom("rind@net-configured", pred(cond.Target, cond.OpHas, json.Number("1.0"), "l")),
					{Not: stateAtom("web@mode", nil)},
				}},
				OnStart: []plan.Action{{Do: plan.OpEmit, Target: "web@up", Payload: str("<http>")}},
				Trigger: []plan.Action{{Do: plan.OpEmit, Target: "web@blob", Payload: document(tb, `{"b":1.0,"a":[1,null]}`)}},
				Options: map[string]string{"backlog": "512"},
			},
			{
				Name: "web@admin", Type: "uds", Listen: "/run/admin.sock", Owner: "web@srv", Order: 1, Lifecycle: plan.Managed, FDName: "admin",
				Permissions: []uint16{7}, ManagedBy: []uint16{plan.AnyPermission},
				Trigger: []plan.Action{
					{Do: plan.OpScript, Command: "true"},
					{Do: plan.OpExec, Command: "/bin/echo", Args: []string{"a"}},
					{Do: plan.OpSetState, Target: "web@mode", Payload: str("off")},
					{Do: plan.OpRemoveState, Target: "rind@net-configured", Filter: pred(cond.Branch, cond.OpEqual, "eth0")},
					{Do: plan.OpStartService, Target: "web@srv"},
					{Do: plan.OpStopSocket, Target: "web@http"},
				},
			},
		},
	}
}

func encoded(tb testing.TB, p *plan.Plan) []byte {
	tb.Helper()
	data, err := p.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// The golden file is the published format: a difference needs a new minor or
// major version.
func TestEncodeGolden(t *testing.T) {
	got := encoded(t, sample(t))
	file := filepath.Join("testdata", "sample.plan.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("Encode (-want +got; UPDATE_GOLDEN=1 rewrites it):\n%s", diff)
	}
	if !json.Valid(got) {
		t.Error("the plan is not one JSON document")
	}
}

func TestDecodeIsTheInverse(t *testing.T) {
	p := sample(t)
	data := encoded(t, p)
	got, err := plan.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Decode(Encode(p)) (-want +got):\n%s", diff)
	}
	if again := encoded(t, got); !bytes.Equal(again, data) {
		t.Errorf("Encode(Decode(x)) differs:\n%s", cmp.Diff(string(data), string(again)))
	}
}

func TestEncodeDoesNotDependOnOrder(t *testing.T) {
	p, q := sample(t), sample(t)
	q.Sockets[0], q.Sockets[1] = q.Sockets[1], q.Sockets[0]
	q.Transports[0], q.Transports[1] = q.Transports[1], q.Transports[0]
	q.Signals[0], q.Signals[1] = q.Signals[1], q.Signals[0]
	if a, b := encoded(t, p), encoded(t, q); !bytes.Equal(a, b) {
		t.Errorf("the order of the lists changes the plan:\n%s", cmp.Diff(string(a), string(b)))
	}
}

func TestEmptyPlan(t *testing.T) {
	p, err := plan.Decode(encoded(t, &plan.Plan{Compiler: "rindc 0.1.0"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sockets) != 0 || p.Compiler != "rindc 0.1.0" {
		t.Errorf("Decode = %+v, want an empty plan", p)
	}
}

func TestEncodeNamesWhatCannotBeEncoded(t *testing.T) {
	p := &plan.Plan{States: []plan.State{{Name: "a@b"}}}
	if _, err := p.Encode(); err == nil || !strings.Contains(err.Error(), "states[0]") {
		t.Errorf("Encode error = %v, want one that names states[0]", err)
	}
}

func TestS167Refused(t *testing.T) {
	good := encoded(t, sample(t))
	replace := func(old, with string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the sample plan has no %s", old)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	line := bytes.IndexByte(good, '\n')
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"newer schema", replace(`"version":1`, `"version":2`), "plan has format version 2, but this program runs version 1: recompile it with the rindc of this release, or upgrade rindrun"},
		{"newer schema with another header", []byte(`{"format":"rind.plan","version":9,"requires":"x"` + "\n}"), "plan has format version 9"},
		{"older schema", replace(`"version":1`, `"version":0`), "plan has format version 0, but this program runs version 1: recompile it with the rindc of this release"},
		{"unknown feature", replace(`"requires":[]`, `"requires":["warp"]`), "this plan needs \"warp\", which this rindrun does not have: upgrade it, or remove that from the unit files"},
		{"unknown features", replace(`"requires":[]`, `"requires":["lift","probe","warp"]`), `this plan needs "lift", "probe" and "warp", which this rindrun does not have`},
		{"edited by hand", replace(`"listen":"*:80"`, `"listen":"*:81"`), "so it was edited by hand or truncated: recompile it with rindc"},
		{"edited digest", replace(`"digest":"sha256:`, `"digest":"sha256:0`), "so it was edited by hand or truncated"},
		{"no digest", replace(`"digest":"`, `"digset":"`), "so it was edited by hand or truncated"},
		{"truncated", good[:len(good)-9], "so it was edited by hand or truncated"},
		{"truncated in the header", good[:line-9], "plan is truncated in its first line: recompile it with rindc"},
		{"trailing data", append(bytes.Clone(good), "{}\n"...), "so it was edited by hand or truncated"},
		{"reformatted", []byte("{\n  \"format\": \"rind.plan\"\n}"), "it was reformatted or edited by hand"},
		{"header of wrong types", replace(`"minor":1`, `"minor":"x"`), "plan header: json: cannot unmarshal string"},
		{"a unit file", []byte("[[socket]]\nname = \"http\"\n"), "not a plan: compile unit files with rindc build"},
		{"empty", nil, "not a plan"},
		{"null", []byte("null"), "not a plan"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := plan.Decode(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestDecodeErrorTypes(t *testing.T) {
	good := encoded(t, sample(t))
	_, err := plan.Decode(bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1))
	if v := (*plan.VersionError)(nil); !errors.As(err, &v) || v.Got != 2 || v.Want != plan.Version {
		t.Errorf("Decode of version 2 = %v, want a *VersionError with both versions", err)
	}
	_, err = plan.Decode(good[:len(good)-1])
	if d := (*plan.DigestError)(nil); !errors.As(err, &d) {
		t.Errorf("Decode of a cut plan = %v, want a *DigestError", err)
	}
	_, err = plan.Decode([]byte("#!/bin/sh"))
	if !errors.Is(err, plan.ErrNotPlan) {
		t.Errorf("Decode of a script = %v, want ErrNotPlan", err)
	}
}

// sealed gives a hand-made plan the digest it would have.
func sealed(tb testing.TB, text string) []byte {
	tb.Helper()
	_, err := plan.Decode([]byte(text))
	d := (*plan.DigestError)(nil)
	if !errors.As(err, &d) {
		tb.Fatalf("Decode(%.80q) = %v, want a *DigestError", text, err)
	}
	return []byte(strings.Replace(text, `"digest":""`, `"digest":"`+d.Got+`"`, 1))
}

func TestDecodeHandMade(t *testing.T) {
	const head = `{"format":"rind.plan","version":1,"minor":0,"compiler":"","digest":"","requires":[],"transports":[],` + "\n"
	tests := []struct {
		name, rest, want string
	}{
		{"sound", `"sockets":[]}`, ""},
		{"keys of a later minor version", `"hooks":[],"states":[{"name":"a@b","payload":"none","ttl":3}]}`, ""},
		{"something after the end", `"sockets":[]} []`, "plan has something after its end"},
		{"wrong type", `"sockets":{}}`, "cannot unmarshal object"},
		{"cut and sealed", `"sockets":[`, "unexpected EOF"},
		{"too deep", `"x":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}", "plan is nested 601 deep, at most 512 are allowed"},
		{"brackets in strings are not nesting", `"x":"` + strings.Repeat("[", 600) + `\""}`, ""},
		{"invalid unit", `"states":[{"name":"b","payload":"none"}]}`, `state b: name "b" has no group: want group@name`},
		{"unknown payload kind", `"states":[{"name":"a@b","payload":"xml"}]}`, `unknown payload kind "xml"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := plan.Decode(sealed(t, head+tt.rest))
			if tt.want == "" && err != nil {
				t.Errorf("Decode error = %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Decode error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	good := encoded(f, sample(f))
	f.Add(good)
	f.Add(encoded(f, everything(f)))
	f.Add(good[:200])
	f.Add([]byte(`{"format":"rind.plan","version":1,"digest":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The digest keeps mutations out, so the text is tried sealed as well.
		_, err := plan.Read(data)
		if d := (*plan.DigestError)(nil); errors.As(err, &d) {
			data = bytes.Replace(data, []byte(`"digest":"`+d.Want+`"`), []byte(`"digest":"`+d.Got+`"`), 1)
		}
		p, err := plan.Read(data)
		if err != nil {
			return
		}
		again, err := plan.Read(encoded(t, p))
		if err != nil {
			t.Fatalf("a decoded plan does not survive encoding: %v", err)
		}
		if diff := cmp.Diff(p, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(plan.Plan{}, "Digest")); diff != "" {
			t.Errorf("a decoded plan changes by encoding:\n%s", diff)
		}
	})
}
