package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// releaseDate is what the manual pages bear: not today, for the same pages from the
// same source.
var releaseDate = time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC)

// newManCommand writes the manual pages; packages run it when they are built.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "write a manual page for each command into a directory",
		Hidden:  true,
		Example: `  rindrun man /usr/share/man/man1`,
		Args:    counted(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Date: &releaseDate, Source: "rindrun " + version, Manual: "Rind sockets"}
			if err := writeManual(root, header, args[0]); err != nil {
				return &statusError{exitInternal, fmt.Errorf("manual pages: %w", err)}
			}
			return nil
		},
	}
}

// manualDefaults are the defaults that the pages show: those of a package that root
// runs, and not of whoever writes the pages.
var manualDefaults = map[string]string{
	"control": "/run/rind/control.sock", "runtime-dir": "/run/rind", "state-dir": "/var/lib/rind", "socket-dir": "/var/sock",
	"plugin-dir": "/usr/lib/rind/plugins", "log-format": "auto", "log-level": "info", "record": "", "metrics-listen": "", "watch": "false",
}

func writeManual(root *cobra.Command, header *doc.GenManHeader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if text, ok := manualDefaults[f.Name]; ok && f.DefValue != "" {
				f.DefValue = text
			}
		})
	}
	return doc.GenManTree(root, header, dir)
}
