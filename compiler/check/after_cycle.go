package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5102",
	Severity: diag.Error,
	Title:    "units that come after each other in a circle",
	Text: `A service comes after those that after lists, a state or signal after those that its conditions name. In a
circle each waits for the others: the services never start, the states are never set, the signals are never
emitted, or never stop to be.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
after = ["db"]

[[service]]
name = "db"
run.exec = "/usr/bin/db"
after = ["web"]
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
after = ["db"]

[[service]]
name = "db"
run.exec = "/usr/bin/db"
`,
	Run: func(p *Pass) {
		o := p.flow.order
		for _, component := range o.after.Circles(nil) {
			circle := o.after.Path(component[0], component[0], nil)
			d := o.diagnostic(circle, "units come after each other in a circle", "remove one of them from `after`")
			if len(circle) == 2 { // both are the same
				d.Message, d.Help = fmt.Sprintf("%s %q comes after itself", o.list[circle[0]].kind, o.list[circle[0]].name), "remove it from `after`"
			}
			p.Report(d)
		}
	},
})
