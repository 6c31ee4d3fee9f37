package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "F5001",
	Severity: diag.Error,
	Title:    "a condition that can never hold",
	Text: `What the condition asks for contradicts itself, so it is as if it were not there. Often it is one of
these: the conditions of start-on of a service must hold together, but only one signal is delivered at a time;
a state of kind string, bytes or none has one value at a time; a branch of a json state has one value in each
field, and is a table as a whole. In a list of which any item is enough, the item is reported.`,
	Example: `
[[signal]]
name = "open"
payload = "none"

[[signal]]
name = "resume"
payload = "none"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = [{ signal = "open" }, { signal = "resume" }]
`,
	Right: `
[[signal]]
name = "open"
payload = "none"

[[signal]]
name = "resume"
payload = "none"

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
trigger = [{ signal = "open" }, { signal = "resume" }]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["signal open or signal resume"]
`,
	Run: func(p *Pass) {
		for _, c := range p.flow.conditions {
			parts := []item{{expr: c.expr, at: c.list.At}}
			if !c.all {
				parts = c.items() // any of them is enough, so each of them should be possible
			}
			for _, part := range parts {
				if p.flow.solver.Evident(*part.expr) || p.reportTable(c, part) {
					continue
				}
				if p.never(sat.Of(*part.expr), part.at, "whether "+c.String()+" can hold") {
					p.reportNever(c, part)
				}
			}
		}
	},
})

// reportTable reports a part that wants a table to be something else.
func (p *Pass) reportTable(c *condition, part item) bool {
	items := []item{part}
	if c.all {
		items = c.items()
	}
	for _, i := range items {
		if why, help := p.wholeTable(*i.expr, c.isTable(i.at)); why != "" {
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("%s can never hold: %s", c, why),
				At:      i.at,
				Help:    help,
			})
			return true
		}
	}
	return false
}

func (p *Pass) reportNever(c *condition, part item) {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("%s can never hold: %s contradicts itself", c, *part.expr),
		At:      part.at,
		Help:    "remove the condition, or what it contradicts",
	}
	if len(part.expr.And) > 0 {
		items := c.items()
		if !c.all || len(items) != len(part.expr.And) {
			items = nil // they have no places of their own
		}
		p.blame(&d, c, part.expr.And, items)
	}
	p.Report(d)
}

// maxBlamed is of how many parts every pair is looked at.
const maxBlamed = 16

// blame finds the part that alone, or the two that together, are impossible.
func (p *Pass) blame(d *diag.Diagnostic, c *condition, parts []cond.Expr, items []item) {
	if len(parts) > maxBlamed {
		return
	}
	never := func(f ...sat.Formula) bool { return p.flow.solver.Solve(sat.All(f...)).Verdict == sat.Unsatisfiable }
	for i := range parts {
		if never(sat.Of(parts[i])) {
			d.Message = fmt.Sprintf("%s can never hold: %s contradicts itself", c, parts[i])
			if items != nil {
				d.At = items[i].at
			}
			return
		}
	}
	for j := range parts {
		for i := range j {
			if !never(sat.Of(parts[i]), sat.Of(parts[j])) {
				continue
			}
			d.Message = fmt.Sprintf("%s can never hold: it needs both %s and %s", c, parts[i], parts[j])
			if why := exclusive(parts[i], parts[j]); why != "" {
				d.Message += ", but " + why
			}
			if c.all && isSignal(parts[i]) && isSignal(parts[j]) {
				d.Help = fmt.Sprintf("all conditions of the list must hold; if one is enough, write one condition: \"%s or %s\"", parts[i], parts[j])
			}
			if items != nil {
				d.At = items[j].at
				d.Labels = []diag.Label{{At: items[i].at, Message: "what it contradicts"}}
			}
			return
		}
	}
}

// exclusive says why two simple conditions exclude each other, if that is clear.
func exclusive(a, b cond.Expr) string {
	switch {
	case a.Atom == nil || b.Atom == nil:
	case isSignal(a) && isSignal(b):
		return "one signal is delivered at a time"
	case a.Atom.Kind == cond.State && a.Atom.Name == b.Atom.Name:
		return "a state, or a branch of it, has one value at a time"
	}
	return ""
}

func isSignal(e cond.Expr) bool { return e.Atom != nil && e.Atom.Kind == cond.Signal }
