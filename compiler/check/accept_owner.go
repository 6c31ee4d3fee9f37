package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1309",
	Severity: diag.Error,
	Title:    "an owner that gets connections and something else",
	Text: `With accept = true there is a process of the owner for each connection, and the connection is all that
it gets. So the other sockets of such a service have accept = true as well, and it can neither have an instance
for each branch of a state nor start on conditions.`,
	Example: `
[[socket]]
name = "echo"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "server"
accept = true

[[socket]]
name = "admin"
type = "tcp"
listen = "127.0.0.1:8082"
owner = "server"
lifecycle = "owned"

[[service]]
name = "server"
run.exec = "/usr/bin/server"
`,
	Right: `
[[socket]]
name = "echo"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "server"
accept = true

[[socket]]
name = "admin"
type = "tcp"
listen = "127.0.0.1:8082"
owner = "admin"
lifecycle = "owned"

[[service]]
name = "server"
run.exec = "/usr/bin/server"

[[service]]
name = "admin"
run.exec = "/usr/bin/server"
run.args = ["--admin"]
`,
	Run: func(p *Pass) {
		accepts := map[plan.Name]*Socket{}
		for _, s := range p.Sockets {
			if s.Owner != nil && s.Unit.Accept.Value && !s.Unit.Lost.Any("accept") && accepts[s.Owner.Name] == nil {
				accepts[s.Owner.Name] = s
			}
		}
		for _, s := range p.Sockets {
			if s.Owner == nil || s.Unit.Accept.Value || accepts[s.Owner.Name] == nil || s.Unit.Lost.Any("accept", "owner") {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("service %q gets connections, so it cannot inherit socket %q", s.Owner.Name, s.Name),
				At:      s.Unit.Owner.At,
				Help:    "add `accept = true`, or give it another service as owner",
				Labels:  []diag.Label{{At: accepts[s.Owner.Name].Unit.Accept.At, Message: "here it gets connections"}},
			})
		}
		for _, svc := range p.Services {
			if s := accepts[svc.Name]; s != nil && svc.Unit.StartOn.Set() {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("service %q gets connections, so nothing but an access to socket %q can start it", svc.Name, s.Name),
					At:      svc.Unit.StartOn.At.OfKey(),
					Help:    "remove `start-on`; to open the socket on these conditions, write it there",
					Labels:  []diag.Label{{At: s.Unit.Accept.At, Message: "here it gets connections"}},
				})
			}
			if s := accepts[svc.Name]; s != nil && svc.Branching != nil {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("service %q has an instance for each branch of a state, so it cannot have one for each connection to socket %q", svc.Name, s.Name),
					At:      s.Unit.Accept.At,
					Help:    "remove `accept`, or `branching` of the service",
				})
			}
		}
	},
})
