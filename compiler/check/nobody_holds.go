package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

var _ = register(Rule{
	Code:     "P6106",
	Severity: diag.Warning,
	Strict:   true,
	Title:    "a permission that nobody holds",
	Text: `The permission has no users and groups, and no other permission implies it. Only uid 0, which holds
everything, passes until somebody is granted it with rindrun grant. As that may be meant, it is only reported with
--strict.`,
	Example: `
[[permission]]
name = "operators"
id = 2000

[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["operators"]
`,
	Right: `
[[permission]]
name = "operators"
id = 2000
groups = ["adm"]

[[socket]]
name = "admin"
type = "uds"
listen = "admin.sock"
permissions = ["operators"]
`,
	Run: func(p *Pass) {
		for _, q := range p.Permissions {
			u := q.Unit
			if u.Lost.Any("users", "groups", "links", "group") || len(u.Users.Items)+len(u.Groups.Items)+len(u.Links.Items) > 0 || u.Group.Set() {
				continue
			}
			if !p.whole() || !p.flow.uses.named[reference{"permission", q.Name}] {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("nobody but root holds permission %q until it is granted", q.Name),
				At:      u.Name.At,
				Help:    "list `users`, `groups` or `links`, or grant it with `rindrun grant`",
			})
		}
	},
})
