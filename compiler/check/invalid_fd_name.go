package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1302",
	Severity: diag.Error,
	Title:    "invalid descriptor name",
	Text: `LISTEN_FDNAMES holds the names of all descriptors with colons between them. sd_listen_fds_with_names(3)
takes printable ASCII without colons, at most 255 bytes each.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
fd-name = "web:http"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
fd-name = "web-http"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if !s.Unit.FDName.Set() {
				continue
			}
			if err := plan.CheckFDName(s.Unit.FDName.Value); err != nil {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("invalid `fd-name`: %v", err),
					At:      s.Unit.FDName.At,
					Help:    "use printable ASCII without ':', for example the name of the socket",
				})
			}
		}
	},
})
