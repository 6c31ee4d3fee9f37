package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/graph"
)

const aboutGraph = `Writes what starts, stops, sets, emits and owns what, from unit files or a plan.

Permissions and variables are left out unless --all is given. --focus shows one
unit and what is at most --depth relations away from it.`

// graphing is one run of rindc graph.
type graphing struct {
	env

	format string
	focus  string
	depth  int
	all    bool
}

func (e env) graphCommand() *cobra.Command {
	g := graphing{env: e}
	c := &cobra.Command{
		Use:   "graph PATH...|plan.json",
		Short: "show what starts, stops, triggers and owns what",
		Long:  aboutGraph,
		Args:  needPaths,
		RunE:  func(_ *cobra.Command, paths []string) error { return g.run(paths) },
	}
	c.Flags().StringVar(&g.format, "format", graph.Formats[0].Name, "how to write it: "+strings.Join(graphFormats(), ", "))
	c.Flags().StringVar(&g.focus, "focus", "", "address of the unit to show the surroundings of")
	c.Flags().IntVar(&g.depth, "depth", 1, "how many relations away from --focus")
	c.Flags().BoolVar(&g.all, "all", false, "with permissions and variables")
	complete(c, "format", graphFormats)
	return c
}

func graphFormats() []string {
	names := make([]string, len(graph.Formats))
	for i, f := range graph.Formats {
		names[i] = f.Name
	}
	return names
}

func (g graphing) run(paths []string) error {
	format, ok := graph.Find(g.format)
	if !ok {
		return fmt.Errorf("there is no format %q: the formats are %s", g.format, strings.Join(graphFormats(), ", "))
	}
	if g.depth < 0 {
		return fmt.Errorf("--depth is %d: it must not be negative", g.depth)
	}
	p, err := g.openPlan(paths)
	if err != nil {
		return err
	}
	shown := graph.New(p)
	var focus []graph.Node
	if g.focus != "" {
		if focus, err = findUnit(shown, g.focus); err != nil {
			return err
		}
	}
	if !g.all {
		shown = shown.Only(func(n graph.Node) bool {
			return n.Kind != graph.Permission && n.Kind != graph.Variable || slices.Contains(focus, n)
		})
	}
	if focus != nil {
		shown = shown.Focus(focus, g.depth)
	}
	if n := len(shown.Edges); format.Name == "mermaid" && n > graph.MermaidEdges {
		g.complain("rindc: Mermaid draws at most %d relations unless maxEdges is set, and there are %d: use --focus or --format dot\n",
			graph.MermaidEdges, n)
	}
	text, err := format.Write(shown)
	if err != nil {
		return failed(err)
	}
	return g.print("%s", text)
}

// findUnit returns the nodes of an address.
func findUnit(g *graph.Graph, address string) ([]graph.Node, error) {
	nodes, err := g.Find(address)
	if err == nil {
		return nodes, nil
	}
	if unknown := (*graph.UnknownError)(nil); errors.As(err, &unknown) {
		if near, ok := diag.Nearest(address, unknown.Names()); ok && diag.NearAddress(address, near) {
			err = fmt.Errorf("%w: did you mean %s?", err, near)
		}
	}
	return nil, &statusError{statusInvalid, err}
}
