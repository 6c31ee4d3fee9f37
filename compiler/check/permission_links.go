package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/check/graph"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
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
	Right: `
[[permission]]
name = "read"
id = 1
links = ["write"]

[[permission]]
name = "write"
id = 2
`,
	Run: func(p *Pass) {
		var g graph.Graph
		node := map[plan.Name]int{}
		for _, q := range p.Permissions {
			if n := g.Node(); node[q.Name] == 0 {
				node[q.Name] = n + 1 // of two with one name, the first
			}
		}
		for n, q := range p.Permissions {
			for _, l := range q.Links {
				if to := node[l.Name]; to > 0 {
					g.Edge(n, to-1)
				}
			}
		}
		for _, found := range g.Circles(nil) {
			circle := g.Path(found[0], found[0], nil)
			d := diag.Diagnostic{
				Message: "permissions link in a circle: " + p.describe(circle),
				At:      p.Permissions[circle[0]].Unit.Links.At,
				Help:    "remove one of the links",
			}
			for _, n := range circle[1 : len(circle)-1] {
				q := p.Permissions[n]
				d.Labels = append(d.Labels, diag.Label{At: q.Unit.Links.At, Message: fmt.Sprintf("the links of %q", q.Name)})
			}
			p.Report(d)
		}
	},
})

func (p *Pass) describe(circle []int) string {
	names := make([]string, len(circle))
	for i, n := range circle {
		names[i] = strconv.Quote(string(p.Permissions[n].Name))
	}
	return strings.Join(names, ", ")
}
