package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
)

var invalidExec = Rule{
	Code:     "K1305",
	Severity: diag.Error,
	Title:    "a service whose program cannot be found",
	Text: `exec is an absolute path, or a name without a slash that is searched in the PATH of rindrun when the
service starts. A service has no directory of its own that another path could be relative to.`,
	Example: `
[[service]]
name = "web"
run.exec = "bin/web"
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			for _, r := range s.Unit.Run {
				if !r.Exec.Set() || r.Exec.Value == "" { // the decoder wants a program
					continue
				}
				if err := action.CheckExec(r.Exec.Value); err != nil {
					help := action.ExecHelp
					if isCommandLine(r.Exec.Value) {
						help = commandLineHelp("run.", r.Exec.Value)
					}
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("service %q cannot run its program: %v", s.Name, err),
						At:      r.Exec.At,
						Help:    help,
					})
				}
			}
		}
	},
}
