package diag_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

func TestEdit(t *testing.T) {
	tests := []struct {
		name, written string
		fix           *diag.Fix
		want          string // the replacement; "-" for none
	}{
		{"exactly", "start_on", &diag.Fix{Old: "start_on", New: "start-on"}, "start-on"},
		{"in double quotes", `"tpc"`, &diag.Fix{Old: "tpc", New: "tcp"}, `"tcp"`},
		{"in single quotes", `'tpc'`, &diag.Fix{Old: "tpc", New: "tcp"}, `'tcp'`},
		{"quotes belong to it", `"true"`, &diag.Fix{Old: `"true"`, New: "true"}, "true"},
		{"removed", "x", &diag.Fix{Old: "x"}, ""},
		{"no fix", "x", nil, "-"},
		{"something else", "tpc", &diag.Fix{Old: "udb", New: "udp"}, "-"},
		{"with an escape", `"\u0074pc"`, &diag.Fix{Old: "tpc", New: "tcp"}, "-"},
		{"three quotes", `"""tpc"""`, &diag.Fix{Old: "tpc", New: "tcp"}, "-"},
		{"a quote in quotes", `"a"`, &diag.Fix{Old: "a", New: `"`}, "-"},
		{"a backslash in quotes", `'a'`, &diag.Fix{Old: "a", New: `\`}, "-"},
		{"a line feed in quotes", `"a"`, &diag.Fix{Old: "a", New: "\n"}, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &source.File{Text: []byte("k = " + tt.written + "\n")}
			at := source.Span{File: f, Start: 4, End: 4 + len(tt.written)}
			e, ok := diag.Diagnostic{Span: at, Fix: tt.fix}.Edit(nil)
			if ok != (tt.want != "-") {
				t.Fatalf("Edit() = %+v, %t", e, ok)
			}
			if ok && (e.Text != tt.want || e.Span != at) {
				t.Errorf("Edit() = %+v, want %q at %+v", e, tt.want, at)
			}
		})
	}
	if e, ok := (diag.Diagnostic{Fix: &diag.Fix{}}).Edit(nil); ok {
		t.Errorf("without a place, Edit() = %+v", e)
	}
}

func TestApply(t *testing.T) {
	f, other := &source.File{Text: []byte("0123456789")}, &source.File{}
	at := func(start, end int, text string) diag.Edit {
		return diag.Edit{Span: source.Span{File: f, Start: start, End: end}, Text: text}
	}
	tests := []struct {
		name  string
		edits []diag.Edit
		want  string
		done  int
	}{
		{"nothing", nil, "0123456789", 0},
		{"in any order", []diag.Edit{at(7, 8, "x"), at(2, 4, "ab"), at(0, 1, "")}, "1ab456x89", 3},
		{"at both ends", []diag.Edit{at(0, 0, "<"), at(10, 10, ">")}, "<0123456789>", 2},
		{"overlapping", []diag.Edit{at(2, 5, "a"), at(4, 6, "b"), at(7, 7, "c")}, "01a56c789", 2},
		{"touching", []diag.Edit{at(2, 4, "a"), at(4, 6, "b")}, "01a456789", 1},
		{"twice the same", []diag.Edit{at(2, 4, "a"), at(2, 4, "a")}, "01a456789", 1},
		{"of another file", []diag.Edit{{Span: source.Span{File: other, Start: 1, End: 2}, Text: "a"}}, "0123456789", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, done := diag.Apply(f, tt.edits)
			if diff := gocmp.Diff(tt.want, string(text)); diff != "" || done != tt.done {
				t.Errorf("Apply made %d edits, want %d; text (-want +got):\n%s", done, tt.done, diff)
			}
		})
	}
}

// TestApplyLaws: what is outside of all edits stays, and every edit that is
// made is in the text.
func TestApplyLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte("abcdefghijklmnopqrst")
		f := &source.File{Text: text}
		var edits []diag.Edit
		touched := make([]bool, len(text))
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			start := rapid.IntRange(0, len(text)).Draw(t, "start")
			end := rapid.IntRange(start, len(text)).Draw(t, "end")
			edits = append(edits, diag.Edit{Span: source.Span{File: f, Start: start, End: end}, Text: "#"})
			for i := start; i < end; i++ {
				touched[i] = true
			}
		}
		got, done := diag.Apply(f, edits)
		kept, marks := map[byte]bool{}, 0
		for _, c := range got {
			if c == '#' {
				marks++
			}
			kept[c] = true
		}
		if marks != done || (done == 0) != (len(edits) == 0) {
			t.Fatalf("%d edits of %d made, %d in %q", done, len(edits), marks, got)
		}
		for i, c := range text {
			if !touched[i] && !kept[c] {
				t.Fatalf("%q is gone from %q", c, got)
			}
		}
	})
}
