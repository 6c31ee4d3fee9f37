package format_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/format"
	"github.com/rind-sockets/rind/compiler/source"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the golden files")

// formatted returns the canonical form of a text that is valid TOML.
func formatted(t rapid.TB, text string) string {
	t.Helper()
	out, problems, err := format.Source(&source.File{Name: "test.toml", Text: []byte(text)})
	if err != nil || len(problems) > 0 {
		t.Fatalf("Source(%q): %v, problems %+v", text, err, problems)
	}
	return string(out)
}

// TestGolden formats every .in file of testdata.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.in"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := formatted(t, string(in))
			golden := strings.TrimSuffix(name, ".in") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			checkFormatted(t, string(in))
		})
	}
}

func TestSource(t *testing.T) {
	long := strings.Repeat("x", 60)
	tests := []struct {
		name, in, want string
	}{
		{"empty", "", ""},
		{"blank lines only", "\n \t\r\n\n", ""},
		{"comment only", "\n#c  \t\n\n\n", "#c\n"},
		{"byte order mark", "\xef\xbb\xbf[[a]]\n", "[[a]]\n"},
		{"no newline at the end", "[[a]]\nx=1", "[[a]]\nx = 1\n"},
		{"carriage returns", "[[a]]\r\nx=1 # c\r\n\r\n\r\ny=[\r\n1]\r\n", "[[a]]\nx = 1 # c\n\ny = [\n  1,\n]\n"},
		{"carriage returns of strings stay", "[[a]]\r\nx='''\r\n\r\n'''\r\n", "[[a]]\nx = '''\r\n\r\n'''\n"},
		{"spaces", "  [[ a ]]\n\tx . 'y'  =\t[ 1,2 ,3,{b=1},{ } , [ ] ]  # c ", "[[a]]\nx.'y' = [1, 2, 3, { b = 1 }, {}, []] # c\n"},
		{"spelling stays", "[[a]]\n\"x\" = 0xFF\ny=1_000\nz='\\'\nd=1979-05-27 07:32:00", "[[a]]\n\"x\" = 0xFF\ny = 1_000\nz = '\\'\nd = 1979-05-27 07:32:00\n"},
		{"blank lines", "\n\n[[a]]\n\n\nx=1\n\n\n\ny=2\nz=3\n\n\n", "[[a]]\nx = 1\n\ny = 2\nz = 3\n"},
		{"units", "[[a]]\nx=1\n[[a]]\n[[b]]", "[[a]]\nx = 1\n\n[[a]]\n\n[[b]]\n"},
		{"tables of a unit", "[[a]]\nx=1\n[a.b]\ny=1\n\n\n[a.c]", "[[a]]\nx = 1\n[a.b]\ny = 1\n\n[a.c]\n"},
		{"comment of a unit", "[[a]]\nx=1\n# of b\n# too\n[[b]]\n\n# at its end\n\n[[c]]", "[[a]]\nx = 1\n\n# of b\n# too\n[[b]]\n# at its end\n\n[[c]]\n"},
		{"comment of the first unit", "# file\n\n# of a\n[[a]]", "# file\n\n# of a\n[[a]]\n"},
		{"list that fits is joined", "[[a]]\nx = [ 1,\n 2,\n ]\ny = { a = 1,\n b = 2, }", "[[a]]\nx = [1, 2]\ny = { a = 1, b = 2 }\n"},
		{"list that was broken stays so", "[[a]]\nx = [\n 1,2\n]\ny={\na=1,b={c=1}}", "[[a]]\nx = [\n  1,\n  2,\n]\ny = {\n  a = 1,\n  b = { c = 1 },\n}\n"},
		{"empty lists are joined", "[[a]]\nx = [\n\n]\ny={\n}", "[[a]]\nx = []\ny = {}\n"},
		{"a broken list breaks those around", "[[a]]\nx = [{ a = [\n1] }]", "[[a]]\nx = [\n  {\n    a = [\n      1,\n    ],\n  },\n]\n"},
		{
			"comments in a list", "[[a]]\nx = [ # head\n\n# first\n\n1 # one\n, # one too\n2, # two\n3\n# last\n] # end",
			"[[a]]\nx = [ # head\n  # first\n\n  1, # one\n  # one too\n  2, # two\n  3,\n  # last\n] # end\n",
		},
		{"only a comment in a list", "[[a]]\nx = [\n# c\n]\ny = { # c\n}", "[[a]]\nx = [\n  # c\n]\ny = { # c\n}\n"},
		{"line of 100 characters", "[[a]]\nx = ['" + long + "', \"éééééééééééééééééééééééééééé\"]", "[[a]]\nx = ['" + long + "', \"éééééééééééééééééééééééééééé\"]\n"},
		{"line of 101 characters", "[[a]]\nxy = ['" + long + "', \"éééééééééééééééééééééééééééé\"]", "[[a]]\nxy = [\n  '" + long + "',\n  \"éééééééééééééééééééééééééééé\",\n]\n"},
		{
			"only the outer list is broken", "[[a]]\nx = [{ s = '" + long + "' }, { s = '" + long + "', t = [1, 2] }]",
			"[[a]]\nx = [\n  { s = '" + long + "' },\n  { s = '" + long + "', t = [1, 2] },\n]\n",
		},
		{
			"the width counts the comma and the indentation", "[[a]]\nx = [\n['" + long + "','" + strings.Repeat("y", 29) + "'],['" + long + "','" + strings.Repeat("y", 30) + "']]",
			"[[a]]\nx = [\n  ['" + long + "', '" + strings.Repeat("y", 29) + "'],\n  [\n    '" + long + "',\n    '" + strings.Repeat("y", 30) + "',\n  ],\n]\n",
		},
		{
			"a comment for rindc keeps its line", "[[a]]\nx = [['" + long + "'], '" + long + "'] # rindc:ignore F5401 why\n# rindc:ignore F5401 why\n\n# more\ny=['" + long + "','" + long + "']\nz=['" + long + "','" + long + "']",
			"[[a]]\nx = [['" + long + "'], '" + long + "'] # rindc:ignore F5401 why\n# rindc:ignore F5401 why\n\n# more\ny = ['" + long + "', '" + long + "']\nz = [\n  '" + long + "',\n  '" + long + "',\n]\n",
		},
		{
			"unless it had several", "[[a]]\nx = ['" + long + "',\n'" + long + "'] # rindc:ignore F5401 why",
			"[[a]]\nx = [\n  '" + long + "',\n  '" + long + "',\n] # rindc:ignore F5401 why\n",
		},
		{"a string that cannot be broken", "[[a]]\nx='" + long + long + "'", "[[a]]\nx = '" + long + long + "'\n"},
		{"a string of several lines in a list", "[[a]]\nx = [{ s = \"\"\"\n" + long + long + "\n\"\"\", t=1 }]", "[[a]]\nx = [{ s = \"\"\"\n" + long + long + "\n\"\"\", t = 1 }]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, formatted(t, tt.in)); diff != "" {
				t.Errorf("Source(%q) (-want +got):\n%s", tt.in, diff)
			}
			checkFormatted(t, tt.in)
		})
	}
}

func TestBroken(t *testing.T) {
	tests := []struct{ name, in, code string }{
		{"open string", "[[a]]\nx = \"\n", "S0001"},
		{"no value", "[[a]]\nx = \n[[b]]\n", "S0001"},
		{"two on a line", "[[a]] x = 1", "S0001"},
		{"extended", "[[a]]\nx = { y = 1 }\nx.z = 2\n", "S0003"},
		{"no text", "\xff", "S0002"},
		{"too deep", "[[a]]\nx = " + strings.Repeat("[", 65) + strings.Repeat("]", 65), "X9002"},
		{"too large", strings.Repeat("\n", 16<<20+1), "X9001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, problems, err := format.Source(&source.File{Text: []byte(tt.in)})
			if out != nil || err != nil || len(problems) == 0 || string(problems[0].Code) != tt.code {
				t.Errorf("Source = %q, %+v, %v, want only a problem with code %s", out, problems, err, tt.code)
			}
		})
	}
}

// TestManual keeps the example of docs/editors.md in the form that it shows.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "editors.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(manual), "```toml\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("there is no example")
	}
	if diff := cmp.Diff(example, formatted(t, example)); diff != "" {
		t.Errorf("the example is not in canonical form (-is +would be):\n%s", diff)
	}
	if planOf(t, example) == nil {
		t.Error("the example has errors")
	}
}

// checkFormatted checks the laws of formatting for a text that is valid TOML:
// the values are the same, every comment is still there in its order, and
// formatting it again changes nothing. Units have the same plan.
func checkFormatted(t rapid.TB, in string) {
	t.Helper()
	out := formatted(t, in)
	if diff := cmp.Diff(out, formatted(t, out)); diff != "" {
		t.Errorf("formatting again changes\n%s\n(-once +twice):\n%s", out, diff)
	}
	if diff := cmp.Diff(comments(in), comments(out)); diff != "" {
		t.Errorf("comments of\n%s\n(-before +after):\n%s", in, diff)
	}
	if diff := cmp.Diff(values(in), values(out), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("values of\n%s\n(-before +after):\n%s", in, diff)
	}
	if before, after := planOf(t, in), planOf(t, out); !bytes.Equal(before, after) {
		t.Errorf("plan of\n%s\nbefore:\n%s\nafter:\n%s", in, before, after)
	}
}

// values returns what text decodes to; nil if it does not, which Source does not
// always see: it looks at units one by one.
func values(text string) map[string]any {
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		return nil
	}
	return v
}

// planOf returns the plan of a unit file without what is allowed to change: the
// digest of the file, the lines of the units, and the digest of it all. It is
// nil for a file with errors.
func planOf(t rapid.TB, text string) []byte {
	t.Helper()
	res := compiler.Compile([]compiler.Input{{Name: "f.toml", Group: "f", Text: []byte(text)}}, compiler.Options{})
	if res.Plan == nil {
		return nil
	}
	res.Plan.Sources = nil
	data, err := res.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
