package check

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

var _ = register(Rule{
	Code:     "T3305",
	Severity: diag.Error,
	Title:    "a derived state or signal whose payload comes from nowhere",
	Text: `A state or signal that follows from conditions takes over the payload of the first one that has a payload of
its kind. A json state that is set while others are not has branch keys, which have to come from somewhere. Use
auto-payload, or the kind none.`,
	Example: `
[[state]]
name = "address"
payload = "string"
after = ["rind@net-configured"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["address"]
`,
	Right: `
[[state]]
name = "address"
payload = "json"
branch = ["name"]
after = ["rind@net-configured"]

[[service]]
name = "web"
run.exec = "/usr/bin/web"
stop-on = ["address"]
`,
	Run: func(p *Pass) {
		for _, s := range p.States {
			if s.Unit.AutoPayload != nil || s.Unit.Lost.Any("auto-payload", "payload") {
				continue
			}
			p.derived("state", s.Name, s.Payload, s.After, s.Unit.After)
			if none := s.Unit.ActivateOnNone; s.Payload == cond.JSON && len(none.Items) > 0 {
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("state %q needs a payload with its branch keys when it is set while others are not", s.Name),
					At:      none.At.OfKey(),
					Help:    "add `auto-payload`, or write `payload = \"none\"`",
				})
			}
		}
		for _, s := range p.Signals {
			if s.Unit.Lost.Any("payload") {
				continue
			}
			p.derived("signal", s.Name, s.Payload, s.After, s.Unit.After)
		}
	},
})

// derived reports a payload that no condition of after has.
func (p *Pass) derived(kind string, name plan.Name, k cond.Kind, after *cond.Expr, written unit.Conditions) {
	if after == nil || k == 0 || k == cond.None {
		return
	}
	if kinds := p.payloads(*after); slices.Contains(kinds, k) || slices.Contains(kinds, 0) { // 0: it is not known
		return
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("%s %q has a payload of kind %v, and none of its conditions has one", kind, name, k),
		At:      written.At.OfKey(),
		Help:    "write `payload = \"none\"`, or follow from a state or signal of that kind",
	})
}

// payloads returns the kinds of payload that may make an expression match.
func (p *Program) payloads(e cond.Expr) []cond.Kind {
	var kinds []cond.Kind
	for _, x := range slices.Concat(e.And, e.Or) {
		kinds = append(kinds, p.payloads(x)...)
	}
	if e.Atom == nil {
		return kinds
	}
	scope, ref := p.Table.In(""), unit.String{Value: e.Atom.Name}
	if e.Atom.Kind == cond.Signal {
		if s, _ := scope.Signal(ref); s != nil {
			kinds = append(kinds, s.Payload)
		}
		return kinds
	}
	if s, _ := scope.State(ref); s != nil {
		kinds = append(kinds, s.Payload)
	}
	return kinds
}
