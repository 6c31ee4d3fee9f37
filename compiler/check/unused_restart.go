package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1310",
	Severity: diag.Warning,
	Title:    "a restart that never happens",
	Text: `With accept, a service runs once for each connection and ends with it: nobody could go on with a connection
whose process has failed. So restart means nothing there; the next connection starts the service again.`,
	Example: `
[[socket]]
name = "echo"
type = "tcp"
listen = "127.0.0.1:8081"
accept = true
owner = "echo"

[[service]]
name = "echo"
run.exec = "/usr/bin/echo-one"
restart = true
`,
	Right: `
[[socket]]
name = "echo"
type = "tcp"
listen = "127.0.0.1:8081"
accept = true
owner = "echo"

[[service]]
name = "echo"
run.exec = "/usr/bin/echo-one"
`,
	Run: func(p *Pass) {
		reported := map[plan.Name]bool{}
		for _, s := range p.Sockets {
			if s.Owner == nil || !s.Unit.Accept.Value || s.Unit.Lost.Any("accept") || reported[s.Owner.Name] {
				continue
			}
			restart := s.Owner.Unit.Restart
			if !restart.Always && restart.MaxRetries.Value == 0 {
				continue // not written, or never
			}
			reported[s.Owner.Name] = true
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("service %q is never restarted: each connection to socket %q starts it", s.Owner.Name, s.Name),
				At:      restart.At.OfKey(),
				Help:    "remove `restart`",
				Labels:  []diag.Label{{At: s.Unit.Accept.At, Message: "here it gets connections"}},
			})
		}
	},
})
