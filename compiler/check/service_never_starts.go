package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5205",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a service that only a command starts",
	Text: `A service does not start with the plan. Its start-on starts it, a trigger, an access to a socket that it owns,
or a branch of its state; this one has none of these.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
restart = true
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
restart = true
start-on = ["rind@online"]
`,
	Run: func(p *Pass) {
		if !p.whole() || p.flow.switched || p.commands() {
			return
		}
		started := p.startedServices()
		for _, s := range p.Sockets {
			if s.Owner != nil {
				started[s.Owner.Name] = true // F5302
			}
		}
		for _, s := range p.Services {
			if started[s.Name] || s.Unit.Space != nil {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("only a command starts service %q", s.Name),
				At:      s.Unit.Name.At,
				Help:    "add `start-on`, start it with a trigger: `{ service = \"name\" }`, or give it an owned socket",
			})
		}
	},
})
