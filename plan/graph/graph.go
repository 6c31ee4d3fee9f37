// Package graph has the relations between the definitions of a plan: what
// starts, stops, sets, emits, owns and guards what, and where that is written.
package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/words"
)

// Kind is a kind of unit, as unit files call it.
type Kind string

// Kinds of units.
const (
	Socket     Kind = "socket"
	Service    Kind = "service"
	State      Kind = "state"
	Signal     Kind = "signal"
	Timer      Kind = "timer"
	Permission Kind = "permission"
	Variable   Kind = "variable"
)

// Kinds lists every kind, in the order in which they are shown.
var Kinds = []Kind{Socket, Service, State, Signal, Timer, Permission, Variable}

// Node is one definition. Units of different kinds may share a name.
type Node struct {
	Kind Kind
	Name plan.Name // of a variable: without group
}

// String returns the node as messages say it: "socket web@http".
func (n Node) String() string { return string(n.Kind) + " " + string(n.Name) }

// Verb is what one unit does to another.
type Verb string

// Verbs, as they are said of the unit that an edge leaves.
const (
	Starts     Verb = "starts"
	Stops      Verb = "stops"
	Sets       Verb = "sets"
	Removes    Verb = "removes"
	Emits      Verb = "emits"
	Activates  Verb = "starts, passes fd" // an access to an owned socket
	Passes     Verb = "passes fd"         // a managed socket to its owner
	Precedes   Verb = "must be active for"
	Multiplies Verb = "makes instances of" // one for each branch
	Feeds      Verb = "gives a value to"
	Admits     Verb = "may access"
	Manages    Verb = "may manage"
	Implies    Verb = "implies"
)

// Edge says what From does to To, and where.
type Edge struct {
	From, To Node
	Verb     Verb
	Unset    bool   // From does it by not being set
	Unit     Node   // in whose definition it is written
	Key      string // by which key: "start-on", "on-stop"
	Detail   string // what else matters: a condition, a payload; may be empty
}

// Graph is the relations of one plan, which must not change meanwhile.
type Graph struct {
	Nodes []Node // by the order of Kinds, then by name
	Edges []Edge // by From, then in the order of the definitions

	places map[string]place
	labels map[Node]string
}

type place struct {
	file string
	line int
}

// New returns the graph of p.
func New(p *plan.Plan) *Graph {
	g := &Graph{places: map[string]place{}, labels: map[Node]string{}}
	for _, s := range p.Sources {
		for name, line := range s.Units {
			g.places[name] = place{s.File, line}
		}
	}
	b := builder{Graph: g, names: words.NamesOf(p)}
	b.plan(p)
	index := map[Kind]int{}
	for i, k := range Kinds {
		index[k] = i
	}
	order := func(a, b Node) int {
		return cmp.Or(cmp.Compare(index[a.Kind], index[b.Kind]), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(g.Nodes, order)
	slices.SortStableFunc(g.Edges, func(a, b Edge) int { return cmp.Or(order(a.From, b.From), order(a.To, b.To)) })
	return g
}

// Place returns the file and the line that define n. A builtin definition has
// none.
func (g *Graph) Place(n Node) (file string, line int, ok bool) {
	at, ok := g.places[n.String()]
	return at.file, at.line, ok
}

// Find returns the nodes with a name: a full address, or the part behind the @
// of a single one. The error lists the candidates, or what is similar.
func (g *Graph) Find(name string) ([]Node, error) {
	var full, short []Node
	names := map[plan.Name]bool{}
	for _, n := range g.Nodes {
		switch {
		case string(n.Name) == name:
			full = append(full, n)
		case n.Name.Short() == name:
			short = append(short, n)
			names[n.Name] = true
		}
	}
	switch {
	case len(full) > 0:
		return full, nil
	case len(names) == 1:
		return short, nil
	case len(names) > 1:
		var list []string
		for _, n := range short {
			list = append(list, n.String())
		}
		return nil, fmt.Errorf("%q may be %s: write the full address", name, strings.Join(list, ", "))
	}
	return nil, &UnknownError{Name: name, in: g}
}

// UnknownError says that a plan has no unit of a name.
type UnknownError struct {
	Name string

	in *Graph
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("the plan has no unit %q", e.Name)
}

// Names returns the names of the units of the plan, sorted.
func (e *UnknownError) Names() []string {
	var names []string
	for _, n := range e.in.Nodes {
		names = append(names, string(n.Name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Focus returns the part of g that is at most depth edges away from some nodes.
func (g *Graph) Focus(nodes []Node, depth int) *Graph {
	near := map[Node]bool{}
	for _, n := range nodes {
		near[n] = true
	}
	neighbours := map[Node][]Node{}
	for _, e := range g.Edges {
		neighbours[e.From] = append(neighbours[e.From], e.To)
		neighbours[e.To] = append(neighbours[e.To], e.From)
	}
	edge := nodes
	for range depth {
		var next []Node
		for _, n := range edge {
			for _, m := range neighbours[n] {
				if !near[m] {
					near[m] = true
					next = append(next, m)
				}
			}
		}
		if edge = next; len(edge) == 0 {
			break
		}
	}
	return g.Only(func(n Node) bool { return near[n] })
}

// Only returns the nodes that keep accepts, and the edges between them.
func (g *Graph) Only(keep func(Node) bool) *Graph {
	out := *g
	out.Nodes = slices.DeleteFunc(slices.Clone(g.Nodes), func(n Node) bool { return !keep(n) })
	out.Edges = slices.DeleteFunc(slices.Clone(g.Edges), func(e Edge) bool { return !keep(e.From) || !keep(e.To) })
	return &out
}
