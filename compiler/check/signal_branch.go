package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "T3308",
	Severity: diag.Error,
	Title:    "fields of a signal that takes none over",
	Text: `The branch keys of a signal say which fields it takes over from the json payload that it follows from. A
signal that follows from nothing takes nothing over, and a payload of another kind has no fields.`,
	Example: `
[[signal]]
name = "changed"
payload = "string"
branch = ["name"]
after = ["rind@active"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["changed"]
`,
	Right: `
[[signal]]
name = "changed"
payload = "json"
branch = ["name"]
after = ["rind@net-interface"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["changed"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Signals {
			d := diag.Diagnostic{At: s.Unit.Branch.At.OfKey()}
			switch {
			case !s.Unit.Branch.Set() || s.Payload == 0:
				continue
			case s.Payload != cond.JSON:
				d.Message = fmt.Sprintf("signal %q has no fields: its payload is of kind %v", s.Name, s.Payload)
				d.Help = "remove `branch`, or write `payload = \"json\"`"
			case !s.Unit.After.Set() && !s.Unit.Lost.Any("after"):
				d.Message = fmt.Sprintf("signal %q follows from nothing that it could take fields over from", s.Name)
				d.Help = "add `after`, or remove `branch`"
			default:
				continue
			}
			p.Report(d)
		}
	},
})
