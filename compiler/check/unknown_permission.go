package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
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
	Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["operators"]

[[permission]]
name = "operators"
id = 2000
groups = ["adm"]
`,
	Run: func(p *Pass) {
		report := func(errs []diag.Diagnostic) {
			for _, d := range errs {
				p.Report(d)
			}
		}
		for _, s := range p.Sockets {
			report(s.refErrors)
		}
		for _, s := range p.Services {
			report(s.refErrors)
		}
		for _, s := range p.States {
			report(s.refErrors)
		}
		for _, s := range p.Signals {
			report(s.refErrors)
		}
		for _, q := range p.Permissions {
			report(q.refErrors)
		}
	},
})
