package scenario

import (
	"cmp"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Coverage collects what the scenarios of a plan have made true and false, and
// which triggers they have run. It is a [flow.Observer]; nil collects nothing.
type Coverage struct {
	conditions map[*cond.Expr]*Covered
	actions    map[*plan.Action]*Covered
	list       []*Covered
}

// Covered is one condition or trigger of the plan.
type Covered struct {
	Unit string // "socket web@http"
	Part string // "start-on", "trigger[2]"

	Trigger     bool // else it is a condition
	True, False bool // it held, it did not; of a trigger, True is that it ran
}

// Done reports whether there is nothing left to try.
func (c *Covered) Done() bool { return c.True && (c.False || c.Trigger) }

// NewCoverage returns the coverage of a plan with no scenario.
func NewCoverage(p *plan.Plan) *Coverage {
	c := &Coverage{conditions: map[*cond.Expr]*Covered{}, actions: map[*plan.Action]*Covered{}}
	for i := range p.Sockets {
		s := &p.Sockets[i]
		unit := "socket " + string(s.Name)
		c.condition(unit, "start-on", s.StartOn)
		c.condition(unit, "stop-on", s.StopOn)
		c.triggers(unit, "trigger", s.Trigger)
		c.triggers(unit, "on-start", s.OnStart)
		c.triggers(unit, "on-stop", s.OnStop)
	}
	for i := range p.Services {
		s := &p.Services[i]
		unit := "service " + string(s.Name)
		c.condition(unit, "start-on", s.StartOn)
		c.condition(unit, "stop-on", s.StopOn)
		c.triggers(unit, "on-start", s.OnStart)
		c.triggers(unit, "on-stop", s.OnStop)
	}
	for i := range p.States {
		c.condition("state "+string(p.States[i].Name), "after", p.States[i].After)
	}
	for i := range p.Signals {
		c.condition("signal "+string(p.Signals[i].Name), "after", p.Signals[i].After)
	}
	for i := range p.Timers {
		c.triggers("timer "+string(p.Timers[i].Name), "finish", p.Timers[i].Finish)
	}
	slices.SortStableFunc(c.list, func(a, b *Covered) int { return cmp.Compare(a.Unit, b.Unit) })
	return c
}

func (c *Coverage) condition(unit, part string, x *cond.Expr) {
	if x != nil {
		c.conditions[x] = &Covered{Unit: unit, Part: part}
		c.list = append(c.list, c.conditions[x])
	}
}

func (c *Coverage) triggers(unit, part string, list []plan.Action) {
	for i := range list {
		c.actions[&list[i]] = &Covered{Unit: unit, Part: part + index(i, len(list)), Trigger: true}
		c.list = append(c.list, c.actions[&list[i]])
	}
}

// Condition implements [flow.Observer].
func (c *Coverage) Condition(x *cond.Expr, holds bool) {
	if covered, ok := c.conditions[x]; ok {
		covered.True = covered.True || holds
		covered.False = covered.False || !holds
	}
}

// Action implements [flow.Observer].
func (c *Coverage) Action(a *plan.Action) {
	if covered, ok := c.actions[a]; ok {
		covered.True = true
	}
}

func (c *Coverage) observer() flow.Observer {
	if c == nil {
		return nil
	}
	return c
}

// List returns every condition and trigger of the plan, by unit.
func (c *Coverage) List() []*Covered { return c.list }

// Percent returns how much of the plan is covered: of each condition both
// outcomes, of each trigger that it ran. A plan with neither is covered.
func (c *Coverage) Percent() float64 {
	done, all := 0, 0
	for _, x := range c.list {
		all++
		if x.True {
			done++
		}
		if !x.Trigger {
			all++
			if x.False {
				done++
			}
		}
	}
	if all == 0 {
		return 100
	}
	return 100 * float64(done) / float64(all)
}
