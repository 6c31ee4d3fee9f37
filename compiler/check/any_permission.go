package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "P6109",
	Severity: diag.Warning,
	Title:    "permissions beside one that everybody has",
	Text: `Any one of the permissions is enough, and everybody holds "any" (id 0). Beside it, the others mean nothing:
the socket is open to all.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = ["login", "any"]
`,
	Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = ["login"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if len(s.Unit.Permissions.Items) < 2 || len(s.Permissions) != len(s.Unit.Permissions.Items) {
				continue
			}
			for i, q := range s.Permissions {
				if !q.Builtin || q.ID != 0 {
					continue
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("everybody may access socket %q: the other permissions mean nothing beside this one", s.Name),
					At:      s.Unit.Permissions.Items[i].At,
					Help:    "remove it, or the others",
				})
				break
			}
		}
	},
})
