package compiler_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
)

// slips are mistakes in a line with a key. A line that they cannot be made in stays
// as it is.
var slips = []struct {
	name string
	make func(line string) string
}{
	{"no quotes", func(line string) string { return simpleString.ReplaceAllString(line, "$1$2") }},
	{"no closing quote", func(line string) string { return simpleString.ReplaceAllString(line, `$1"$2`) }},
	{"colon", func(line string) string { return strings.Replace(line, " = ", ": ", 1) }},
	{"no equals sign", func(line string) string { return strings.Replace(line, " = ", " ", 1) }},
	{"comma", func(line string) string { return line + "," }},
	{"no closing bracket", func(line string) string { return regexp.MustCompile(`[\]}]$`).ReplaceAllString(line, "") }},
	{"word behind it", func(line string) string { return line + " x" }},
	{"twice", func(line string) string { return line + "\n" + line }},
	{"misspelt key", func(line string) string { return strings.Replace(line, " = ", "zz = ", 1) }},
	{"wrong word", func(line string) string {
		return regexp.MustCompile(`^(.*?["'][a-zA-Z0-9:/@_.-]+)(["'].*)$`).ReplaceAllString(line, "${1}zz$2")
	}},
	{"wrong number", func(line string) string {
		return regexp.MustCompile(`^(.*?)([0-9]+)(.*)$`).ReplaceAllString(line, "${1}-1$3")
	}},
	{"wrong type", func(line string) string {
		return regexp.MustCompile(` = .*[^\[{(]$`).ReplaceAllString(line, " = 1979-05-27")
	}},
}

var (
	simpleString = regexp.MustCompile(`^([^"]* = )"([^"]*)"$`)
	withKey      = regexp.MustCompile(`^[a-z.-]+ = .*$`)
	defines      = regexp.MustCompile(`^(name|branch) = `) // what several others may refer to
)

// TestS5OneMistake: a mistake in correct units is one error and nothing else, whatever
// the others refer to. A report that only follows from another one helps nobody.
func TestS5OneMistake(t *testing.T) {
	t.Parallel()
	for name, inputs := range correct(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := messages(compiler.Compile(inputs, compiler.Options{}))
			for i, in := range inputs {
				lines := strings.Split(string(in.Text), "\n")
				for j, line := range lines {
					for k, slip := range slips {
						wrong := slip.make(line)
						switch {
						case wrong == line, !withKey.MatchString(line), slip.name == "wrong word" && defines.MatchString(line):
							continue
						case (j+k)%2 == 0: // all of them take twice the time, and find no more
							continue
						}
						broken := slices.Clone(inputs)
						broken[i].Text = []byte(strings.Join(slices.Concat(lines[:j], []string{wrong}, lines[j+1:]), "\n"))
						res := compiler.Compile(broken, compiler.Options{})
						if more := newIn(before, res); len(more) > 1 && res.Diags.Errors() > 0 {
							t.Errorf("%s: %q\n%s", slip.name, line, rendered(t, more, res))
						}
					}
				}
			}
		})
	}
}

// correct returns the correct units that there are examples of, by their names.
func correct(t *testing.T) map[string][]compiler.Input {
	t.Helper()
	all := map[string][]compiler.Input{}
	for _, info := range compiler.Catalog() {
		if info.Right != "" {
			all[string(info.Code)] = example(info.Right)
		}
	}
	paths, err := filepath.Glob("check/testdata/ok/*.toml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = []compiler.Input{input("u", string(b))}
	}
	return all
}

func messages(res compiler.Result) map[string]bool {
	all := map[string]bool{}
	for _, d := range res.Diags.All() {
		all[string(d.Code)+d.Message] = true
	}
	return all
}

func newIn(before map[string]bool, res compiler.Result) (more []diag.Diagnostic) {
	for _, d := range res.Diags.All() {
		if !before[string(d.Code)+d.Message] {
			more = append(more, d)
		}
	}
	return more
}

func rendered(t *testing.T, ds []diag.Diagnostic, res compiler.Result) string {
	t.Helper()
	var b strings.Builder
	if err := render.Text(&b, diag.Sorted(ds, res.Locate), res.Locate, render.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestS5OneCharacter leaves out or doubles one mark of punctuation in correct units, here
// and there: a syntax error, if that is what comes of it, is the only finding.
func TestS5OneCharacter(t *testing.T) {
	t.Parallel()
	const every = 7 // all of them take half a minute with the race detector
	n := 0
	all := correct(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		inputs := all[name]
		before := messages(compiler.Compile(inputs, compiler.Options{}))
		for i, in := range inputs {
			text := string(in.Text)
			for at := range text {
				line := text[strings.LastIndexByte(text[:at], '\n')+1:]
				if !strings.ContainsRune("[]{}\"'=,.\n", rune(text[at])) || strings.HasPrefix(line, "#") {
					continue
				}
				if n++; n%every != 0 {
					continue
				}
				for _, wrong := range []string{text[:at] + text[at+1:], text[:at] + text[at:at+1] + text[at:]} {
					broken := slices.Clone(inputs)
					broken[i].Text = []byte(wrong)
					res := compiler.Compile(broken, compiler.Options{})
					more := newIn(before, res)
					if len(more) > 1 && slices.ContainsFunc(more, func(d diag.Diagnostic) bool { return d.Code == diag.InvalidTOML }) {
						t.Errorf("%s, at byte %d:\n%s\n%s", name, at, wrong, rendered(t, more, res))
					}
				}
			}
		}
	}
}
