package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "K1305",
	Severity: diag.Error,
	Title:    "a program that cannot be found",
	Text: `exec of a service, and eval of an auto-payload, is an absolute path, or a name without a slash that is
searched in the PATH of rindrun when it runs. There is no directory that another path could be relative to.`,
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
				p.program(fmt.Sprintf("service %q", s.Name), "run.", "exec", r.Exec)
			}
		}
		for _, s := range p.States {
			if a := s.Unit.AutoPayload; a != nil {
				p.program(fmt.Sprintf("the `auto-payload` of state %q", s.Name), "", "eval", a.Eval)
			}
		}
	},
})

// program reports what cannot name a program. prefix and key are where it is written.
func (p *Pass) program(owner, prefix, key string, exec unit.String) {
	err := action.CheckExec(exec.Value)
	if exec.Value == "" || err == nil { // the decoder wants a program
		return
	}
	help := action.ExecHelp
	if isCommandLine(exec.Value) {
		help = commandLineHelp(prefix, key, exec.Value)
		err = fmt.Errorf("%.80q is a command line", exec.Value)
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("%s cannot run its program: %v", owner, err),
		At:      exec.At,
		Help:    help,
	})
}
