package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
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
	root := command(e)
	root.SetArgs(args)
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	err := root.Execute()
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

func command(e env) *cobra.Command {
	root := &cobra.Command{
		Use:           "rindc",
		Short:         "compile unit files to a plan",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a command is missing: build, check or version")
		},
	}
	var out string
	build := &cobra.Command{
		Use:   "build PATH... [-o plan.json]",
		Short: "compile unit files and write the plan",
		Long:  "Compiles unit files and writes the plan, but only when there is no error.",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(_ *cobra.Command, paths []string) error { return e.build(paths, out) },
	}
	build.Flags().StringVarP(&out, "output", "o", compiler.Stdin, "file to write, or - for standard output")
	root.AddCommand(build,
		&cobra.Command{
			Use:   "check PATH...",
			Short: "check unit files without writing a plan",
			Args:  cobra.MinimumNArgs(1),
			RunE:  func(_ *cobra.Command, paths []string) error { return e.check(paths) },
		},
		&cobra.Command{
			Use:   "version",
			Short: "print the version",
			Args:  cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				return e.print("rindc %s\n", version)
			},
		},
	)
	return root
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

func (e env) build(paths []string, out string) error {
	res, _, err := e.compile(paths)
	if err != nil {
		return err
	}
	data, err := res.Plan.Encode()
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

func (e env) check(paths []string) error {
	res, files, err := e.compile(paths)
	if err != nil {
		return err
	}
	return e.print("ok: %s in %s\n", count(res.Units, "unit"), count(files, "file"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// compile reads and compiles the unit files and shows what is wrong with them.
// Without an error there is a plan.
func (e env) compile(paths []string) (res compiler.Result, files int, err error) {
	l := loader{stdin: e.stdin}
	l.load(paths)
	res = compiler.Compile(l.inputs(), compiler.Options{Compiler: "rindc " + version, Unread: l.unread})
	if err := render.Text(e.stderr, diag.Sorted(res.Diags.All(), res.Locate), res.Locate, render.TextOptions{Color: e.color}); err != nil {
		return res, 0, failed(fmt.Errorf("write diagnostics: %w", err))
	}
	switch {
	case len(l.errs) > 0: // it says more than the errors that follow from it
		return res, 0, failed(errors.Join(l.errs...))
	case res.Plan == nil:
		return res, 0, &statusError{status: statusInvalid}
	}
	return res, len(l.files), nil
}
