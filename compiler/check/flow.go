package check

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// analysis is what the rules about flow share. It is made from a Program.
type analysis struct {
	solver     sat.Solver
	undecided  []undecided
	gaveUp     bool // the solver has no steps left, or there are too many pairs
	pairs      int  // of sockets on one endpoint that were looked at
	opens      map[*Socket]bool
	conditions []*condition
	hooks      []*hook
	acted      map[target]bool           // what some trigger starts or stops
	switched   bool                      // a trigger starts or stops units by way of rind@active
	states     map[plan.Name]*State      // that the units define
	unread     bool                      // there are triggers with mistakes, which are reported
	untyped    bool                      // it is not known what a state or signal can be, which is reported
	owned      map[plan.Name][]plan.Name // the services that an access to a socket starts
	disabled   map[plan.Name]bool        // sockets
	uses       *uses
	order      *order
	reached    *reached // nil: nobody wants to know
}

// undecided is a question that the solver has no answer to.
type undecided struct {
	at   source.Place
	what string // "it was not analysed whether `start-on` of socket … can hold"
	why  string
}

// target is what a trigger does, and to which unit.
type target struct {
	do   plan.Op
	name plan.Name
}

// condition is a list of conditions of a unit.
type condition struct {
	kind  string // "socket"
	name  plan.Name
	field string // "start-on"
	list  unit.Conditions
	expr  *cond.Expr // nil: there is none, or it has mistakes
	all   bool       // all items of the list must hold; else any
}

// String returns "`start-on` of socket "web@http"".
func (c *condition) String() string { return fmt.Sprintf("`%s` of %s %q", c.field, c.kind, c.name) }

// items returns the items of the list, each with its tree.
func (c *condition) items() []item {
	n := len(c.list.Items)
	parts := c.expr.Or
	if c.all {
		parts = c.expr.And
	}
	if n == 1 {
		return []item{{expr: c.expr, at: c.list.Items[0].At}}
	}
	if len(parts) != n {
		return []item{{expr: c.expr, at: c.list.At}}
	}
	out := make([]item, n)
	for i := range parts {
		out[i] = item{expr: &parts[i], at: c.list.Items[i].At}
	}
	return out
}

// isTable reports whether the item at a place is written as a table.
func (c *condition) isTable(at source.Place) bool {
	return slices.ContainsFunc(c.list.Items, func(i unit.Condition) bool { return i.At.Equal(at) && !i.Bare.Set() })
}

// item is one condition of a list.
type item struct {
	expr *cond.Expr
	at   source.Place
}

// hook is a list of triggers of a unit, and what makes them run.
type hook struct {
	kind    string // "socket"
	name    plan.Name
	field   string // "on-start"
	list    unit.Triggers
	actions []plan.Action
}

// at returns the place of an action.
func (h *hook) at(i int) source.Place {
	if len(h.list.Items) == len(h.actions) { // else some had mistakes
		return h.list.Items[i].At
	}
	return h.list.At
}

// switches are the builtin state and signals whose payload names a unit that is to
// be started or stopped.
var switches = []plan.Name{
	resolve.ActiveState,
	plan.MakeName(plan.BuiltinGroup, "activate"),
	plan.MakeName(plan.BuiltinGroup, "deactivate"),
}

// analyse prepares the analysis of a program whose units are bound.
func (p *Program) analyse(each func(n int, do func(i int))) {
	p.collectConditions()
	p.collectHooks()
	states := make(map[string]sat.Shape, len(p.Table.States))
	for _, s := range p.Table.States {
		shape := stateShape(&s.State)
		if s.KeysUnknown() {
			shape.Kind = 0
		}
		p.flow.untyped = p.flow.untyped || shape.Kind == 0
		if _, again := states[string(s.Name)]; !again {
			states[string(s.Name)] = shape
		}
	}
	for _, s := range p.Table.Signals {
		p.flow.untyped = p.flow.untyped || s.Payload == 0
	}
	p.flow.solver = sat.Solver{
		State:  func(name string) sat.Shape { return states[name] },
		Signal: func(name string) sat.Shape { return signalShape(p.Table.SignalNamed(plan.Name(name))) },
		Steps:  sat.Budget(len(p.flow.conditions)),
	}
	each(2, func(i int) {
		if i == 0 {
			p.flow.uses = p.collectUses()
		} else {
			p.flow.order = p.collectOrder()
		}
	})
	p.flow.owned, p.flow.disabled = map[plan.Name][]plan.Name{}, map[plan.Name]bool{}
	for _, s := range p.Sockets {
		if !s.enabled() {
			p.flow.disabled[s.Name] = true
		}
		if s.Owner != nil && (s.Unit.Accept.Value || s.Unit.Lifecycle.Value == string(plan.Owned)) {
			p.flow.owned[s.Name] = append(p.flow.owned[s.Name], s.Owner.Name)
		}
	}
	p.flow.states = make(map[plan.Name]*State, len(p.States))
	for _, s := range p.States {
		p.flow.states[s.Name] = s
	}
	p.flow.opens = map[*Socket]bool{}
	p.flow.acted = map[target]bool{}
	for _, h := range p.flow.hooks {
		for _, a := range h.actions {
			p.flow.acted[target{a.Do, a.Target}] = true
			p.flow.switched = p.flow.switched || slices.Contains(switches, a.Target)
		}
	}
}

func stateShape(s *plan.State) sat.Shape {
	if s.Name == resolve.ActiveState {
		return sat.Shape{Kind: s.Payload, Keys: []string{"name"}, Values: true}
	}
	return sat.Shape{Kind: s.Payload, Keys: s.BranchKeys()}
}

// signalShape is what a signal can be. The fields that it takes over from what it
// follows are no branch keys: nothing says that its payload has them.
func signalShape(s *resolve.Signal) sat.Shape {
	if s == nil {
		return sat.Shape{}
	}
	return sat.Shape{Kind: s.Payload}
}

func (p *Program) collectConditions() {
	add := func(kind string, name plan.Name, field string, list unit.Conditions, e *cond.Expr, all bool) {
		if e != nil {
			p.flow.conditions = append(p.flow.conditions, &condition{kind, name, field, list, e, all})
		}
	}
	for _, s := range p.Sockets {
		add("socket", s.Name, "start-on", s.Unit.StartOn, s.StartOn, false)
		add("socket", s.Name, "stop-on", s.Unit.StopOn, s.StopOn, false)
	}
	for _, s := range p.Services {
		add("service", s.Name, "start-on", s.Unit.StartOn, s.StartOn, true)
		add("service", s.Name, "stop-on", s.Unit.StopOn, s.StopOn, false)
	}
	for _, s := range p.States {
		add("state", s.Name, "after", s.Unit.After, s.After, true)
	}
	for _, s := range p.Signals {
		add("signal", s.Name, "after", s.Unit.After, s.After, true)
	}
}

func (p *Program) collectHooks() {
	p.flow.unread = p.Table.Incomplete()
	add := func(kind string, name plan.Name, field string, lost unit.Lost, list unit.Triggers, actions []plan.Action) {
		p.flow.unread = p.flow.unread || len(actions) != len(list.Items) || lost.Any(field)
		if len(actions) > 0 {
			p.flow.hooks = append(p.flow.hooks, &hook{kind, name, field, list, actions})
		}
	}
	for _, s := range p.Sockets {
		add("socket", s.Name, "trigger", s.Unit.Lost, s.Unit.Trigger, s.Trigger)
		add("socket", s.Name, "on-start", s.Unit.Lost, s.Unit.OnStart, s.OnStart)
		add("socket", s.Name, "on-stop", s.Unit.Lost, s.Unit.OnStop, s.OnStop)
	}
	for _, s := range p.Services {
		add("service", s.Name, "on-start", s.Unit.Lost, s.Unit.OnStart, s.OnStart)
		add("service", s.Name, "on-stop", s.Unit.Lost, s.Unit.OnStop, s.OnStop)
	}
	for _, t := range p.Timers {
		add("timer", t.Name, "finish", t.Unit.Lost, t.Unit.Finish, t.Finish)
	}
}

// solve asks the solver, and remembers a question that it does not answer.
func (p *Program) solve(f sat.Formula, at source.Place, what string) sat.Result {
	if p.flow.solver.Steps <= 0 {
		p.exhausted(at)
		return sat.Result{Verdict: sat.Unknown}
	}
	r := p.flow.solver.Solve(f)
	switch {
	case r.Verdict != sat.Unknown:
	case p.flow.solver.Steps <= 0:
		p.exhausted(at)
	case p.flow.untyped: // that may be why
	default:
		p.flow.undecided = append(p.flow.undecided, undecided{at, "it was not analysed " + what, r.Why})
	}
	return r
}

// exhausted remembers that there is too much to analyse, once.
func (p *Program) exhausted(at source.Place) {
	if !p.flow.gaveUp {
		p.flow.gaveUp = true
		p.flow.undecided = append(p.flow.undecided, undecided{at, "the analysis of conditions and endpoints ends here", "all of it would take too long"})
	}
}

// never reports whether the solver is sure that f holds in no world.
func (p *Program) never(f sat.Formula, at source.Place, what string) bool {
	return p.solve(f, at, what).Verdict == sat.Unsatisfiable
}

// of is [sat.Of] of a condition that need not be there.
func of(e *cond.Expr, absent sat.Formula) sat.Formula {
	if e == nil {
		return absent
	}
	return sat.Of(*e)
}
