package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "F5201",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a state that only a command can set",
	Text: `Conditions wait for the state, but no trigger sets it and it does not follow from other states. That is
right if a program or a person sets it with rindrun set-state, so it is only reported with --strict; permissions,
which say who may, settle it. Otherwise a trigger is missing. States of the group rind are set by the runtime.`,
	Example: `
[[state]]
name = "ready"
payload = "none"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["ready"]
`,
	Right: `
[[state]]
name = "ready"
payload = "none"
permissions = ["system-services"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ["ready"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Table.States {
			if !s.Builtin {
				p.onlyCommanded(reference{"state", s.Name}, s.Unit.Name, s.Unit.Permissions, "sets", "set-state")
			}
		}
	},
})

// onlyCommanded reports a state or signal that conditions wait for and no unit
// gives.
func (p *Pass) onlyCommanded(ref reference, name unit.String, permissions unit.PermissionRefs, verb, command string) {
	waiters := p.flow.uses.waiters[ref]
	given := p.flow.uses.derived[ref] || len(p.flow.uses.setters[ref]) > 0
	if !p.whole() || permissions.Set() || len(waiters) == 0 || given {
		return
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing in the files %s %s %q: only `rindrun %s` can", verb, ref.kind, ref.name, command),
		At:      name.At,
		Help:    "say who may with `permissions`, or add a trigger",
		Labels:  []diag.Label{{At: waiters[0].at, Message: "what waits for it"}},
	})
}
