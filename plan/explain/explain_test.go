package explain_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/explain"
	"github.com/rind-sockets/rind/plan/graph"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the golden files")

// compiled returns the plan of the unit files that the tests of the graph have.
func compiled(t *testing.T) *plan.Plan {
	t.Helper()
	const root = "../graph/testdata/units"
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
	if res.Plan == nil {
		t.Fatalf("the unit files of testdata have errors: %+v", res.Diags.All())
	}
	return res.Plan
}

// TestUnits explains every unit of a plan.
func TestUnits(t *testing.T) {
	p := compiled(t)
	g := graph.New(p)
	byKind := map[graph.Kind][]string{}
	for _, n := range g.Nodes {
		byKind[n.Kind] = append(byKind[n.Kind], explain.Unit(p, g, n))
	}
	for _, kind := range graph.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			got := strings.Join(byKind[kind], "\n")
			path := filepath.Join("testdata", string(kind)+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// TestEveryEdge checks that each relation is said of both its ends.
func TestEveryEdge(t *testing.T) {
	p := compiled(t)
	g := graph.New(p)
	for _, e := range g.Edges {
		if text := explain.Unit(p, g, e.From); !strings.Contains(text, "\n    "+e.To.String()) {
			t.Errorf("%v %s %v is not in the explanation of the first:\n%s", e.From, e.Verb, e.To, text)
		}
		if text := explain.Unit(p, g, e.To); !strings.Contains(text, "\n    "+e.From.String()) {
			t.Errorf("%v %s %v is not in the explanation of the second:\n%s", e.From, e.Verb, e.To, text)
		}
	}
}
