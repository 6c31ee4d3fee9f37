package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "T3309",
	Severity: diag.Error,
	Title:    "a process from a variable that describes none",
	Text: `The variable of a process is a table with the keys of "run": exec, and if needed args and env. Text from
the environment that overrides it is the same as JSON.`,
	Example: `
[[variable]]
name = "web"
default = "/usr/bin/web"

[[service]]
name = "web"
run = { variable = "web" }
`,
	Right: `
[[variable]]
name = "web"
default = { exec = "/usr/bin/web" }

[[service]]
name = "web"
run = { variable = "web" }
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			for i, v := range s.Variables {
				if v == nil || v.Unit.Lost != nil {
					continue
				}
				table, ok := v.Unit.Default.Value.(map[string]any)
				exec, text := table["exec"].(string)
				if ok && text && exec != "" {
					continue
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("variable %q is no table with `exec`, so it describes no process", v.Name),
					At:      s.Unit.Run[i].Variable.At,
					Help:    "write `default = { exec = \"…\" }` in the variable",
				})
			}
		}
	},
})
