package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "F5401",
	Severity: diag.Warning,
	Title:    "a state that nothing uses",
	Text: `No condition tests the state, no trigger sets it, and nothing else names it, so it only lies in the store.
Files without any socket, service or timer are not looked at: what uses their states is elsewhere.`,
	Example: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Right: `
[[state]]
name = "color"
payload = "string"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
on-start = [{ state = "color", payload = "blue" }]
`,
	Run: func(p *Pass) {
		for _, s := range p.Table.States {
			if !s.Builtin && s.Unit.Lost == nil {
				p.unused(reference{"state", s.Name}, s.Unit.Name)
			}
		}
	},
})

// unused reports what no unit names.
func (p *Pass) unused(ref reference, name unit.String) {
	if !p.whole() || p.flow.uses.named[ref] {
		return
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing uses %s %q", ref.kind, ref.name),
		At:      name.At,
		Help:    "remove it, or use it",
	})
}

// whole reports whether the files are all there is: no mistake hides a part of
// them, and they have something that runs.
func (p *Pass) whole() bool {
	return p.ds.Errors() == 0 && !p.Table.Incomplete() && len(p.Sockets)+len(p.Services)+len(p.Table.Timers) > 0
}
