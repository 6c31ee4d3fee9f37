package schema_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/schema"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

func plans(t *testing.T) validator {
	t.Helper()
	text, err := schema.Plan().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func encoded(t *testing.T, p *plan.Plan) map[string]any {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestPlansOfRepository validates the plan of every directory of unit files.
func TestPlansOfRepository(t *testing.T) {
	v := plans(t)
	n := 0
	for _, dir := range []string{"../../examples", "../testdata"} {
		inputs := map[string][]compiler.Input{}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".toml" {
				return err
			}
			text, err := os.ReadFile(path)
			group := strings.TrimSuffix(filepath.Base(path), ".toml")
			inputs[filepath.Dir(path)] = append(inputs[filepath.Dir(path)], compiler.Input{Name: path, Group: group, Text: text})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for dir, in := range inputs {
			res := compiler.Compile(in, compiler.Options{Compiler: "rindc test"})
			if res.Plan == nil {
				continue // it needs the files of another directory
			}
			n++
			for _, bad := range v.errors(encoded(t, res.Plan)) {
				t.Errorf("plan of %s: %s", dir, bad)
			}
		}
	}
	if n == 0 {
		t.Error("there are no plans")
	}
}

// TestPlanHasEveryField validates a plan with something in every field of every
// type, so that nothing that rindc can write is missing from the schema.
func TestPlanHasEveryField(t *testing.T) {
	p := full(t)
	for _, bad := range plans(t).errors(encoded(t, p)) {
		t.Error(bad)
	}
}

// TestPlanMistakes checks what the schema finds wrong in plans that were changed.
func TestPlanMistakes(t *testing.T) {
	v := plans(t)
	tests := []struct {
		name, key string // of the plan, or with a dot of its first socket
		value     any    // nil: the key is removed
		want      string
	}{
		{name: "other format", key: "format", value: "x", want: ".format: x is not rind.plan"},
		{name: "other version", key: "version", value: 2.0, want: ".version: 2 is not 1"},
		{name: "no sockets", key: "sockets", want: "sockets is missing"},
		{name: "unknown key", key: ".x", value: 1.0, want: ".sockets[0].x: unknown key"},
		{name: "name without a group", key: ".name", value: "a", want: "does not match"},
		{name: "unknown lifecycle", key: ".lifecycle", value: "own", want: "is not one of"},
		{name: "permission that is no id", key: ".permissions", value: []any{-1.0}, want: "below the minimum"},
		{name: "condition of nothing", key: ".start_on", value: map[string]any{}, want: "0 of the alternatives"},
		{name: "unknown operation", key: ".trigger", value: []any{map[string]any{"do": "x"}}, want: "is not one of"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := encoded(t, full(t))
			object, key := p, tt.key
			if inSocket, ok := strings.CutPrefix(tt.key, "."); ok {
				object, key = firstSocket(t, p), inSocket
			}
			delete(object, key)
			if tt.value != nil {
				object[key] = tt.value
			}
			if got := strings.Join(v.errors(p), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("errors: %s\nwant %q", got, tt.want)
			}
		})
	}
}

func firstSocket(t *testing.T, p map[string]any) map[string]any {
	t.Helper()
	list, _ := p["sockets"].([]any)
	if len(list) == 0 {
		t.Fatal("the plan has no sockets")
	}
	socket, ok := list[0].(map[string]any)
	if !ok {
		t.Fatalf("a socket is %v", list[0])
	}
	return socket
}

// full returns a plan without an empty field. It need not make sense.
func full(t *testing.T) *plan.Plan {
	t.Helper()
	p := &plan.Plan{}
	fill(t, reflect.ValueOf(p).Elem())
	p.Requires = p.Needs()
	return p
}

func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case cond.Expr:
		pred := cond.Pred{Root: cond.Target, Path: []string{"a"}, Op: cond.OpEqual, Lit: json.Number("1")}
		atom := cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "a@b", Guard: &cond.Guard{Not: &cond.Guard{Pred: &pred}}}}
		v.Set(reflect.ValueOf(cond.Expr{And: []cond.Expr{atom, {Or: []cond.Expr{{Not: &atom}}}}}))
		return
	case cond.Guard:
		pred := cond.Pred{Root: cond.Branch, Op: cond.OpIs, Lit: "json"}
		v.Set(reflect.ValueOf(cond.Guard{And: []cond.Guard{{Or: []cond.Guard{{Pred: &pred}}}}}))
		return
	case cond.Value:
		payload, err := cond.ParseJSON([]byte(`{"a":[1]}`))
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(payload))
		return
	case cond.Kind:
		v.Set(reflect.ValueOf(cond.JSON))
		return
	case plan.Name:
		v.SetString("a/b@c")
		return
	case plan.Op:
		v.SetString(string(plan.OpEmit))
		return
	case plan.Lifecycle:
		v.SetString(string(plan.Owned))
		return
	case plan.Node:
		v.Set(reflect.ValueOf(plan.Node{
			Lit: "x", State: "a@b", Path: []string{"c"}, Var: "v", Access: "uid",
			Object: map[string]plan.Node{"a": {Lit: true}}, Array: []plan.Node{{Var: "v"}},
		}))
		return
	}
	switch v.Kind() { //nolint:exhaustive // a plan has no others
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(t, f)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		item := reflect.New(v.Type().Elem()).Elem()
		fill(t, item)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), item)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(1)
	default:
		t.Fatalf("the plan has a %v, which this test cannot fill", v.Type())
	}
}
