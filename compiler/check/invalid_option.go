package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var invalidOption = Rule{
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
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("option `%s` %v", e.option.Key.Value, e.err),
					At:      e.option.Value.At,
					Help:    optionHelp(s.Scheme, e.option.Key.Value),
				})
			}
		}
	},
}

func optionHelp(s *manifest.Scheme, name string) string {
	o, _ := s.Option(name)
	return fmt.Sprintf("`%s`: %s", name, o.Doc)
}
