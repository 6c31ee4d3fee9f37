// Command rindrun runs a plan that rindc compiled: it holds the sockets, starts
// their owners, and answers the client commands of the same program.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

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
		(&printer{w: stderr}).printf("rindrun: %v\n", err)
	}
	return status
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "rindrun",
		Short:         "run a plan of sockets and services, and talk to the daemon that does",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetVersionTemplate("rindrun {{.Version}}\n")
	root.AddCommand(
		newRunCommand(), newStatusCommand(), newStartCommand(), newStopCommand(),
		newSetStateCommand(), newRemoveStateCommand(), newEmitCommand(), newShutdownCommand(),
	)
	return root
}
