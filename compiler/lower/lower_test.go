package lower_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/lower"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// transports stand in for those of the release, whose digests change.
func transports(t *testing.T) []*manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(`
manifest = 1
name = "inet"
version = "1.2.3"
protocol = [1]
[[scheme]]
name = "tcp"
[[scheme]]
name = "uds"
[[scheme.option]]
name = "mode"
type = "mode"
doc = "mode"
[[scheme.option]]
name = "kind"
type = "enum"
enum = ["stream"]
doc = "kind"
`))
	if err != nil {
		t.Fatal(err)
	}
	return []*manifest.Manifest{m}
}

// The golden plan shows what every field of the units becomes; UPDATE_GOLDEN=1
// rewrites it.
func TestLower(t *testing.T) {
	var files []*unit.File
	var sources []plan.Source
	for _, group := range []string{"defs", "web/http"} {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "everything", group+".toml"))
		if err != nil {
			t.Fatal(err)
		}
		f, ds := decode.File(&source.File{Name: group + ".toml", Text: text}, group)
		if ds.Errors() > 0 {
			t.Fatalf("decode %s: %v", group, ds.All())
		}
		files = append(files, f)
		sources = append(sources, lower.Source(group+".toml", f))
	}
	ds := &diag.List{}
	program := check.Check(resolve.New(files, nil, ds), transports(t), check.Options{}, ds)
	if ds.Errors() > 0 {
		t.Fatalf("check: %v", ds.All())
	}
	p := lower.Lower(program, "rindc test")
	p.Sources = sources
	got, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("the plan is invalid: %v", err)
	}
	golden := filepath.Join("testdata", "everything.plan.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
