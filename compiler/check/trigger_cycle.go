package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "F5101",
	Severity: diag.Warning,
	Title:    "triggers that cause each other without end",
	Text: `Hooks set states, emit signals, and start and stop units; conditions of other units react, and their hooks
follow. Here that leads back to where it began, and everything on the way can happen again: units that start are
stopped in between, states change. The runtime cuts such a chain after a while and reports it. A way that goes
through a timer, an access or the end of a process is no such chain, nor is one that a unit that already runs, or a
state that already has its value, brings to an end.`,
	Example: `
[[signal]]
name = "again"
payload = "none"
permissions = ["system-services"]

[[signal]]
name = "enough"
payload = "none"

[[service]]
name = "worker"
run.exec = "/usr/bin/worker"
start-on = ["again"]
stop-on = ["enough"]
on-start = [{ signal = "enough" }]
on-stop = [{ signal = "again" }]
`,
	Right: `
[[signal]]
name = "again"
payload = "none"
permissions = ["system-services"]

[[signal]]
name = "enough"
payload = "none"

[[service]]
name = "worker"
run.exec = "/usr/bin/worker"
start-on = ["again"]
stop-on = ["enough"]
on-stop = [{ signal = "again" }]

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
trigger = [{ signal = "enough" }]
`,
	Run: func(p *Pass) {
		if len(p.flow.hooks) == 0 {
			return
		}
		g, ok := p.collectEvents()
		if !ok {
			p.undecidedTriggers("there are too many of them")
			return
		}
		walks, ok := g.endless()
		if !ok {
			p.undecidedTriggers("they are entangled too much")
		}
		for _, walk := range walks {
			p.Report(g.diagnostic(walk))
		}
	},
})

func (p *Pass) undecidedTriggers(why string) {
	at := p.flow.hooks[0].list.At // somewhere
	p.flow.undecided = append(p.flow.undecided, undecided{at, "it was not analysed whether triggers cause each other without end", why})
}

// shown is how many events of a walk a message names.
const shown = 12

func (g *events) diagnostic(walk []int) diag.Diagnostic {
	d := diag.Diagnostic{Help: "remove one of the triggers, or let a timer or an access stand between"}
	var names []string
	for i, n := range walk {
		if i < shown {
			name := g.list[n].String()
			if v, ok := g.values[n]; ok && v.Kind() != cond.None {
				name += " with " + sat.Quote(v)
			}
			names = append(names, name)
		}
		at, ok := g.hooks[[2]int{n, walk[(i+1)%len(walk)]}]
		switch {
		case !ok:
		case d.At.IsZero():
			d.At = at
		case len(d.Labels) < shown:
			d.Labels = append(d.Labels, diag.Label{At: at, Message: "follows on the " + g.list[n].String()})
		}
	}
	if len(walk) > shown {
		names = append(names, "…")
	}
	d.Message = fmt.Sprintf("triggers cause each other without end: %s, and the %s again", strings.Join(names, ", then "), g.list[walk[0]])
	return d
}
