package check

import (
	"fmt"
	"path"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "K1307",
	Severity: diag.Error,
	Title:    "a relative working directory",
	Text:     `A working directory is an absolute path: nothing says what another one is relative to.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
working-dir = "www"
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
working-dir = "/srv/www"
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			dir := s.Unit.WorkingDir
			if dir.Set() && (!path.IsAbs(dir.Value) || action.CheckWord(dir.Value) != nil) {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("`working-dir` %q of service %q is no absolute path", dir.Value, s.Name),
					At:      dir.At,
					Help:    "write a path that starts with /",
				})
			}
		}
	},
})
