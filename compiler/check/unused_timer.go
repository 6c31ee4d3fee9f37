package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var unusedTimer = Rule{
	Code:     "F5403",
	Severity: diag.Warning,
	Title:    "a timer that nothing starts",
	Text: `A timer runs from the start of one of the services that after lists, or from a trigger that starts it.
This one has neither, so it never ends.`,
	Example: `
[[signal]]
name = "backup"
payload = "none"

[[timer]]
name = "nightly"
duration = "1d"
repeat = true
finish = [{ signal = "backup" }]

[[service]]
name = "backup"
run.exec = "/usr/bin/backup"
start-on = ["signal backup"]
`,
	Right: `
[[signal]]
name = "backup"
payload = "none"

[[timer]]
name = "nightly"
duration = "1d"
repeat = true
after = ["clock"]
finish = [{ signal = "backup" }]

[[service]]
name = "clock"
run.exec = "/usr/bin/clock"

[[service]]
name = "backup"
run.exec = "/usr/bin/backup"
start-on = ["signal backup"]
`,
	Run: func(p *Pass) {
		for _, t := range p.Timers {
			if !p.whole() || t.Unit.Lost != nil || t.Unit.After.Set() || p.flow.acted[target{plan.OpStartTimer, t.Name}] {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("nothing starts timer %q", t.Name),
				At:      t.Unit.Name.At,
				Help:    "list a service in `after`, or start it with a trigger: `{ timer = \"name\" }`",
			})
		}
	},
}
