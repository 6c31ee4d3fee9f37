package manifest

import (
	"bytes"
	"encoding/json"
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

// Types of options. In a unit file a mode, a duration and an enum are strings
// (a duration of whole seconds may be an integer), a size is an integer or a string such as "64K", and a list is an array of
// strings, whose text on the wire is a JSON array.
const (
	String   Type = "string"
	Int      Type = "int"
	Bool     Type = "bool"
	Enum     Type = "enum"
	Mode     Type = "mode"
	Bytes    Type = "bytes"
	Duration Type = "duration"
	List     Type = "list"
)

// Bounds of a value: the longest text of a string, or of an item of a list, in
// bytes, and how many items a list may have.
const (
	maxText  = 4096
	maxItems = 64
)

// Option is one option of a scheme. A name with a dot, such as "keepalive.time",
// is a key of a table: options = { keepalive = { time = "60s" } }.
type Option struct {
	Name     string
	Type     Type
	Min, Max int64    // bounds of int, bytes and duration (in ns); the whole range when not given
	Step     int64    // of a duration, in ns: what it must be a multiple of; 0: anything
	Enum     []string // values of an enum
	Pattern  string   // RE2 pattern of the whole of a string, or of an item of a list; empty allows any
	Default  string   // wire text; empty when there is none
	Doc      string   // one sentence for people

	pattern func() *regexp.Regexp // nil: any string
}

type option struct {
	Name    string   `toml:"name"`
	Type    Type     `toml:"type"`
	Min     any      `toml:"min"`
	Max     any      `toml:"max"`
	Step    string   `toml:"step"`
	Enum    []string `toml:"enum"`
	Pattern string   `toml:"pattern"`
	Default any      `toml:"default"`
	Doc     string   `toml:"doc"`
}

var optionRE = pattern(`^[a-z][a-z0-9-]{0,62}(\.[a-z][a-z0-9-]{0,62})?$`)

func (o *option) option() (Option, error) {
	out := Option{
		Name: o.Name, Type: o.Type, Min: math.MinInt64, Max: math.MaxInt64,
		Enum: o.Enum, Pattern: o.Pattern, Doc: o.Doc,
	}
	if _, ok := wants[o.Type]; !ok {
		return Option{}, fmt.Errorf("unknown type %q, want string, int, bool, enum, mode, bytes, duration or list", o.Type)
	}
	if err := o.limits(&out); err != nil {
		return Option{}, err
	}
	switch {
	case !optionRE().MatchString(o.Name):
		return Option{}, fmt.Errorf("the name must match %s", optionRE())
	case (len(o.Enum) > 0) != (o.Type == Enum):
		return Option{}, errors.New("enum lists the values of the type enum, and only of it")
	case o.Pattern != "" && o.Type != String && o.Type != List:
		return Option{}, errors.New("pattern is for the types string and list")
	}
	if o.Pattern != "" {
		var err error
		if out.pattern, _, err = anchored(o.Pattern); err != nil {
			return Option{}, fmt.Errorf("pattern: %w", err)
		}
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

// limits reads min, max and step.
func (o *option) limits(out *Option) error {
	if o.Type == Bytes || o.Type == Duration {
		out.Min = 0
	}
	for _, limit := range []struct {
		name string
		text any
		into *int64
	}{{"min", o.Min, &out.Min}, {"max", o.Max, &out.Max}} {
		if limit.text == nil {
			continue
		}
		n, err := o.limit(limit.text)
		if err != nil {
			return fmt.Errorf("%s: %w", limit.name, err)
		}
		*limit.into = n
	}
	if out.Min > out.Max {
		return fmt.Errorf("min %v is greater than max %v", o.Min, o.Max)
	}
	if o.Step == "" {
		return nil
	}
	step, err := time.ParseDuration(o.Step)
	if err != nil || step <= 0 || o.Type != Duration {
		return errors.New("step is for the type duration, and is one such as \"1s\"")
	}
	out.Step = int64(step)
	return nil
}

// limit reads one bound: of the type duration it is a string such as "1s".
func (o *option) limit(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		if o.Type == Int || o.Type == Bytes {
			return v, nil
		}
	case string:
		switch o.Type {
		case Duration:
			d, err := time.ParseDuration(v)
			return int64(d), err
		case Mode:
			n, err := ParseMode(v)
			return int64(n), err
		case String, Int, Bool, Enum, Bytes, List:
		}
	}
	return 0, errors.New("want an integer for the types int and bytes, a string such as \"5s\" for the type duration or \"0777\" for the type mode, and nothing for others")
}

// wants says for each type what a value of it looks like, to follow "must be".
var wants = map[Type]func(*Option) string{
	String: func(o *Option) string {
		if o.Pattern != "" {
			return "a string that matches " + o.Pattern
		}
		return fmt.Sprintf("a string of at most %d bytes without NUL", maxText)
	},
	Int:  func(o *Option) string { return "an integer" + o.bounds() },
	Bool: func(*Option) string { return "true or false" },
	Enum: func(o *Option) string { return "one of " + quoteAll(o.Enum) },
	Mode: func(o *Option) string {
		if most := o.maxMode(); most != 0o777 {
			return fmt.Sprintf(`a file mode in octal such as "0660", at most "%04o"`, most)
		}
		return `a file mode in octal such as "0660"`
	},
	Bytes:    func(o *Option) string { return `a size such as 4096 or "64K"` + o.bounds() },
	Duration: func(o *Option) string { return "a duration such as " + o.sampleDuration() + o.bounds() },
	List: func(o *Option) string {
		if o.Pattern != "" {
			return fmt.Sprintf("an array of 1 to %d different strings that match %s", maxItems, o.Pattern)
		}
		return fmt.Sprintf("an array of 1 to %d different strings", maxItems)
	},
}

func (o *Option) sampleDuration() string {
	if o.Step%int64(time.Second) == 0 && o.Step > 0 {
		return `"5s" or "2m"`
	}
	return `"250ms" or "5s"`
}

func (o *Option) bounds() string {
	show := func(n int64) string { return strconv.FormatInt(n, 10) }
	low, high := o.Min != math.MinInt64, o.Max != math.MaxInt64
	if o.Type == Duration {
		show = func(n int64) string { return time.Duration(n).String() }
		low = o.Min != 0 // no duration is negative
	}
	text := ""
	switch {
	case low && high:
		text = fmt.Sprintf(" from %s to %s", show(o.Min), show(o.Max))
	case low:
		text = " of at least " + show(o.Min)
	case high:
		text = " of at most " + show(o.Max)
	}
	if o.Step > 0 {
		text += ", a multiple of " + show(o.Step)
	}
	return text
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
	case List:
		items, err := ParseList(s)
		if err != nil {
			return fmt.Errorf("must be %s, got %q", o.Want(), clip(s))
		}
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = item
		}
		v = list
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
		if o.Type == Duration {
			return o.textOfSeconds(v)
		}
		fits := v >= o.Min && v <= o.Max
		return strconv.FormatInt(v, 10), fits && (o.Type == Int || o.Type == Bytes)
	case string:
		return o.textOf(v)
	case []any:
		return o.textOfList(v)
	}
	return "", false
}

// maxMode is 0777, unless the manifest allows more: the bits above mean nothing on a
// socket.
func (o *Option) maxMode() uint32 {
	if o.Max == math.MaxInt64 {
		return 0o777
	}
	return uint32(o.Max)
}

// textOf checks a string for the types that are strings in a unit file.
func (o *Option) textOf(s string) (string, bool) {
	switch o.Type {
	case String:
		return s, o.plain(s)
	case Enum:
		return s, slices.Contains(o.Enum, s)
	case Mode:
		n, err := ParseMode(s)
		return fmt.Sprintf("%04o", n), err == nil && n <= o.maxMode()
	case Bytes:
		n, ok := parseSize(s)
		return strconv.FormatInt(n, 10), ok && n >= o.Min && n <= o.Max
	case Duration:
		d, err := time.ParseDuration(s)
		fits := int64(d) >= o.Min && int64(d) <= o.Max && (o.Step == 0 || int64(d)%o.Step == 0)
		return d.String(), err == nil && fits
	case Int, Bool, List:
	}
	return "", false
}

// plain reports whether s is a text that the option's pattern allows.
func (o *Option) plain(s string) bool {
	plain := len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
	return plain && (o.pattern == nil || o.pattern().MatchString(s))
}

// textOfSeconds takes an integer for a duration that counts whole seconds: of
// others nobody could tell the unit.
func (o *Option) textOfSeconds(n int64) (string, bool) {
	if o.Step == 0 || o.Step%int64(time.Second) != 0 || n < 0 || n > math.MaxInt64/int64(time.Second) {
		return "", false
	}
	return o.textOf((time.Duration(n) * time.Second).String())
}

// textOfList keeps the order of the items, of which no two may be equal.
func (o *Option) textOfList(list []any) (string, bool) {
	items := make([]string, len(list))
	for i, v := range list {
		item, ok := v.(string)
		if !ok || item == "" || !o.plain(item) || slices.Contains(items[:i], item) {
			return "", false
		}
		items[i] = item
	}
	if o.Type != List || len(items) == 0 || len(items) > maxItems {
		return "", false
	}
	return formatList(items), true
}

// formatList is the inverse of [ParseList].
func formatList(items []string) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(items); err != nil {
		return "" // strings always have a JSON form
	}
	return strings.TrimSuffix(buf.String(), "\n")
}

// ParseList reads the text of a list: a JSON array of strings. An empty text is
// a list without items.
func ParseList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var items []string
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		return nil, fmt.Errorf("list %q: want a JSON array of strings", clip(text))
	}
	return items, nil
}

// ParseMode reads a file mode written in octal: three digits, or four.
func ParseMode(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || len(s) != 3 && len(s) != 4 {
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
		case Int, Bool, List:
			return "a string"
		case String, Enum, Mode, Bytes, Duration:
		}
		return strconv.Quote(clip(v))
	case int64:
		if o.Type == Int || o.Type == Bytes || o.Type == Duration {
			return strconv.FormatInt(v, 10)
		}
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case []any:
		if o.Type == List {
			return describeList(v)
		}
		return "an array"
	case map[string]any, []map[string]any:
		return "a table"
	case time.Time:
		return "a date or time"
	}
	return fmt.Sprintf("a %T", v)
}

func describeList(list []any) string {
	words := make([]string, 0, len(list))
	for _, item := range list {
		words = append(words, describe(item, &Option{Type: String}))
	}
	return clip("[" + strings.Join(words, ", ") + "]")
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
