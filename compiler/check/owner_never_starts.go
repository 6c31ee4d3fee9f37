package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "F5302",
	Severity: diag.Note,
	Title:    "a socket whose owner nothing starts",
	Text: `An access to a managed socket does not start its owner: start-on of the service does, a trigger, or an access
to another socket that is owned. Here there is none of these, so what arrives waits until somebody starts the
service with a command. If an access is to start it, the socket is owned.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Run: func(p *Pass) {
		if !p.whole() || p.flow.switched || p.commands() {
			return
		}
		var started map[plan.Name]bool
		for _, s := range p.Sockets {
			if s.Owner != nil && started == nil {
				started = p.startedServices()
			}
			if s.Owner == nil || started[s.Owner.Name] || s.Owner.Unit.Space != nil || s.Unit.Accept.Value || s.Unit.Lifecycle.Value == string(plan.Owned) {
				continue
			}
			started[s.Owner.Name] = true // once is enough
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("only a command starts service %q: what arrives at socket %q waits for that", s.Owner.Name, s.Name),
				At:      s.Unit.Owner.At,
				Help:    "write `lifecycle = \"owned\"` for an access to start it, or give the service `start-on`",
			})
		}
	},
})

// startedServices returns the services that something starts besides commands.
func (p *Program) startedServices() map[plan.Name]bool {
	started := map[plan.Name]bool{}
	for _, s := range p.Services {
		if s.Unit.StartOn.Set() || s.Branching != nil || s.Unit.ManagedBy.Set() { // the last says who starts it
			started[s.Name] = true
		}
	}
	for t := range p.flow.acted {
		if t.do == plan.OpStartService {
			started[t.name] = true
		}
	}
	for _, owners := range p.flow.owned {
		for _, name := range owners {
			started[name] = true
		}
	}
	return started
}

// commands reports whether a program or script of the units gives commands to rindrun:
// nobody knows which.
func (p *Program) commands() bool {
	const program = "rindrun"
	for _, h := range p.flow.hooks {
		for _, t := range h.list.Items {
			if strings.Contains(t.Script.Value, program) || strings.Contains(t.Exec.Value, program) ||
				slices.ContainsFunc(t.Args.Items, func(a unit.String) bool { return strings.Contains(a.Value, program) }) {
				return true
			}
		}
	}
	return false
}
