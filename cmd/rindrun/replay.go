package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/runtime/record"
)

func newReplayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replay plan.json RECORD",
		Short: "replay what 'rindrun run --record' wrote",
		Long: `Applies the events of a record to the flow engine, with the plan that it was made
with, and compares what the engine does with what it did then. No socket is opened
and no program runs.

The exit status is 0 when it is the same, and 1 when it is not.`,
		Example: `  rindrun replay plan.json record`,
		Args:    counted(cobra.ExactArgs(2)),
		RunE:    func(cmd *cobra.Command, args []string) error { return replay(cmd, args[0], args[1]) },
	}
}

func replay(cmd *cobra.Command, planPath, path string) error {
	p, err := load(planPath)
	if err != nil {
		return &statusError{exitInternal, err}
	}
	f, err := os.Open(path)
	if err != nil {
		return &statusError{exitInternal, err}
	}
	steps, err := record.Replay(f, p)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if differs := (*record.DifferenceError)(nil); errors.As(err, &differs) {
		if err := showDifference(cmd, path, differs); err != nil {
			return err
		}
		return &statusError{status: exitFailed}
	}
	if err != nil {
		return &statusError{exitInternal, fmt.Errorf("%s: %w", path, err)}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %d events have the same effects\n", steps)
	return err
}

// showDifference shows the effects of one event, those that are the same once.
func showDifference(cmd *cobra.Command, path string, d *record.DifferenceError) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %v\n", path, d)
	for i := range max(len(d.Want), len(d.Got)) {
		want, got := at(d.Want, i), at(d.Got, i)
		if want == got {
			out.WriteString("  " + want + "\n")
			continue
		}
		if want != "" {
			out.WriteString("- " + want + "\n")
		}
		if got != "" {
			out.WriteString("+ " + got + "\n")
		}
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), out.String())
	return err
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
