package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
)

var _ = register(Rule{
	Code:     "K1311",
	Severity: diag.Warning,
	Title:    "a mode that permissions replace",
	Text: `The mode and the access list of the node of a socket with permissions follow from them, so that the kernel
lets in who holds one of them and nobody else. The option mode is not used.`,
	Example: `
[[socket]]
name = "admin"
type = "uds"
listen = "/run/admin.sock"
permissions = ["login"]
options = { mode = "0600" }
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
			if len(s.Unit.Permissions.Items) == 0 || s.Options["mode"] == "" || s.Endpoint.Kind != grammar.Path {
				continue
			}
			for _, o := range s.Unit.Options {
				if o.Key.Value != "mode" {
					continue
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("the mode of socket %q is not used: its `permissions` say who may connect", s.Name),
					At:      o.Key.At,
					Help:    "remove it, or `permissions`",
					Labels:  []diag.Label{{At: s.Unit.Permissions.At.OfKey(), Message: "what counts"}},
				})
			}
		}
	},
})
