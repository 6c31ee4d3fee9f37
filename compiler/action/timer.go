package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var timer = Action{
	Key:     "timer",
	Also:    []string{"stop"},
	Doc:     "starts a timer, or stops it with stop = true",
	Example: `{ timer = "idle" }`,
	value:   func(t unit.Trigger) unit.String { return t.Timer },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		s, bad := c.Names().Timer(t.Timer)
		c.reportKnown(bad)
		if s == nil {
			return plan.Action{}, false
		}
		do := plan.OpStartTimer
		if t.Stop.Value {
			do = plan.OpStopTimer
		}
		return plan.Action{Do: do, Target: s.Name}, true
	},
}
