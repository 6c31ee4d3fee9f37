package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "T3307",
	Severity: diag.Error,
	Title:    "an absence by a field that a payload does not have",
	Text: `A state can be set while others have no branch with the same value in a field of the payload. For that, both
payloads have to be json.`,
	Example: `
[[state]]
name = "idle"
payload = "none"
activate-on-none = [{ name = "rind@user_session", branch = "seat" }]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["idle"]
`,
	Right: `
[[state]]
name = "idle"
payload = "none"
activate-on-none = ["rind@user_session"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["idle"]
`,
	Run: func(p *Pass) {
		for _, s := range p.States {
			for i, absent := range s.Absent {
				if absent == nil {
					continue
				}
				item := s.Unit.ActivateOnNone.Items[i]
				switch {
				case item.Branch.Set() && absent.Payload != 0 && absent.Payload != cond.JSON:
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("state %q has no field %q: its payload is of kind %v", absent.Name, item.Branch.Value, absent.Payload),
						At:      item.Branch.At,
						Help:    "remove `branch`, or name a json state",
					})
				case item.Branch.Set() && s.Payload != 0 && s.Payload != cond.JSON:
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("state %q has no field %q to compare with: its payload is of kind %v", s.Name, item.Branch.Value, s.Payload),
						At:      item.Branch.At,
						Help:    "remove `branch`, or write `payload = \"json\"`",
					})
				}
			}
		}
	},
})
