package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "F5405",
	Severity: diag.Warning,
	Title:    "an auto-payload that is never made",
	Text: `auto-payload makes the payload when after or activate-on-none sets the state. A state with neither is set by
triggers and commands, which bring a payload of their own.`,
	Example: `
[[state]]
name = "host"
payload = "string"
auto-payload = { eval = "/bin/hostname" }

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["host"]
`,
	Right: `
[[state]]
name = "host"
payload = "string"
activate-on-none = ["rind@maintenance-mode"]
auto-payload = { eval = "/bin/hostname" }

[[service]]
name = "web"
run.exec = "/usr/bin/web"
start-on = ["host"]
`,
	Run: func(p *Pass) {
		for _, s := range p.States {
			u := s.Unit
			if u.AutoPayload == nil || u.After.Set() || u.ActivateOnNone.Set() || u.Lost.Any("after", "activate-on-none") {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("the `auto-payload` of state %q is never made: nothing sets the state but triggers and commands", s.Name),
				At:      u.AutoPayload.At.OfKey(),
				Help:    "add `after` or `activate-on-none`, or remove it",
			})
		}
	},
})
