package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/plan/diff"
)

const aboutDiff = `Says what changes from one plan to another: which sockets a daemon that takes over
the new plan keeps, binds again, starts and stops, and which other units are new,
gone or different. Each of OLD and NEW is a plan or what rindc build reads.

Only meanings are compared: the places of units in their files and the version of
the compiler do not count.`

func (e env) diffCommand() *cobra.Command {
	var asJSON, exitCode bool
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "say what a reload would change",
		Long:  aboutDiff,
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, paths []string) error {
			return e.diff(paths[0], paths[1], asJSON, exitCode)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 1 if there is a difference")
	return c
}

func (e env) diff(before, after string, asJSON, exitCode bool) error {
	if before == compiler.Stdin && after == compiler.Stdin {
		return errors.New("only one of the two plans can be on standard input")
	}
	// The mistakes of both are shown.
	x, errX := e.openPlan([]string{before})
	y, errY := e.openPlan([]string{after})
	if err := joined(errX, errY); err != nil {
		return err
	}
	d := diff.Compare(x, y)
	text := []byte(d.Text())
	if asJSON {
		var err error
		if text, err = d.JSON(); err != nil {
			return failed(err)
		}
	}
	if err := e.print("%s", text); err != nil {
		return err
	}
	if exitCode && !d.Equal() {
		return &statusError{status: statusInvalid}
	}
	return nil
}

// joined returns one error for several, with the worst of their statuses.
func joined(errs ...error) error {
	all := &statusError{}
	for _, err := range errs {
		s := (*statusError)(nil)
		switch {
		case errors.As(err, &s):
			all.status = max(all.status, s.status)
			all.err = errors.Join(all.err, s.err)
		case err != nil:
			return err // a mistake in the command line
		}
	}
	if all.status == statusOK {
		return nil
	}
	return all
}
