package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "K1306",
	Severity: diag.Error,
	Title:    "arguments or environment that no program can have",
	Text: `The kernel passes arguments and environment as words that end at a NUL byte, and the environment as
NAME=value. The variables that describe the inherited descriptors are for the runtime to set, so that a
service can trust them.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
run.env = { "A=B" = "c" }
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
run.env = { A = "B=c" }
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			for _, r := range s.Unit.Run {
				for _, a := range r.Args.Items {
					p.word("argument", a)
				}
				for _, e := range r.Env {
					p.word("environment variable", e.Value)
					p.variable(e.Name)
				}
			}
		}
	},
})

// reserved lists the variables that describe the inherited descriptors.
var reserved = []string{
	"LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES",
	"RIND_SOCKET_FDS", "RIND_SOCKET_COUNT", "RIND_SOCKET_NAMES",
}

func (p *Pass) word(what string, s unit.String) {
	if err := action.CheckWord(s.Value); err != nil {
		p.Report(diag.Diagnostic{
			Message: fmt.Sprintf("no program can have this %s: %v", what, err),
			At:      s.At,
			Help:    "remove the byte",
		})
	}
}

func (p *Pass) variable(name unit.String) {
	n := name.Value
	switch {
	case n == "" || strings.ContainsAny(n, "=\x00"):
		p.Report(diag.Diagnostic{
			Message: fmt.Sprintf("%q can be no name of an environment variable", n),
			At:      name.At,
			Help:    "write a name without = and NUL",
		})
	case slices.Contains(reserved, n):
		p.Report(diag.Diagnostic{
			Message: fmt.Sprintf("the environment variable %s is set by the runtime alone", n),
			At:      name.At,
			Help:    "remove it, or choose another name",
		})
	}
}
