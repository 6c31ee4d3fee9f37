package decode_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/source"
)

// reporter is the part of testing.T and rapid.T that checks need.
type reporter interface {
	Errorf(format string, args ...any)
	Helper()
}

// checkPositions looks up every key and every value of every unit of a file that
// the decoder accepts, decodes the text found there again, and compares.
func checkPositions(t reporter, f *source.File) (keys, values int) {
	t.Helper()
	var file map[string]any
	if _, err := toml.Decode(string(f.Text), &file); err != nil {
		t.Errorf("decode: %v\n%s", err, f.Text)
		return 0, 0
	}
	c := positionChecker{reporter: t, file: f}
	for kind, v := range file {
		units, _ := v.([]map[string]any)
		for i, u := range units {
			place := source.UnitPlace(f, kind, i)
			if header := c.text(place); !strings.HasPrefix(header, "[[") || !strings.HasSuffix(header, "]]") {
				t.Errorf("the header of %s %d is %q", kind, i, header)
			}
			c.value(place, u)
		}
	}
	return c.keys, c.values
}

type positionChecker struct {
	reporter
	file         *source.File
	index        decode.Index
	keys, values int
}

func (c *positionChecker) text(p source.Place) string {
	at := c.index.Locate(p)
	if at.File != c.file || at.Start < 0 || at.End < at.Start || at.End > len(c.file.Text) {
		c.Errorf("the span of %v is %+v", p.Path(), at)
		return ""
	}
	return string(c.file.Text[at.Start:at.End])
}

func (c *positionChecker) value(at source.Place, want any) {
	c.Helper()
	switch want := want.(type) {
	case map[string]any:
		for key, v := range want {
			c.key(at.At(key).OfKey(), key)
			c.value(at.At(key), v)
		}
	case []map[string]any:
		for i := range want {
			c.value(at.Item(i), want[i])
		}
	case []any:
		for i := range want {
			c.value(at.Item(i), want[i])
		}
	case string:
		c.within(at, want)
	}
	c.values++
	text := c.text(at)
	switch {
	case len(at.Path()) == 0 || madeByHeader(text, want):
		return
	case isTable(want) && !strings.HasPrefix(text, "{"): // made by a dotted key
		c.key(at, at.Path()[len(at.Path())-1].Key)
		return
	}
	if got := again(text); !reflect.DeepEqual(plain(got), plain(want)) {
		c.Errorf("the value of %v is %v, but its text is %q\n%s", at.Path(), want, text, c.file.Text)
	}
}

func isTable(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// madeByHeader reports whether text is a header that makes the table or array.
func madeByHeader(text string, v any) bool {
	_, list := v.([]map[string]any)
	return isTable(v) && strings.HasPrefix(text, "[") || list && strings.HasPrefix(text, "[[")
}

func (c *positionChecker) key(at source.Place, want string) {
	c.Helper()
	c.keys++
	text := c.text(at)
	var got map[string]any
	if _, err := toml.Decode(text+" = 1", &got); err != nil || len(got) != 1 || got[want] == nil {
		c.Errorf("key %q of %v has the text %q: %v", want, at.Path(), text, err)
	}
}

// within looks up parts of a string.
func (c *positionChecker) within(at source.Place, want string) {
	c.Helper()
	quote := `"""`
	if strings.HasPrefix(c.text(at), "'") {
		quote = "'''"
	}
	ends := []int{len(want)}
	for i := range want {
		ends = append(ends, i)
	}
	for i, from := range ends {
		for _, to := range ends[i/2:] {
			if from >= to {
				continue
			}
			raw := c.text(at.Within(from, to))
			if strings.HasSuffix(raw, "\r") {
				continue // half a newline cannot be decoded alone
			}
			if got := again(quote + "\n" + raw + quote); got != any(want[from:to]) {
				c.Errorf("%q of %q has the text %q, which is %q", want[from:to], want, raw, got)
			}
		}
		if i > 8 {
			return
		}
	}
}

// again decodes the text of a value.
func again(text string) any {
	var got map[string]any
	if _, err := toml.Decode("x = "+text, &got); err != nil {
		return err
	}
	return got["x"]
}

// plain returns v in a form that can be compared: NaN equals NaN, and both forms
// of arrays are one.
func plain(v any) any {
	switch v := v.(type) {
	case float64:
		return fmt.Sprint(v)
	case time.Time:
		return v.Format(time.RFC3339Nano) + v.Location().String()
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = plain(item)
		}
		return out
	case []map[string]any:
		out := []any{}
		for _, item := range v {
			out = append(out, plain(item))
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, plain(item))
		}
		return out
	}
	return v
}

// TestS16Positions covers every form of TOML 1.1.
func TestS16Positions(t *testing.T) {
	for _, pattern := range []string{"testdata/positions/*.toml", "testdata/clean/*.toml"} {
		for _, path := range glob(t, pattern) {
			t.Run(path, func(t *testing.T) {
				text := read(t, path)
				keys, values := checkPositions(t, &source.File{Name: path, Text: text})
				t.Logf("%d keys, %d values", keys, values)
				if keys == 0 || values == 0 {
					t.Error("nothing was checked")
				}
				checkPositions(t, &source.File{Text: append([]byte(source.BOM), text...)})
				crlf := strings.ReplaceAll(string(text), "\n", "\r\n")
				checkPositions(t, &source.File{Text: []byte(crlf)})
			})
		}
	}
}

func TestLocate(t *testing.T) {
	f := &source.File{Name: "a.toml", Text: []byte(`# units
top = 1
[[socket]] # web
name = "web"
listen = "a\tb\u00e9c"
start-on = [{ state = "s", target = { as = { a = [1, "two"] } } }]
trigger = []
options.keepalive.time = 5
[[service]]
name = "other"
[socket.limits] # of web
burst = 20
[[socket]]
name = "second"
[[service.run]]
exec = "/bin/x"
`)}
	socket := source.UnitPlace(f, "socket", 0)
	as := socket.At("start-on").Item(0).At("target").At("as")
	tests := []struct {
		name  string
		place source.Place
		want  string // the text
		line  int
	}{
		{"header", socket, "[[socket]]", 3},
		{"header of the second", source.UnitPlace(f, "socket", 1), "[[socket]]", 13},
		{"value", socket.At("name"), `"web"`, 4},
		{"key", socket.At("name").OfKey(), "name", 4},
		{"part of a string", socket.At("name").Within(1, 3), "eb", 4},
		{"part with escapes", socket.At("listen").Within(1, 5), `\tb\u00e9`, 5},
		{"part that the string does not have", socket.At("listen").Within(1, 50), `"a\tb\u00e9c"`, 5},
		{"part of something else", socket.At("trigger").Within(0, 1), "[]", 7},
		{"element", socket.At("start-on").Item(0), `{ state = "s", target = { as = { a = [1, "two"] } } }`, 6},
		{"key of an element", socket.At("start-on").Item(0).At("target").OfKey(), "target", 6},
		{"deep", as.At("a").Item(1), `"two"`, 6},
		{"table of a dotted key", socket.At("options"), "options", 8},
		{"key part", socket.At("options").At("keepalive").OfKey(), "keepalive", 8},
		{"value of a dotted key", socket.At("options").At("keepalive").At("time"), "5", 8},
		{"table below another unit", socket.At("limits").At("burst"), "20", 12},
		{"header of a table", socket.At("limits"), "[socket.limits]", 11},
		{"key in a header", socket.At("limits").OfKey(), "limits", 11},
		{"element of an array of tables", source.UnitPlace(f, "service", 0).At("run").Item(0), "[[service.run]]", 15},
		{"absent key: the unit", socket.At("owner"), "[[socket]]", 3},
		{"absent key: the table around", as.At("b").At("c"), `{ a = [1, "two"] }`, 6},
		{"absent element", socket.At("start-on").Item(7), `[{ state = "s", target = { as = { a = [1, "two"] } } }]`, 6},
		{"index of a table", socket.At("options").Item(0), "options", 8},
		{"absent unit", source.UnitPlace(f, "socket", 2), "", 1},
		{"absent kind", source.UnitPlace(f, "state", 0), "", 1},
		{"no such unit", source.UnitPlace(f, "socket", -1), "", 1},
	}
	var index decode.Index
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := index.Locate(tt.place)
			line, _ := f.Position(at.Start)
			if got := string(f.Text[at.Start:at.End]); got != tt.want || line != tt.line {
				t.Errorf("Locate = line %d %q, want line %d %q", line, got, tt.line, tt.want)
			}
			if once := decode.Locate(tt.place); once != at {
				t.Errorf("Locate without an index = %+v, with one %+v", once, at)
			}
		})
	}
	if at := index.Locate(source.Place{}); !at.IsZero() {
		t.Errorf("Locate of no place = %+v", at)
	}
}

func TestHeaderLine(t *testing.T) {
	f := &source.File{Text: []byte("\n[[socket]]\n[[service]]\n\n  [[socket]]\n")}
	var index decode.Index
	type unitLine struct {
		Kind       string
		Unit, Line int
	}
	var got []unitLine
	for _, u := range []unitLine{{"socket", 0, 0}, {"socket", 1, 0}, {"socket", 2, 0}, {"service", 0, 0}, {"state", 0, 0}} {
		u.Line = index.HeaderLine(f, u.Kind, u.Unit)
		got = append(got, u)
		if once := decode.HeaderLine(f, u.Kind, u.Unit); once != u.Line {
			t.Errorf("HeaderLine without an index = %d, with one %d", once, u.Line)
		}
	}
	want := []unitLine{{"socket", 0, 2}, {"socket", 1, 5}, {"socket", 2, 0}, {"service", 0, 3}, {"state", 0, 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
