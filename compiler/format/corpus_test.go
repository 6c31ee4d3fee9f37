package format_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/format"
	"github.com/rind-sockets/rind/compiler/source"
)

// comments returns the comments of valid TOML without what is invisible at
// their ends. It has its own idea of strings, so that it can disagree with the
// grammar that the formatter uses.
func comments(text string) []string {
	var out []string
	for text != "" {
		at := strings.IndexAny(text, `#"'`)
		if at < 0 {
			return out
		}
		text = text[at:]
		if text[0] == '#' {
			line, rest, _ := strings.Cut(text, "\n")
			out = append(out, strings.TrimRight(line, " \t\r"))
			text = rest
			continue
		}
		text = afterString(text)
	}
	return out
}

// afterString returns what follows the string that text begins with.
func afterString(text string) string {
	quote := text[:1]
	long := strings.Repeat(quote, 3)
	end := quote
	if strings.HasPrefix(text, long) {
		end = long
	}
	for at := len(end); ; at++ {
		switch {
		case quote == `"` && text[at] == '\\':
			at++
		case strings.HasPrefix(text[at:], end):
			rest := text[at+len(end):]
			for range 2 { // two more quotes may belong to the string
				if end == long {
					rest = strings.TrimPrefix(rest, quote)
				}
			}
			return rest
		}
	}
}

// TestS165Files formats every unit file of the repository, and a file with
// every form of TOML 1.1.
func TestS165Files(t *testing.T) {
	n := 0
	for _, dir := range []string{"../../examples", "../decode/testdata/positions", "../decode/testdata/clean", "../testdata"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".toml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n++
			t.Run(path, func(t *testing.T) {
				checkFormatted(t, string(text))
				checkFormatted(t, strings.ReplaceAll(string(text), "\n", "\r\n"))
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Error("there are no unit files")
	}
}

// writer writes random TOML that is valid, in every style that TOML has.
type writer struct {
	*rapid.T

	b    strings.Builder
	keys int
}

func (w *writer) put(choices ...string) {
	w.b.WriteString(rapid.SampledFrom(choices).Draw(w.T, "text"))
}

func (w *writer) n(most int) int { return rapid.IntRange(0, most).Draw(w.T, "n") }

// key writes a key that no other has.
func (w *writer) key() {
	w.keys++
	form := rapid.SampledFrom([]string{"k%d", "%d", `"q.# %d"`, `'l" %d'`, `"\u0065%d"`}).Draw(w.T, "key")
	fmt.Fprintf(&w.b, form, w.keys)
}

func (w *writer) space() { w.put("", " ", "\t ") }

// gap is what may stand between the items of a list.
func (w *writer) gap() {
	for range w.n(2) {
		w.put("", " ", "\n", "\r\n", "\n\n\n", "# a ]}\"'\n", "#b  \r\n", "  # c\n\n")
	}
}

func (w *writer) value(depth int) {
	kind := w.n(5)
	if depth == 0 {
		kind %= 3
	}
	switch kind {
	case 0, 1:
		w.put("0", "+1_000", "0xFF", "-6.5e-2", "inf", "true", "1979-05-27", "07:32", "1979-05-27 07:32:00Z", "[]", "{}")
	case 2:
		w.put(`""`, `"a # \" ]"`, `'\'`, "\"\"\"\n a # b\\\n  c\"\"\"\"\"", "'''\r\n#\n'''''", `"`+strings.Repeat("long", 12)+`"`)
	case 3, 4:
		w.put("[")
		w.gap()
		for range w.n(4) {
			w.value(depth - 1)
			w.gap()
			w.put(",")
			w.gap()
		}
		w.put("]")
	default:
		w.put("{")
		w.gap()
		for i := range w.n(4) {
			if i > 0 {
				w.put(",")
				w.gap()
			}
			w.pair(depth - 1)
			w.gap()
			if i == 3 {
				w.put(",", ",  # last\n", "")
			}
		}
		w.put("}")
	}
}

func (w *writer) pair(depth int) {
	w.key()
	for range max(0, w.n(3)-2) {
		w.space()
		w.put(".")
		w.space()
		w.key()
	}
	w.space()
	w.put("=")
	w.space()
	w.value(depth)
}

func (w *writer) lines() {
	for range w.n(4) {
		w.space()
		if w.n(4) > 0 {
			w.pair(3)
			w.space()
		}
		w.put("\n", "\r\n", "# c\n", "#\td \r\n", "\n\n\n")
	}
}

func (w *writer) file() string {
	w.lines()
	w.put("[[unit]]\n")
	for range w.n(4) {
		w.put("[[unit]]", " [[\t'other' ]]", "[[unit . x]]", "[[ \"a.b\".c ]]  ")
		w.put("\n", " # of the header\n", "\r\n")
		w.lines()
	}
	return w.b.String()
}

// TestS165Generated formats random files in every style that TOML has.
func TestS165Generated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := writer{T: t}
		text := w.file()
		if _, problems, err := format.Source(&source.File{Text: []byte(text)}); err == nil && len(problems) > 0 && problems[0].Code == "S0001" {
			t.Fatalf("the generator wrote invalid TOML:\n%s\n%+v", text, problems)
		} else if len(problems) > 0 {
			t.Skip("an extended table")
		}
		checkFormatted(t, text)
	})
}

// FuzzSource checks the laws of formatting for anything.
func FuzzSource(f *testing.F) {
	f.Add("[[socket]]\nname = \"a\" # b\nstart-on = [{ state = 'x' }, # c\n]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, problems, err := format.Source(&source.File{Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) == 0 {
			checkFormatted(t, text)
		}
	})
}

func BenchmarkSource(b *testing.B) {
	unit := "[[socket]]\nname=\"s\" # c\ntype = \"tcp\"\nlisten = \"127.0.0.1:80\"\nstart-on = [{ state = \"a@b\", target = { as = { x = 1 } } }, \"c@d\"]\n"
	text := []byte(strings.Repeat(unit, 5000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, problems, err := format.Source(&source.File{Text: text}); err != nil || len(problems) > 0 {
			b.Fatal(err, problems)
		}
	}
}
