package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
)

// corrected corrects a file in memory. It returns what was found before and
// after, and how many findings have been corrected.
func corrected(t *testing.T, name, text string) (before, after compilation, fixed int) {
	t.Helper()
	l := &loader{files: map[string]compiler.Input{name: {Name: name, Group: "g", Text: []byte(text)}}}
	compile := func() compilation { return l.compile(reporting{}) }
	before = compile()
	fixed = l.applyFixes(compile)[name]
	after = compile()
	if changed := string(l.files[name].Text) != text; changed != (fixed > 0) {
		t.Errorf("%d findings corrected, the file has changed: %t", fixed, changed)
	}
	for _, d := range after.found {
		if edit, ok := d.Edit(after.Locate); ok {
			t.Errorf("%s can still be corrected: %+v", d.Message, edit)
		}
	}
	return before, after, fixed
}

// TestFixLessens: correcting a file with one mistake leaves none of it.
func TestFixLessens(t *testing.T) {
	total := 0
	for _, info := range compiler.Catalog() {
		if strings.Contains(info.Wrong, "-- ") {
			continue // several files
		}
		t.Run(string(info.Code), func(t *testing.T) {
			before, after, fixed := corrected(t, "a.toml", info.Wrong)
			if fixed > 0 && len(after.found) >= len(before.found) {
				t.Errorf("%d corrections leave %d findings of %d", fixed, len(after.found), len(before.found))
			}
			total += fixed
		})
	}
	if total < 6 {
		t.Errorf("%d corrections of all examples: the test has lost what it is for", total)
	}
}

// TestFixBroken: in a file with many mistakes, what can be corrected is gone
// afterwards, and more of the file can be read than before. That may bring to
// light what is wrong there.
func TestFixBroken(t *testing.T) {
	files, err := filepath.Glob("../../compiler/decode/testdata/broken/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no broken files: %v", err)
	}
	total := 0
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			before, after, fixed := corrected(t, name, string(text))
			if was, is := unreadable(before)[name], unreadable(after)[name]; is > was {
				t.Errorf("%d syntax errors have become %d", was, is)
			}
			left := map[string]int{}
			for _, d := range after.found {
				left[string(d.Code)+d.Message]++
			}
			for _, d := range before.found {
				if _, ok := d.Edit(before.Locate); ok && left[string(d.Code)+d.Message] > 0 {
					t.Errorf("%s %s is still there", d.Code, d.Message)
				}
			}
			total += fixed
		})
	}
	if total < 20 {
		t.Errorf("%d corrections of all files: the test has lost what it is for", total)
	}
}

// TestFixSpoils: a fix that breaks its file is not kept, and does not keep other
// files from being corrected.
func TestFixSpoils(t *testing.T) {
	files := map[string]compiler.Input{
		"a": {Name: "a", Group: "a", Text: []byte(badUnit)},
		"b": {Name: "b", Group: "b", Text: []byte("[service]\nname = \"web\"\nrun.exec = \"web\"\n")},
	}
	l := &loader{files: maps.Clone(files)}
	fixed := l.applyFixes(func() compilation {
		c := l.compile(reporting{})
		for i := range c.found {
			if c.found[i].Code == diag.MissingKey {
				c.found[i].Fix = &diag.Fix{Old: "[[service]]", New: "[[service"}
			}
		}
		return c
	})
	if diff := cmp.Diff(map[string]int{"b": 1}, fixed); diff != "" {
		t.Errorf("corrected (-want +got):\n%s", diff)
	}
	if string(l.files["a"].Text) != badUnit || string(l.files["b"].Text) != goodUnit {
		t.Errorf("the files are %q and %q", l.files["a"].Text, l.files["b"].Text)
	}
}

// TestFixOneByOne: a fix that breaks its file does not keep the others from it.
func TestFixOneByOne(t *testing.T) {
	const text = "[[service]]\nname = \"web\"\nno-new-privileges = \"true\"\n"
	l := &loader{files: map[string]compiler.Input{"a": {Name: "a", Group: "a", Text: []byte(text)}}}
	fixed := l.applyFixes(func() compilation {
		c := l.compile(reporting{})
		for i := range c.found {
			if c.found[i].Code == diag.MissingKey {
				c.found[i].Fix = &diag.Fix{Old: "[[service]]", New: "[[service"}
			}
		}
		return c
	})
	if want := strings.Replace(text, `"true"`, "true", 1); string(l.files["a"].Text) != want || fixed["a"] != 1 {
		t.Errorf("%d corrected: %q, want %q", fixed["a"], l.files["a"].Text, want)
	}
}

// TestFixHasHelp: a person can do what the program would do.
func TestFixHasHelp(t *testing.T) {
	for _, info := range compiler.Catalog() {
		res := compiler.Compile([]compiler.Input{{Name: "g.toml", Group: "g", Text: []byte(info.Wrong)}}, compiler.Options{})
		for _, d := range diag.Sorted(res.Diags.All(), res.Locate) {
			if edit, ok := d.Edit(res.Locate); ok && !strings.Contains(d.Help, strings.Trim(edit.Text, `"[]`)) {
				t.Errorf("%s: the help is %q, the fix writes %q", d.Code, d.Help, edit.Text)
			}
		}
	}
}
