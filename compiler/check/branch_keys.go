package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "T3301",
	Severity: diag.Error,
	Title:    "impossible branch keys",
	Text: `The branch keys of a state are fields of its json payload; a state of another kind has one branch and
no keys. Each key is written once, as key or target:source.`,
	Example: `
[[state]]
name = "mode"
payload = "string"
branch = ["id"]
`,
	Right: `
[[state]]
name = "mode"
payload = "json"
branch = ["id"]
`,
	Run: func(p *Pass) {
		for _, s := range p.Table.States {
			if s.Builtin || !s.Unit.Branch.Set() || s.Payload == 0 {
				continue
			}
			if !s.Branching() {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("state %q has branch keys, but its payload is of kind %v", s.Name, s.Payload),
					At:      s.Unit.Branch.At.OfKey(),
					Help:    "remove `branch`, or write `payload = \"json\"`",
				})
				continue
			}
			seen := map[string]bool{}
			for i, k := range s.Branch {
				if k.Target == "" || seen[k.Target] {
					p.Report(diag.Diagnostic{
						Message: fmt.Sprintf("branch key %q of state %q is empty or listed twice", s.Unit.Branch.Items[i].Value, s.Name),
						At:      s.Unit.Branch.Items[i].At,
						Help:    "list every key once",
					})
				}
				seen[k.Target] = true
			}
		}
	},
})
