package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var permissionLinks = Rule{
	Code:     "P6104",
	Severity: diag.Error,
	Title:    "permissions that link in a circle",
	Text:     `Holding a linked permission implies this one, so permissions in a circle would all be one.`,
	Example: `
[[permission]]
name = "read"
id = 1
links = ["write"]

[[permission]]
name = "write"
id = 2
links = ["read"]
`,
	Run: func(p *Pass) {
		c := circles{links: map[plan.Name][]plan.Name{}, state: map[plan.Name]visit{}}
		units := map[plan.Name]*Permission{}
		for _, q := range p.Permissions {
			units[q.Name] = q
			for _, l := range q.Links {
				c.links[q.Name] = append(c.links[q.Name], l.Name)
			}
		}
		for _, q := range p.Permissions {
			c.visit(q.Name)
		}
		for _, circle := range c.found {
			d := diag.Diagnostic{
				Message: "permissions link in a circle: " + describe(circle),
				At:      units[circle[0]].Unit.Links.At,
				Help:    "remove one of the links",
			}
			for _, n := range circle[1:] {
				d.Labels = append(d.Labels, diag.Label{At: units[n].Unit.Links.At, Message: fmt.Sprintf("the links of %q", n)})
			}
			p.Report(d)
		}
	},
}

func describe(circle []plan.Name) string {
	var b strings.Builder
	for _, n := range circle {
		fmt.Fprintf(&b, "%q, ", n)
	}
	fmt.Fprintf(&b, "%q", circle[0])
	return b.String()
}

type visit uint8

const (
	_ visit = iota
	open
	done
)

// circles finds circles in a graph by depth-first search; every one is reported
// once, starting at the node that was visited first.
type circles struct {
	links map[plan.Name][]plan.Name
	state map[plan.Name]visit
	path  []plan.Name
	found [][]plan.Name
}

func (c *circles) visit(n plan.Name) {
	switch c.state[n] {
	case done:
		return
	case open:
		c.found = append(c.found, slices.Clone(c.path[slices.Index(c.path, n):]))
		return
	}
	c.state[n] = open
	c.path = append(c.path, n)
	for _, next := range c.links[n] {
		c.visit(next)
	}
	c.path = c.path[:len(c.path)-1]
	c.state[n] = done
}
