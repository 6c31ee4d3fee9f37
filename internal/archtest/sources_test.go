package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the module, seen from this package's.
const root = "../.."

// Longest file that can still be read in one go.
const (
	maxLines     = 500
	maxTestLines = 600
)

// skipped says whether a folder has no source of ours.
func skipped(name string) bool {
	return name == "bin" || name == "testdata" || strings.HasPrefix(name, ".") && name != root && name != "." && name != ".."
}

type goFile struct {
	path string // slashes, within the module
	text []byte
	ast  *ast.File
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// sources returns every Go file of the module that is not generated.
func sources(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(parsed) {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			files = append(files, goFile{filepath.ToSlash(rel), text, parsed})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFileLengths(t *testing.T) {
	for _, f := range sources(t) {
		limit := maxLines
		if f.isTest() {
			limit = maxTestLines
		}
		if n := bytes.Count(f.text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, at most %d can be read in one go: split it by subject", f.path, n, limit)
		}
	}
}

func TestNoSleep(t *testing.T) {
	for _, f := range sources(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s calls time.Sleep: wait for the event itself, with a deadline", f.path)
			}
			return true
		})
	}
}

// unfinished is what a comment says of code that is not done.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func TestNothingUnfinished(t *testing.T) {
	for _, f := range sources(t) {
		for _, group := range f.ast.Comments {
			if mark := unfinished.FindString(group.Text()); mark != "" {
				t.Errorf("%s has a comment with %s: finish it, or file an issue and say so in words", f.path, mark)
			}
		}
	}
}
