package flow_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// parsePlan reads the notation of plans that the scripts use: one unit per line,
// its conditions and triggers on the indented lines below it.
//
//	state  w@mode string
//	state  w@net json name,vlan:tag impermanent
//	  after state w@link
//	  activate-on-none w@link w@net/name
//	  auto-payload {"eval":"/bin/ip"}
//	signal w@go none
//	  after  signal w@said
//	  branch name:id
//	timer  w@idle 5s repeat after=w@srv
//	  finish emit w@go
//	variable hosts ["a"]
//	service w@srv run=2 restart=3
//	  with {"notify":true,"after":["w@db"]}
//	socket w@http owner=w@srv owned disabled
//	  start-on state w@mode (target == "on")
//	  stop-on  (or (signal w@halt) (not (state w@net)))
//	  trigger  emit w@go
//
// What follows "with" is JSON of the plan. A condition is the tree of the plan in
// prefix form. Triggers add up, in order;
// a payload that starts with "template" is the JSON of a plan.Template.
func parsePlan(tb testing.TB, text string) *plan.Plan {
	tb.Helper()
	p := &planParser{t: tb, plan: &plan.Plan{Transports: []plan.Transport{{Name: "tcp"}, {Name: "udp"}}}}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) == "" {
			continue
		}
		// Triggers may name what is defined further down.
		if line[0] == ' ' {
			p.later = append(p.later, p.attribute(p.unit, strings.TrimSpace(line)))
			continue
		}
		p.define(strings.Fields(line))
	}
	for _, f := range p.later {
		f()
	}
	byName(p.plan.States, func(v plan.State) plan.Name { return v.Name })
	byName(p.plan.Signals, func(v plan.Signal) plan.Name { return v.Name })
	byName(p.plan.Timers, func(v plan.Timer) plan.Name { return v.Name })
	byName(p.plan.Variables, func(v plan.Variable) plan.Name { return plan.Name(v.Name) })
	byName(p.plan.Services, func(v plan.Service) plan.Name { return v.Name })
	byName(p.plan.Sockets, func(v plan.Socket) plan.Name { return v.Name })
	p.plan.Requires = p.plan.Needs()
	return p.plan
}

func byName[T any](list []T, name func(T) plan.Name) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

type planParser struct {
	t        testing.TB
	plan     *plan.Plan
	unitKind string    // of the last unit
	unit     plan.Name // its name
	later    []func()
}

func (p *planParser) define(words []string) {
	p.t.Helper()
	name := plan.Name(words[1])
	p.unit, p.unitKind = name, words[0]
	switch words[0] {
	case "state":
		st := plan.State{Name: name, Payload: p.kind(words[2])}
		for _, word := range words[3:] {
			if word == "impermanent" {
				st.Impermanent = true
				continue
			}
			st.Branch = branchKeys(word)
		}
		p.plan.States = append(p.plan.States, st)
	case "timer":
		p.timer(name, words[2:])
	case "variable":
		v := plan.Variable{Name: words[1], Env: "V"}
		if len(words) > 2 {
			def, err := cond.ParseJSON([]byte(strings.Join(words[2:], " ")))
			if err != nil {
				p.t.Fatal(err)
			}
			if text, ok := def.Tree().(string); ok {
				def = cond.StringValue(text)
			}
			v.Default = &def
		}
		p.plan.Variables = append(p.plan.Variables, v)
	case "signal":
		p.plan.Signals = append(p.plan.Signals, plan.Signal{Name: name, Payload: p.kind(words[2])})
	case "service":
		p.service(name, words[2:])
	case "socket":
		p.socket(name, words[2:])
	default:
		p.t.Fatalf("unknown unit %q", words)
	}
}

// branchKeys reads "name,vlan:tag".
func branchKeys(text string) []plan.BranchKey {
	var keys []plan.BranchKey
	for key := range strings.SplitSeq(text, ",") {
		target, source, _ := strings.Cut(key, ":")
		keys = append(keys, plan.BranchKey{Target: target, Source: source})
	}
	return keys
}

func (p *planParser) timer(name plan.Name, options []string) {
	p.t.Helper()
	v := plan.Timer{Name: name}
	for _, o := range options {
		after, found := strings.CutPrefix(o, "after=")
		switch {
		case found:
			for svc := range strings.SplitSeq(after, ",") {
				v.After = append(v.After, plan.Name(svc))
			}
		case o == "repeat":
			v.Repeat = true
		default:
			if err := v.Duration.UnmarshalText([]byte(o)); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.plan.Timers = append(p.plan.Timers, v)
}

func (p *planParser) kind(name string) cond.Kind {
	p.t.Helper()
	k, ok := cond.ParseKind(name)
	if !ok {
		p.t.Fatalf("unknown payload kind %q", name)
	}
	return k
}

func (p *planParser) service(name plan.Name, options []string) {
	p.t.Helper()
	svc := plan.Service{Name: name, Run: []plan.Command{{Exec: "/bin/srv"}}}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		n, err := strconv.Atoi(value)
		switch {
		case key == "run" && err == nil:
			svc.Run = slices.Repeat(svc.Run, n)
		case key == "restart" && value == "always":
			svc.Restart.Always = true
		case key == "restart" && err == nil:
			svc.Restart.MaxRetries = n
		default:
			p.t.Fatalf("service %s: unknown option %q", name, o)
		}
	}
	p.plan.Services = append(p.plan.Services, svc)
}

func (p *planParser) socket(name plan.Name, options []string) {
	p.t.Helper()
	s := plan.Socket{
		Name: name, Type: "tcp", Listen: fmt.Sprintf("127.0.0.1:%d", 8000+len(p.plan.Sockets)),
		Lifecycle: plan.Managed, Enabled: true, FDName: name.Short(),
	}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "owner":
			s.Owner = plan.Name(value)
		case "owned":
			s.Lifecycle = plan.Owned
		case "type":
			s.Type = value
		case "listen": // in place of an endpoint of its own
			s.Listen = value
		case "restricted":
			s.Permissions = []uint16{plan.Login}
		case "disabled":
			s.Enabled = false
		default:
			p.t.Fatalf("socket %s: unknown option %q", name, o)
		}
	}
	for _, other := range p.plan.Sockets {
		if s.Owner != "" && other.Owner == s.Owner {
			s.Order++
		}
	}
	p.plan.Sockets = append(p.plan.Sockets, s)
}

// attribute returns what adds one indented line to its unit.
func (p *planParser) attribute(unit plan.Name, line string) func() {
	key, rest, _ := strings.Cut(line, " ")
	kind := p.unitKind
	return func() {
		p.t.Helper()
		switch kind {
		case "service":
			v := find(p.plan.Services, func(v plan.Service) bool { return v.Name == unit })
			if key == "with" {
				if strings.Contains(rest, `"run"`) {
					v.Run = nil // else its elements would be merged
				}
				if err := json.Unmarshal([]byte(rest), v); err != nil {
					p.t.Fatalf("service %s: %v", unit, err)
				}
				return
			}
			p.set(key, rest, &v.StartOn, &v.StopOn, map[string]*[]plan.Action{"on-start": &v.OnStart, "on-stop": &v.OnStop})
		case "socket":
			v := find(p.plan.Sockets, func(v plan.Socket) bool { return v.Name == unit })
			if key == "with" {
				if err := json.Unmarshal([]byte(rest), v); err != nil {
					p.t.Fatalf("socket %s: %v", unit, err)
				}
				return
			}
			p.set(key, rest, &v.StartOn, &v.StopOn, map[string]*[]plan.Action{
				"on-start": &v.OnStart, "on-stop": &v.OnStop, "trigger": &v.Trigger,
			})
		case "timer":
			v := find(p.plan.Timers, func(v plan.Timer) bool { return v.Name == unit })
			p.set(key, rest, nil, nil, map[string]*[]plan.Action{"finish": &v.Finish})
		case "signal":
			v := find(p.plan.Signals, func(v plan.Signal) bool { return v.Name == unit })
			if key == "branch" {
				v.Branch = branchKeys(rest)
				return
			}
			v.After = p.condition(rest)
		case "state":
			p.follow(find(p.plan.States, func(v plan.State) bool { return v.Name == unit }), key, rest)
		}
	}
}

func find[T any](list []T, is func(T) bool) *T { return &list[slices.IndexFunc(list, is)] }

// follow reads what makes a state follow from others.
func (p *planParser) follow(v *plan.State, key, text string) {
	p.t.Helper()
	switch key {
	case "after":
		v.After = p.condition(text)
	case "activate-on-none":
		for word := range strings.FieldsSeq(text) {
			name, branch, _ := strings.Cut(word, "/")
			v.ActivateOnNone = append(v.ActivateOnNone, plan.Absence{State: plan.Name(name), Branch: branch})
		}
	case "auto-payload":
		v.AutoPayload = &plan.AutoPayload{}
		if err := json.Unmarshal([]byte(text), v.AutoPayload); err != nil {
			p.t.Fatal(err)
		}
	default:
		p.t.Fatalf("unknown attribute %q of a state", key)
	}
}

func (p *planParser) set(key, text string, startOn, stopOn **cond.Expr, triggers map[string]*[]plan.Action) {
	p.t.Helper()
	switch key {
	case "start-on":
		*startOn = p.condition(text)
	case "stop-on":
		*stopOn = p.condition(text)
	default:
		list := triggers[key]
		if list == nil {
			p.t.Fatalf("unknown attribute %q", key)
		}
		*list = append(*list, p.action(text))
	}
}

func (p *planParser) action(text string) plan.Action {
	p.t.Helper()
	verb, rest, _ := strings.Cut(text, " ")
	a := plan.Action{Do: plan.Op(verb)}
	switch a.Do {
	case plan.OpScript:
		a.Command = rest
		return a
	case plan.OpExec:
		words := strings.Fields(rest)
		a.Command, a.Args = words[0], words[1:]
		return a
	case plan.OpSetState, plan.OpEmit, plan.OpRemoveState, plan.OpStartService, plan.OpStopService, plan.OpStartSocket, plan.OpStopSocket,
		plan.OpStartTimer, plan.OpStopTimer:
	default:
		p.t.Fatalf("unknown action %q", text)
	}
	target, rest, _ := strings.Cut(rest, " ")
	a.Target = plan.Name(target)
	switch {
	case strings.HasPrefix(rest, "template "):
		a.Template = &plan.Template{}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(rest, "template ")), a.Template); err != nil {
			p.t.Fatal(err)
		}
	case a.Do == plan.OpSetState || a.Do == plan.OpEmit:
		v := parsePayload(p.t, p.plan, a.Target, rest)
		a.Payload = &v
	case a.Do == plan.OpRemoveState && rest != "":
		a.Filter = parseGuard(p.t, rest)
	}
	return a
}

// parsePayload reads a payload of the kind that the state or signal wants.
// "string:…" is a string for whoever wants another kind.
func parsePayload(tb testing.TB, p *plan.Plan, target plan.Name, text string) cond.Value {
	tb.Helper()
	if s, ok := strings.CutPrefix(text, "string:"); ok {
		return cond.StringValue(s)
	}
	kind := cond.String
	for _, st := range p.States {
		if st.Name == target {
			kind = st.Payload
		}
	}
	for _, sig := range p.Signals {
		if sig.Name == target {
			kind = sig.Payload
		}
	}
	v, err := cond.ParseValue(kind, []byte(text))
	if err != nil {
		tb.Fatalf("payload %q of %s: %v", text, target, err)
	}
	return v
}

func (p *planParser) condition(text string) *cond.Expr {
	p.t.Helper()
	n := parseNode(p.t, text)
	x := p.expr(n)
	return &x
}

// node is a word or a list of a prefix expression.
type node struct {
	word string
	list []node
}

func (p *planParser) expr(n node) cond.Expr {
	p.t.Helper()
	if len(n.list) < 2 {
		p.t.Fatalf("malformed condition %v", n)
	}
	rest := n.list[1:]
	switch n.list[0].word {
	case "and":
		return cond.Expr{And: mapNodes(rest, p.expr)}
	case "or":
		return cond.Expr{Or: mapNodes(rest, p.expr)}
	case "not":
		x := p.expr(rest[0])
		return cond.Expr{Not: &x}
	}
	a := &cond.Atom{Kind: cond.State, Name: rest[0].word}
	if n.list[0].word == "signal" {
		a.Kind = cond.Signal
	}
	if len(rest) > 1 {
		g := guard(p.t, rest[1])
		a.Guard = &g
	}
	return cond.Expr{Atom: a}
}

func mapNodes[T any](list []node, f func(node) T) []T {
	out := make([]T, len(list))
	for i, n := range list {
		out[i] = f(n)
	}
	return out
}

func parseGuard(tb testing.TB, text string) *cond.Guard {
	tb.Helper()
	g := guard(tb, parseNode(tb, text))
	return &g
}

func guard(tb testing.TB, n node) cond.Guard {
	tb.Helper()
	if len(n.list) < 2 {
		tb.Fatalf("malformed guard %v", n)
	}
	rest := n.list[1:]
	sub := func(n node) cond.Guard { return guard(tb, n) }
	switch n.list[0].word {
	case "and":
		return cond.Guard{And: mapNodes(rest, sub)}
	case "or":
		return cond.Guard{Or: mapNodes(rest, sub)}
	case "not":
		g := sub(rest[0])
		return cond.Guard{Not: &g}
	}
	root, path, _ := strings.Cut(n.list[0].word, "/")
	p := cond.Pred{Op: cond.Op(rest[0].word)}
	if err := p.Root.UnmarshalText([]byte(root)); err != nil {
		tb.Fatal(err)
	}
	if path != "" {
		p.Path = strings.Split(path, "/")
	}
	lit, err := cond.ParseJSON([]byte(rest[1].word))
	if err != nil {
		tb.Fatalf("literal %q: %v", rest[1].word, err)
	}
	p.Lit = lit.Tree()
	return cond.Guard{Pred: &p}
}

// parseNode reads one expression; the outermost parentheses may be missing.
func parseNode(tb testing.TB, text string) node {
	tb.Helper()
	if text = strings.TrimSpace(text); !strings.HasPrefix(text, "(") {
		text = "(" + text + ")"
	}
	stack := []node{{}}
	for text != "" {
		top := &stack[len(stack)-1]
		switch {
		case text[0] == ' ':
			text = text[1:]
		case text[0] == '(':
			stack, text = append(stack, node{}), text[1:]
		case text[0] == ')' && len(stack) > 1:
			done := *top
			stack, text = stack[:len(stack)-1], text[1:]
			top = &stack[len(stack)-1]
			top.list = append(top.list, done)
		default:
			var word string
			word, text = cutWord(text)
			top.list = append(top.list, node{word: word})
		}
	}
	if len(stack) != 1 || len(stack[0].list) != 1 {
		tb.Fatalf("unbalanced parentheses in %q", text)
	}
	return stack[0].list[0]
}

// cutWord splits off one word; a JSON value is one word.
func cutWord(text string) (word, rest string) {
	if strings.ContainsAny(text[:1], `"{[`) {
		dec := json.NewDecoder(strings.NewReader(text))
		var lit json.RawMessage
		if err := dec.Decode(&lit); err == nil {
			return string(lit), text[dec.InputOffset():]
		}
	}
	if i := strings.IndexAny(text, " ()"); i > 0 {
		return text[:i], text[i:]
	}
	return text, ""
}
