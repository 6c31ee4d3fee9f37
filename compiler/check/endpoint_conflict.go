package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var endpointConflict = Rule{
	Code:     "A4103",
	Severity: diag.Error,
	Title:    "two sockets on one endpoint",
	Text: `Both sockets are open from the start of the plan, and the kernel lets only one of them bind. A wildcard
address takes the port of every address of its family, and *:port takes it of both families. Two sockets may
share an endpoint on purpose if both have the option reuse-port.`,
	Example: `
[[socket]]
name = "public"
type = "tcp"
listen = "0.0.0.0:8081"

[[socket]]
name = "local"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Run: func(p *Pass) {
		for _, c := range p.conflicts {
			if c.certain() {
				p.Report(c.diagnostic("cannot be bound together with", "change one of the endpoints, or remove one of the sockets"))
			}
		}
	},
}

// alwaysOpen reports whether s opens with the plan and only a command or a
// trigger closes it.
func (s *Socket) alwaysOpen() bool {
	enabled := !s.Unit.Enabled.Set() || s.Unit.Enabled.Value
	return enabled && !s.Unit.StartOn.Set() && !s.Unit.StopOn.Set()
}

func (c conflict) diagnostic(relation, help string) diag.Diagnostic {
	return diag.Diagnostic{
		Message: fmt.Sprintf("socket %q %s socket %q: %s", c.second.Name, relation, c.first.Name, c.why()),
		At:      c.second.Unit.Listen.At,
		Help:    help,
		Labels:  []diag.Label{{At: c.first.Unit.Listen.At, Message: fmt.Sprintf("the endpoint of %q", c.first.Name)}},
	}
}

func (c conflict) why() string {
	first, second := c.first.Endpoint.String(), c.second.Endpoint.String()
	if first == second {
		return "both listen on " + first
	}
	return fmt.Sprintf("%s and %s overlap", second, first)
}
