package check

import (
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// reference is a unit, state, signal or permission by its kind and name.
type reference struct {
	kind string // "state"
	name plan.Name
}

// setter is a trigger that sets a state or emits a signal.
type setter struct {
	*hook

	at      source.Place
	payload *cond.Value // nil: only known when it runs
}

// waiter is a condition that has to do with a state or a signal.
type waiter struct {
	*condition

	at      source.Place // of the item
	guard   *cond.Guard
	negated bool
}

// uses is what units do with states, signals, permissions and each other.
type uses struct {
	setters map[reference][]setter
	waiters map[reference][]waiter
	named   map[reference]bool        // whatever for
	open    map[reference]bool        // states and signals that commands are meant to give
	derived map[reference]bool        // states and signals that follow from others
	absent  map[reference][]plan.Name // the states that are set while this one is not

	elsewise map[reference]bool // states that are set while others are not
}

// collectUses finds all uses of states and signals in conditions and triggers.
func (p *Program) collectUses() *uses {
	flows := len(p.Table.States) + len(p.Table.Signals)
	u := &uses{
		setters: make(map[reference][]setter, flows), waiters: make(map[reference][]waiter, flows),
		named: make(map[reference]bool, flows), open: map[reference]bool{}, derived: map[reference]bool{},
		absent: map[reference][]plan.Name{}, elsewise: map[reference]bool{},
	}
	for _, c := range p.flow.conditions {
		for _, part := range c.items() {
			u.wait(c, part, *part.expr, false)
		}
	}
	for _, h := range p.flow.hooks {
		for i := range h.actions {
			u.act(h, i)
		}
	}
	for _, s := range p.Table.States {
		if s.Builtin || s.Unit.Permissions.Set() {
			u.open[reference{"state", s.Name}] = true
		}
	}
	for _, s := range p.Table.Signals {
		if s.Builtin || s.Unit.Permissions.Set() {
			u.open[reference{"signal", s.Name}] = true
		}
	}
	u.collectPermissions(p)
	u.collectNames(p)
	return u
}

// collectNames adds what is named outside of conditions and triggers.
func (u *uses) collectNames(p *Program) {
	state := func(s *resolve.State) {
		if s != nil {
			u.named[reference{"state", s.Name}] = true
		}
	}
	variable := func(v *resolve.Variable) {
		if v != nil {
			u.named[reference{"variable", plan.Name(v.Name)}] = true
		}
	}
	for _, s := range p.States {
		if s.Unit.After.Set() || s.Unit.ActivateOnNone.Set() {
			u.derived[reference{"state", s.Name}] = true
		}
		if s.Unit.ActivateOnNone.Set() {
			u.elsewise[reference{"state", s.Name}] = true
		}
		for _, absent := range s.Absent {
			state(absent)
			if absent != nil {
				ref := reference{"state", absent.Name}
				u.absent[ref] = append(u.absent[ref], s.Name)
			}
		}
		variable(s.Variable)
	}
	for _, s := range p.Signals {
		if s.Unit.After.Set() {
			u.derived[reference{"signal", s.Name}] = true
		}
	}
	for _, s := range p.Services {
		state(s.Branching)
		state(s.UserSource)
		for _, v := range s.Variables {
			variable(v)
		}
	}
}

func (u *uses) collectPermissions(p *Program) {
	name := func(lists ...[]*resolve.Permission) {
		for _, list := range lists {
			for _, q := range list {
				u.named[reference{"permission", q.Name}] = true
			}
		}
	}
	for _, s := range p.Sockets {
		name(s.Permissions, s.ManagedBy)
	}
	for _, s := range p.Services {
		name(s.ManagedBy)
	}
	for _, s := range p.States {
		name(s.Permissions)
	}
	for _, s := range p.Signals {
		name(s.Permissions)
	}
	for _, q := range p.Permissions {
		name(q.Links)
	}
}

func (u *uses) wait(c *condition, i item, e cond.Expr, negated bool) {
	for _, list := range [][]cond.Expr{e.And, e.Or} {
		for _, x := range list {
			u.wait(c, i, x, negated)
		}
	}
	if e.Not != nil {
		u.wait(c, i, *e.Not, !negated)
	}
	if e.Atom == nil {
		return
	}
	ref := subjectOf(*e.Atom)
	u.named[ref] = true
	u.waiters[ref] = append(u.waiters[ref], waiter{c, i.at, e.Atom.Guard, negated})
}

func subjectOf(a cond.Atom) reference {
	if a.Kind == cond.Signal {
		return reference{"signal", plan.Name(a.Name)}
	}
	return reference{"state", plan.Name(a.Name)}
}

func (u *uses) act(h *hook, i int) {
	a := &h.actions[i]
	ref, ok := targetOf(a)
	if !ok {
		return
	}
	u.named[ref] = true
	switch a.Do {
	case plan.OpSetState, plan.OpEmit:
		u.setters[ref] = append(u.setters[ref], setter{h, h.at(i), a.Payload})
	case plan.OpScript, plan.OpExec, plan.OpRemoveState, plan.OpStartService, plan.OpStopService,
		plan.OpStartSocket, plan.OpStopSocket, plan.OpStartTimer, plan.OpStopTimer:
	}
	if a.Template != nil {
		a.Template.References(func(n *plan.Node) {
			if n.State != "" {
				u.named[reference{"state", n.State}] = true
			}
			if n.Var != "" {
				u.named[reference{"variable", plan.Name(n.Var)}] = true
			}
		})
		if a.Template.Each != "" {
			u.named[reference{"state", a.Template.Each}] = true
		}
	}
}

// targetOf returns what an action is about; ok is not set for a command.
func targetOf(a *plan.Action) (ref reference, ok bool) {
	switch a.Do {
	case plan.OpSetState, plan.OpRemoveState:
		return reference{"state", a.Target}, true
	case plan.OpEmit:
		return reference{"signal", a.Target}, true
	case plan.OpStartService, plan.OpStopService:
		return reference{"service", a.Target}, true
	case plan.OpStartSocket, plan.OpStopSocket:
		return reference{"socket", a.Target}, true
	case plan.OpStartTimer, plan.OpStopTimer:
		return reference{"timer", a.Target}, true
	case plan.OpScript, plan.OpExec:
	}
	return reference{}, false
}
