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
This one has neither, or only its own and those of timers that wait for it, so it never ends.`,
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
			if t.Unit.Lost != nil || started[t.Name] {
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

// startedTimers returns the timers that something starts, directly or at the end of
// another one of them: timers that start only each other never run.
func (p *Program) startedTimers() map[plan.Name]bool {
	started, follow := map[plan.Name]bool{}, map[plan.Name][]plan.Name{}
	var queue []plan.Name
	start := func(t plan.Name) {
		if !started[t] {
			started[t] = true
			queue = append(queue, t)
		}
	}
	for _, t := range p.Timers {
		if t.Unit.After.Set() {
			start(t.Name)
		}
	}
	for _, h := range p.flow.hooks {
		for _, a := range h.actions {
			switch {
			case a.Do != plan.OpStartTimer:
			case h.kind == "timer":
				follow[h.name] = append(follow[h.name], a.Target)
			default:
				start(a.Target)
			}
		}
	}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		for _, t := range follow[next] {
			start(t)
		}
	}
	return started
}
