package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "F5203",
	Severity: diag.Note,
	Title:    "a test that no payload of the files passes",
	Text: `Triggers set the state, or emit the signal, but never with a payload that passes the test of this
condition. That is right if a command does it; permissions of the state or signal tell so. Otherwise a payload or
the test is misspelt. Payloads of kind json are not looked at: what a program reports has more fields than a
trigger writes.`,
	Example: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
trigger = [{ state = "color", payload = "blue" }]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "Blue" }]
`,
	Right: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "control"
type = "uds"
listen = "control.sock"
trigger = [{ state = "color", payload = "blue" }]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = [{ state = "color", target = "blue" }]
`,
	Run: func(p *Pass) {
		if !p.whole() {
			return
		}
		for _, s := range p.Table.States {
			if ref := (reference{"state", s.Name}); s.Payload != cond.JSON && !p.flow.uses.open[ref] && !p.flow.uses.derived[ref] {
				p.checkPayloads(ref)
			}
		}
		for _, s := range p.Table.Signals {
			if ref := (reference{"signal", s.Name}); s.Payload != cond.JSON && !p.flow.uses.open[ref] && !p.flow.uses.derived[ref] {
				p.checkPayloads(ref)
			}
		}
	},
})

// maxPayloads is how many payloads of a state or signal are compared with its
// conditions; more are as good as any.
const maxPayloads = 64

func (p *Pass) checkPayloads(ref reference) {
	setters := p.flow.uses.setters[ref]
	if len(setters) == 0 || len(setters) > maxPayloads {
		return
	}
	for _, s := range setters {
		if s.payload == nil {
			return // it may be anything
		}
	}
	for _, w := range p.flow.uses.waiters[ref] {
		if !w.negated && !p.anyPasses(ref, setters, w.guard) {
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("no payload that the files give %s %q passes the test %s", ref.kind, ref.name, w.guard),
				At:      w.at,
				Help:    "correct the test or a payload, or say with `permissions` of the " + ref.kind + " who else may give it one",
				Labels:  []diag.Label{{At: setters[0].at, Message: "a payload"}},
			})
		}
	}
}

func (p *Pass) anyPasses(ref reference, setters []setter, g *cond.Guard) bool {
	for _, s := range setters {
		if g.Match(*s.payload, p.keysOf(ref, *s.payload)) {
			return true
		}
	}
	return false
}
