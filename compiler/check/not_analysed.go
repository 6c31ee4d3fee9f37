package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

var notAnalysed = register(Rule{
	Code:     "F5003",
	Severity: diag.Note,
	Title:    "conditions that were not analysed",
	Text: `The analysis of conditions never guesses. Where it has too many tests or combinations to look at, or tests
of one text that it cannot reason about together, such as several regular expressions, it says so, and the
rules about contradictions and endpoints are silent there. The conditions are compiled and work as written.`,
	Example: `
[[state]]
name = "device"
payload = "string"
permissions = ["network"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ['device(target matches "^(eth|en)[0-9]$" and target matches "[2-9]$" and not target matches "^e")']
`,
	Right: `
[[state]]
name = "device"
payload = "string"
permissions = ["network"]

[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
start-on = ['device(target matches "^(eth|en)[0-9]$")']
`,
	Run: func(p *Pass) {
		said := map[string]bool{}
		for _, u := range p.flow.undecided {
			where := place(u.at)
			if said[where] {
				continue // one note for each place is enough
			}
			said[where] = true
			p.Report(diag.Diagnostic{
				Message: u.what + ": " + u.why,
				At:      u.at,
				Help:    "nothing is wrong with that; simpler conditions can be checked for contradictions",
			})
		}
	},
})

// place is a key for a place.
func place(at source.Place) string {
	return fmt.Sprintf("%p %s %d %v", at.File(), at.Kind(), at.Index(), at.Path())
}
