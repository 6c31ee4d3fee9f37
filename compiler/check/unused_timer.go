package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "F5403",
	Severity: diag.Warning,
	Title:    "a timer that nothing starts",
	Text: `A timer runs from the start of one of the services that after lists, or from a trigger that starts it.
This one has neither, or no other than its own, so it never ends.`,
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
		if !p.whole() {
			return
		}
		started := p.startedTimers()
		for _, t := range p.Timers {
			if t.Unit.Lost != nil || t.Unit.After.Set() || started[t.Name] {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("nothing starts timer %q", t.Name),
				At:      t.Unit.Name.At,
				Help:    "list a service in `after`, or start it with a trigger: `{ timer = \"name\" }`",
			})
		}
	},
})

// startedTimers returns the timers that a trigger starts which does not wait for the
// end of the same timer.
func (p *Program) startedTimers() map[plan.Name]bool {
	started := map[plan.Name]bool{}
	for _, h := range p.flow.hooks {
		for _, a := range h.actions {
			if a.Do == plan.OpStartTimer && (h.kind != "timer" || h.name != a.Target) {
				started[a.Target] = true
			}
		}
	}
	return started
}
