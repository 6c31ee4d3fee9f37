package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
)

// firstUnprivileged is the first port that needs no privilege, unless
// net.ipv4.ip_unprivileged_port_start says otherwise; see ip(7).
const firstUnprivileged = 1024

var _ = register(Rule{
	Code:     "A4107",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a port that needs a privilege",
	Text: `To bind a port below 1024, the runtime must be root or have the capability CAP_NET_BIND_SERVICE. This is
only reported with --strict: the system that runs the plan is not known here.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:80"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8080"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.Endpoint.Kind != grammar.Inet || s.Endpoint.Port == 0 || s.Endpoint.Port >= firstUnprivileged {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q listens on port %d, which needs CAP_NET_BIND_SERVICE", s.Name, s.Endpoint.Port),
				At:      s.Unit.Listen.At,
				Help:    fmt.Sprintf("choose a port from %d, or give rindrun the capability", firstUnprivileged),
			})
		}
	},
})
