package check

import (
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// reached is what can come about without a command, as far as it depends on the
// units: which of them start, and which states and signals are given. What is
// not certain to be unreachable counts as reached.
type reached struct {
	program *Program
	happens map[reference]bool         // units that start, states and signals that are given
	hooks   map[reference][]*hook      // by their unit
	follows map[reference][]*condition // `start-on` and `after`, by what they mention
	queue   []reference                // what happens, and is not followed yet
}

// maxMentions is how many states and signals a condition may have to be looked at:
// it is evaluated for each of them.
const maxMentions = 1000

// reach computes what can come about.
func (p *Program) reach() *reached {
	flows, units := len(p.Table.States)+len(p.Table.Signals), len(p.Sockets)+len(p.Services)
	r := &reached{
		program: p, happens: make(map[reference]bool, flows+units),
		hooks: make(map[reference][]*hook, min(units, len(p.flow.hooks))), follows: make(map[reference][]*condition, flows),
	}
	for _, h := range p.flow.hooks {
		unit := reference{h.kind, h.name}
		r.hooks[unit] = append(r.hooks[unit], h)
		if h.kind == "timer" {
			r.happen(unit) // what starts it is another question
		}
	}
	waits := make(map[reference]bool, len(p.flow.conditions))
	for _, c := range p.flow.conditions {
		if c.field == "stop-on" {
			continue
		}
		waits[c.unit()] = true
		mentions := 0
		c.expr.Atoms(func(a cond.Atom) {
			mentions++
			ref := subjectOf(a)
			if list := r.follows[ref]; len(list) == 0 || list[len(list)-1].unit() != c.unit() {
				r.follows[ref] = append(list, c)
			}
			if p.fromOutside(ref) {
				r.happen(ref)
			}
		})
		if mentions > maxMentions || r.may(*c.expr) {
			r.happen(c.unit())
		}
	}
	r.startUnconditional(waits)
	for len(r.queue) > 0 {
		next := r.queue[len(r.queue)-1]
		r.queue = r.queue[:len(r.queue)-1]
		r.follow(next)
	}
	return r
}

func (c *condition) unit() reference { return reference{c.kind, c.name} }

// startUnconditional starts the units that wait for nothing: with the plan, or by
// a command, which is how a unit without conditions is meant to be started.
func (r *reached) startUnconditional(waits map[reference]bool) {
	for _, s := range r.program.Sockets {
		if unit := (reference{"socket", s.Name}); !waits[unit] || !s.enabled() {
			r.happen(unit)
		}
	}
	for _, s := range r.program.Services {
		if unit := (reference{"service", s.Name}); !waits[unit] || s.Branching != nil {
			r.happen(unit)
		}
	}
}

// fromOutside reports whether something may come about without the units: it is
// builtin, commands are meant to give it or nothing else does, or the absence of
// another state sets it.
func (p *Program) fromOutside(ref reference) bool {
	u := p.flow.uses
	return u.open[ref] || u.elsewise[ref] || !u.derived[ref] && len(u.setters[ref]) == 0
}

func (r *reached) happen(ref reference) {
	if !r.happens[ref] {
		r.happens[ref] = true
		r.queue = append(r.queue, ref)
	}
}

// follow does what follows from a start, or from a state or signal.
func (r *reached) follow(ref reference) {
	for _, c := range r.follows[ref] {
		if !r.happens[c.unit()] && r.may(*c.expr) {
			r.happen(c.unit())
		}
	}
	for _, h := range r.hooks[ref] {
		for i := range h.actions {
			a := &h.actions[i]
			target, ok := targetOf(a)
			if !ok {
				continue
			}
			switch a.Do {
			case plan.OpSetState, plan.OpEmit, plan.OpStartService, plan.OpStartSocket:
				r.happen(target)
			case plan.OpScript, plan.OpExec, plan.OpRemoveState, plan.OpStopService, plan.OpStopSocket,
				plan.OpStartTimer, plan.OpStopTimer:
			}
		}
	}
	if ref.kind == "socket" {
		for _, s := range r.program.flow.owned[ref.name] {
			r.happen(reference{"service", s})
		}
	}
}

// may reports whether e may come to hold with what happens so far.
func (r *reached) may(e cond.Expr) bool {
	switch {
	case e.Atom != nil:
		return r.happens[subjectOf(*e.Atom)]
	case e.Not != nil:
		return true
	case len(e.And) > 0:
		return !slices.ContainsFunc(e.And, func(x cond.Expr) bool { return !r.may(x) })
	}
	return slices.ContainsFunc(e.Or, r.may)
}

// blocked returns something that c waits for and that does not happen.
func (r *reached) blocked(c *condition) (w wait, ok bool) {
	c.expr.Atoms(func(a cond.Atom) {
		on := subjectOf(a)
		if ok || r.happens[on] {
			return
		}
		w, ok = wait{condition: c, on: on, next: on}, true
		if setters := r.program.flow.uses.setters[on]; len(setters) > 0 {
			// A unit can hardly be meant to give what it waits for itself.
			s := setters[max(slices.IndexFunc(setters, func(s setter) bool { return reference{s.kind, s.name} != c.unit() }), 0)]
			w.next, w.hook, w.at, w.several = reference{s.kind, s.name}, s.field, s.at, len(setters) > 1
		}
	})
	return w, ok
}
