package graph

import (
	"fmt"
	"strings"
)

// dotShapes has the attributes of each kind of node in Graphviz.
var dotShapes = map[Kind]string{
	Socket:     "shape=parallelogram",
	Service:    "shape=box",
	State:      "shape=cylinder",
	Signal:     "shape=cds",
	Timer:      "shape=circle",
	Permission: "shape=hexagon",
	Variable:   "shape=ellipse",
}

var dotLines = map[line]string{solid: "", thick: ", style=bold", dotted: ", style=dashed", ending: ", arrowhead=tee"}

// dot writes g in the language of Graphviz.
func (g *Graph) dot() ([]byte, error) {
	var b strings.Builder
	b.WriteString("digraph rind {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for i, box := range g.boxes() {
		indent := "  "
		if box.group != "" {
			fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i, dotText(box.group))
			indent = "    "
		}
		for _, n := range box.nodes {
			fmt.Fprintf(&b, "%s%s [label=%s, %s];\n", indent, dotText(n.String()), dotText(strings.Join(g.caption(n), "\n")), dotShapes[n.Kind])
		}
		if box.group != "" {
			b.WriteString("  }\n")
		}
	}
	for _, a := range g.arrows() {
		label := dotText(strings.Join(a.labels, "\n"))
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", dotText(a.from.String()), dotText(a.to.String()), label, dotLines[a.line])
	}
	b.WriteString("}\n")
	return []byte(b.String()), nil
}

// dotEscapes escapes what a quoted string of Graphviz cannot have as it is: a
// backslash begins an escape there.
var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func dotText(text string) string { return `"` + dotEscapes.Replace(text) + `"` }
