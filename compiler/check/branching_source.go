package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "T3303",
	Severity: diag.Error,
	Title:    "a service that branches over what has no branches",
	Text: `A service with branching has an instance for each branch of its source state, named by one of the branch
keys. Only json states have branches.`,
	Example: `
[[state]]
name = "mode"
payload = "string"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
branching = { source-state = "mode", key = "id" }
stop-on = ["mode"]
`,
	Right: `
[[state]]
name = "mode"
payload = "json"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
branching = { source-state = "mode", key = "id" }
stop-on = ["mode"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Services {
			from, b := s.Branching, s.Unit.Branching
			switch {
			case from == nil, from.Payload == 0, s.Unit.Lost.Any("branching"):
			case !from.Branching() && from.Name != resolve.ActiveState:
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("state %q has no branches: its payload is of kind %v", from.Name, from.Payload),
					At:      b.State.At,
					Help:    "name a json state",
				})
			default:
				p.branchKey(s, from)
			}
		}
	},
})

// branchKey checks the key of a service that branches over a state.
func (p *Pass) branchKey(s *Service, from *resolve.State) {
	b := s.Unit.Branching
	key, at := plan.DefaultBranchKey, b.State.At
	if b.Key.Set() {
		key, at = b.Key.Value, b.Key.At
	}
	keys := stateShape(&from.State).Keys
	if from.KeysUnknown() || slices.Contains(keys, key) {
		return
	}
	d := diag.Diagnostic{
		Message: fmt.Sprintf("%q is no branch key of state %q", key, from.Name),
		At:      at,
		Help:    fmt.Sprintf("write `key = %q`", keys[0]),
	}
	if len(keys) > 1 {
		d.Help = "write one of " + strings.Join(keys, ", ") + " as `key`"
	}
	p.Report(d)
}
