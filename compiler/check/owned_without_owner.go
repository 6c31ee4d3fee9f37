package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1301",
	Severity: diag.Error,
	Title:    "an owned socket without an owner",
	Text:     `An access to an owned socket starts its owner, so there must be one.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
lifecycle = "owned"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
lifecycle = "owned"
owner = "web"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			owned := s.Unit.Lifecycle.Value == string(plan.Owned)
			if !owned || s.Unit.Owner.Set() || s.Unit.Lost.Any("owner") {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q is owned, but it has no owner", s.Name),
				At:      s.Unit.Lifecycle.At,
				Help:    "add `owner = \"group@service\"`, or remove `lifecycle`",
			})
		}
	},
})
