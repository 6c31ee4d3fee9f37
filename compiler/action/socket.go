package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var socket = Action{
	Key:     "socket",
	Also:    []string{"stop"},
	Doc:     "starts a socket, or stops it with stop = true",
	Example: `{ socket = "http", stop = true }`,
	value:   func(t unit.Trigger) unit.String { return t.Socket },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		s, bad := c.Names().Socket(t.Socket)
		c.reportKnown(bad)
		if s == nil {
			return plan.Action{}, false
		}
		do := plan.OpStartSocket
		if t.Stop.Value {
			do = plan.OpStopSocket
		}
		return plan.Action{Do: do, Target: s.Name}, true
	},
}
