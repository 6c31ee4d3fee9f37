package grammar

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestEBNF shows changes of the grammars in review.
func TestEBNF(t *testing.T) {
	for name, ebnf := range map[string]string{
		"address": addressParser().String(),
		"inet":    inetParser().String(),
		"unix":    unixParser().String(),
		"toml":    tomlParser().String(),

		"condition": conditionParser().String(),
		"scenario":  scenarioParser().String(),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", name+".ebnf"), strings.ReplaceAll(ebnf, "Tree", "")+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestStringLen(t *testing.T) {
	tests := []struct {
		name, in      string
		n             int
		multi, closed bool
	}{
		{"basic", `"ab" x`, 4, false, true},
		{"empty", `"" x`, 2, false, true},
		{"escaped quote", `"a\"b" x`, 6, false, true},
		{"escaped backslash", `"a\\" x`, 5, false, true},
		{"literal", `'a\' x`, 4, false, true},
		{"open to the end", `"ab`, 3, false, false},
		{"open to the end of the line", "\"ab\nc\"", 3, false, false},
		{"backslash before the end of the line", "\"ab\\\nc\"", 4, false, false},
		{"backslash at the end", `"ab\`, 4, false, false},
		{"one quote", `'`, 1, false, false},
		{"multi", "\"\"\"a\nb\"\"\" x", 9, true, true},
		{"multi with quotes inside", `"""a"b""c""" x`, 12, true, true},
		{"multi with quotes before the end", `"""a""""" x`, 9, true, true},
		{"multi with too many quotes", `"""a"""""" x`, 9, true, true},
		{"multi with escaped quotes", `"""a\"""" x`, 9, true, true},
		{"multi literal with backslash", `'''a\''' x`, 8, true, true},
		{"empty multi", `"""""" x`, 6, true, true},
		{"open multi", "'''a\nb", 6, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, multi, closed := StringLen(tt.in)
			if n != tt.n || multi != tt.multi || closed != tt.closed {
				t.Errorf("StringLen(%q) = %d, %t, %t, want %d, %t, %t", tt.in, n, multi, closed, tt.n, tt.multi, tt.closed)
			}
		})
	}
}

func TestParseTOMLErrors(t *testing.T) {
	tests := []struct{ name, in string }{
		{"too long", strings.Repeat("\n", MaxTOML+1)},
		{"no value", "a ="},
		{"open array", "a = [1, 2"},
		{"stray bracket", "]"},
		{"lone carriage return", "a = 1\rb = 2"},
		{"strange character", "\x01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := ParseTOML(tt.in); err == nil {
				t.Errorf("ParseTOML(%.20q) = %v, want an error", tt.in, got)
			}
		})
	}
}
