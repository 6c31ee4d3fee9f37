package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var unknownPermission = Rule{
	Code:     "N2202",
	Severity: diag.Error,
	Title:    "unknown permission",
	Text: `permissions, managed-by and links list permissions by name or id. A permission is defined by
[[permission]]; any, system-services, login, run0 and network are builtin.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["operators"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			for _, d := range s.refErrors {
				p.Report(d)
			}
		}
		for _, q := range p.Permissions {
			for _, d := range q.refErrors {
				p.Report(d)
			}
		}
	},
}
