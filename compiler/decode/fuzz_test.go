package decode_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/source"
)

// checkDecode holds for every input (S161): it ends in units or in errors, every
// diagnostic has a place in the file and can be shown, and in a file without
// errors of syntax every key and value can be found.
func checkDecode(t reporter, text []byte) {
	t.Helper()
	src := &source.File{Name: "any.toml", Text: text}
	units, diags := decode.File(src, "any")
	if units == nil || units.Source != src || units.Group != "any" {
		t.Errorf("File = %+v", units)
		return
	}
	var index decode.Index
	sound := true
	for _, d := range diags.All() {
		at := d.Where(index.Locate)
		if at.File != src || at.Start < 0 || at.End < at.Start || at.End > len(text) {
			t.Errorf("%s %q is at %d..%d of %d", d.Code, d.Message, at.Start, at.End, len(text))
		}
		if d.Help == "" {
			t.Errorf("%s %q has no help", d.Code, d.Message)
		}
		if d.Code == diag.DecoderFailure {
			t.Errorf("the decoder failed on %q: %s", text, d.Message)
		}
		sound = sound && d.Code[0] != 'S' && d.Code[0] != 'X'
	}
	if err := render.Text(io.Discard, diag.Sorted(diags.All(), index.Locate), index.Locate, render.TextOptions{}); err != nil {
		t.Errorf("render: %v", err)
	}
	for _, s := range units.Sockets {
		if s.Lost != nil && diags.Errors() == 0 {
			t.Errorf("socket %q is broken without an error", s.Name.Value)
		}
	}
	var file map[string]any
	_, err := toml.Decode(string(text), &file)
	if err != nil && diags.Errors() == 0 {
		t.Errorf("nothing is reported for %q, but %v", text, err)
	}
	if err == nil && sound {
		checkPositions(t, src)
	}
}

func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		f.Add(read(f, path))
	}
	// What has stopped the decoder before, as short as it can be to reach the guard.
	for _, s := range []string{
		"a = " + strings.Repeat("[", 65), strings.Repeat("a.", 32) + "b = 1", "a = " + strings.Repeat("{x=[", 33),
		"[" + strings.Repeat("a.", 32) + "b]", "[[socket]]\nrun = {exec=\"a\"}\nrun.args = [1]\n", "[[service]]\nrun.exec = \"a\"\n[service.run]\n",
		"[[socket]]\n[socket.x]\na.b = 1\n[socket.x.a.c]\n",
	} {
		f.Add([]byte(s))
	}
	for _, s := range []string{"", "\ufeff", "[[", "[[a]]\n[a", "\"\"\"\n[[a]]", "x={a.b={", "[[a]]\nb='''\n[[a]]\nc='''"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkDecode(t, text) })
}

// TestS161Soup feeds texts made of the pieces of TOML, most of them broken.
func TestS161Soup(t *testing.T) {
	pieces := []string{
		"[[socket]]", "[[state]]", "[socket]", "[[state.x]]", "[state.x]", "[[socket.options]]", "[[", "]]", "[", "]", "{", "}",
		"name", "options", "x", "run", " = ", "=", ".", ",", "\"", "'", `"""`, "'''", `\`, "\n", "\n", "\n", "\r\n", " ", "# c",
		"1", "true", "1979-05-27", "07:32:00", `"s"`, "'l'", "x = 1\n", "name = \"n\"\n", "x.y = 2\n", "x = {y = 1}\n", "x = [{}]\n",
		"payload = \"none\"\n", "\ufeff", "é", "\x00", "\xff",
	}
	rapid.Check(t, func(t *rapid.T) {
		checkDecode(t, []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 24).Draw(t, "pieces"), "")))
	})
}
