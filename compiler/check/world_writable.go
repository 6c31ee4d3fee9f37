package check

import (
	"fmt"
	"strconv"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
)

var _ = register(Rule{
	Code:     "P6108",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a uds socket that everybody may connect to",
	Text: `Every user who can reach the path may connect: the mode lets others write, which is the default, and
there are no permissions. This is only reported with --strict, since the service may ask for a password itself.
permissions = ["any"] says that everybody is meant.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
`,
	Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["login"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.Endpoint.Kind != grammar.Path && s.Endpoint.Kind != grammar.Abstract || s.Unit.Permissions.Set() || s.Unit.Lost.Any("permissions", "options") {
				continue
			}
			if mode, ok := s.Options["mode"]; ok && s.Endpoint.Kind == grammar.Path {
				if bits, err := strconv.ParseUint(mode, 8, 32); err != nil || bits&0o002 == 0 {
					continue
				}
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("every user may connect to socket %q", s.Name),
				At:      s.Unit.Listen.At,
				Help:    "list who may in `permissions`, or write `options = { mode = \"0660\" }`",
			})
		}
	},
})
