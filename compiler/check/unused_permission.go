package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "P6107",
	Severity: diag.Warning,
	Title:    "a permission that nothing asks for",
	Text: `Nothing lists the permission in permissions, managed-by or links, so it makes no difference who holds it.
Files without any socket, service or timer are not looked at.`,
	Example: `
[[permission]]
name = "operators"
id = 2000
groups = ["adm"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Right: `
[[permission]]
name = "operators"
id = 2000
groups = ["adm"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
managed-by = ["operators"]
`,
	Run: func(p *Pass) {
		for _, q := range p.Permissions {
			if q.Unit.Lost == nil {
				p.unused(reference{"permission", q.Name}, q.Unit.Name)
			}
		}
	},
})
