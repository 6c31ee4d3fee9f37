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
too, unless it is written as { from = "…" }. Names, paths and arguments are taken as they are: no shell replaces
variables in them, and there are no specifiers such as %i.`,
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
				if !strings.HasPrefix(value.Value, "%") { // a group of sudo: no account
					p.notExpanded(value)
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
				p.literalScript(h, t.Script)
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
		if !readsVariables(exec.Value) {
			p.notShell(arg)
		}
	}
}

// literalScript reports references in a script.
func (p *Pass) literalScript(h *hook, script unit.String) {
	if !strings.Contains(script.Value, ":") {
		return
	}
	for _, fact := range plan.Facts {
		if strings.Contains(script.Value, "access:"+fact.Name) {
			p.unreplacedFact(script, fact.Name)
		}
	}
	for word := range strings.FieldsFuncSeq(script.Value, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`$(){};|&<>", r) }) {
		p.literalText(h.name.Group(), script, word)
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

// notShell reports an argument that is a variable and nothing else.
func (p *Pass) notShell(arg unit.String) {
	if arg.Value == "" || arg.Value[0] != '$' && arg.Value[0] != '%' {
		return
	}
	switch v := variableIn(arg.Value); {
	case v != arg.Value || v == "":
	case v[0] == '$':
		p.nothingReplaces(v, arg.At, "write the value, or run `/bin/sh` with `-c`: no shell reads these arguments")
	default:
		p.nothingReplaces(v, arg.At, "write the value: there are no specifiers here")
	}
}

// notExpanded reports a variable where the text is taken as it is.
func (p *Pass) notExpanded(text unit.String) {
	if v := variableIn(text.Value); v != "" {
		p.nothingReplaces(v, text.At, "write the value: this text is taken as it is")
	}
}

// variableIn returns the first variable of a shell in s, or the first specifier of units
// of systemd: $NAME, ${NAME} or %i.
func variableIn(s string) string {
	for i := range len(s) {
		rest := s[i+1:]
		switch {
		case s[i] == '%' && rest != "" && isLetter(rest[0]):
			return s[i : i+2]
		case s[i] != '$':
			continue
		}
		name, braces := strings.CutPrefix(rest, "{")
		n := len(name) - len(strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"))
		switch {
		case n == 0 || !isLetter(name[0]) && name[0] != '_':
		case !braces:
			return s[i : i+1+n]
		case strings.HasPrefix(name[n:], "}"):
			return s[i : i+2+n+1]
		}
	}
	return ""
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
