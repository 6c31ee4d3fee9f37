package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "A4103",
	Severity: diag.Error,
	Title:    "two sockets on one endpoint",
	Text: `Both sockets are open from the start of the plan, or open on the same conditions, and the kernel lets only
one of them bind. A wildcard address takes the port of every address of its family, and *:port takes it of both
families. Two sockets may share an endpoint on purpose if both have the option reuse-port.`,
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
	Right: `
[[socket]]
name = "public"
type = "tcp"
listen = "192.0.2.1:8081"

[[socket]]
name = "local"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Run: func(p *Pass) {
		for _, c := range p.conflicts {
			if c.how != certain {
				continue
			}
			d := c.diagnostic("change one of the endpoints, or remove one of the sockets")
			d.Message = fmt.Sprintf("socket %q cannot be bound together with socket %q: %s", c.second.Name, c.first.Name, c.why())
			if c.when != "" {
				d.Message += ", and " + c.when
			}
			p.Report(d)
		}
	},
})

func (c conflict) diagnostic(help string) diag.Diagnostic {
	return diag.Diagnostic{
		At:     c.second.Unit.Listen.At,
		Help:   help,
		Labels: []diag.Label{{At: c.first.Unit.Listen.At, Message: fmt.Sprintf("the endpoint of %q", c.first.Name)}},
	}
}

func (c conflict) why() string {
	first, second := c.first.Endpoint.String(), c.second.Endpoint.String()
	if first == second {
		return "both listen on " + first
	}
	return fmt.Sprintf("%s and %s overlap", second, first)
}
