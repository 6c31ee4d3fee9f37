package manifest_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rind-sockets/rind/plugins/manifest"
)

// options has one option of every type, by name.
func options(t *testing.T) map[string]manifest.Option {
	t.Helper()
	m, err := manifest.Parse([]byte(head + `[[scheme]]
name = "x"
option = [
  { name = "string", type = "string" },
  { name = "pattern", type = "string", pattern = '[a-z]+' },
  { name = "int", type = "int" },
  { name = "port", type = "int", min = 1, max = 65535 },
  { name = "positive", type = "int", min = 1 },
  { name = "bool", type = "bool" },
  { name = "enum", type = "enum", enum = ["stream", "dgram"] },
  { name = "mode", type = "mode" },
  { name = "size", type = "bytes", max = 1048576 },
  { name = "time", type = "duration" },
  { name = "seconds", type = "duration", min = "2s", max = "1m", step = "1s" },
  { name = "list", type = "list", pattern = "[a-z<]+" },
  { name = "table.key", type = "bool" },
]`))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]manifest.Option{}
	for _, o := range m.Schemes[0].Options {
		got, ok := m.Schemes[0].Option(o.Name)
		if !ok {
			t.Fatalf("Option(%s) is missing", o.Name)
		}
		all[o.Name] = got
	}
	return all
}

func TestText(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct {
		option  string
		value   any
		want    string
		wantErr string // empty means success
	}{
		{option: "string", value: "", want: ""},
		{option: "string", value: "ümlaut", want: "ümlaut"},
		{option: "string", value: "a\x00b", wantErr: `must be a string of at most 4096 bytes without NUL, got "a\x00b"`},
		{option: "string", value: "\xff", wantErr: `must be a string of at most 4096 bytes without NUL, got "\xff"`},
		{option: "string", value: long, wantErr: `must be a string of at most 4096 bytes without NUL, got "` + long[:80] + `…"`},
		{option: "string", value: int64(5), wantErr: "must be a string of at most 4096 bytes without NUL, got an integer"},
		{option: "pattern", value: "abc", want: "abc"},
		{option: "pattern", value: "abc1", wantErr: `must be a string that matches [a-z]+, got "abc1"`},
		{option: "int", value: int64(math.MinInt64), want: "-9223372036854775808"},
		{option: "int", value: "5", wantErr: "must be an integer, got a string"},
		{option: "int", value: 5.0, wantErr: "must be an integer, got a float"},
		{option: "port", value: int64(512), want: "512"},
		{option: "port", value: int64(70000), wantErr: "must be an integer from 1 to 65535, got 70000"},
		{option: "port", value: "http", wantErr: "must be an integer from 1 to 65535, got a string"},
		{option: "positive", value: int64(0), wantErr: "must be an integer of at least 1, got 0"},
		{option: "bool", value: true, want: "true"},
		{option: "bool", value: false, want: "false"},
		{option: "bool", value: "yes", wantErr: "must be true or false, got a string"},
		{option: "bool", value: int64(1), wantErr: "must be true or false, got an integer"},
		{option: "enum", value: "dgram", want: "dgram"},
		{option: "enum", value: "raw", wantErr: `must be one of "stream", "dgram", got "raw"`},
		{option: "enum", value: true, wantErr: `must be one of "stream", "dgram", got a boolean`},
		{option: "mode", value: "0660", want: "0660"},
		{option: "mode", value: "660", want: "0660"},
		{option: "mode", value: int64(432), wantErr: `must be a file mode in octal such as "0660", got an integer`},
		{option: "mode", value: "0888", wantErr: `must be a file mode in octal such as "0660", got "0888"`},
		{option: "mode", value: "4755", wantErr: `must be a file mode in octal such as "0660", got "4755"`},
		{option: "mode", value: "u=rw", wantErr: `must be a file mode in octal such as "0660", got "u=rw"`},
		{option: "size", value: int64(4096), want: "4096"},
		{option: "size", value: "64K", want: "65536"},
		{option: "size", value: "1M", want: "1048576"},
		{option: "size", value: "1G", wantErr: `must be a size such as 4096 or "64K" from 0 to 1048576, got "1G"`},
		{option: "size", value: "9999999999G", wantErr: `must be a size such as 4096 or "64K" from 0 to 1048576, got "9999999999G"`},
		{option: "size", value: "K", wantErr: `must be a size such as 4096 or "64K" from 0 to 1048576, got "K"`},
		{option: "size", value: int64(-1), wantErr: `must be a size such as 4096 or "64K" from 0 to 1048576, got -1`},
		{option: "time", value: "90s", want: "1m30s"},
		{option: "time", value: "-1s", wantErr: `must be a duration such as "250ms" or "5s", got "-1s"`},
		{option: "time", value: int64(5), wantErr: `must be a duration such as "250ms" or "5s", got 5`},
		{option: "seconds", value: "30s", want: "30s"},
		{option: "seconds", value: int64(60), want: "1m0s"},
		{option: "seconds", value: "1500ms", wantErr: `must be a duration such as "5s" or "2m" from 2s to 1m0s, a multiple of 1s, got "1500ms"`},
		{option: "seconds", value: int64(61), wantErr: `must be a duration such as "5s" or "2m" from 2s to 1m0s, a multiple of 1s, got 61`},
		{option: "seconds", value: int64(1) << 62, wantErr: `must be a duration such as "5s" or "2m" from 2s to 1m0s, a multiple of 1s, got 4611686018427387904`},
		{option: "list", value: []any{"b", "a<"}, want: `["b","a<"]`},
		{option: "list", value: []any{}, wantErr: "must be an array of 1 to 64 different strings that match [a-z<]+, got []"},
		{option: "list", value: []any{"a", "a"}, wantErr: `must be an array of 1 to 64 different strings that match [a-z<]+, got ["a", "a"]`},
		{option: "list", value: []any{"a", int64(1)}, wantErr: `must be an array of 1 to 64 different strings that match [a-z<]+, got ["a", an integer]`},
		{option: "list", value: "a", wantErr: "must be an array of 1 to 64 different strings that match [a-z<]+, got a string"},
		{option: "table.key", value: true, want: "true"},
		{option: "bool", value: []any{true}, wantErr: "must be true or false, got an array"},
		{option: "bool", value: map[string]any{"prefer": true}, wantErr: "must be true or false, got a table"},
		{option: "bool", value: []map[string]any{{}}, wantErr: "must be true or false, got a table"},
		{option: "bool", value: time.Time{}, wantErr: "must be true or false, got a date or time"},
		{option: "bool", value: nil, wantErr: "must be true or false, got a <nil>"},
	}
	all := options(t)
	for _, tt := range tests {
		o, ok := all[tt.option]
		if !ok {
			t.Fatalf("no option %s", tt.option)
		}
		got, err := o.Text(tt.value)
		if msg := errText(err); msg != tt.wantErr {
			t.Errorf("%s: Text(%.20v) error = %q, want %q", tt.option, tt.value, msg, tt.wantErr)
			continue
		}
		if got != tt.want {
			t.Errorf("%s: Text(%.20v) = %q, want %q", tt.option, tt.value, got, tt.want)
		}
		if err != nil {
			continue
		}
		if err := o.CheckText(got); err != nil {
			t.Errorf("%s: CheckText(%q), which Text has made: %v", tt.option, got, err)
		}
	}
}

func TestCheckText(t *testing.T) {
	tests := []struct {
		option, text, wantErr string
	}{
		{"port", "512", ""},
		{"port", "0", "must be an integer from 1 to 65535, got 0"},
		{"port", "5.0", `must be an integer from 1 to 65535, got "5.0"`},
		{"port", "", `must be an integer from 1 to 65535, got ""`},
		{"bool", "true", ""},
		{"bool", "1", "must be true or false, got a string"},
		{"size", "65536", ""},
		{"size", "64K", `must be a size such as 4096 or "64K" from 0 to 1048576, got "64K"`},
		{"mode", "0660", ""},
		{"mode", "99", `must be a file mode in octal such as "0660", got "99"`},
		{"time", "1m30s", ""},
		{"enum", "", `must be one of "stream", "dgram", got ""`},
	}
	all := options(t)
	for _, tt := range tests {
		t.Run(tt.option+" "+tt.text, func(t *testing.T) {
			o := all[tt.option]
			if msg := errText(o.CheckText(tt.text)); msg != tt.wantErr {
				t.Errorf("CheckText(%q) = %q, want %q", tt.text, msg, tt.wantErr)
			}
		})
	}
}

func TestZeroOption(t *testing.T) {
	var o manifest.Option
	if _, err := o.Text("x"); err == nil {
		t.Error("an option without a type takes a value")
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
