package flow

import (
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// BranchOf returns what identifies the branch of a state that a payload belongs
// to, as [Persist] has it, or why it belongs to none.
func BranchOf(def *plan.State, v cond.Value) (string, error) {
	b, err := (&state{def: def}).branchOf(v)
	return b.ident, err
}
