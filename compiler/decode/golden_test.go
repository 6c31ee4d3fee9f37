package decode_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/source"
)

var update = flag.Bool("update", false, "write the golden files")

// rendered decodes a file and returns its diagnostics as people see them.
func rendered(t *testing.T, name string, text []byte) string {
	t.Helper()
	decoded := decode.Decode(&source.File{Name: name, Text: text}, "group")
	diags := decoded.Diags
	var index decode.Index
	index.Keep(decoded)
	var b strings.Builder
	if err := render.Text(&b, diag.Sorted(diags.All(), index.Locate), index.Locate, render.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, d := range diags.All() {
		if d.Help == "" || strings.Contains(d.Message, "\n") {
			t.Errorf("%s has no help, or more than a line: %s", d.Code, d.Message)
		}
		line, col := d.Where(index.Locate).File.Position(d.Where(index.Locate).Start)
		if first := fmt.Sprintf("%s:%d:%d: %s: ", name, line, col, d.Severity); !strings.Contains(b.String(), first) {
			t.Errorf("%q is not shown", first)
		}
		if _, ok := diag.Lookup(d.Code); !ok {
			t.Errorf("%s is not in the table of codes", d.Code)
		}
	}
	return b.String()
}

// TestS160Broken renders what is wrong in the files of testdata/broken: x.txt is the
// text for x.toml.
func TestS160Broken(t *testing.T) {
	for _, path := range glob(t, "testdata/broken/*.toml") {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			got := rendered(t, name, read(t, path))
			golden := strings.TrimSuffix(path, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestNotText has files that an archive cannot hold.
func TestNotText(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // the first line of the output
	}{
		{"invalid UTF-8", "[[socket]]\nname = \"\xff\"", "a.toml:2:9: error: byte 0xff is not UTF-8 [S0002]"},
		{"NUL", "[[socket]]\nname = \"\x00\"", "a.toml:2:9: error: byte 0x00 is in no text [S0002]"},
		{"NUL before invalid UTF-8", "a\x00\xff", "a.toml:1:2: error: byte 0x00 is in no text [S0002]"},
		{"UTF-16", "\xff\xfe[\x00", "a.toml:1:1: error: byte 0xff is not UTF-8 [S0002]"},
		{"executable", "\x7fELF\x02\x01\x01\x00", "a.toml:1:8: error: byte 0x00 is in no text [S0002]"},
		{"CRLF and byte order mark", "\ufeff[[state]]\r\nname = \"a\"\r\npayload = 'x'\r\n", "a.toml:3:11: error: `payload` must be one of `json`, `string`, `bytes`, `none`, got \"x\" [K1009]"},
		{"syntax error behind a byte order mark", "\ufeffname = x", "a.toml:1:8: error: invalid TOML: `x` is no value [S0001]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, _ := strings.Cut(rendered(t, "a.toml", []byte(tt.text)), "\n")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestClean: correct files say nothing.
func TestClean(t *testing.T) {
	for _, path := range glob(t, "testdata/clean/*.toml") {
		if got := rendered(t, path, read(t, path)); got != "" {
			t.Errorf("%s is not clean:\n%s", path, got)
		}
	}
}
