package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
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
			circle := o.contrary(component)
			switch {
			case len(circle) == 2 && circle[0] == circle[1]:
				p.Report(p.ofItself(o.list[circle[0]].name))
			case circle != nil:
				p.Report(o.diagnostic(circle, "states set and remove each other without end", "remove one of the conditions, or let a trigger set one of the states"))
			}
		}
	},
})

// ofItself is about a state that follows from its own absence alone.
func (p *Pass) ofItself(name plan.Name) diag.Diagnostic {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("state %q follows from its own absence: it would be set and removed without end", name),
		Help:    "remove its name from the conditions",
	}
	for _, s := range p.States {
		if s.Name != name {
			continue
		}
		d.At = s.Unit.After.At
		for i, other := range s.Absent {
			if other != nil && other.Name == name {
				d.At, d.Help = s.Unit.ActivateOnNone.Items[i].At, "remove it, or name another state"
			}
		}
	}
	return d
}
