package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
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
		checked := map[string]bool{}
		for _, s := range p.Services {
			for i, v := range s.Variables {
				if v == nil || v.Unit.Lost != nil || !v.Unit.Default.Set() { // the environment alone says it then
					continue
				}
				table, ok := v.Unit.Default.Value.(map[string]any)
				exec, text := table["exec"].(string)
				if !ok || !text || exec == "" {
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("variable %q is no table with `exec`, so it describes no process", v.Name),
						At:      s.Unit.Run[i].Variable.At,
						Help:    "write `default = { exec = \"…\" }` in the variable",
					})
				} else if !checked[v.Name] {
					checked[v.Name] = true
					p.process(v, table)
				}
			}
		}
	},
})

// process checks the table of a variable that describes a process.
func (p *Pass) process(v *resolve.Variable, table map[string]any) {
	at := v.Unit.Default.At
	wrong := func(key, wanted, help string) {
		p.Report(diag.Diagnostic{
			Message: fmt.Sprintf("variable %q describes a process, so `%s` must be %s", v.Name, key, wanted),
			At:      at.At(key),
			Help:    help,
		})
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		switch value := table[key]; key {
		case "exec":
			exec, _ := value.(string)
			if err := action.CheckExec(exec); err != nil {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("variable %q describes a process that cannot run: %v", v.Name, err),
					At:      at.At(key),
					Help:    action.ExecHelp,
				})
			}
		case "args":
			list, ok := value.([]any)
			if !ok || slices.ContainsFunc(list, isNoText) {
				wrong(key, "an array of strings", "write `args = [\"…\"]`")
			}
		case "env":
			env, ok := value.(map[string]any)
			if !ok || slices.ContainsFunc(slices.Collect(maps.Values(env)), isNoText) {
				wrong(key, "a table of strings", "write `env = { NAME = \"…\" }`")
			}
		default:
			help := "the keys of a process are `exec`, `args` and `env`"
			if near, ok := diag.Nearest(key, []string{"exec", "args", "env"}); ok {
				help = fmt.Sprintf("did you mean `%s`?", near)
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("variable %q describes a process, which has no key %q", v.Name, key),
				At:      at.At(key).OfKey(),
				Help:    help,
			})
		}
	}
}

func isNoText(v any) bool {
	_, text := v.(string)
	return !text
}
