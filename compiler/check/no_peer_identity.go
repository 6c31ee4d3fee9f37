package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "P6101",
	Severity: diag.Error,
	Title:    "permissions where nobody can be identified",
	Text: `The kernel says who connects over a unix socket, and over tcp on a loopback address. Nobody knows who
sends a udp datagram or connects from another machine, so permissions could only lock everybody out.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "0.0.0.0:8081"
permissions = ["login"]
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
permissions = ["login"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			why := s.anonymous()
			if why == "" || len(s.Unit.Permissions.Items) == 0 || s.open() {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q has permissions, but %s", s.Name, why),
				At:      s.Unit.Permissions.At,
				Help:    "listen on a loopback address over tcp or on a uds path, or write `permissions = [\"any\"]`",
			})
		}
	},
})

// open reports whether everybody may access s.
func (s *Socket) open() bool {
	for _, q := range s.Permissions {
		if q.HasID && q.ID == plan.AnyPermission {
			return true
		}
	}
	// A name that is not understood may have been meant to be any.
	return len(s.Permissions) < len(s.Unit.Permissions.Items)
}

// anonymous says why nobody can know who accesses s; "" if it is known.
func (s *Socket) anonymous() string {
	if s.Endpoint.Kind != grammar.Inet {
		return ""
	}
	if s.Scheme.Name == "udp" {
		return "nobody knows who sends a datagram"
	}
	if e := s.Endpoint; e.Addr.IsLoopback() || e.Host == "localhost" || strings.HasSuffix(e.Host, ".localhost") {
		return ""
	}
	return fmt.Sprintf("%s can be reached from other machines, whose users nobody knows", s.Endpoint)
}
