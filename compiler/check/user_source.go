package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "T3304",
	Severity: diag.Error,
	Title:    "a user from a state that is not json",
	Text:     `The name of the user is a field of the payload of a state, so that its payload has to be json.`,
	Example: `
[[service]]
name = "desktop"
run.exec = "/usr/bin/desktop"
space = "user"
user-source = { state = "rind@online" }
`,
	Right: `
[[service]]
name = "desktop"
run.exec = "/usr/bin/desktop"
space = "user"
user-source = { state = "rind@user_session" }
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			from := s.UserSource
			if from == nil || from.Payload == 0 || from.Payload == cond.JSON {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("state %q has no field with the name of a user: its payload is of kind %v", from.Name, from.Payload),
				At:      s.Unit.UserSource.State.At,
				Help:    "name a json state, such as `rind@user_session`",
			})
		}
	},
})
