package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag/render"
)

func (e env) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "explain [CODE | ADDRESS [PATH...|plan.json]]",
		Aliases: []string{"why"},
		Short:   "say what a diagnostic code means, or what is known of a unit",
		Long: `Says what a diagnostic code means, with a wrong and a right example. Without a
code, it lists all of them.

` + aboutExplainUnit,
		RunE: func(c *cobra.Command, args []string) error {
			why := c.CalledAs() == "why" // is asked of units only
			switch {
			case len(args) == 0 && why:
				return errors.New("the address of a unit is missing")
			case len(args) == 0:
				return e.listCodes()
			case why || strings.Contains(args[0], "@"):
				return e.explainUnit(args[0], args[1:])
			case len(args) > 1:
				return errors.New("a code stands alone; the address of a unit has an @")
			}
			return e.explainCode(args[0])
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return codeNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (e env) explainCode(code string) error {
	info, err := findCode("explain", code)
	if err != nil {
		return err
	}
	return e.print("%s", render.Explain(info))
}

func (e env) listCodes() error {
	for _, i := range compiler.Catalog() {
		if err := e.print("%s  %-7s  %s\n", i.Code, i.Severity, i.Title); err != nil {
			return err
		}
	}
	return nil
}
