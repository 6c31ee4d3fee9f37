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
	fix := meantOption(o, value)
	if fix == nil {
		return fmt.Sprintf("`%s`: %s", o.Name, o.Doc), nil
	}
	if o.Type == manifest.Enum {
		return fmt.Sprintf("did you mean %q?", fix.New), fix
	}
	return fmt.Sprintf("write `%s = %s`", o.Name, fix.New), fix
}

func meantOption(o *manifest.Option, value any) *diag.Fix {
	switch v := value.(type) {
	case string:
		switch o.Type { //nolint:exhaustive // the others are strings that a program cannot correct
		case manifest.Enum:
			if near, ok := diag.Nearest(v, o.Enum); ok {
				return diag.Misspelt(v, near)
			}
		case manifest.Int, manifest.Bool:
			if o.CheckText(v) == nil { // a number or boolean in quotes
				return &diag.Fix{Old: strconv.Quote(v), New: v}
			}
		}
	case int64:
		if o.Type == manifest.Mode {
			return meantMode(o, v)
		}
	}
	return nil
}

// meantMode returns the correction of a mode that is written as a number: 660 or
// 0o660. What the number is does not tell which, but nobody grants a part of
// reading and writing as 416, which is 0o640, would.
func meantMode(o *manifest.Option, v int64) *diag.Fix {
	digits, old := strconv.FormatInt(v, 10), strconv.FormatInt(v, 10)
	if strings.ContainsAny(digits, "12389") {
		digits = strconv.FormatInt(v, 8)
		old = "0o" + digits
	}
	mode := fmt.Sprintf("%04s", digits)
	if o.CheckText(mode) != nil {
		return nil
	}
	return &diag.Fix{Old: old, New: strconv.Quote(mode)}
}
