package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
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
				p.oneProgram("run.", "exec", r.Exec, r.Args)
			}
		}
		for _, s := range p.States {
			if a := s.Unit.AutoPayload; a != nil {
				p.oneProgram("", "eval", a.Eval, a.Args)
			}
		}
		for _, h := range p.flow.hooks {
			for _, t := range h.list.Items {
				p.oneProgram("", "exec", t.Exec, t.Args)
			}
		}
	},
})

// oneProgram reports a command line where a program is meant. prefix is that of
// the keys, and key the one of the program.
func (p *Pass) oneProgram(prefix, key string, exec unit.String, args unit.List) {
	if len(args.Items) > 0 && strings.HasPrefix(exec.Value, "/") && !strings.Contains(exec.Value, " -") {
		return // who writes arguments apart knows how, and files may have spaces in their names
	}
	if !isCommandLine(exec.Value) || action.CheckExec(exec.Value) != nil { // that is reported
		return
	}
	help := commandLineHelp(prefix, key, exec.Value)
	if program, _, _ := strings.Cut(exec.Value, " "); len(args.Items) > 0 {
		help = fmt.Sprintf("write `%s%s = %.80q`, and the rest in front of the other `%sargs`", prefix, key, program, prefix)
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("no program is likely to be called %.80q", exec.Value),
		At:      exec.At,
		Help:    help,
	})
}

// commandLineHelp says how a command line is written as a program with arguments.
func commandLineHelp(prefix, key, line string) string {
	words := strings.Fields(line)
	program, args := words[0], words[1:]
	switch {
	case strings.ContainsAny(line, "|&;<>$`*?\"'\\"): // only a shell knows what it means
		program, args = "/bin/sh", []string{"-c", line}
	case strings.Contains(program, "=") && prefix != "":
		return fmt.Sprintf("put the variables into `%senv`, and the program alone into `%s%s`", prefix, prefix, key)
	case strings.Contains(program, "="):
		program, args = "/usr/bin/env", words
	}
	quoted := make([]string, len(args))
	for i, w := range args {
		quoted[i] = strconv.Quote(w)
	}
	return fmt.Sprintf("write `%s%s = %.80q` and `%sargs = [%.80s]`", prefix, key, program, prefix, strings.Join(quoted, ", "))
}

// isCommandLine reports whether exec has arguments, which are reported.
func isCommandLine(exec string) bool { return hasArguments(exec) && len(strings.Fields(exec)) > 1 }

// hasArguments reports whether exec looks like a command line: a space behind its
// last slash, or in front of an option or a path. Directories may have spaces.
func hasArguments(exec string) bool {
	return strings.Contains(exec[strings.LastIndexByte(exec, '/')+1:], " ") ||
		strings.Contains(exec, " -") || strings.Contains(exec, " /")
}
