package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
)

// Exit statuses (SPEC §2 rule 4).
const (
	statusOK      = 0 // clean, or warnings only
	statusInvalid = 1 // errors in the unit files
	statusUsage   = 2
	statusFailed  = 3 // input, output, or an internal failure
)

// env is the part of the process that the program sees.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	color          bool // stderr shows colours
}

// statusError is an error that decides the exit status. An error without one is
// a mistake in the command line.
type statusError struct {
	status int
	err    error // nil: everything has been said
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

func failed(err error) error { return &statusError{statusFailed, err} }

// run runs the program and returns its exit status.
func run(args []string, e env) int {
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	return e.status(root.Execute())
}

// status says what is wrong and returns the exit status for it.
func (e env) status(err error) int {
	if err == nil {
		return statusOK
	}
	if s := (*statusError)(nil); errors.As(err, &s) {
		if s.err != nil {
			for line := range strings.SplitSeq(s.err.Error(), "\n") { // errors may be joined
				e.complain("rindc: %s\n", line)
			}
		}
		return s.status
	}
	e.complain("rindc: %v\nTry 'rindc --help'.\n", err)
	return statusUsage
}

const about = `rindc compiles unit files to a plan that rindrun runs.

A PATH is a unit file, a directory that is read recursively for *.toml, or - for
standard input. The group of a unit is the path of its file below the directory
that was named, without .toml; that of a named file is its name.

The exit status is 0 when there are no errors, 1 when unit files have errors, 2
when the command line is wrong, and 3 when something cannot be read or written.`

func newRoot(e env) *cobra.Command {
	root := &cobra.Command{
		Use:           "rindc",
		Short:         "compile unit files to a plan",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Args = func(_ *cobra.Command, args []string) error { return unknownCommand(root, args) }
	root.RunE = func(*cobra.Command, []string) error {
		return errors.New("a command is missing: " + commandNames(root))
	}
	root.AddCommand(
		e.buildCommand(),
		e.checkCommand(),
		e.explainCommand(),
		e.diffCommand(),
		e.fmtCommand(),
		e.graphCommand(),
		e.manCommand(),
		e.pluginsCommand(),
		e.schemaCommand(),
		e.testCommand(),
		e.versionCommand(),
	)
	return root
}

// unknownCommand reports an argument where a command is meant.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(append(names, c.Name()), c.Aliases...)
	}
	if near, ok := diag.Nearest(args[0], names); ok {
		return fmt.Errorf("unknown command %q: did you mean %s?", args[0], near)
	}
	return fmt.Errorf("unknown command %q: the commands are %s", args[0], commandNames(root))
}

// needPaths wants what to read; nothing is read by default.
func needPaths(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	return fmt.Errorf("%s: name unit files or directories, or - for standard input", c.Name())
}

// commandNames lists the commands: "build, check or version".
func commandNames(root *cobra.Command) string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func (e env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return e.print("rindc %s\n", version) },
	}
}

func (e env) buildCommand() *cobra.Command {
	var o reporting
	var out string
	c := &cobra.Command{
		Use:   "build PATH... [-o plan.json]",
		Short: "compile unit files and write the plan",
		Long: `Compiles unit files and writes the plan, but only when there is no error.

What is wrong is written to standard error in every format, since standard output
is for the plan.`,
		Args: needPaths,
		RunE: func(_ *cobra.Command, paths []string) error { return e.build(paths, out, o) },
	}
	c.Flags().StringVarP(&out, "output", "o", compiler.Stdin, "`FILE` to write, or - for standard output")
	o.register(c)
	return c
}

func (e env) build(paths []string, out string, o reporting) error {
	if err := o.parse(paths); err != nil {
		return err
	}
	c := e.newCompilation(paths, o)
	if err := e.report(e.stderr, c.found, c, o); err != nil {
		return err
	}
	if err := c.err(c.found); err != nil {
		return err
	}
	data, err := c.Plan.Encode()
	if err != nil {
		return failed(err)
	}
	if out == compiler.Stdin {
		return e.print("%s", data)
	}
	if err := writeFile(out, data); err != nil {
		return failed(err)
	}
	return nil
}

// complain writes to standard error.
func (e env) complain(format string, args ...any) {
	fmt.Fprintf(e.stderr, format, args...) //nolint:errcheck // there is nowhere left to say so
}

func (e env) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(e.stdout, format, args...); err != nil {
		return failed(fmt.Errorf("write standard output: %w", err))
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
