package explain

import (
	"github.com/rind-sockets/rind/plan/graph"
)

// relation is a verb, said of the unit that an edge leaves and of the one that it
// leads to.
type relation struct {
	verb      graph.Verb
	from, led string
}

// relationships lists every verb in the order in which they are shown.
var relationships = []relation{
	{graph.Starts, "starts", "is started by"},
	{graph.Activates, "starts on access, and passes a descriptor to", "is started on access, and given a descriptor, by"},
	{graph.Passes, "passes a descriptor to", "is given a descriptor by"},
	{graph.Stops, "stops", "is stopped by"},
	{graph.Precedes, "must be active for", "needs these active"},
	{graph.Multiplies, "makes instances of", "has instances by"},
	{graph.Sets, "sets", "is set by"},
	{graph.Removes, "removes", "is removed by"},
	{graph.Emits, "emits", "is emitted by"},
	{graph.Feeds, "gives a value to", "takes a value from"},
	{graph.Admits, "allows to access", "may be accessed with"},
	{graph.Manages, "allows to manage", "may be managed with"},
	{graph.Implies, "implies", "is implied by"},
}

// relations writes what other units do to this one, and then what it does to
// them. The place is that of the unit whose definition says so.
func (e *explainer) relations() {
	for _, r := range relationships {
		e.edges(r.led, func(ed graph.Edge) (graph.Node, bool) { return ed.From, ed.To == e.node && ed.Verb == r.verb })
	}
	for _, r := range relationships {
		e.edges(r.from, func(ed graph.Edge) (graph.Node, bool) { return ed.To, ed.From == e.node && ed.Verb == r.verb })
	}
}

// edges writes a heading and the other ends of the edges that pick accepts.
func (e *explainer) edges(heading string, pick func(graph.Edge) (other graph.Node, ok bool)) {
	first := true
	for _, edge := range e.graph.Edges {
		other, ok := pick(edge)
		if !ok {
			continue
		}
		if first {
			e.line(1, "%s", heading)
			first = false
		}
		text := e.placed(other) + ": " + edge.Key
		if edge.Unit != e.node && edge.Unit != other {
			text += " of " + e.placed(edge.Unit)
		}
		if edge.Unset {
			text += ", by not being set"
		}
		if edge.Detail != "" {
			text += ", " + edge.Detail
		}
		e.line(2, "%s", text)
	}
}
