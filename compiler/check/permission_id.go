package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "P6103",
	Severity: diag.Error,
	Title:    "a permission id that is taken",
	Text:     `Every permission has an id of its own. The ids 0 and 1000 to 1003 are builtin.`,
	Example: `
[[permission]]
name = "operators"
id = 1000
`,
	Right: `
[[permission]]
name = "operators"
id = 2000
`,
	Run: func(p *Pass) {
		first := map[uint16]*Permission{}
		builtin := map[uint16]plan.Name{}
		for _, q := range p.Table.Permissions {
			if q.Builtin {
				builtin[q.ID] = q.Name
			}
		}
		for _, q := range p.Permissions {
			if !q.HasID {
				continue
			}
			d := diag.Diagnostic{At: q.Unit.ID.At, Help: "choose another id from 1 to 65535"}
			other, taken := first[q.ID]
			switch {
			case builtin[q.ID] != "":
				d.Message = fmt.Sprintf("permission %q has the id %d of the builtin %q", q.Name, q.ID, builtin[q.ID])
			case taken && other.Name == q.Name: // reported as defined twice
				continue
			case taken:
				d.Message = fmt.Sprintf("permission %q has the id %d of %q", q.Name, q.ID, other.Name)
				d.Labels = []diag.Label{{At: other.Unit.ID.At, Message: "the other one"}}
			default:
				first[q.ID] = q
				continue
			}
			p.Report(d)
		}
	},
})
