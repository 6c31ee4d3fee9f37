package scenario_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/scenario"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan"
)

var update = flag.Bool("update", false, "write the golden files")

// TestScenarios runs the scenarios of the archives in testdata. Those whose title
// begins with "fails" must fail; what is said about them is in the file "want".
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d archives: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testArchive(t, name) })
	}
}

func testArchive(t *testing.T, name string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, archive)
	cover := scenario.NewCoverage(p)
	report := scenario.Report{Place: scenario.Places(p, func(name string) string { return name })}
	for _, f := range archive.Files {
		group, ok := strings.CutSuffix(f.Name, scenario.Extension)
		if !ok {
			continue
		}
		ds := &diag.List{}
		list := scenario.Read(&source.File{Name: f.Name, Text: f.Data}, group, p, ds)
		for _, d := range ds.All() {
			line, col := d.Span.File.Position(d.Span.Start)
			t.Fatalf("%s:%d:%d: %s", f.Name, line, col, d.Message)
		}
		for _, s := range list {
			res := scenario.Run(p, s, cover)
			if res.Failed() != strings.HasPrefix(s.Title, "fails") {
				report.Verbose = true
				defer func() { t.Errorf("%q: failed is %t", s.Title, res.Failed()) }()
			}
			report.Results = append(report.Results, res)
		}
	}
	var out bytes.Buffer
	if err := report.Write(&out, "text"); err != nil {
		t.Fatal(err)
	}
	golden(t, name, archive, out.String())
}

func compile(t *testing.T, archive *txtar.Archive) *plan.Plan {
	t.Helper()
	var inputs []compiler.Input
	for _, f := range archive.Files {
		if group, ok := strings.CutSuffix(f.Name, ".toml"); ok {
			inputs = append(inputs, compiler.Input{Name: f.Name, Group: group, Text: f.Data})
		}
	}
	res := compiler.Compile(inputs, compiler.Options{})
	for _, d := range res.Diags.All() {
		if d.Severity == diag.Error {
			t.Fatalf("%s: %s", d.Code, d.Message)
		}
	}
	return res.Plan
}

// golden compares the file "want" of an archive with what was written.
func golden(t *testing.T, name string, archive *txtar.Archive, got string) {
	t.Helper()
	last := &archive.Files[len(archive.Files)-1]
	if last.Name != "want" {
		archive.Files = append(archive.Files, txtar.File{Name: "want"})
		last = &archive.Files[len(archive.Files)-1]
	}
	if *update {
		last.Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(last.Data), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// FuzzRead reads and runs whatever may be in a scenario file.
func FuzzRead(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/conduct.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, scenario.Extension) {
			f.Add(file.Data)
		}
	}
	f.Add([]byte("scenario \"x\"\nset state online {\nscenario \"y\"\nexpect nothing"))
	f.Add([]byte("scenario \"x\"\nwait 2d\nexpect socket http held \x00"))
	res := compiler.Compile([]compiler.Input{{Name: "web.toml", Group: "web", Text: archive.Files[0].Data}}, compiler.Options{})
	f.Fuzz(func(_ *testing.T, text []byte) {
		ds := &diag.List{}
		list := scenario.Read(&source.File{Name: "web.scenario", Text: text}, "web", res.Plan, ds)
		if ds.Errors() > 0 {
			return
		}
		for _, s := range list {
			scenario.Run(res.Plan, s, nil)
		}
	})
}

// TestTitles: a title is there, once, and a broken one is one mistake.
func TestTitles(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"none", "wait 1s\nwait 2s\n", []string{"1 the statement is in no scenario"}},
		{"a broken one", "scenario x\nwait 1s\nwait 2s\n", []string{"1 "}},
		{"the same twice", "scenario \"a\"\nwait 1s\nscenario \"b\"\nwait 1s\nscenario \"a\"\nwait 1s\n", []string{"5 the scenario of line 1 has the same title"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ds := &diag.List{}
			scenario.Read(&source.File{Name: "a.scenario", Text: []byte(tt.text)}, "a", &plan.Plan{}, ds)
			var got []string
			for i, d := range ds.All() {
				line, _ := d.Span.File.Position(d.Span.Start)
				text := fmt.Sprintf("%d %s", line, d.Message)
				if i < len(tt.want) && strings.HasSuffix(tt.want[i], " ") && strings.HasPrefix(text, tt.want[i]) {
					text = tt.want[i] // only the line is given
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}
