package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5202",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a signal that only a command can emit",
	Text: `Conditions wait for the signal, but no trigger emits it and it does not follow from other signals. That
is right if a program or a person emits it with rindrun emit, so it is only reported with --strict; permissions,
which say who may, settle it. Otherwise a trigger is missing.`,
	Example: `
[[signal]]
name = "halt"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
stop-on = ["halt"]
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
			if !s.Builtin {
				p.onlyCommanded(reference{"signal", s.Name}, s.Unit.Name, s.Unit.Permissions, "emits", "emit")
			}
		}
	},
})
