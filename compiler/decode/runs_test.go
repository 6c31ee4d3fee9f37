package decode

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// decodeBy decodes a file, in runs of that size where it can be divided.
func decodeBy(t *rapid.T, src *source.File, size int) (d *decoder, divided bool) {
	d = &decoder{src: src, group: "g"}
	d.begin()
	if !d.readable() {
		t.Skip("beyond a limit")
	}
	if runs := d.runs(size); len(runs) > 1 && d.inRuns(runs) {
		return d, true
	}
	d.begin()
	contents := d.decode()
	d.checkExtended(d.whole())
	d.topLevel(contents.top)
	if contents.between != nil && d.diags.Errors() == 0 {
		d.syntaxError(contents.between, contents.between.at, -1)
	}
	d.bind(contents.units)
	return d, false
}

// TestRunsMeanTheSame compares the decoding in runs with that of whole files.
func TestRunsMeanTheSame(t *testing.T) {
	pieces := []string{
		"[[socket]]\nname = \"a\"\n", "[[socket]]\nname = 1\nx = 2\n", "[[service]]\nname = \"s\"\nrun.exec = \"/b\"\n",
		"[[state]]\nname = \"s\"\npayload = \"json\"\n", "[socket.options]\nbacklog = 1\n", "[socket.limits]\n", "[service.env]\nA = \"1\"\n",
		"[[service.run]]\nexec = \"/b\"\n", "[[mount]]\nx = 1\n", "[mount.x]\n", "[[sockets]]\n", "[[timer]]\nname = \n", "[state]\n",
		"[[state]]\nafter = [\n", "run = {exec = \"/b\"}\nrun.args = []\n", "# comment\n", "name = \"again\"\n", "x = \"\"\"\n", "[\"socket\".x]\n", "[[ service ]]\n",
	}
	divided := 0
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 2, 30).Draw(t, "pieces"), "")
		src := &source.File{Name: "a.toml", Text: []byte(text)}
		whole, _ := decodeBy(t, src, len(text))
		parts, ok := decodeBy(t, src, rapid.IntRange(1, 64).Draw(t, "size"))
		if ok {
			divided++
		}
		if !reflect.DeepEqual(whole.out, parts.out) {
			t.Errorf("the units differ for\n%s", text)
		}
		if want, got := texts(whole.diags), texts(parts.diags); want != got {
			t.Errorf("the diagnostics differ for\n%s\nwhole:\n%s\nin runs:\n%s", text, want, got)
		}
	})
	if divided == 0 {
		t.Error("no file was divided")
	}
}

func texts(ds *diag.List) string {
	var index Index
	var b strings.Builder
	for _, d := range diag.Sorted(ds.All(), index.Locate) {
		at := d.Where(index.Locate)
		fmt.Fprintf(&b, "%d..%d %s %s %s %v\n", at.Start, at.End, d.Code, d.Message, d.Help, d.Fix)
	}
	return b.String()
}

// TestLargeFileIsDivided decodes a file that is large enough for runs.
func TestLargeFileIsDivided(t *testing.T) {
	const n = 5000
	f := ordinary(n)
	d := decoder{src: f, group: "g"}
	d.begin()
	if !d.readable() {
		t.Fatal("not readable")
	}
	if runs := d.runs(runSize); len(runs) < 2 || len(runs) > 1+len(f.Text)/runSize {
		t.Fatalf("%d runs for %d bytes", len(runs), len(f.Text))
	}
	units, diags := File(f, "g")
	if len(units.Sockets) != n || len(units.Services) != n || diags.Errors() != 0 {
		t.Fatalf("%d sockets, %d services, %d errors", len(units.Sockets), len(units.Services), diags.Errors())
	}
	for i, s := range units.Sockets {
		if s.Name.Value != fmt.Sprintf("web%d", i) || s.At.Index() != i {
			t.Fatalf("socket %d is %q, at %d", i, s.Name.Value, s.At.Index())
		}
	}
}

// TestBrokenUnitsOfALargeFile has one syntax error in each unit: only the first
// of them are decoded alone.
func TestBrokenUnitsOfALargeFile(t *testing.T) {
	f := &source.File{Name: "a.toml", Text: []byte(strings.Repeat("[[socket]]\nname=\n", 2*maxBroken))}
	units, diags := File(f, "g")
	n := map[diag.Code]int{}
	for _, d := range diags.All() {
		n[d.Code]++
	}
	if len(units.Sockets) != 0 || n[diag.InvalidTOML] != maxBroken || n[diag.TooManyErrors] != 2 || n[diag.MissingKey] == 0 || len(n) != 3 {
		t.Errorf("%d sockets, diagnostics %v", len(units.Sockets), n)
	}
}
