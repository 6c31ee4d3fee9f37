package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
)

var _ = register(Rule{
	Code:     "P6102",
	Severity: diag.Warning,
	Title:    "permissions of an abstract socket",
	Text: `An abstract socket has no file whose mode the kernel could check. The permissions are only checked when
an access is noticed, not while the owner accepts connections itself.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "@admin"
permissions = ["login"]
`,
	Right: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = ["login"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.Endpoint.Kind != grammar.Abstract || len(s.Permissions) == 0 || s.open() {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("the kernel does not enforce the permissions of the abstract socket %q", s.Name),
				At:      s.Unit.Permissions.At,
				Help:    "listen on a path",
			})
		}
	},
})
