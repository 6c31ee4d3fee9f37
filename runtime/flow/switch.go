package flow

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// The builtin state and signals whose payload names a unit to start or stop: its
// full name, or "socket NAME" or "service NAME" where both have that name.
//
// A unit that rind@active names starts with the plan, whatever its start-on
// says, and when it is named while the plan runs. To take the name away stops
// nothing, as with every condition that is over.
const (
	// ActiveState has a branch for each unit that is to be started with the plan.
	ActiveState plan.Name = "rind@active"

	activateSignal   = "rind@activate"
	deactivateSignal = "rind@deactivate"
)

func isSwitch(c *change) bool {
	if c.kind == cond.State {
		return c.name == string(ActiveState) && !c.removal
	}
	return c.name == activateSignal || c.name == deactivateSignal
}

// operate starts or stops the units that the payload of a switch names. They
// come together with those that conditions start and stop, under the same rules.
func (e *Engine) operate(c *change, w why) {
	units := e.unitsNamed(c.value.Text())
	if len(units) == 0 {
		e.report("no such unit", c.value.Text(), fmt.Sprintf("%s names neither a socket nor a service of the plan", c.describe()))
	}
	for _, r := range units {
		e.mark(r, c.name == deactivateSignal, c, w)
		r.named = r.named || c.name != deactivateSignal
	}
}

// unitsNamed returns the units that the payload of a switch names.
func (e *Engine) unitsNamed(payload string) []*reactor {
	kind, name, found := strings.Cut(payload, " ")
	if !found {
		return e.named[plan.Name(payload)]
	}
	for _, r := range e.named[plan.Name(name)] {
		if kind == "socket" && r.socket != nil || kind == "service" && r.service != nil {
			return []*reactor{r}
		}
	}
	return nil
}

// markActive finds the units that rind@active names.
func (e *Engine) markActive() map[*reactor]bool {
	active := map[*reactor]bool{}
	for _, b := range e.states[ActiveState].branches {
		units := e.unitsNamed(b.ident)
		if len(units) == 0 {
			e.report("no such unit", b.ident, "state rind@active names neither a socket nor a service of the plan")
		}
		for _, r := range units {
			active[r] = true
		}
	}
	return active
}
