package graph

import (
	"fmt"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plan/words"
)

// builder adds the edges of one unit after the other.
type builder struct {
	*Graph

	names *words.Names
	unit  Node // the unit whose definition is read
}

// enter starts a unit. label is what the graph shows beside its name.
func (b *builder) enter(kind Kind, name plan.Name, label string) {
	b.unit = Node{kind, name}
	b.Nodes = append(b.Nodes, b.unit)
	if label != "" {
		b.labels[b.unit] = label
	}
}

// from adds an edge to the unit, and to adds one that leaves it.
func (b *builder) from(n Node, verb Verb, key, detail string) {
	b.Edges = append(b.Edges, Edge{From: n, To: b.unit, Verb: verb, Unit: b.unit, Key: key, Detail: detail})
}

func (b *builder) to(n Node, verb Verb, key, detail string) {
	b.Edges = append(b.Edges, Edge{From: b.unit, To: n, Verb: verb, Unit: b.unit, Key: key, Detail: detail})
}

func (b *builder) plan(p *plan.Plan) {
	for i := range p.Sockets {
		b.socket(&p.Sockets[i])
	}
	for i := range p.Services {
		b.service(&p.Services[i])
	}
	for i := range p.States {
		b.state(&p.States[i])
	}
	for i := range p.Signals {
		s := &p.Signals[i]
		b.enter(Signal, s.Name, "")
		b.condition("after", Emits, s.After)
		b.grants("permissions", s.Permissions, Manages)
	}
	for i := range p.Timers {
		t := &p.Timers[i]
		b.enter(Timer, t.Name, words.Duration(t.Duration))
		for _, service := range t.After {
			b.from(Node{Service, service}, Starts, "after", "and stops it")
		}
		b.actions("finish", t.Finish)
	}
	for i := range p.Permissions {
		q := &p.Permissions[i]
		b.enter(Permission, q.Name, fmt.Sprintf("id %d", q.ID))
		b.grants("links", q.Links, Implies)
	}
	for _, v := range p.Variables {
		b.enter(Variable, plan.Name(v.Name), "")
	}
	b.missing()
}

// missing adds the units that others name and the plan does not define: builtin
// permissions that nothing else is known of.
func (b *builder) missing() {
	known := map[Node]bool{}
	for _, n := range b.Nodes {
		known[n] = true
	}
	for _, e := range b.Edges {
		for _, n := range []Node{e.From, e.To} {
			if !known[n] {
				known[n] = true
				b.Nodes = append(b.Nodes, n)
			}
		}
	}
}

func (b *builder) socket(s *plan.Socket) {
	b.enter(Socket, s.Name, s.Type+" "+s.Listen)
	if s.Owner != "" {
		verb, detail := Passes, fmt.Sprintf("descriptor %d, %q", words.FirstFD+s.Order, s.FDName)
		switch {
		case s.Accept:
			verb, detail = Activates, "a process for each connection"
		case s.Lifecycle == plan.Owned:
			verb = Activates
		}
		b.to(Node{Service, s.Owner}, verb, "owner", detail)
	}
	if s.Enabled {
		b.condition("start-on", Starts, s.StartOn)
	}
	b.condition("stop-on", Stops, s.StopOn)
	b.actions("trigger", s.Trigger)
	b.actions("on-start", s.OnStart)
	b.actions("on-stop", s.OnStop)
	b.grants("permissions", s.Permissions, Admits)
	b.grants("managed-by", s.ManagedBy, Manages)
}

func (b *builder) service(s *plan.Service) {
	b.enter(Service, s.Name, "")
	for _, other := range s.After {
		b.from(Node{Service, other}, Precedes, "after", "its stop stops this")
	}
	b.condition("start-on", Starts, s.StartOn)
	b.condition("stop-on", Stops, s.StopOn)
	b.actions("on-start", s.OnStart)
	b.actions("on-stop", s.OnStop)
	b.grants("managed-by", s.ManagedBy, Manages)
	if s.Branching != nil {
		b.from(Node{State, s.Branching.State}, Multiplies, "branching", "for each branch, named by "+s.Branching.Key)
	}
	if s.Space != nil && s.Space.State != "" {
		b.from(Node{State, s.Space.State}, Feeds, "user-source", "the user, from "+s.Space.Field)
	}
	for _, c := range s.Run {
		if c.Variable != "" {
			b.from(Node{Variable, plan.Name(c.Variable)}, Feeds, "run", "the program")
		}
	}
}

func (b *builder) state(s *plan.State) {
	b.enter(State, s.Name, "")
	b.condition("after", Sets, s.After)
	for _, a := range s.ActivateOnNone {
		detail := ""
		if a.Branch != "" {
			detail = "for each " + a.Branch
		}
		b.Edges = append(b.Edges, Edge{
			From: Node{State, a.State}, To: b.unit, Verb: Sets, Unset: true, Unit: b.unit, Key: "activate-on-none", Detail: detail,
		})
	}
	if s.AutoPayload != nil && s.AutoPayload.Variable != "" {
		b.from(Node{Variable, plan.Name(s.AutoPayload.Variable)}, Feeds, "auto-payload", "the payload")
	}
	b.grants("permissions", s.Permissions, Manages)
}

func (b *builder) grants(key string, ids []uint16, verb Verb) {
	for _, id := range ids {
		b.from(Node{Permission, b.names.Permission(id)}, verb, key, "")
	}
}

// condition adds an edge for every atom of a condition.
func (b *builder) condition(key string, verb Verb, e *cond.Expr) {
	if e != nil {
		b.expr(key, verb, *e, false)
	}
}

func (b *builder) expr(key string, verb Verb, e cond.Expr, unset bool) {
	for _, x := range e.And {
		b.expr(key, verb, x, unset)
	}
	for _, x := range e.Or {
		b.expr(key, verb, x, unset)
	}
	if e.Not != nil {
		b.expr(key, verb, *e.Not, !unset)
	}
	if e.Atom == nil {
		return
	}
	n := Node{State, plan.Name(e.Atom.Name)}
	if e.Atom.Kind == cond.Signal {
		n.Kind = Signal
	}
	edge := Edge{From: n, To: b.unit, Verb: verb, Unset: unset, Unit: b.unit, Key: key}
	if e.Atom.Guard != nil {
		edge.Detail = e.Atom.Guard.String()
	}
	b.Edges = append(b.Edges, edge)
}

// targets says what each operation with a target does to a unit of which kind.
var targets = map[plan.Op]struct {
	verb Verb
	kind Kind
}{
	plan.OpSetState:     {Sets, State},
	plan.OpRemoveState:  {Removes, State},
	plan.OpEmit:         {Emits, Signal},
	plan.OpStartService: {Starts, Service},
	plan.OpStopService:  {Stops, Service},
	plan.OpStartSocket:  {Starts, Socket},
	plan.OpStopSocket:   {Stops, Socket},
	plan.OpStartTimer:   {Starts, Timer},
	plan.OpStopTimer:    {Stops, Timer},
}

func (b *builder) actions(key string, list []plan.Action) {
	for i := range list {
		a := &list[i]
		if t, ok := targets[a.Do]; ok {
			b.to(Node{t.kind, a.Target}, t.verb, key, words.Parameters(a))
		}
		if a.Template != nil {
			b.references(key, a.Template)
		}
	}
}

// references adds the states and variables that a payload is made of.
func (b *builder) references(key string, t *plan.Template) {
	if t.Each != "" {
		b.from(Node{State, t.Each}, Feeds, key, "each of its branches")
	}
	t.References(func(n *plan.Node) {
		switch {
		case n.State != "" && n.State != t.Each:
			b.from(Node{State, n.State}, Feeds, key, words.Reference(n))
		case n.Var != "":
			b.from(Node{Variable, plan.Name(n.Var)}, Feeds, key, words.Reference(n))
		}
	})
}
