package compiler_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
)

// noExample are the codes of mistakes that are too large for an example, or not
// in unit files.
var noExample = []diag.Code{
	diag.FileTooLarge, diag.TooManyKeys, diag.DecoderFailure, diag.TooManyTables, diag.TooManyErrors, diag.TooManyFindings, diag.GaveUp, diag.TooManyValues,
	diag.TooManyIgnores, compiler.TooManyUnits,
	diag.InvalidScenario, diag.UnknownInScenario, diag.InvalidInScenario,
}

// example returns the unit files of an example.
func example(text string) []compiler.Input {
	files := txtar.Parse([]byte(text)).Files
	if len(files) == 0 {
		files = []txtar.File{{Name: "example.toml", Data: []byte(text)}}
	}
	inputs := make([]compiler.Input, len(files))
	for i, f := range files {
		inputs[i] = compiler.Input{Name: f.Name, Group: strings.TrimSuffix(path.Base(f.Name), ".toml"), Text: f.Data}
	}
	return inputs
}

// TestS160Catalog: every code says what it is about, and its examples are true:
// the wrong one yields exactly that code, the right one nothing.
func TestS160Catalog(t *testing.T) {
	form := regexp.MustCompile(`^(S0|K1|N2|T3|A4|F5|P6|X9)[0-9]{3}$`)
	seen := map[diag.Code]bool{}
	for _, info := range compiler.Catalog() {
		t.Run(string(info.Code), func(t *testing.T) {
			if seen[info.Code] {
				t.Errorf("there are two codes %s", info.Code)
			}
			seen[info.Code] = true
			if !form.MatchString(string(info.Code)) {
				t.Errorf("the code %q has no family", info.Code)
			}
			if info.Severity < diag.Error || info.Severity > diag.Note {
				t.Errorf("the severity is %v", info.Severity)
			}
			if info.Title == "" || strings.HasSuffix(info.Title, ".") {
				t.Errorf("the title is %q, want a phrase without a period", info.Title)
			}
			if !strings.HasSuffix(info.Text, ".") {
				t.Errorf("the text is %q, want sentences", info.Text)
			}
			if got, ok := compiler.Lookup(info.Code); !ok || got != info {
				t.Errorf("Lookup(%s) = %v, %t", info.Code, got, ok)
			}
			if slices.Contains(noExample, info.Code) {
				if info.Wrong+info.Right != "" {
					t.Error("there is an example: take the code off the list of those that have none")
				}
				return
			}
			checkExamples(t, info)
		})
	}
}

func checkExamples(t *testing.T, info diag.Info) {
	t.Helper()
	res := compiler.Compile(example(info.Wrong), compiler.Options{Strict: info.Strict})
	ds := diag.Sorted(res.Diags.All(), res.Locate)
	if len(ds) == 0 {
		t.Error("the wrong example yields nothing")
	}
	for _, d := range ds {
		if d.Code != info.Code || d.Severity != info.Severity {
			t.Errorf("the wrong example yields %s %s %s, want %s", d.Severity, d.Code, d.Message, info.Severity)
		}
	}
	if info.Right == "" {
		t.Error("there is no right example")
	}
	if res := compiler.Compile(example(info.Right), compiler.Options{Strict: info.Strict}); len(res.Diags.All()) > 0 {
		t.Errorf("the right example yields %q", problems(res))
	}
}

func TestLookup(t *testing.T) {
	for _, code := range []diag.Code{"", "A", "K0000", "Z9999"} {
		if info, ok := compiler.Lookup(code); ok {
			t.Errorf("Lookup(%q) = %v", code, info)
		}
	}
}
