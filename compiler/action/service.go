package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var service = Action{
	Key:     "service",
	Also:    []string{"stop"},
	Doc:     "starts a service, or stops it with stop = true",
	Example: `{ service = "web", stop = true }`,
	value:   func(t unit.Trigger) unit.String { return t.Service },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		s, bad := c.Names().Service(t.Service)
		c.reportKnown(bad)
		if s == nil {
			return plan.Action{}, false
		}
		do := plan.OpStartService
		if t.Stop.Value {
			do = plan.OpStopService
		}
		return plan.Action{Do: do, Target: s.Name}, true
	},
}
