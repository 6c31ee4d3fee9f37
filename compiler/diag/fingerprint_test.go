package diag_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// prints returns the fingerprints of a warning about each mark in a file. A unit
// has the name "web", found at its first key.
func prints(name, text string, marks ...string) []string {
	f := &source.File{Name: name, Text: []byte(text)}
	locate := func(p source.Place) source.Span {
		mark := p.Path()[len(p.Path())-1].Key
		i := bytes.Index(f.Text, []byte(mark))
		return source.Span{File: f, Start: i, End: i + len(mark)}
	}
	var ds []diag.Diagnostic
	for i, mark := range marks {
		at := source.UnitPlace(f, "socket", 0).At(mark)
		ds = append(ds, diag.Diagnostic{Code: "K1005", Message: string(rune('a' + i)), At: at})
	}
	return diag.Fingerprints(ds, locate)
}

func TestFingerprints(t *testing.T) {
	const text = "name = \"web\"\ncolour = 1\nshape = 2\n"
	base := prints("web.toml", text, "colour", "shape")
	if len(base) != 2 || base[0] == base[1] || len(base[0]) != 32 {
		t.Fatalf("fingerprints %q, want two of 32 digits", base)
	}
	tests := []struct {
		name string
		got  []string
		same bool
	}{
		{"again", prints("web.toml", text, "colour", "shape"), true},
		{"moved down", prints("web.toml", "# new\n\n"+text, "colour", "shape"), true},
		{"other lines around it", prints("web.toml", "name = \"web\"\nsize = 3\ncolour = 1\n\nshape = 2\n", "colour", "shape"), true},
		{"in another file", prints("api.toml", text, "colour", "shape"), false},
		{"another text at the place", prints("web.toml", "name = \"web\"\ncolor = 1\nshop = 2\n", "color", "shop"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range base {
				if (tt.got[i] == base[i]) != tt.same {
					t.Errorf("fingerprint %d is %s, that of the base is %s", i, tt.got[i], base[i])
				}
			}
		})
	}
	t.Run("equal findings are numbered", func(t *testing.T) {
		got := prints("web.toml", text, "colour", "colour")
		if got[0] != base[0] || got[1] == got[0] {
			t.Errorf("fingerprints %q, want %s and another", got, base[0])
		}
	})
	t.Run("without a unit the line counts", func(t *testing.T) {
		of := func(text string, start int) string {
			f := &source.File{Name: "web.toml", Text: []byte(text)}
			return diag.Fingerprints([]diag.Diagnostic{{Code: "S0001", Span: source.Span{File: f, Start: start, End: start}}}, nil)[0]
		}
		a, moved, other := of("x = [\n", 5), of("\n  x = [\n", 8), of("y = [\n", 5)
		if a != moved || a == other {
			t.Errorf("fingerprints %s, moved %s, of another line %s", a, moved, other)
		}
	})
	t.Run("without a place", func(t *testing.T) {
		got := diag.Fingerprints([]diag.Diagnostic{{Code: "X9101"}, {Code: "X9101"}, {Code: "X9001"}}, nil)
		if slices.Sort(got); len(slices.Compact(got)) != 3 {
			t.Errorf("fingerprints %q, want three", got)
		}
	})
}
