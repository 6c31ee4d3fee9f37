package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "P6105",
	Severity: diag.Error,
	Title:    "an empty list of permissions",
	Text: `Without permissions everybody may access a socket, and nobody holds any of none. An empty list could
be meant either way.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = []
`,
	Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = ["any"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			list := s.Unit.Permissions
			if !list.Set() || len(list.Items) > 0 || s.Unit.Lost.Any("permissions") {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q has an empty list of permissions", s.Name),
				At:      list.At,
				Help:    "remove `permissions` to let everybody in, or list who may access the socket",
			})
		}
	},
})
