package check

import (
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "N2201",
	Severity: diag.Error,
	Title:    "an owner that is no service",
	Text:     `The owner of a socket is the service that inherits its descriptor.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.ownerError != nil {
				p.Report(*s.ownerError)
			}
		}
	},
})
