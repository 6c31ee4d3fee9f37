package action

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

// CheckExec reports why exec cannot name a program: it is an absolute path, or a
// name without a slash that is searched in the PATH of rindrun when it runs.
func CheckExec(exec string) error {
	switch {
	case exec == "":
		return errors.New("it is empty")
	case strings.HasPrefix(exec, "/"), !strings.Contains(exec, "/"):
		return CheckWord(exec)
	}
	return fmt.Errorf("%q is relative to a directory that is not known", exec)
}

// CheckWord reports why s cannot be a word of a command or of its environment:
// the kernel ends such words at a NUL.
func CheckWord(s string) error {
	if at := strings.IndexByte(s, 0); at >= 0 {
		return fmt.Errorf("it has a NUL byte at byte %d", at)
	}
	return nil
}

// command checks the command of an action and its arguments.
func (c context) command(command unit.String, args unit.List, check func(string) error) bool {
	if strings.TrimSpace(command.Value) == "" {
		if !c.broken {
			c.fail(EmptyCommand, diag.Diagnostic{
				Message: "the command is empty",
				At:      command.At,
				Help:    "write what to run, or remove the trigger",
			})
		}
		return false
	}
	sound := true
	if err := check(command.Value); err != nil {
		sound = false
		c.fail(InvalidCommand, diag.Diagnostic{
			Message: fmt.Sprintf("the command cannot be run: %v", err),
			At:      command.At,
			Help:    ExecHelp,
		})
	}
	for _, a := range args.Items {
		if err := CheckWord(a.Value); err != nil {
			sound = false
			c.fail(InvalidCommand, diag.Diagnostic{
				Message: fmt.Sprintf("the argument cannot be passed: %v", err),
				At:      a.At,
				Help:    "remove the byte",
			})
		}
	}
	return sound
}

// ExecHelp says what a program must look like.
const ExecHelp = "write an absolute path, or a name without a slash to search in the PATH of rindrun"
