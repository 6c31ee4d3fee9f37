package flow

import "github.com/rind-sockets/rind/plan"

// unitTimer ends the time of a timer of the plan.
func (e *Engine) unitTimer(plan.Name) {}

// serviceUp starts the timers that come after a service, and serviceDown stops
// them.
func (e *Engine) serviceUp(*service)   {}
func (e *Engine) serviceDown(*service) {}
