package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var script = Action{
	Key:     "script",
	Doc:     "runs a script through /bin/sh -c",
	Example: `{ script = "logger -t web 'somebody is there'" }`,
	value:   func(t unit.Trigger) unit.String { return t.Script },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		ok := c.command(t.Script, unit.List{}, CheckWord)
		return plan.Action{Do: plan.OpScript, Command: t.Script.Value}, ok
	},
}
