package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var unknownOption = Rule{
	Code:     "A4105",
	Severity: diag.Error,
	Title:    "unknown transport option",
	Text:     `The options of a socket are those that the manifest of its transport lists.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { back-log = 512 }
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
				if e.err != nil {
					continue
				}
				names := optionNames(s.Scheme)
				help := fmt.Sprintf("the options of %s are %s", s.Scheme.Name, strings.Join(names, ", "))
				var fix *diag.Fix
				if near, ok := diag.Nearest(e.option.Key.Value, names); ok {
					help = fmt.Sprintf("did you mean `%s`?", near)
					fix = &diag.Fix{Old: e.option.Key.Value, New: near}
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("transport %s has no option `%s`", s.Scheme.Name, e.option.Key.Value),
					At:      e.option.Key.At,
					Help:    help,
					Fix:     fix,
				})
			}
		}
	},
}

func optionNames(s *manifest.Scheme) []string {
	names := make([]string, len(s.Options))
	for i := range s.Options {
		names[i] = s.Options[i].Name
	}
	return names
}
