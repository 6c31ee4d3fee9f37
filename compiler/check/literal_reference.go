package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1206",
	Severity: diag.Warning,
	Title:    "a reference where nothing replaces it",
	Text: `References are read in payloads only. A script and the arguments of a program get what is written there, and
find the facts of the access in environment variables instead. A payload that is a plain string is literal too,
unless it is written as { from = "…" }.`,
	Example: `
[[socket]]
name = "greeter"
type = "uds"
listen = "greeter.sock"
trigger = [{ exec = "/usr/bin/logger", args = ["access:uid"] }]
`,
	Right: `
[[socket]]
name = "greeter"
type = "uds"
listen = "greeter.sock"
trigger = [{ script = 'logger "$RIND_ACCESS_UID"' }]
`,
	Run: func(p *Pass) {
		for _, h := range p.flow.hooks {
			for _, t := range h.list.Items {
				for _, fact := range plan.Facts {
					p.unreplaced(t.Script, fact.Name, strings.Contains(t.Script.Value, "access:"+fact.Name))
					for _, arg := range t.Args.Items {
						p.unreplaced(arg, fact.Name, arg.Value == "access:"+fact.Name)
					}
				}
				p.literalState(h, t.Payload)
			}
		}
	},
})

// unreplaced reports that text has the reference to a fact, if it has.
func (p *Pass) unreplaced(text unit.String, fact string, has bool) {
	if !has {
		return
	}
	help := "only a payload can have what was sent: hand it on with a signal or a state"
	if fact != plan.AccessData {
		help = fmt.Sprintf("read it from the environment variable RIND_ACCESS_%s", strings.ToUpper(fact))
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing replaces `access:%s` here", fact),
		At:      text.At,
		Help:    help,
	})
}

// literalState reports a payload that is a string and looks like the reference to
// a state that there is.
func (p *Pass) literalState(h *hook, payload unit.Any) {
	text, _ := payload.Value.(string)
	rest, ok := strings.CutPrefix(text, "state:")
	group, name, full := strings.Cut(rest, "@")
	if !ok || !full {
		return
	}
	name, _, _ = strings.Cut(name, "/")
	state, _ := p.Table.In(h.name.Group()).State(unit.String{Value: group + "@" + name})
	if state == nil {
		return
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing replaces `%.80s` here: a payload that is a string is literal", text),
		At:      payload.At,
		Help:    fmt.Sprintf("write `payload = { from = %.80q }`", text),
	})
}
