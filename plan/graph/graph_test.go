package graph_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plan/graph"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the golden files")

// compiled returns the plan of the unit files of testdata.
func compiled(t *testing.T) *plan.Plan {
	t.Helper()
	const root = "testdata/units"
	var inputs []compiler.Input
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		group := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), ".toml")
		inputs = append(inputs, compiler.Input{Name: path, Group: group, Text: text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	res := compiler.Compile(inputs, compiler.Options{})
	for _, d := range res.Diags.All() {
		t.Logf("%v: %s %s", d.Severity, d.Code, d.Message)
	}
	if res.Plan == nil {
		t.Fatal("the unit files of testdata have errors")
	}
	return res.Plan
}

func TestFormats(t *testing.T) {
	g := graph.New(compiled(t))
	flow := g.Only(func(n graph.Node) bool { return n.Kind != graph.Permission && n.Kind != graph.Variable })
	for _, f := range graph.Formats {
		for name, shown := range map[string]*graph.Graph{"all": g, "flow": flow} {
			t.Run(f.Name+" "+name, func(t *testing.T) {
				got, err := f.Write(shown)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+f.Name, got)
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestDeterministic writes the graph of one plan several times, from plans whose
// lists have another order.
func TestDeterministic(t *testing.T) {
	p := compiled(t)
	for _, f := range graph.Formats {
		want, err := f.Write(graph.New(p))
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(p.Sockets)
		slices.Reverse(p.States)
		got, err := f.Write(graph.New(p))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs, error %v:\n%s\n%s", f.Name, err, want, got)
		}
	}
}

// TestEscapes draws names and texts with everything that means something to a
// format.
func TestEscapes(t *testing.T) {
	const odd = "\"#&<>`\\\n|;"
	p := &plan.Plan{
		Sockets: []plan.Socket{{
			Name: "g@s", Type: "uds", Listen: odd, Enabled: true, StartOn: &cond.Expr{Atom: &cond.Atom{
				Kind: cond.Signal, Name: "g@x", Guard: &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Op: cond.OpEqual, Lit: odd}},
			}},
		}},
		Signals: []plan.Signal{{Name: "g@x", Payload: cond.String}},
	}
	want := map[string][]string{
		"mermaid": {
			`n0[/"s<br/>uds #quot;#35;#amp;#lt;#gt;#96;\<br/>|;"/]`,
			`n1 -->|"starts<br/>target == #quot;\#quot;#35;#amp;#lt;#gt;#96;\\\n|;#quot;"| n0`,
		},
		"dot": {
			`"socket g@s" [label="s\nuds \"#&<>` + "`" + `\\\n|;", shape=parallelogram];`,
			`"signal g@x" -> "socket g@s" [label="starts\ntarget == \"\\\"#&<>` + "`" + `\\\\\\n|;\""];`,
		},
	}
	for _, f := range graph.Formats {
		got, err := f.Write(graph.New(p))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want[f.Name] {
			if !strings.Contains(string(got), line+"\n") {
				t.Errorf("%s lacks\n%s\nin\n%s", f.Name, line, got)
			}
		}
		if f.Name == "json" && !json.Valid(got) {
			t.Errorf("invalid JSON:\n%s", got)
		}
	}
}

func TestFind(t *testing.T) {
	g := graph.New(&plan.Plan{
		Sockets:  []plan.Socket{{Name: "a@x"}, {Name: "a@only"}},
		Services: []plan.Service{{Name: "a@x"}, {Name: "b@x"}},
	})
	tests := []struct {
		name, find string
		want       []graph.Node
		wantErr    string
	}{
		{name: "address of two kinds", find: "a@x", want: []graph.Node{{Kind: graph.Socket, Name: "a@x"}, {Kind: graph.Service, Name: "a@x"}}},
		{name: "short name", find: "only", want: []graph.Node{{Kind: graph.Socket, Name: "a@only"}}},
		{name: "ambiguous", find: "x", wantErr: `"x" may be socket a@x, service a@x, service b@x: write the full address`},
		{name: "unknown", find: "a@y", wantErr: `the plan has no unit "a@y"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := g.Find(tt.find)
			if text := errText(err); text != tt.wantErr {
				t.Errorf("Find(%q) error = %q, want %q", tt.find, text, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Find(%q) (-want +got):\n%s", tt.find, diff)
			}
			unknown := (*graph.UnknownError)(nil)
			if errors.As(err, &unknown) && !slices.Equal(unknown.Names(), []string{"a@only", "a@x", "b@x"}) {
				t.Errorf("names %q", unknown.Names())
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFocus(t *testing.T) {
	g := graph.New(compiled(t))
	focus, err := g.Find("web@debug")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		depth int
		want  []string
	}{
		{"alone", 0, []string{"socket web@debug"}},
		{"neighbours", 1, []string{"socket web@debug", "signal ops@note"}},
		{"their neighbours", 2, []string{"socket web@debug", "socket web@http", "signal ops@note", "timer ops@backup"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			near := g.Focus(focus, tt.depth)
			for _, n := range near.Nodes {
				got = append(got, n.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
			for _, e := range near.Edges {
				if !slices.Contains(near.Nodes, e.From) || !slices.Contains(near.Nodes, e.To) {
					t.Errorf("edge %+v leads out of the part", e)
				}
			}
		})
	}
	if whole := g.Focus(g.Nodes, 1<<30); len(whole.Edges) != len(g.Edges) {
		t.Errorf("the focus on everything has %d edges, want %d", len(whole.Edges), len(g.Edges))
	}
}
