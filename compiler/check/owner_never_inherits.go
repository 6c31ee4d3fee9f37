package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "F5301",
	Severity: diag.Warning,
	Title:    "an owner that never gets its socket",
	Text: `A service inherits those of its sockets that are open when it starts. Whenever the conditions of this
service start it, stop-on of the socket holds, so the socket is closed; no trigger starts the service, and an
access to a managed socket does not either.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
stop-on = ["rind@online"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["rind@online"]
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
stop-on = ["rind@maintenance-mode"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["rind@online"]
`,
	Run: func(p *Pass) {
		services := map[plan.Name]*Service{}
		for _, s := range p.Services {
			if services[s.Name] == nil {
				services[s.Name] = s
			}
		}
		for _, s := range p.Sockets {
			if s.Owner == nil || s.StopOn == nil || s.Unit.Accept.Value || s.Unit.Lifecycle.Value == string(plan.Owned) {
				continue
			}
			owner := services[s.Owner.Name]
			if owner == nil || owner.StartOn == nil || owner.Branching != nil {
				continue
			}
			if p.flow.switched || p.flow.acted[target{plan.OpStartService, owner.Name}] {
				continue
			}
			p.checkInherits(s, owner)
		}
	},
})

func (p *Pass) checkInherits(s *Socket, owner *Service) {
	start := sat.All(sat.Of(*owner.StartOn), sat.Not(of(owner.StopOn, sat.False())))
	what := fmt.Sprintf("whether service %q gets socket %q", owner.Name, s.Name)
	if !p.never(sat.All(start, sat.Not(sat.Of(*s.StopOn))), s.Unit.Owner.At, what) {
		return
	}
	if p.flow.solver.Solve(start).Verdict != sat.Satisfiable || p.flow.solver.Solve(sat.Not(sat.Of(*s.StopOn))).Verdict != sat.Satisfiable {
		return // that the service or the socket never starts has been said
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("service %q never gets socket %q: `stop-on` of the socket holds whenever `start-on` of the service does", owner.Name, s.Name),
		At:      s.Unit.Owner.At,
		Help:    "make `stop-on` narrower, remove `owner`, or write `lifecycle = \"owned\"`, so that an access starts the service",
		Labels: []diag.Label{
			{At: s.Unit.StopOn.At, Message: "what closes the socket"},
			{At: owner.Unit.StartOn.At, Message: "what starts the service"},
		},
	})
}
