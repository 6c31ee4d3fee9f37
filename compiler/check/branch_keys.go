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
				d := diag.Diagnostic{At: s.Unit.Branch.Items[i].At}
				switch {
				case k.Target == "":
					d.Message, d.Help = fmt.Sprintf("a branch key of state %q is empty", s.Name), "write a key of the payload, or remove it"
					p.Report(d)
				case seen[k.Target]:
					d.Message, d.Help = fmt.Sprintf("branch key %q of state %q is listed twice", k.Target, s.Name), "list every key once"
					p.Report(d)
				}
				seen[k.Target] = true
			}
		}
	},
})
