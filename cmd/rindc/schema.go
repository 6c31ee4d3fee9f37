package main

import (
	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler/schema"
	"github.com/rind-sockets/rind/plugins"
)

const aboutSchema = `Writes a JSON Schema (draft-07): of unit files, which is the default, for the
completion and the checks of an editor; or of plans.`

func (e env) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema [units|plan]",
		Short:     "write the JSON Schema of unit files or plans",
		Long:      aboutSchema,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"units", "plan"},
		RunE: func(_ *cobra.Command, args []string) error {
			s := schema.Units(plugins.Builtin())
			if len(args) > 0 && args[0] == "plan" {
				s = schema.Plan()
			}
			text, err := s.Encode()
			if err != nil {
				return failed(err)
			}
			return e.print("%s", text)
		},
	}
}
