package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5402",
	Severity: diag.Warning,
	Title:    "a signal that nothing uses",
	Text: `No condition waits for the signal, no trigger emits it, and nothing else names it. Files without any
socket, service or timer are not looked at: what uses their signals is elsewhere.`,
	Example: `
[[signal]]
name = "halt"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Right: `
[[signal]]
name = "halt"
payload = "none"
permissions = ["system-services"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
stop-on = ["halt"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Table.Signals {
			if !s.Builtin && s.Unit.Lost == nil {
				p.unused(reference{"signal", s.Name}, s.Unit.Name)
			}
		}
	},
})
