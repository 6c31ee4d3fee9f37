package main

import (
	"github.com/rind-sockets/rind/plan/explain"
	"github.com/rind-sockets/rind/plan/graph"
)

const aboutExplainUnit = `With the address of a unit, group@name, it says everything that the plan knows of
it: what starts, stops, triggers and owns it, and what it does to others, with the
places where that is written. PATH is a plan or what rindc build reads; without
one, the current directory is read.`

// explainUnit explains the units with an address, from unit files or a plan.
func (e env) explainUnit(address string, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	p, err := e.openPlan(paths)
	if err != nil {
		return err
	}
	g := graph.New(p)
	nodes, err := findUnit(g, address)
	if err != nil {
		return err
	}
	for i, n := range nodes {
		if i > 0 {
			if err := e.print("\n"); err != nil {
				return err
			}
		}
		if err := e.print("%s", explain.Unit(p, g, n)); err != nil {
			return err
		}
	}
	return nil
}
