package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var _ = register(Rule{
	Code:     "A4106",
	Severity: diag.Error,
	Title:    "wrong value of a transport option",
	Text:     `The manifest of a transport gives every option a type and a range.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { backlog = "many" }
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { backlog = 512 }
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			for _, e := range s.optionErrors {
				if e.err == nil {
					continue
				}
				help, fix := "the keys of `"+e.name+"` are "+strings.Join(s.Scheme.Table(e.name), ", "), (*diag.Fix)(nil)
				if o, ok := s.Scheme.Option(e.name); ok {
					help, fix = optionHelp(&o, e.value)
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("option `%s` %v", e.name, e.err),
					At:      e.at,
					Help:    help,
					Fix:     fix,
				})
			}
		}
	},
})

// optionHelp says what to write for a wrong value of o: what was probably meant,
// else what the option is.
func optionHelp(o *manifest.Option, value any) (string, *diag.Fix) {
	if v, ok := value.(string); ok && o.Type == manifest.Enum {
		if near, ok := diag.Nearest(v, o.Enum); ok {
			return fmt.Sprintf("did you mean %q?", near), diag.Misspelt(v, near, o.Enum)
		}
	}
	old, meant := meantOption(o, value)
	switch {
	case meant == "":
		return fmt.Sprintf("`%s`: %s", o.Name, o.Doc), nil
	case old == "":
		return fmt.Sprintf("write `%s = %s`", o.Name, meant), nil
	}
	return fmt.Sprintf("write `%s = %s`", o.Name, meant), &diag.Fix{Old: old, New: meant}
}

// meantOption returns what of a file is to be replaced and by what, "" for what people
// have to do, and when nobody knows.
func meantOption(o *manifest.Option, value any) (old, meant string) {
	switch v := value.(type) {
	case string:
		old, meant := meantByText(o, v)
		if old != "" {
			old = strconv.Quote(v)
		}
		return old, meant
	case int64:
		text := strconv.FormatInt(v, 10)
		switch {
		case o.Type == manifest.Mode:
			return meantMode(o, v)
		case o.Type == manifest.String && o.CheckText(text) == nil:
			return text, strconv.Quote(text)
		}
	case []any:
		if len(v) != 1 {
			break
		}
		if only, ok := v[0].(string); ok && o.CheckText(only) == nil {
			return "", strconv.Quote(only)
		}
	}
	return "", ""
}

// booleans is what other systems write for true and false.
var booleans = map[string]string{"yes": "true", "on": "true", "no": "false", "off": "false"}

// meantByText is [meantOption] for a string.
func meantByText(o *manifest.Option, v string) (old, meant string) {
	try := func(value any, text string, sure bool) (string, string) {
		switch _, err := o.Text(value); {
		case err != nil:
			return "", ""
		case sure:
			return v, text
		}
		return "", text
	}
	switch o.Type { //nolint:exhaustive // the others are strings that a program cannot correct
	case manifest.Int, manifest.Duration:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			break
		}
		if old, meant := try(n, strconv.FormatInt(n, 10), true); meant != "" { // in quotes
			return old, meant
		}
		return try(v+"s", strconv.Quote(v+"s"), false)
	case manifest.Bool:
		if b := booleans[strings.ToLower(v)]; b != "" {
			return v, b
		}
		if v == "true" || v == "false" {
			return v, v
		}
	case manifest.Bytes: // MB can be another unit
		size := strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(v, " ", ""), "B"), "b"), "i"))
		return try(size, strconv.Quote(size), false)
	case manifest.Mode:
		if len(v) == 4 && v[0] != '0' { // the bits above 0777
			return try("0"+v[1:], strconv.Quote("0"+v[1:]), false)
		}
		mode := "0" + strings.TrimPrefix(v, "0o")
		return try(mode, strconv.Quote(mode), strings.HasPrefix(v, "0o"))
	case manifest.List:
		return try([]any{v}, "["+strconv.Quote(v)+"]", true)
	}
	return "", ""
}

// meantMode returns the correction of a mode that is written as a number: 660 or
// 0o660. What the number is does not tell which, but nobody grants a part of
// reading and writing as 416, which is 0o640, would.
func meantMode(o *manifest.Option, v int64) (old, meant string) {
	digits, old := strconv.FormatInt(v, 10), strconv.FormatInt(v, 10)
	if strings.ContainsAny(digits, "12389") {
		digits = strconv.FormatInt(v, 8)
		old = "0o" + digits
	}
	mode := fmt.Sprintf("%04s", digits)
	if o.CheckText(mode) != nil {
		return "", ""
	}
	return old, strconv.Quote(mode)
}
