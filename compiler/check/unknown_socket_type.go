package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "A4101",
	Severity: diag.Error,
	Title:    "unknown socket type",
	Text: `The type of a socket is the name of a transport, in lower case. The transports tcp, udp and uds
come with every release.`,
	Example: `
[[socket]]
name = "http"
type = "TCP"
listen = "127.0.0.1:8081"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
`,
	Run: func(p *Pass) {
		types := p.Types()
		for _, s := range p.Sockets {
			written := s.Unit.Type
			if !written.Set() || s.Scheme != nil || p.looksLocked(written.Value) {
				continue
			}
			help := "known types are " + strings.Join(types, ", ")
			near, sure := otherTypes[strings.ToLower(written.Value)]
			ok := sure
			if !sure {
				near, ok = diag.Nearest(written.Value, types)
			}
			var fix *diag.Fix
			switch {
			case ok && near != "uds" && isPath(s.Unit.Listen.Value):
				help = fmt.Sprintf("did you mean \"uds\", with a path? %s", help)
			case ok:
				help = fmt.Sprintf("did you mean %q? %s", near, help)
				family := strings.TrimSuffix(strings.TrimSuffix(written.Value, "4"), "6") != written.Value
				if fix = diag.Misspelt(written.Value, near, types); sure && family && !s.hasFamily() {
					help, fix = fmt.Sprintf("write %q, and an address of that family in `listen`, such as `0.0.0.0` or `[::]`", near), nil
				} else if sure {
					fix = &diag.Fix{Old: written.Value, New: near}
				}
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q has unknown type %q", s.Name, written.Value),
				At:      written.At,
				Help:    help,
				Fix:     fix,
			})
		}
	},
})

// hasFamily reports whether the address of a socket is one of a family.
func (s *Socket) hasFamily() bool {
	host, _, _ := strings.Cut(s.Unit.Listen.Value, ":")
	return host != "" && strings.Trim(host, "0123456789.") == "" || strings.HasPrefix(s.Unit.Listen.Value, "[")
}

// isPath reports whether an endpoint is one of type uds.
func isPath(listen string) bool {
	return strings.HasPrefix(listen, "/") || strings.HasPrefix(listen, "@")
}

// otherTypes has what other programs call our socket types.
var otherTypes = map[string]string{
	"unix": "uds", "unix-stream": "uds", "local": "uds", "stream": "tcp", "dgram": "udp", "datagram": "udp",
	"tcp4": "tcp", "tcp6": "tcp", "udp4": "udp", "udp6": "udp",
}
