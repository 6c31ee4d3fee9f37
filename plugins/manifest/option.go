package manifest

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Type is the type of an option.
type Type string

// Types of options. In a unit file a mode, a duration and an enum are strings,
// and a size is an integer or a string such as "64K".
const (
	String   Type = "string"
	Int      Type = "int"
	Bool     Type = "bool"
	Enum     Type = "enum"
	Mode     Type = "mode"
	Bytes    Type = "bytes"
	Duration Type = "duration"
)

// maxText is the longest text of an option in bytes.
const maxText = 4096

// Option is one option of a scheme.
type Option struct {
	Name     string
	Type     Type
	Min, Max int64    // bounds of int and bytes; the whole range when not given
	Enum     []string // values of an enum
	Pattern  string   // RE2 pattern of the whole value of a string; empty allows any
	Default  string   // wire text; empty when there is none
	Doc      string   // one sentence for people

	pattern *regexp.Regexp
}

type option struct {
	Name    string   `toml:"name"`
	Type    Type     `toml:"type"`
	Min     *int64   `toml:"min"`
	Max     *int64   `toml:"max"`
	Enum    []string `toml:"enum"`
	Pattern string   `toml:"pattern"`
	Default any      `toml:"default"`
	Doc     string   `toml:"doc"`
}

var optionRE = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func (o *option) option() (Option, error) {
	out := Option{
		Name: o.Name, Type: o.Type, Min: math.MinInt64, Max: math.MaxInt64,
		Enum: o.Enum, Pattern: o.Pattern, Doc: o.Doc,
	}
	if _, ok := wants[o.Type]; !ok {
		return Option{}, fmt.Errorf("unknown type %q, want string, int, bool, enum, mode, bytes or duration", o.Type)
	}
	if o.Type == Bytes {
		out.Min = 0
	}
	if o.Min != nil {
		out.Min = *o.Min
	}
	if o.Max != nil {
		out.Max = *o.Max
	}
	switch {
	case !optionRE.MatchString(o.Name):
		return Option{}, fmt.Errorf("the name must match %s", optionRE)
	case (o.Min != nil || o.Max != nil) && o.Type != Int && o.Type != Bytes:
		return Option{}, errors.New("min and max are for the types int and bytes")
	case out.Min > out.Max:
		return Option{}, fmt.Errorf("min %d is greater than max %d", out.Min, out.Max)
	case (len(o.Enum) > 0) != (o.Type == Enum):
		return Option{}, errors.New("enum lists the values of the type enum, and only of it")
	case o.Pattern != "" && o.Type != String:
		return Option{}, errors.New("pattern is for the type string")
	}
	if o.Pattern != "" {
		re, err := regexp.Compile(`^(?:` + o.Pattern + `)$`)
		if err != nil {
			return Option{}, fmt.Errorf("pattern: %w", err)
		}
		out.pattern = re
	}
	if o.Default != nil {
		text, err := out.Text(o.Default)
		if err != nil {
			return Option{}, fmt.Errorf("default: %w", err)
		}
		out.Default = text
	}
	return out, nil
}

// wants says for each type what a value of it looks like, to follow "must be".
var wants = map[Type]func(*Option) string{
	String: func(o *Option) string {
		if o.Pattern != "" {
			return "a string that matches " + o.Pattern
		}
		return fmt.Sprintf("a string of at most %d bytes without NUL", maxText)
	},
	Int:      func(o *Option) string { return "an integer" + o.bounds() },
	Bool:     func(*Option) string { return "true or false" },
	Enum:     func(o *Option) string { return "one of " + quoteAll(o.Enum) },
	Mode:     func(o *Option) string { return fmt.Sprintf(`a file mode: write %s = "0660"`, o.Name) },
	Bytes:    func(o *Option) string { return `a size such as 4096 or "64K"` + o.bounds() },
	Duration: func(*Option) string { return `a duration such as "250ms" or "5s"` },
}

func (o *Option) bounds() string {
	low, high := o.Min != math.MinInt64, o.Max != math.MaxInt64
	switch {
	case low && high:
		return fmt.Sprintf(" from %d to %d", o.Min, o.Max)
	case low:
		return fmt.Sprintf(" of at least %d", o.Min)
	case high:
		return fmt.Sprintf(" of at most %d", o.Max)
	}
	return ""
}

// Want says what the option takes, to follow "must be".
func (o *Option) Want() string {
	if want, ok := wants[o.Type]; ok {
		return want(o)
	}
	return "nothing: the option has no type"
}

// Text checks a TOML value, as a decoder gives it, and returns its text on the
// wire: "true", "512", "0660". The error says what is wanted and what is there,
// but not the option's name.
func (o *Option) Text(v any) (string, error) {
	text, ok := o.text(v)
	if !ok {
		return "", fmt.Errorf("must be %s, got %s", o.Want(), describe(v, o))
	}
	return text, nil
}

// CheckText checks a text as it comes over the wire. It is for the plugin, which
// does not trust the host to have used [Option.Text].
func (o *Option) CheckText(s string) error {
	var v any = s
	switch o.Type {
	case Int, Bytes:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("must be %s, got %q", o.Want(), clip(s))
		}
		v = n
	case Bool:
		if s == "true" || s == "false" {
			v = s == "true"
		}
	case String, Enum, Mode, Duration:
	}
	_, err := o.Text(v)
	return err
}

func (o *Option) text(v any) (string, bool) {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v), o.Type == Bool
	case int64:
		fits := v >= o.Min && v <= o.Max
		return strconv.FormatInt(v, 10), fits && (o.Type == Int || o.Type == Bytes)
	case string:
		return o.textOf(v)
	}
	return "", false
}

// textOf checks a string for the types that are strings in a unit file.
func (o *Option) textOf(s string) (string, bool) {
	switch o.Type {
	case String:
		plain := len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
		return s, plain && (o.pattern == nil || o.pattern.MatchString(s))
	case Enum:
		return s, slices.Contains(o.Enum, s)
	case Mode:
		n, err := ParseMode(s)
		return fmt.Sprintf("%04o", n), err == nil
	case Bytes:
		n, ok := parseSize(s)
		return strconv.FormatInt(n, 10), ok && n >= o.Min && n <= o.Max
	case Duration:
		d, err := time.ParseDuration(s)
		return d.String(), err == nil && d >= 0
	case Int, Bool:
	}
	return "", false
}

// ParseMode reads a file mode written in octal: three digits, or four of which
// the first is zero. The bits above 0777 mean nothing on a socket.
func ParseMode(s string) (uint32, error) {
	if len(s) == 4 && s[0] == '0' {
		s = s[1:]
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || len(s) != 3 {
		return 0, fmt.Errorf("file mode %q: want octal digits, for example \"0660\"", clip(s))
	}
	return uint32(n), nil
}

// parseSize reads "4096", "64K", "1M" or "2G", in powers of 1024.
func parseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "KMG")
	shift, ok := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil || n > math.MaxInt64>>shift {
		return 0, false
	}
	return int64(n) << shift, true
}

// describe says what a value is: its kind when that is wrong, itself when only
// the value is.
func describe(v any, o *Option) string {
	switch v := v.(type) {
	case string:
		switch o.Type {
		case Int, Bool:
			return "a string"
		case String, Enum, Mode, Bytes, Duration:
		}
		return strconv.Quote(clip(v))
	case int64:
		if o.Type == Int || o.Type == Bytes {
			return strconv.FormatInt(v, 10)
		}
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case map[string]any, []map[string]any:
		return "a table"
	case time.Time:
		return "a date or time"
	}
	return fmt.Sprintf("a %T", v)
}

// clip keeps a foreign text from filling a message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, ", ")
}
