package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// releaseDate is what the manual pages bear.
var releaseDate = time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC)

// manCommand writes the manual pages; packages run it when they are built.
func (e env) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "write a manual page for each command into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failed(err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			date := releaseDate // not today: the same pages from the same source
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: "rindc " + version, Manual: "Rind sockets"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return failed(fmt.Errorf("manual pages: %w", err))
			}
			return nil
		},
	}
}
