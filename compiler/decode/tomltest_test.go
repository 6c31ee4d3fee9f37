package decode_test

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	tomltest "github.com/toml-lang/toml-test"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// tomlFile is a file of the test suite of TOML.
type tomlFile struct{ name, text string }

// corpus returns the files of the test suite of TOML 1.1 below a directory.
func corpus(t *testing.T, dir string) []tomlFile {
	t.Helper()
	tests := tomltest.EmbeddedTests()
	list, err := fs.ReadFile(tests, "files-toml-1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	var files []tomlFile
	for name := range strings.SplitSeq(string(list), "\n") {
		if !strings.HasPrefix(name, dir+"/") || path.Ext(name) != ".toml" {
			continue
		}
		text, err := fs.ReadFile(tests, name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, tomlFile{name, string(text)})
	}
	if len(files) < 100 {
		t.Errorf("the list has %d files below %s", len(files), dir)
	}
	return files
}

// inUnit returns a file that has all of text inside of one unit.
func inUnit(text string) string {
	const kind = "socket"
	var b strings.Builder
	text, bom := strings.CutPrefix(text, source.BOM)
	if bom {
		b.WriteString(source.BOM)
	}
	b.WriteString("[[" + kind + "]]\n")
	from := 0
	for _, at := range decode.HeaderKeys(text) {
		b.WriteString(text[from:at] + kind + ".")
		from = at
	}
	b.WriteString(text[from:])
	return b.String()
}

// TestS16TOMLTestValid finds every key and every value of the files that a TOML
// 1.1 decoder must accept.
func TestS16TOMLTestValid(t *testing.T) {
	keys, values := 0, 0
	for _, file := range corpus(t, "valid") {
		t.Run(file.name, func(t *testing.T) {
			for _, variant := range []string{file.text, inUnit(file.text)} {
				f := &source.File{Name: file.name, Text: []byte(variant)}
				k, v := checkPositions(t, f)
				keys, values = keys+k, values+v
				if _, diags := decode.File(f, "a"); slices.ContainsFunc(diags.All(), isSyntax) {
					t.Errorf("rejected: %+v", diags.All())
				}
			}
		})
	}
	t.Logf("%d keys, %d values", keys, values)
}

// isSyntax reports whether d says that a file is no TOML, or too much of it.
func isSyntax(d diag.Diagnostic) bool { return d.Code[0] == 'S' || d.Code[0] == 'X' }

// TestS161TOMLTestInvalid has the files that a TOML 1.1 decoder must reject. In a
// unit, what is wrong is the syntax alone: TestS16TOMLTestValid shows that nothing
// of that is wrong with the others.
func TestS161TOMLTestInvalid(t *testing.T) {
	for _, file := range corpus(t, "invalid") {
		t.Run(file.name, func(t *testing.T) {
			if _, diags := decode.File(&source.File{Name: file.name, Text: []byte(file.text)}, "a"); diags.Errors() == 0 {
				t.Error("no error is reported")
			}
			variant := inUnit(file.text)
			_, diags := decode.File(&source.File{Name: file.name, Text: []byte(variant)}, "a")
			if !slices.ContainsFunc(diags.All(), isSyntax) {
				t.Errorf("nothing is wrong with the syntax of:\n%s", variant)
			}
		})
	}
}
