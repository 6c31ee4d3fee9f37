package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "K1313",
	Severity: diag.Warning,
	Title:    "a key of a service as an environment variable",
	Text: `What stands below the header of a table belongs to that table: a key of the service that is written below
[service.env] or [service.run.env] is a variable of its processes, and the service does not have it.`,
	Example: `
[[service]]
name = "web"

[service.run]
exec = "/usr/bin/web"

[service.run.env]
LANG = "C"
working-dir = "/srv"
`,
	Right: `
[[service]]
name = "web"
working-dir = "/srv"

[service.run]
exec = "/usr/bin/web"

[service.run.env]
LANG = "C"
`,
	Run: func(p *Pass) {
		kind, _ := unit.KindOf("service")
		for _, s := range p.Services {
			for _, r := range s.Unit.Run {
				for _, v := range r.Env {
					if !isField(kind, v.Name.Value) || v.Name.Value == "name" {
						continue
					}
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("`%s` is a key of a service, and an environment variable here", v.Name.Value),
						At:      v.Name.At,
						Help:    "write it above the header of this table",
					})
				}
			}
		}
	},
})
