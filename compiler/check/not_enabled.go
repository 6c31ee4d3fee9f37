package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "K1312",
	Severity: diag.Note,
	Title:    "conditions of a socket that is not enabled",
	Text: `With enabled = false, a command, a trigger or rind@active starts the socket, and nothing else does: start-on
is there for later.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
enabled = false
start-on = ["rind@online"]
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["rind@online"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.enabled() || !s.Unit.StartOn.Set() {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("`start-on` of socket %q starts nothing while it is not enabled", s.Name),
				At:      s.Unit.StartOn.At.OfKey(),
				Help:    "remove `enabled = false`, or `start-on`",
				Labels:  []diag.Label{{At: s.Unit.Enabled.At, Message: "only commands, triggers and rind@active start it"}},
			})
		}
	},
})
