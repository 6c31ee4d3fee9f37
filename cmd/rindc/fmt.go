package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/format"
	"github.com/rind-sockets/rind/compiler/source"
)

const aboutFormat = `Writes unit files in their canonical form and prints the names of those that
changed. It moves tokens and comments and changes none: the plan stays the same.
A file that is no valid TOML is left as it is and reported.

The form: one blank line between units, at most one elsewhere and none below a
header; no indentation, single spaces around =; a list on one line, unless it has
comments, is longer than 100 characters, or was written with a line break after
its opening bracket: then every item has a line and a comma. The order of keys
and the spelling of values stay. Lines end in a line feed.

With - alone, standard input is formatted to standard output.

With --check or --diff no file is written. --check prints the names of the files
that are not in canonical form; the exit status is 1 when there are any. --diff
prints what would change; with both, the exit status is that of --check.`

// formatter is one run of rindc fmt.
type formatter struct {
	env

	check, diff bool
}

func (e env) fmtCommand() *cobra.Command {
	f := formatter{env: e}
	cmd := &cobra.Command{
		Use:   "fmt PATH... [--check] [--diff]",
		Short: "write unit files in their canonical form",
		Long:  aboutFormat,
		Args:  needPaths,
		RunE:  func(_ *cobra.Command, paths []string) error { return f.run(paths) },
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "write nothing; exit with 1 if a file is not in canonical form")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "write nothing; print what would change")
	return cmd
}

// run formats the files below the paths. It goes on after an error.
func (f formatter) run(paths []string) error {
	if len(paths) > 1 && slices.Contains(paths, compiler.Stdin) {
		return fmt.Errorf("%s is formatted to standard output, and cannot be named with files", compiler.Stdin)
	}
	l := loader{stdin: f.stdin, noLock: true}
	l.load(paths)
	inputs := l.inputs()
	slices.SortFunc(inputs, func(a, b compiler.Input) int { return cmp.Compare(a.Name, b.Name) })
	errs := l.errs
	var broken []diag.Diagnostic
	different := false
	for _, in := range inputs {
		text, problems, err := format.Source(&source.File{Name: in.Name, Text: in.Text})
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case len(problems) > 0:
			broken = append(broken, problems...)
			continue
		}
		different = different || string(text) != string(in.Text)
		if err := f.finish(in, text); err != nil {
			errs = append(errs, err)
		}
	}
	inFile := func(source.Place) source.Span { return source.Span{} } // these have spans
	if err := render.Text(f.stderr, diag.Sorted(broken, inFile), inFile, render.TextOptions{Color: f.color}); err != nil {
		errs = append(errs, fmt.Errorf("write diagnostics: %w", err))
	}
	switch {
	case len(errs) > 0:
		return failed(errors.Join(errs...))
	case len(broken) > 0 || f.check && different:
		return &statusError{status: statusInvalid}
	}
	return nil
}

// finish does with a formatted file what was asked for.
func (f formatter) finish(in compiler.Input, text []byte) error {
	if f.diff {
		return f.print("%s", format.Diff(in.Name, string(in.Text), string(text)))
	}
	same := string(text) == string(in.Text)
	switch {
	case in.Name == compiler.Stdin && !f.check:
		return f.print("%s", text)
	case same:
		return nil
	case !f.check:
		if info, err := os.Stat(in.Name); err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("format %s: not a regular file: use - for standard input", in.Name)
		}
		if err := writeFile(in.Name, text); err != nil {
			return err
		}
	}
	return f.print("%s\n", in.Name)
}
