package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5002",
	Severity: diag.Error,
	Title:    "a unit that its conditions stop whenever they start it",
	Text: `When a start and a stop condition hold at the same time, the stop wins. A stop-on that holds whenever
start-on does keeps the unit down, as one that always holds does; only a command or a trigger could start it.
Conditions that can hold together, but need not, are no mistake.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "rind@net-configured", branch = "eth0" }]
stop-on = ["rind@net-configured"]
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "rind@net-configured", branch = "eth0" }]
stop-on = ["not rind@net-configured"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			// Without start-on, the start of the plan is what starts it.
			if s.StopOn == nil || !s.enabled() || s.Unit.StartOn.Set() && s.StartOn == nil {
				continue
			}
			stop := &condition{kind: "socket", name: s.Name, field: "stop-on", list: s.Unit.StopOn, expr: s.StopOn}
			start := &condition{kind: "socket", name: s.Name, field: "start-on", list: s.Unit.StartOn, expr: s.StartOn}
			p.checkUp(start, stop)
		}
		for _, s := range p.Services {
			if s.StopOn == nil || s.StartOn == nil {
				continue
			}
			stop := &condition{kind: "service", name: s.Name, field: "stop-on", list: s.Unit.StopOn, expr: s.StopOn}
			start := &condition{kind: "service", name: s.Name, field: "start-on", list: s.Unit.StartOn, expr: s.StartOn, all: true}
			p.checkUp(start, stop)
		}
	},
})

func (p *Pass) checkUp(start, stop *condition) {
	what := fmt.Sprintf("whether `stop-on` of %s %q holds whenever it is started", stop.kind, stop.name)
	if start.expr != nil && p.flow.solver.EvidentlyWithout(*start.expr, *stop.expr) {
		return
	}
	up := of(start.expr, sat.True())
	if !p.never(sat.All(up, sat.Not(sat.Of(*stop.expr))), stop.list.At, what) {
		return
	}
	if p.flow.solver.Solve(up).Verdict != sat.Satisfiable {
		return // that it is never started has been said
	}
	d := diag.Diagnostic{
		Message: fmt.Sprintf("%s holds whenever `start-on` does, so the conditions never start it", stop),
		At:      stop.list.At,
		Help:    "the stop wins: make `stop-on` narrower, or `start-on` wider, so that one can hold without the other",
		Labels:  []diag.Label{{At: start.list.At, Message: "what starts it"}},
	}
	if start.expr == nil {
		d.Message = fmt.Sprintf("%s always holds, so the %s never starts with the plan", stop, stop.kind)
		d.Help, d.Labels = "remove `stop-on`, or write a condition that does not hold at the start", nil
	}
	p.Report(d)
}
