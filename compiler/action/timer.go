package action

import (
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var timer = Action{
	Key:     "timer",
	Also:    []string{"stop"},
	Doc:     "starts a timer, or stops it with stop = true",
	Example: `{ timer = "nightly" }`,
	Planned: true,
	value:   func(t unit.Trigger) unit.String { return t.Timer },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		c.fail(Unsupported, diag.Diagnostic{
			Message: "the action `timer` is not supported by this version of rindc",
			At:      t.Timer.At.OfKey(),
			Help:    "remove the trigger: timers come with a later version",
		})
		return plan.Action{}, false
	},
}
