package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var possibleConflict = Rule{
	Code:     "A4104",
	Severity: diag.Warning,
	Title:    "two sockets that must not be open at the same time",
	Text: `The sockets are on one endpoint, and the kernel lets only one of them bind at a time. That is fine if
their conditions never open both; if they do, the second one fails to start.`,
	Example: `
[[socket]]
name = "site"
type = "tcp"
listen = "127.0.0.1:8081"
stop-on = ["rind@maintenance-mode"]

[[socket]]
name = "sorry"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["rind@maintenance-mode"]
`,
	Run: func(p *Pass) {
		for _, c := range p.conflicts {
			if !c.certain() {
				p.Report(c.diagnostic("is on the same endpoint as", "make sure that their conditions never open both, or change one of the endpoints"))
			}
		}
	},
}
