package render_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/source"
)

var update = flag.Bool("update", false, "write the golden files")

// find returns the span of the first mark in a file.
func find(f *source.File, mark string) source.Span {
	i := bytes.Index(f.Text, []byte(mark))
	return source.Span{File: f, Start: i, End: i + len(mark)}
}

func file(text string) *source.File { return &source.File{Name: "web.toml", Text: []byte(text)} }

func locate(p source.Place) source.Span { return find(p.File(), p.Kind()) }

func TestText(t *testing.T) {
	long := file("args = [" + strings.Repeat(`"aaaaaaaa", `, 20) + `"MARK", ` + strings.Repeat(`"bbbbbbbb", `, 20) + "]")
	plain := file("[[socket]]\nname = \"web\"\n\ttype\t= \"tpc\"\n")
	wide := file(`name = "日本語é" # x`)
	hostile := file("name = \"\x1b[2J\u202e\u200b\x9b\" x")
	hostile.Name = "a\x1b]0;b.toml"
	multi := file("args = [\n  1,\n]\n")
	tests := []struct {
		name string
		ds   []diag.Diagnostic
	}{
		{"nothing", nil},
		{"error with help and note", []diag.Diagnostic{{
			Code: "A4001", Severity: diag.Error, Message: "unknown socket type `tpc`", Span: find(plain, `"tpc"`),
			Help:   "did you mean `tcp`?",
			Labels: []diag.Label{{At: source.UnitPlace(plain, "web", 0), Message: "of this socket"}},
		}}},
		{"errors and warnings", []diag.Diagnostic{
			{Code: "K1001", Severity: diag.Error, Message: "one", At: source.UnitPlace(plain, "name", 0)},
			{Code: "K1003", Severity: diag.Warning, Message: "two", At: source.UnitPlace(plain, "type", 0), Help: "look"},
			{Code: "K1001", Severity: diag.Error, Message: "three"},
		}},
		{"tabs", []diag.Diagnostic{{Code: "K1005", Severity: diag.Error, Message: "tabs", Span: find(plain, "type\t=")}}},
		{"wide characters", []diag.Diagnostic{
			{Code: "K1005", Severity: diag.Error, Message: "wide", Span: find(wide, "本語é")},
			{Code: "K1005", Severity: diag.Error, Message: "behind them", Span: find(wide, "x")},
		}},
		{"no terminal commands", []diag.Diagnostic{{
			Code: "K1005", Severity: diag.Error, Message: "key \"\x1b[2J\xff\"", Span: find(hostile, "x"), Help: "remove \u202e",
			Labels: []diag.Label{{Span: find(hostile, "\x1b"), Message: "\x07here"}},
		}}},
		{"long line", []diag.Diagnostic{
			{Code: "K1005", Severity: diag.Error, Message: "middle", Span: find(long, `"MARK"`)},
			{Code: "K1005", Severity: diag.Error, Message: "start", Span: find(long, "args")},
			{Code: "K1005", Severity: diag.Error, Message: "end", Span: source.Span{File: long, Start: len(long.Text) - 1, End: len(long.Text)}},
			{Code: "K1005", Severity: diag.Error, Message: "all of it", Span: source.Span{File: long, Start: 7, End: len(long.Text)}},
		}},
		{"several lines", []diag.Diagnostic{{Code: "K1005", Severity: diag.Error, Message: "array", Span: find(multi, "[\n  1,\n]")}}},
		{"behind the end", []diag.Diagnostic{
			{Code: "S0001", Severity: diag.Error, Message: "end of line", Span: source.Span{File: plain, Start: 10, End: 10}},
			{Code: "S0001", Severity: diag.Error, Message: "end of file", Span: source.Span{File: multi, Start: len(multi.Text), End: len(multi.Text)}},
			{Code: "S0001", Severity: diag.Error, Message: "empty file", Span: source.Span{File: file("")}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := render.Text(&b, tt.ds, locate, render.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.ReplaceAll(tt.name, " ", "-")+".txt", b.String())
		})
	}
	t.Run("colour", func(t *testing.T) {
		var b strings.Builder
		if err := render.Text(&b, append(tests[1].ds, tests[2].ds...), locate, render.TextOptions{Color: true}); err != nil {
			t.Fatal(err)
		}
		golden(t, "colour.txt", strings.ReplaceAll(b.String(), "\x1b", "ESC"))
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestTextErrors(t *testing.T) {
	var b strings.Builder
	err := render.Text(&b, []diag.Diagnostic{{Code: "K1005", Message: "forgotten"}}, locate, render.TextOptions{})
	if err == nil || !strings.Contains(b.String(), "invalid severity: forgotten [K1005]") {
		t.Errorf("a diagnostic without a severity is shown as %q, error %v", b.String(), err)
	}
	full := errors.New("no space left")
	err = render.Text(brokenWriter{full}, []diag.Diagnostic{{Severity: diag.Error}}, locate, render.TextOptions{})
	if !errors.Is(err, full) {
		t.Errorf("Text on a full disk returns %v", err)
	}
}

// TestTextLaws: whatever is in the file, the output has only printable
// characters, short lines, and marks below the line.
func TestTextLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]byte("ab \t\n\r\x00\x1b\xe6\x97\xa5\xcc\x81\xff"))).Draw(t, "text")
		f := &source.File{Name: "f", Text: text}
		start := rapid.IntRange(0, len(text)).Draw(t, "start")
		end := rapid.IntRange(start, len(text)).Draw(t, "end")
		var b strings.Builder
		d := diag.Diagnostic{Code: "K1005", Severity: diag.Error, Message: string(text), Span: source.Span{File: f, Start: start, End: end}}
		if err := render.Text(&b, []diag.Diagnostic{d}, locate, render.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		if len(lines) != 6 {
			t.Fatalf("%d lines, want 6:\n%s", len(lines), b.String())
		}
		for _, l := range lines {
			if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
				t.Fatalf("unsafe line %q", l)
			}
		}
		if !strings.HasSuffix(lines[2], "^") || strings.Trim(lines[2], " |^") != "" {
			t.Fatalf("mark %q", lines[2])
		}
	})
}
