package source_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/source"
)

func TestPosition(t *testing.T) {
	tests := []struct {
		name, text string
		offset     int
		line, col  int
	}{
		{"empty file", "", 0, 1, 1},
		{"start", "ab\ncd", 0, 1, 1},
		{"newline", "ab\ncd", 2, 1, 3},
		{"second line", "ab\ncd", 3, 2, 1},
		{"end", "ab\ncd", 5, 2, 3},
		{"end behind a newline", "ab\n", 3, 2, 1},
		{"CRLF", "ab\r\ncd", 4, 2, 1},
		{"characters, not bytes", "é日x", 5, 1, 3},
		{"invalid bytes", "\xff\xffx", 2, 1, 3},
		{"behind a byte order mark", source.BOM + "ab", 3, 1, 1},
		{"on a byte order mark", source.BOM + "ab", 0, 1, 1},
		{"byte order mark alone", source.BOM, 3, 1, 1},
		{"before the file", "ab", -1, 1, 1},
		{"behind the file", "ab", 99, 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &source.File{Text: []byte(tt.text)}
			if line, col := f.Position(tt.offset); line != tt.line || col != tt.col {
				t.Errorf("Position(%d) in %q = %d, %d, want %d, %d", tt.offset, tt.text, line, col, tt.line, tt.col)
			}
		})
	}
}

// TestPositionInLongLines compares columns with those that are counted from the
// start of the line.
func TestPositionInLongLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "é", "日本", "\U0001f600", "\xff", "\x80\x80\x80\x80\x80", "\n"})
		var text []byte
		for range rapid.IntRange(1, 6).Draw(t, "parts") {
			text = append(text, bytes.Repeat([]byte(piece.Draw(t, "piece")), rapid.IntRange(1, 5000).Draw(t, "times"))...)
		}
		f := &source.File{Text: text}
		for range 20 {
			offset := rapid.IntRange(0, len(text)).Draw(t, "offset")
			if offset < len(text) && !utf8.RuneStart(text[offset]) && utf8.Valid(text) {
				continue // inside of a character
			}
			start := bytes.LastIndexByte(text[:offset], '\n') + 1
			want := utf8.RuneCount(text[start:offset]) + 1
			if _, got := f.Position(offset); got != want {
				t.Fatalf("column of byte %d is %d, want %d", offset, got, want)
			}
		}
	})
}

// BenchmarkPositionInLongLine finds a thousand places at the end of a line of 16 MiB.
func BenchmarkPositionInLongLine(b *testing.B) {
	text := bytes.Repeat([]byte("x"), 16<<20)
	for b.Loop() {
		f := &source.File{Text: text}
		for i := range 1000 {
			f.Position(len(text) - i)
		}
	}
}

func TestLine(t *testing.T) {
	tests := []struct {
		name, text string
		n          int
		want       string
		start      int
	}{
		{"first", "ab\ncd", 1, "ab", 0},
		{"last", "ab\ncd", 2, "cd", 3},
		{"behind the last newline", "ab\n", 2, "", 3},
		{"CRLF", "ab\r\ncd", 1, "ab", 0},
		{"behind a byte order mark", source.BOM + "ab\n", 1, "ab", 3},
		{"empty file", "", 1, "", 0},
		{"line 0", "ab", 0, "", 2},
		{"too high", "ab\ncd", 3, "", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &source.File{Text: []byte(tt.text)}
			if got := string(f.Line(tt.n)); got != tt.want {
				t.Errorf("Line(%d) of %q = %q, want %q", tt.n, tt.text, got, tt.want)
			}
			if got := f.LineStart(tt.n); got != tt.start {
				t.Errorf("LineStart(%d) of %q = %d, want %d", tt.n, tt.text, got, tt.start)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	if !(source.Place{}).IsZero() || !(source.Span{}).IsZero() {
		t.Error("the zero Place and the zero Span must be no place")
	}
	f := &source.File{}
	unit := source.UnitPlace(f, "socket", 2)
	list := unit.At("start-on")
	first, second := list.Item(0).At("state").Within(1, 3), list.Item(1)
	want := []source.Step{{Key: "start-on"}, {Index: 0}, {Key: "state"}}
	if diff := cmp.Diff(want, first.Path()); diff != "" {
		t.Errorf("path (-want +got):\n%s", diff)
	}
	if first.File() != f || first.Kind() != "socket" || first.Index() != 2 || len(first.Unit().Path()) != 0 {
		t.Errorf("%s %d is not in the unit it was made from", first.Kind(), first.Index())
	}
	if from, to := first.Narrowed(); from != 1 || to != 3 {
		t.Errorf("Narrowed() = %d, %d, want 1, 3", from, to)
	}
	if got := second.Path(); !cmp.Equal(got, []source.Step{{Key: "start-on"}, {Index: 1}}) {
		t.Errorf("Path = %v: two places share their path", got)
	}
	if _, to := first.OfKey().Narrowed(); !first.OfKey().IsKey() || to != 0 {
		t.Error("OfKey() is not the whole key")
	}
	deeper := first.OfKey().At("x")
	if _, to := deeper.Narrowed(); deeper.IsKey() || to != 0 {
		t.Error("At() is not the whole value")
	}
	if none := (source.Place{}); !none.At("x").OfKey().Within(1, 2).IsZero() || none.File() != nil || none.Path() != nil {
		t.Error("what is inside of no place must be no place")
	}
}
