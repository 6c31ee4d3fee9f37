package flow

import (
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Observer is told what an engine looks at, for the coverage of scenarios. It
// must not change anything.
type Observer interface {
	// Condition says what came of a condition of the plan: whether it held, or,
	// of one that waits for an event, whether the event was it.
	Condition(x *cond.Expr, holds bool)

	// Action says that an action of the plan is performed.
	Action(a *plan.Action)
}

func (e *Engine) observe(x *cond.Expr, holds bool) bool {
	if e.config.Observe != nil && x != nil {
		e.config.Observe.Condition(x, holds)
	}
	return holds
}
