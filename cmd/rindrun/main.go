// Command rindrun runs a plan that rindc compiled: it holds the sockets, starts
// their owners, and answers the client commands of the same program.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rind-sockets/rind/runtime/proc"
)

// version is the release; plugins and clients learn it.
const version = "0.1.0"

// Exit statuses, as in SPEC §2: 0 is success.
const (
	exitFailed   = 1 // the operation, or some of several, failed
	exitUsage    = 2
	exitInternal = 3 // input, output, or a fault of the program
)

func main() {
	if status, launched := proc.LauncherMain(os.Args); launched {
		os.Exit(status) // it was to become a service and could not
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// statusError ends the program with a status of its own. Without an error
// everything has been said already.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	status := exitUsage // what cobra itself finds is wrong usage
	se, ok := errors.AsType[*statusError](err)
	if ok {
		status = se.status
	}
	if !ok || se.err != nil {
		complain(stderr, err)
	}
	return status
}

func complain(w io.Writer, err error) { (&printer{w: w}).printf("rindrun: %s\n", oneLine(err)) }

// maxProblems is how many problems of a list one line has room for.
const maxProblems = 3

// oneLine returns the text of an error without its line ends: of the many
// problems of a broken plan the first ones.
func oneLine(err error) string {
	problems := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if n := len(problems) - maxProblems; n > 0 {
		problems = append(problems[:maxProblems], fmt.Sprintf("and %d more", n))
	}
	return printable(strings.Join(problems, "; "))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "rindrun",
		Short:         "run a plan of sockets and services, and talk to the daemon that does",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          noCommand,

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("rindrun {{.Version}}\n")
	root.AddCommand(
		newRunCommand(), newReplayCommand(), newStatusCommand(), newStartCommand(), newStopCommand(),
		newPauseCommand(), newResumeCommand(),
		newSetStateCommand(), newRemoveStateCommand(), newGetStatesCommand(), newEmitCommand(), newEventsCommand(), newLogsCommand(),
		newReloadCommand(), newExplainAccessCommand(), newGrantCommand(), newRevokeCommand(), newShutdownCommand(), newManCommand(),
	)
	completeAll(root)
	return root
}

// flagError says what is wrong with a flag without the words of the library.
func flagError(cmd *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		want := map[string]string{
			"uint32": "a number from 0 to 4294967295", "int64": "a number", "bool": "true or false",
		}[wrong.GetFlag().Value.Type()]
		if want != "" {
			return fmt.Errorf("--%s %q: want %s", wrong.GetFlag().Name, wrong.GetValue(), want)
		}
	}
	return fmt.Errorf("%w: %s --help lists the flags", err, cmd.CommandPath())
}

// noCommand is what the root does: it only has commands.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("a command is missing: rindrun --help lists them")
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q: rindrun --help lists them", args[0])
}
