package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
)

// checkOptions are the flags of check.
type checkOptions struct {
	reporting

	baseline, writeBaseline string
	fix, watch              bool
}

func (e env) checkCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check PATH...",
		Short: "check unit files without writing a plan",
		Long: `Checks unit files as build does, without writing a plan.

What is wrong is written to standard error in the formats text and short, and to
standard output in the others.`,
		Args: needPaths,
		RunE: func(_ *cobra.Command, paths []string) error { return e.check(paths, o) },
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&o.baseline, "baseline", "", "do not report what `FILE` lists")
	f.StringVar(&o.writeBaseline, "write-baseline", "", "list in `FILE` what is reported now, and succeed")
	f.BoolVar(&o.fix, "fix", false, "correct in the files what can be corrected")
	f.BoolVar(&o.watch, "watch", false, "check again whenever a file changes, until interrupted")
	c.MarkFlagsMutuallyExclusive("fix", "watch", "write-baseline")
	c.MarkFlagsMutuallyExclusive("baseline", "write-baseline")
	return c
}

func (e env) check(paths []string, o checkOptions) error {
	if err := o.parse(paths); err != nil {
		return err
	}
	if slices.Contains(paths, compiler.Stdin) && (o.fix || o.watch) {
		return errors.New("--fix and --watch are for files, not for standard input")
	}
	if o.watch {
		return e.watch(paths, o)
	}
	l := e.newLoader(o.reporting)
	l.load(paths)
	if o.fix {
		e.fix(l, o.reporting)
	}
	return e.checkLoaded(l, o)
}

// checkLoaded checks what was read and says how it went.
func (e env) checkLoaded(l *loader, o checkOptions) error {
	c := l.check(o.reporting)
	ds := c.found
	var known baseline
	if o.baseline != "" {
		var err error
		if known, err = readBaseline(o.baseline); err != nil {
			return failed(err)
		}
		ds = known.remove(ds, c.Locate)
	}
	if o.writeBaseline != "" {
		return e.saveBaseline(o.writeBaseline, c)
	}
	w := e.stdout
	if o.format.People {
		w = e.stderr
	}
	if err := e.report(w, ds, c, o.reporting); err != nil {
		return err
	}
	if n := known.gone(); n > 0 && o.format.People {
		e.complain("rindc: %s of %s no longer occur: write it again\n", count(n, "finding"), o.baseline)
	}
	if err := c.err(ds); err != nil {
		return err
	}
	if !o.format.People {
		return nil // standard output is for the report alone
	}
	return e.print("ok: %s in %s%s\n", count(c.Units, "unit"), count(len(c.files), "file"), hidden(len(c.found)-len(ds), len(c.Suppressed)))
}

// hidden says what the report does not have.
func hidden(known, suppressed int) string {
	text := ""
	if known > 0 {
		text += "; " + count(known, "finding") + " of the baseline"
	}
	if suppressed > 0 {
		text += "; " + count(suppressed, "finding") + " suppressed"
	}
	return text
}

// saveBaseline writes what is wrong now to a baseline.
func (e env) saveBaseline(name string, c compilation) error {
	if len(c.errs) > 0 {
		return c.err(nil) // it would lack what the unread files have
	}
	if err := writeFile(name, encodeBaseline(c.found, diag.Fingerprints(c.found, c.Locate), c.Locate)); err != nil {
		return failed(err)
	}
	return e.print("ok: %s in %s\n", count(len(c.found), "finding"), name)
}
