package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var execArguments = Rule{
	Code:     "K1308",
	Severity: diag.Warning,
	Title:    "arguments in the name of a program",
	Text: `exec is the path or the name of one program, spaces included: there is no shell that would split it. Its
arguments are the list args.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web --port 8081"
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
run.args = ["--port", "8081"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			for _, r := range s.Unit.Run {
				p.oneProgram("run.", r.Exec)
			}
		}
		for _, h := range p.flow.hooks {
			for _, t := range h.list.Items {
				p.oneProgram("", t.Exec)
			}
		}
	},
}

// oneProgram reports a command line where a program is meant. prefix is that of
// the keys.
func (p *Pass) oneProgram(prefix string, exec unit.String) {
	words := strings.Fields(exec.Value)
	if !hasArguments(exec.Value) || len(words) < 2 {
		return
	}
	args := make([]string, 0, len(words)-1)
	for _, w := range words[1:] {
		args = append(args, fmt.Sprintf("%q", w))
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("no program is likely to be called %.80q", exec.Value),
		At:      exec.At,
		Help:    fmt.Sprintf("write `%sexec = %.80q` and `%sargs = [%.80s]`", prefix, words[0], prefix, strings.Join(args, ", ")),
	})
}

// hasArguments reports whether exec looks like a command line: a space behind its
// last slash, or in front of an option or a path. Directories may have spaces.
func hasArguments(exec string) bool {
	return strings.Contains(exec[strings.LastIndexByte(exec, '/')+1:], " ") ||
		strings.Contains(exec, " -") || strings.Contains(exec, " /")
}
