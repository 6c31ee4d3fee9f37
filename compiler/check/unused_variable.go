package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "F5404",
	Severity: diag.Warning,
	Title:    "a variable that nothing uses",
	Text: `No payload refers to the variable, no service runs it, and no state gets its payload from it. Files without
any socket, service or timer are not looked at: what uses their variables is elsewhere.`,
	Example: `
[[variable]]
name = "greeting"
default = "hello"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Right: `
[[variable]]
name = "greeting"
default = "hello"

[[state]]
name = "banner"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ state = "banner", payload = { from = "var:greeting" } }]
`,
	Run: func(p *Pass) {
		for _, v := range p.Table.Variables {
			if v.Unit.Lost == nil {
				p.unused(reference{"variable", plan.Name(v.Name)}, v.Unit.Name)
			}
		}
	},
})
