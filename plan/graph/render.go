package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan/words"
)

// maxDetail is how many characters of a condition or a payload stand at an edge.
const maxDetail = 40

// Format is a way to write a graph.
type Format struct {
	Name  string
	About string
	Write func(g *Graph) ([]byte, error)
}

// Formats lists every format; the first one is the default.
var Formats = []Format{
	{"mermaid", "a flowchart for Markdown", (*Graph).mermaid},
	{"dot", "for Graphviz", (*Graph).dot},
	{"json", "nodes and edges, for programs", (*Graph).json},
}

// Find returns the format of that name.
func Find(name string) (Format, bool) {
	for _, f := range Formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// line is how an edge is drawn.
type line uint8

const (
	solid  line = iota // a cause
	thick              // an access starts the owner
	dotted             // no cause: a descriptor, a value, a permission
	ending             // stops or removes
)

var lines = map[Verb]line{
	Stops: ending, Removes: ending, Activates: thick,
	Passes: dotted, Precedes: dotted, Multiplies: dotted, Feeds: dotted, Admits: dotted, Manages: dotted, Implies: dotted,
}

// whens says when the actions of a key run.
var whens = map[string]string{"trigger": "on access", "on-start": "on start", "on-stop": "on stop", "finish": "at the end"}

// label returns what stands at an edge, in one or two lines.
func (e *Edge) label() string {
	text := string(e.Verb)
	if e.Unset {
		text = "if not set: " + text
	}
	if when, ok := whens[e.Key]; ok {
		text = when + ": " + text
	}
	if e.Detail != "" {
		text += "\n" + words.Clip(strings.Join(strings.Fields(e.Detail), " "), maxDetail)
	}
	return text
}

// arrow is all the edges between two nodes that are drawn alike.
type arrow struct {
	from, to Node
	line     line
	labels   []string
}

// arrows returns the edges of g for drawing.
func (g *Graph) arrows() []arrow {
	type pair struct {
		from, to Node
		line     line
	}
	at := map[pair]int{}
	var out []arrow
	for i := range g.Edges {
		e := &g.Edges[i]
		p := pair{e.From, e.To, lines[e.Verb]}
		n, ok := at[p]
		if !ok {
			n = len(out)
			at[p] = n
			out = append(out, arrow{from: p.from, to: p.to, line: p.line})
		}
		if label := e.label(); !slices.Contains(out[n].labels, label) {
			out[n].labels = append(out[n].labels, label)
		}
	}
	return out
}

// box is the nodes of one group.
type box struct {
	group string // "": of no group
	nodes []Node
}

// boxes returns the nodes of g by group, sorted; within one, in their order.
func (g *Graph) boxes() []box {
	byGroup := map[string][]Node{}
	for _, n := range g.Nodes {
		group := ""
		if strings.Contains(string(n.Name), "@") {
			group = n.Name.Group()
		}
		byGroup[group] = append(byGroup[group], n)
	}
	var out []box
	for group, nodes := range byGroup {
		out = append(out, box{group, nodes})
	}
	slices.SortFunc(out, func(a, b box) int { return cmp.Compare(a.group, b.group) })
	return out
}

// caption returns the lines of a node: its short name, and what else is known.
func (g *Graph) caption(n Node) []string {
	name := string(n.Name)
	if strings.Contains(name, "@") {
		name = n.Name.Short()
	}
	if label, ok := g.labels[n]; ok {
		return []string{name, label}
	}
	return []string{name}
}
