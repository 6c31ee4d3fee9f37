package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var signal = Action{
	Key:     "signal",
	Also:    []string{"payload"},
	Doc:     "emits a signal",
	Example: `{ signal = "note", payload = "somebody is there" }`,
	value:   func(t unit.Trigger) unit.String { return t.Signal },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		s, bad := c.Names().Signal(t.Signal)
		c.reportKnown(bad)
		if s == nil {
			return plan.Action{}, false
		}
		a := plan.Action{Do: plan.OpEmit, Target: s.Name}
		ok := c.payload(&a, t, target{what: "signal", name: s.Name, kind: s.Payload, check: s.CheckPayload, ref: t.Signal})
		return a, ok
	},
}
