package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "A4104",
	Severity: diag.Warning,
	Title:    "two sockets that may be open on one endpoint",
	Text: `The kernel lets only one of the sockets bind at a time, and there is a case in which their conditions open
both; the second one fails to start then. That a start condition no longer holds does not close a socket: let
stop-on of each of them hold when the other one starts. A pair that can never be open together is not reported,
nor one of which triggers close a socket, or which only commands and triggers open.`,
	Example: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "blue"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "blue" }]

[[socket]]
name = "green"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "green" }]

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
on-start = [{ state = "color", payload = "blue" }]
trigger = [{ state = "color", payload = "green" }]
`,
	Right: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "blue"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "blue" }]
stop-on = [{ state = "color", target = "green" }]

[[socket]]
name = "green"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "green" }]
stop-on = [{ state = "color", target = "blue" }]

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
on-start = [{ state = "color", payload = "blue" }]
trigger = [{ state = "color", payload = "green" }]
`,
	Run: func(p *Pass) {
		for _, c := range p.conflicts {
			if c.how != possible {
				continue
			}
			d := c.diagnostic("let `stop-on` of one hold when the other one opens, or change one of the endpoints")
			d.Message = fmt.Sprintf("sockets %q and %q may be open at the same time, but %s: %s", c.first.Name, c.second.Name, c.why(), c.when)
			p.Report(d)
		}
	},
})
