package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/source"
)

// writer writes random TOML that is valid, in every style that TOML has.
type writer struct {
	t    *rapid.T
	b    strings.Builder
	keys int
}

func (w *writer) oneOf(s ...string) string { return rapid.SampledFrom(s).Draw(w.t, "text") }

func (w *writer) n(most int) int { return rapid.IntRange(0, most).Draw(w.t, "n") }

func (w *writer) put(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
}

// key writes a key that no other has.
func (w *writer) key() string {
	w.keys++
	format := w.oneOf("k%d", "%d", `"q %d"`, `'l\ %d'`, `"\u0065%d"`, `"%d.#=["`)
	return fmt.Sprintf(format, w.keys)
}

func (w *writer) space() { w.put(w.oneOf("", "", " ", "\t ")) }

// gap is white space inside arrays and inline tables.
func (w *writer) gap() { w.put(w.oneOf("", " ", "\n", " # ]}\"'\n", "\r\n\t")) }

func (w *writer) value(depth int) {
	n := 9
	if depth == 0 {
		n = 7
	}
	switch w.n(n) {
	case 0:
		w.put(w.oneOf("0", "-17", "1_000", "0xFF", "1.5", "6e-2", "inf", "true", "false"))
	case 1:
		w.put(w.oneOf("1979-05-27", "07:32", "1979-05-27 07:32:00Z", "1979-05-27T07:32:00.5+01:00"))
	case 2:
		w.put(`"`, w.oneOf("", "plain", `\"`, `\\`, `\u00e9é`, `# ]}`, `'`, `\x41\e\U0001F600`), w.oneOf("", "x"), `"`)
	case 3:
		w.put(`'`, w.oneOf("", "plain", `\`, `"`, `# ]}`, `\"`), `'`)
	case 4:
		w.put(`"""`, w.oneOf("", "\n", "\r\n"), w.oneOf("", "a\nb", "a\r\nb", "\\\n  b", `\"""x`, "[[unit]]\nx = {", `""x"`), w.oneOf("", `"`), `"""`)
	case 5:
		w.put(`'''`, w.oneOf("", "\n"), w.oneOf("", "a\n[x]\nb", `\`, `"""`, `''x'`), w.oneOf("", `'`), `'''`)
	case 6, 8:
		w.put("[")
		w.gap()
		for range w.n(3) {
			w.value(max(depth-1, 0))
			w.gap()
			w.put(",")
			w.gap()
		}
		w.put("]")
	default:
		w.put("{")
		w.gap()
		for i := range w.n(3) {
			if i > 0 {
				w.put(",")
				w.gap()
			}
			w.pair(max(depth-1, 0))
			w.gap()
		}
		w.put("}")
	}
}

// pair writes a key, dotted or not, and its value.
func (w *writer) pair(depth int) {
	w.put(w.key())
	for range max(0, w.n(4)-2) {
		w.space()
		w.put(".")
		w.space()
		w.put(w.key())
	}
	w.space()
	w.put("=")
	w.space()
	w.value(depth)
}

func (w *writer) lines(depth int) {
	for range w.n(3) {
		w.space()
		w.pair(depth)
		w.put(w.oneOf("\n", "\r\n", " # [[unit]]\n", "\n\n"))
	}
}

func (w *writer) file() string {
	units := []string{"unit", `"two words"`, `'other'`}
	for range w.n(4) {
		kind := rapid.SampledFrom(units).Draw(w.t, "kind")
		w.put("[[", kind, "]]", w.oneOf("\n", " # comment\n"))
		w.lines(3)
		for range w.n(2) {
			sub := w.key()
			if w.n(1) == 0 {
				w.put("[", kind, ".", sub, "]\n")
			} else {
				w.put("[[ ", kind, " . ", sub, " ]]\n")
			}
			w.lines(2)
		}
	}
	return w.b.String()
}

func TestGeneratedPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := writer{t: t}
		checkPositions(t, &source.File{Text: []byte(w.file())})
	})
}
