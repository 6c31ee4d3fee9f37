package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
)

var _ = register(Rule{
	Code:     "A4102",
	Severity: diag.Error,
	Title:    "malformed endpoint",
	Text: `A tcp or udp socket listens on an address and a port: 127.0.0.1:8081, [::1]:8081, localhost:80, or *:9000
for every address of both families. A uds socket listens on an absolute path, on a path below the socket
directory, or on the abstract name behind an @; each has at most 107 bytes.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:80801"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			e := s.endpointError
			if e == nil {
				e = s.withoutZone()
			}
			if e == nil {
				continue
			}
			d := diag.Diagnostic{
				Message: fmt.Sprintf("socket %q: %s", s.Name, e.Message),
				At:      s.Unit.Listen.At.Within(e.From, e.To),
				Help:    e.Help,
				Fix:     e.Fix(s.Unit.Listen.Value),
			}
			if scheme, _, ok := strings.Cut(s.Unit.Listen.Value, ":"); ok && scheme != s.Scheme.Name && slices.Contains(p.Types(), scheme) {
				d.Help = fmt.Sprintf("write `type = %q` if that is meant, and %s", scheme, strings.TrimPrefix(e.Help, "write "))
				d.Fix = nil // one of them is wrong
			}
			p.Report(d)
		}
	},
})

// withoutZone says that a link-local address of IPv6 lacks its interface: bind(2) fails
// with EINVAL then, see ipv6(7).
func (s *Socket) withoutZone() *grammar.Error {
	a := s.Endpoint.Addr
	if s.Endpoint.Kind != grammar.Inet || !a.Is6() || !a.IsLinkLocalUnicast() || a.Zone() != "" || s.Options["bind-device"] != "" || s.Unit.Lost.Any("options") {
		return nil
	}
	return &grammar.Error{
		To: len(s.Unit.Listen.Value), Message: "a link-local address is one of an interface",
		Help: fmt.Sprintf("write `[%s%%eth0]:%d`, with the name of the interface", a, s.Endpoint.Port),
	}
}
