package action

import (
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

var state = Action{
	Key:     "state",
	Also:    []string{"payload", "remove", "branch"},
	Doc:     "sets a state, or removes its branches with remove = true",
	Example: `{ state = "link", remove = true, branch = { as = { id = "eth0" } } }`,
	value:   func(t unit.Trigger) unit.String { return t.State },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		s, bad := c.Names().State(t.State)
		c.reportKnown(bad)
		if s == nil {
			return plan.Action{}, false
		}
		if t.Remove.Value {
			return c.removeState(s, t)
		}
		return c.setState(s, t)
	},
}

func (c context) setState(s *resolve.State, t unit.Trigger) (plan.Action, bool) {
	sound := true
	if t.Branch.Set() {
		sound = false
		c.fail(WrongKey, diag.Diagnostic{
			Message: "`branch` does not go with setting a state",
			At:      t.Branch.At.OfKey(),
			Help:    "add `remove = true` to remove the branches that match, or put the branch keys into the payload",
		})
	}
	a := plan.Action{Do: plan.OpSetState, Target: s.Name}
	to := target{what: "state", name: s.Name, kind: s.Payload, check: s.CheckPayload, keys: s.BranchKeys(), ref: t.State}
	if s.KeysUnknown() {
		to.check, to.keys = func(cond.Value) error { return nil }, nil
	}
	ok := c.payload(&a, t, to)
	return a, ok && sound
}

func (c context) removeState(s *resolve.State, t unit.Trigger) (plan.Action, bool) {
	sound := true
	if t.Payload.Set() {
		sound = false
		c.fail(WrongKey, diag.Diagnostic{
			Message: "`payload` does not go with `remove = true`",
			At:      t.Payload.At.OfKey(),
			Help:    "remove it; `branch` chooses the branches to remove",
		})
	}
	filter, ok := c.BranchTest(s, t.Branch)
	return plan.Action{Do: plan.OpRemoveState, Target: s.Name, Filter: filter}, ok && sound
}
