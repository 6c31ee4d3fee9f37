package check

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "T3306",
	Severity: diag.Error,
	Title:    "an auto-payload that its state cannot have",
	Text: `A payload that a command or a variable makes has the kind of its state. Only json payloads have keys to put
a value in, and branches of which there can be many; and every branch key has to be there.`,
	Example: `
[[state]]
name = "host"
payload = "string"
activate-on-none = ["rind@online"]
auto-payload = { eval = "hostname", insert = "name" }

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["host"]
`,
	Right: `
[[state]]
name = "host"
payload = "string"
activate-on-none = ["rind@online"]
auto-payload = { eval = "hostname" }

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["host"]
`,
	Run: func(p *Pass) {
		for _, s := range p.States {
			if s.Unit.AutoPayload != nil && s.Payload != 0 && !s.KeysUnknown() {
				p.autoPayload(s)
			}
		}
	},
})

// rootKey is what `insert` says for a value that is the payload.
const rootKey = "root"

func (p *Pass) autoPayload(s *State) {
	a := s.Unit.AutoPayload
	d := diag.Diagnostic{At: a.At.OfKey()}
	insert := words(a.Insert)
	whole := len(insert) == 0 || slices.Equal(insert, []string{rootKey})
	missing := slices.IndexFunc(s.BranchKeys(), func(key string) bool { return !slices.Contains(insert, key) })
	switch {
	case s.Payload == cond.None:
		d.Message = fmt.Sprintf("state %q has no payload", s.Name)
		d.Help = "remove `auto-payload`, or write `payload = \"string\"`"
	case s.Payload != cond.JSON && a.Insert.Set():
		d.At = a.Insert.At.OfKey()
		d.Message = fmt.Sprintf("state %q has no keys to insert a value in: its payload is of kind %v", s.Name, s.Payload)
		d.Help = "remove `insert`, or write `payload = \"json\"`"
	case s.Payload != cond.JSON && a.Many.Value:
		d.At = a.Many.At.OfKey()
		d.Message = fmt.Sprintf("state %q has one branch: its payload is of kind %v", s.Name, s.Payload)
		d.Help = "remove `many`, or write `payload = \"json\"`"
	case s.Payload == cond.JSON && !whole && missing >= 0:
		d.At = a.Insert.At
		d.Message = fmt.Sprintf("the branch key %q of state %q is not inserted", s.BranchKeys()[missing], s.Name)
		d.Help = "insert every branch key, or write `insert = \"root\"` for a value that is a table"
	case s.Variable != nil && s.Payload != cond.JSON && s.Variable.Kind == cond.JSON && !scalarValue(s.Variable.Unit.Default):
		d.At = a.Variable.At
		d.Message = fmt.Sprintf("variable %q is a table or array, but state %q has a payload of kind %v", s.Variable.Name, s.Name, s.Payload)
		d.Help = "name a variable that is a string, or write `payload = \"json\"`"
	default:
		return
	}
	p.Report(d)
}

func scalarValue(v unit.Any) bool {
	switch v.Value.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}

func words(list unit.List) []string {
	var out []string
	for _, s := range list.Items {
		out = append(out, s.Value)
	}
	return out
}
