package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1206",
	Severity: diag.Warning,
	Title:    "a reference where nothing replaces it",
	Text: `References are read in payloads only. A script and the arguments of a program get what is written there; a
script finds the facts of the access in environment variables instead. A payload that is a plain string is literal
too, unless it is written as { from = "…" }. Names and paths are taken as they are: no shell replaces variables in
them, and there are no specifiers such as %U.`,
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
		for _, s := range p.Services {
			for _, r := range s.Unit.Run {
				p.literalArgs(s.Name.Group(), r.Exec, r.Args)
				for _, v := range r.Env {
					p.literalText(s.Name.Group(), v.Value, v.Value.Value)
				}
			}
			for _, value := range []unit.String{s.Unit.User, s.Unit.Group, s.Unit.WorkingDir, s.Unit.EnvFile} {
				if path := strings.HasPrefix(value.Value, "/"); path || value == s.Unit.User || value == s.Unit.Group {
					p.notExpanded(value) // what is no path is reported
				}
			}
		}
		for _, s := range p.Sockets {
			if s.Endpoint.Kind == grammar.Path {
				p.notExpanded(s.Unit.Listen)
			}
		}
		for _, h := range p.flow.hooks {
			for _, t := range h.list.Items {
				p.literalScript(t.Script)
				p.literalArgs(h.name.Group(), t.Exec, t.Args)
				p.literalState(h, t.Payload)
				p.literalParts(t.Payload.Value, t.Payload.At)
			}
		}
	},
})

// literalArgs reports arguments that are a reference or a variable: no shell is there
// to read them.
func (p *Pass) literalArgs(group string, exec unit.String, args unit.List) {
	for _, arg := range args.Items {
		if name, ok := strings.CutPrefix(arg.Value, "access:"); ok && slices.ContainsFunc(plan.Facts, func(f plan.Fact) bool { return f.Name == name }) {
			p.unreplacedFact(arg, name)
		}
		p.literalText(group, arg, arg.Value)
		if v := ourVariable(arg.Value); v != "" && !readsVariables(exec.Value) {
			p.nothingReplaces(v, arg.At, "use `script`: no shell reads these arguments")
		}
	}
}

// literalScript reports facts in a script that knows nothing of the variables which have
// them.
func (p *Pass) literalScript(script unit.String) {
	if !strings.Contains(script.Value, "access:") || strings.Contains(script.Value, "RIND_ACCESS_") {
		return
	}
	for _, fact := range plan.Facts {
		if strings.Contains(script.Value, "access:"+fact.Name) {
			p.unreplacedFact(script, fact.Name)
		}
	}
}

// unreplacedFact reports the reference to a fact of an access.
func (p *Pass) unreplacedFact(text unit.String, fact string) {
	help := "only a payload can have what was sent: hand it on with a signal or a state"
	if fact != plan.AccessData {
		help = fmt.Sprintf("use `script`, where it is \"$RIND_ACCESS_%s\"", strings.ToUpper(fact))
	}
	p.nothingReplaces("access:"+fact, text.At, help)
}

func (p *Pass) nothingReplaces(what string, at source.Place, help string) {
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing replaces `%.80s` here", what),
		At:      at,
		Help:    help,
	})
}

// literalText reports a word that is the reference to a state or variable that there is.
func (p *Pass) literalText(group string, text unit.String, word string) {
	if !strings.HasPrefix(word, "var:") && !strings.HasPrefix(word, "state:") {
		return
	}
	scope := p.Table.In(group).Quiet()
	if name, ok := strings.CutPrefix(word, "var:"); ok {
		if v, bad := scope.Variable(unit.String{Value: name}); v != nil && bad == nil {
			p.nothingReplaces(word, text.At, "only payloads, `run.variable` and `auto-payload` read variables: write the value")
		}
	}
	if p.state(group, word) {
		p.nothingReplaces(word, text.At, "only payloads read states: hand it on with a signal or a state")
	}
}

// state reports whether a text is the reference to a state that there is.
func (p *Pass) state(group, text string) bool {
	rest, ok := strings.CutPrefix(text, "state:")
	of, name, full := strings.Cut(rest, "@")
	if !ok || !full {
		return false
	}
	name, _, _ = strings.Cut(name, "/")
	state, _ := p.Table.In(group).Quiet().State(unit.String{Value: of + "@" + name})
	return state != nil
}

// ourVariable returns a variable that rindrun sets for scripts, or systemd for its
// commands, if s is that and nothing else. Other variables may be meant as they are: an
// argument can be a pattern, or a command for a shell that comes later.
func ourVariable(s string) string {
	if name, ok := strings.CutPrefix(s, "$"); ok && (strings.HasPrefix(strings.Trim(name, "{}"), "RIND_") || strings.Trim(name, "{}") == "MAINPID") {
		return s
	}
	return ""
}

// notExpanded reports a variable, or a specifier of systemd, that is all between two
// slashes of a text which is taken as it is.
func (p *Pass) notExpanded(text unit.String) {
	if !strings.ContainsAny(text.Value, "$%") {
		return
	}
	for part := range strings.SplitSeq(text.Value, "/") {
		name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(part, "$"), "{"), "}")
		variable := strings.HasPrefix(part, "$") && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ""
		if specifier := len(part) == 2 && part[0] == '%' && isLetter(part[1]); variable || specifier {
			p.nothingReplaces(part, text.At, "write the value: this text is taken as it is")
			return
		}
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// readsVariables reports whether a program is likely to replace variables in its
// arguments itself.
func readsVariables(exec string) bool {
	name := exec[strings.LastIndexByte(exec, '/')+1:]
	return strings.HasSuffix(name, "sh") || slices.Contains([]string{"awk", "gawk", "mawk", "envsubst", "perl", "python3", "make", "expect", "env"}, name)
}

// literalParts reports facts in the middle of texts of a payload.
func (p *Pass) literalParts(v any, at source.Place) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			p.literalParts(v[key], at.At(key))
		}
	case []any:
		for i, item := range v {
			p.literalParts(item, at.Item(i))
		}
	case string:
		if !strings.Contains(v, "access:") {
			return
		}
		for _, fact := range plan.Facts {
			if ref := "access:" + fact.Name; v != ref && strings.Contains(v, ref) {
				p.nothingReplaces(ref, at, fmt.Sprintf("a reference is a value of its own: `key = { from = %q }`", ref))
				return
			}
		}
	}
}

// literalState reports a payload that is a string and looks like the reference to
// a state that there is.
func (p *Pass) literalState(h *hook, payload unit.Any) {
	text, _ := payload.Value.(string)
	if !p.state(h.name.Group(), text) {
		return
	}
	p.Report(diag.Diagnostic{
		Message: fmt.Sprintf("nothing replaces `%.80s` here: a payload that is a string is literal", text),
		At:      payload.At,
		Help:    fmt.Sprintf("write `payload = { from = %.80q }`", text),
	})
}
