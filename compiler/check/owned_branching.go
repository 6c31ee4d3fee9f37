package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "T3302",
	Severity: diag.Error,
	Title:    "an owned socket whose owner branches",
	Text: `An access to an owned socket starts its owner. Of a service that has one instance for each branch of a
state, nobody knows which instance that would be.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
branching = { source-state = "rind@net-interface", key = "name" }

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.Owner == nil || s.Unit.Lifecycle.Value != string(plan.Owned) {
				continue
			}
			b := s.Owner.Unit.Branching
			if b == nil || !b.Enabled.Or(true) {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q is owned, but its owner %q has one instance for each branch of a state", s.Name, s.Owner.Name),
				At:      s.Unit.Lifecycle.At,
				Help:    "remove `lifecycle`, or name an owner without `branching`",
				Labels:  []diag.Label{{At: b.At.OfKey(), Message: "it branches here"}},
			})
		}
	},
})
