package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// TestS161Hostile has files that crash, stop or swell the TOML decoder, and files at
// the limits. Where the guard fails, this test does not come to its end.
func TestS161Hostile(t *testing.T) {
	socket := "[[socket]]\nname = \"a\"\ntype = \"tcp\"\nlisten = \":1\"\n"
	nested := func(n int) string {
		return socket + "[socket.options]\nx = " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n"
	}
	dotted := func(n int) string {
		return socket + "options." + strings.TrimSuffix(strings.Repeat("a.", n-1), ".") + " = 1\n"
	}
	var kinds strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&kinds, "[[k%d]]\n", i)
	}
	tests := []struct {
		name, text string
		code       diag.Code // "": no error
		line, col  int
	}{
		{"overflows the stack", "a = " + strings.Repeat("[", 6<<20), diag.NestedTooDeep, 1, 69},
		{"takes minutes", strings.Repeat("a.", 40_000) + "b = 1", diag.TooManyParts, 1, 1},
		{"takes minutes, as a header", "[" + strings.Repeat("a.", 40_000) + "b]", diag.TooManyParts, 1, 1},
		{"takes gigabytes", "a = " + strings.Repeat("{x=[", 16_000), diag.NestedTooDeep, 1, 133},
		{"long paths of many keys", "a = " + strings.Repeat("{a=", 60) + strings.Repeat("b=1,", 150_000), diag.TooManyKeys, 1, 550137},
		{"too many tables", strings.Repeat("[[x]]\n", 1_000_001), diag.TooManyTables, 1_000_001, 1},
		{"too many kinds", kinds.String(), diag.TooManyTables, 1001, 1},
		{"too large", strings.Repeat("#", 16<<20+1), diag.FileTooLarge, 1, 1},
		{"largest", strings.Repeat("#", 16<<20), "", 0, 0},
		{"too deep", nested(65), diag.NestedTooDeep, 6, 69},
		{"deepest", nested(64), "", 0, 0},
		{"too many parts", dotted(33), diag.TooManyParts, 5, 1},
		{"most parts", dotted(32), "", 0, 0},
		{"brackets in strings and comments", socket + "fd-name = \"" + strings.Repeat("[{", 99) + "\" # " + strings.Repeat("[{.", 99), "", 0, 0},
		{"one long string", socket + "fd-name = \"\"\"" + strings.Repeat("\\\n", 1<<20) + "\"\"\"", "", 0, 0},
		{"many mistakes in one value", socket + "managed-by = [" + strings.Repeat("true,", 99_000) + "]", diag.WrongType, 5, 15},
		{"most values", socket + "options.x = [" + strings.Repeat("1,", 99_995) + "]", "", 0, 0},
		{"too many values", socket + "options.x = [" + strings.Repeat("1,", 99_996) + "]", diag.TooManyValues, 1, 1},
		{"too many keys", socket + strings.Repeat("options.x = 1\n", 99_997), diag.TooManyValues, 1, 1},
		{"too many tables of a unit", socket + strings.Repeat("[socket.x]\n", 99_997), diag.TooManyValues, 100_001, 1},
		{"too many keys outside of units", strings.Repeat("a = 1\n", 100_000), diag.TooManyValues, 1, 1},
		{"too many tables that are no units", strings.Repeat("[x]\n", 100_000), diag.TooManyValues, 100_000, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &source.File{Name: "a.toml", Text: []byte(tt.text)}
			_, diags := decode.File(f, "a")
			all := diags.All()
			if tt.code == "" {
				if len(all) > 0 {
					t.Errorf("%s: %s", all[0].Code, all[0].Message)
				}
				return
			}
			if len(all) == 0 || len(all) > 101 {
				t.Fatalf("%d diagnostics", len(all))
			}
			at := all[0].Where(decode.Locate)
			line, col := f.Position(at.Start)
			if all[0].Code != tt.code || line != tt.line || col != tt.col {
				t.Errorf("%d:%d: %s: %s; want %d:%d: %s", line, col, all[0].Code, all[0].Message, tt.line, tt.col, tt.code)
			}
		})
	}
}
