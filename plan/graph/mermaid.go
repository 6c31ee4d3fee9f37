package graph

import (
	"fmt"
	"strings"
)

// MermaidEdges is how many edges Mermaid draws, unless it is configured to draw
// more (its option maxEdges).
const MermaidEdges = 500

// shapes has the brackets of each kind of node in Mermaid.
var shapes = map[Kind][2]string{
	Socket:     {`[/`, `/]`},
	Service:    {`[`, `]`},
	State:      {`[(`, `)]`},
	Signal:     {`>`, `]`},
	Timer:      {`((`, `))`},
	Permission: {`{{`, `}}`},
	Variable:   {`(`, `)`},
}

var mermaidLines = map[line]string{solid: "-->", thick: "==>", dotted: "-.->", ending: "--x"}

// mermaid writes g as a Mermaid flowchart.
func (g *Graph) mermaid() ([]byte, error) {
	var b strings.Builder
	b.WriteString("%% socket [/ /], service [ ], state [( )], signal > ], timer (( )), permission {{ }}, variable ( )\n")
	b.WriteString("flowchart LR\n")
	ids := map[Node]string{}
	for i, box := range g.boxes() {
		indent := "  "
		if box.group != "" {
			fmt.Fprintf(&b, "  subgraph g%d[\"%s\"]\n", i, mermaidText(box.group))
			indent = "    "
		}
		for _, n := range box.nodes {
			ids[n] = fmt.Sprintf("n%d", len(ids))
			text := mermaidText(strings.Join(g.caption(n), "\n"))
			fmt.Fprintf(&b, "%s%s%s\"%s\"%s\n", indent, ids[n], shapes[n.Kind][0], text, shapes[n.Kind][1])
		}
		if box.group != "" {
			b.WriteString("  end\n")
		}
	}
	for _, a := range g.arrows() {
		fmt.Fprintf(&b, "  %s %s|\"%s\"| %s\n", ids[a.from], mermaidLines[a.line], mermaidText(strings.Join(a.labels, "\n")), ids[a.to])
	}
	return []byte(b.String()), nil
}

// mermaidEscapes has the characters that mean something in quoted text, as
// Mermaid's own entities.
var mermaidEscapes = strings.NewReplacer(
	`#`, `#35;`, `"`, `#quot;`, `&`, `#amp;`, `<`, `#lt;`, `>`, `#gt;`, "`", `#96;`, "\n", `<br/>`,
)

func mermaidText(text string) string { return mermaidEscapes.Replace(text) }
