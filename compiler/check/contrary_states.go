package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5103",
	Severity: diag.Error,
	Title:    "a state that follows from its own absence",
	Text: `after and activate-on-none set a state while something holds, and remove it as soon as that is over. Here
the state is set because it is not, and removed because it is, directly or by way of other states, so it would
change without end.`,
	Example: `
[[state]]
name = "day"
payload = "none"
after = ["not night"]

[[state]]
name = "night"
payload = "none"
after = ["day"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["day"]
`,
	Right: `
[[state]]
name = "day"
payload = "none"
after = ["not night"]

[[state]]
name = "night"
payload = "none"
permissions = ["system-services"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["day"]
`,
	Run: func(p *Pass) {
		o := p.flow.order
		for _, component := range o.all.Circles(nil) {
			if circle := o.contrary(component); circle != nil {
				p.Report(o.diagnostic(circle, "states set and remove each other without end", "remove one of the conditions, or let a trigger set one of the states"))
			}
		}
	},
})
