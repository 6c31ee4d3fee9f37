package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var neverStarts = register(Rule{
	Code:     "F5204",
	Severity: diag.Note,
	Title:    "a unit that waits for what follows from it",
	Text: `The unit starts on a state or signal, and only triggers of units that are not started either give it: they
wait for each other. A command can begin it, and a state that is restored at boot can; if neither is meant, nothing
ever starts these units, nor those that wait for them.`,
	Example: `
[[state]]
name = "ready"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["ready"]
on-start = [{ state = "ready" }]
`,
	Right: `
[[state]]
name = "ready"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["ready"]

[[socket]]
name = "setup"
type = "uds"
listen = "setup.sock"
on-start = [{ state = "ready" }]
`,
	Run: func(p *Pass) {
		if p.whole() && !p.flow.switched {
			for _, s := range p.standstills() {
				p.Report(s.diagnostic())
			}
		}
	},
})
