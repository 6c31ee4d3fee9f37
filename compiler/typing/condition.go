package typing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan/cond"
)

// Join says how the items of a list of conditions combine.
type Join uint8

// Joins: a socket starts when any of its conditions holds, a service when all
// of them do; both stop on any (SPEC §2, §4.2).
const (
	_ Join = iota
	Any
	All
)

// Typer types the conditions of the units of one group.
type Typer struct {
	Scope  resolve.Scope
	Report func(diag.Diagnostic) // called for every mistake that is found

	// Enough, if set, reports whether mistakes of a code are only counted from now on.
	Enough func(diag.Code, diag.Severity) bool

	// Lost says that conditions of the unit have mistakes that are reported already:
	// what is missing in them is no further mistake.
	Lost bool

	noSignal *noSignal // where the condition stands, if a signal is no condition there
}

// Names returns the scope to look names up in, for mistakes that are reported.
func (t Typer) Names() resolve.Scope {
	if t.Enough != nil && t.Enough(resolve.UnknownName, diag.Error) {
		return t.Scope.Quiet()
	}
	return t.Scope
}

// noSignal is why a signal is no condition.
type noSignal struct {
	code    diag.Code
	message string // with a verb for the name of the signal
	help    string
}

var (
	negated = &noSignal{
		NegatedSignal, "`not signal %s` is no condition: a signal is absent all the time but one moment",
		"use the signal without `not`, or a state",
	}
	asLevel = &noSignal{
		SignalAsLevel, "a state cannot follow from signal %s, which does not last",
		"name a state; to set a state when a signal comes, use a trigger",
	}
)

// Conditions returns the tree of a list of conditions: the condition itself if
// it has one item, else an explicit node that says how they combine. It returns
// nil for an absent list, and when there were mistakes.
func (t Typer) Conditions(list unit.Conditions, how Join) *cond.Expr {
	var items []cond.Expr
	sound := true
	for _, c := range list.Items {
		x := t.condition(c)
		sound = sound && x != nil
		if x != nil {
			items = append(items, *x)
		}
	}
	if !sound || len(items) == 0 {
		return nil
	}
	return joined(items, how)
}

// joined combines conditions; one alone needs no node.
func joined(items []cond.Expr, how Join) *cond.Expr {
	switch {
	case len(items) == 1:
		return &items[0]
	case how == All:
		return &cond.Expr{And: items}
	}
	return &cond.Expr{Or: items}
}

// StartOn is [Typer.Conditions] for start-on, where an empty list is a mistake:
// its reader cannot know whether nothing or everything starts the unit.
func (t Typer) StartOn(list unit.Conditions, how Join) *cond.Expr {
	if list.Set() && len(list.Items) == 0 && !t.Lost {
		t.fail(EmptyConditions, diag.Diagnostic{
			Message: "`start-on` is empty",
			At:      list.At,
			Help:    "list the conditions to start on, or remove `start-on`",
		})
	}
	return t.Conditions(list, how)
}

// Levels is [Typer.Conditions] for conditions that have to last, all of them, so
// that a signal is a mistake.
func (t Typer) Levels(list unit.Conditions) *cond.Expr {
	t.noSignal = asLevel
	return t.Conditions(list, All)
}

func (t Typer) fail(code diag.Code, d diag.Diagnostic) {
	d.Code, d.Severity = code, diag.Error
	t.Report(d)
}

// reportKnown reports the diagnostic of a failed lookup, if there is one.
func (t Typer) reportKnown(d *diag.Diagnostic) {
	if d != nil {
		t.Report(*d)
	}
}

func (t Typer) condition(c unit.Condition) *cond.Expr {
	x := t.whole(c)
	if c.Broken {
		return nil
	}
	return x
}

func (t Typer) whole(c unit.Condition) *cond.Expr {
	named := namesOf(c)
	switch {
	case c.Bare.Set():
		return t.text(c.Bare)
	case len(named) > 1:
		t.several(c, named)
	case c.State.Set():
		return atom(t.state(c))
	case c.Signal.Set():
		return atom(t.signal(c))
	case c.Target.Set() || c.Branch.Set():
		t.misplacedTest(c)
	case c.All.Set():
		return t.Conditions(c.All, All)
	case c.Any.Set():
		return t.Conditions(c.Any, Any)
	case c.Not != nil:
		t.noSignal = negated
		if x := t.condition(*c.Not); x != nil {
			return &cond.Expr{Not: x}
		}
	}
	return nil // the decoder reported a condition without a name
}

// key is a key that was written.
type key struct {
	name string
	at   source.Place
}

// namesOf returns the keys of a table that say what the condition is about.
func namesOf(c unit.Condition) []key {
	keys := []key{{"state", c.State.At}, {"signal", c.Signal.At}, {"all", c.All.At}, {"any", c.Any.At}}
	if c.Not != nil {
		keys = append(keys, key{"not", c.Not.At})
	}
	return slices.DeleteFunc(keys, func(k key) bool { return k.at.IsZero() })
}

func atom(a *cond.Atom) *cond.Expr {
	if a == nil {
		return nil
	}
	return &cond.Expr{Atom: a}
}

func (t Typer) several(c unit.Condition, named []key) {
	d := diag.Diagnostic{
		Message: "a condition is about a state or a signal, not both",
		At:      named[1].at.OfKey(),
		Help:    "split it into two conditions",
		Labels:  []diag.Label{{At: named[0].at.OfKey(), Message: "the state"}},
	}
	if !c.Signal.Set() || !c.State.Set() {
		d.Message = fmt.Sprintf("`%s` and `%s` are two conditions", named[0].name, named[1].name)
		d.Labels[0].Message = "the first"
	}
	t.fail(TwoNames, d)
}

// misplacedTest reports target or branch beside all, any or not.
func (t Typer) misplacedTest(c unit.Condition) {
	at := c.Target.At
	if !c.Target.Set() {
		at = c.Branch.At
	}
	if len(namesOf(c)) == 0 {
		return // the decoder reported a condition without a name
	}
	t.fail(TwoNames, diag.Diagnostic{
		Message: fmt.Sprintf("a test goes with one state or signal, not with `%s`", namesOf(c)[0].name),
		At:      at.OfKey(),
		Help:    "write it into the conditions that it is about",
	})
}

// text types a condition that is a string: the name of a state or signal, or an
// expression of the condition language.
func (t Typer) text(s unit.String) *cond.Expr {
	if !isExpression(s.Value) {
		return atom(t.bare(s))
	}
	c, bad := grammar.ParseCondition(s.Value)
	if bad != nil {
		t.fail(InvalidCondition, diag.Diagnostic{
			Message: bad.Message,
			At:      s.At.Within(bad.From, bad.To),
			Help:    bad.Help,
			Fix:     bad.Fix(s.Value),
		})
		return nil
	}
	return expression{Typer: t, text: s}.expr(c)
}

// isExpression tells an expression of the condition language from a misspelt
// address: it has a space, a bracket or an operator, which no address has.
func isExpression(s string) bool { return strings.ContainsAny(s, " \t\r\n()!&|=<>,") }

// bare types a name that may be a state or a signal.
func (t Typer) bare(ref unit.String) *cond.Atom {
	flow, bad := t.Names().Flow(ref)
	t.reportKnown(bad)
	switch {
	case flow.State != nil:
		return &cond.Atom{Kind: cond.State, Name: string(flow.State.Name)}
	case flow.Signal != nil && t.mayBeSignal(flow.Signal, ref.At):
		return &cond.Atom{Kind: cond.Signal, Name: string(flow.Signal.Name)}
	}
	return nil
}

// mayBeSignal reports a signal where only a state is a condition.
func (t Typer) mayBeSignal(s *resolve.Signal, at source.Place) bool {
	if t.noSignal == nil {
		return true
	}
	t.fail(t.noSignal.code, diag.Diagnostic{
		Message: fmt.Sprintf(t.noSignal.message, s.Name),
		At:      at,
		Help:    t.noSignal.help,
	})
	return false
}

// findState returns the state that ref names, and says so when it is a signal.
func (t Typer) findState(ref unit.String, form string) *resolve.State {
	s, bad := t.Names().State(ref)
	if s != nil || bad == nil {
		return s
	}
	if other, _ := t.Scope.Quiet().Signal(ref); other != nil {
		t.fail(StateNotSignal, diag.Diagnostic{
			Message: fmt.Sprintf("%q is a signal, not a state", other.Name),
			At:      ref.At,
			Help:    fmt.Sprintf("write `"+form+"`", "signal", ref.Value),
		})
		return nil
	}
	t.Report(*bad)
	return nil
}

// findSignal returns the signal that ref names, and says so when it is a state.
func (t Typer) findSignal(ref unit.String, form string) *resolve.Signal {
	s, bad := t.Names().Signal(ref)
	switch {
	case s != nil && !t.mayBeSignal(s, ref.At):
		return nil
	case s != nil || bad == nil:
		return s
	}
	if other, _ := t.Scope.Quiet().State(ref); other != nil {
		t.fail(StateNotSignal, diag.Diagnostic{
			Message: fmt.Sprintf("%q is a state, not a signal", other.Name),
			At:      ref.At,
			Help:    fmt.Sprintf("write `"+form+"`", "state", ref.Value),
		})
		return nil
	}
	t.Report(*bad)
	return nil
}

// How a condition on one state or signal is written, as a table and as text.
const (
	tableForm = "{ %s = %q }"
	textForm  = "%s %s"
)

// noText reports a condition that stands where a table names a state or signal.
func (t Typer) noText(ref unit.String) bool {
	if !isExpression(ref.Value) {
		return true
	}
	help := "write the name alone, and its tests beside it: `target = …` or `branch = …`"
	if rest, not := strings.CutPrefix(strings.TrimPrefix(ref.Value, "!"), "not "); not || rest != ref.Value {
		help = fmt.Sprintf("write `{ not = { … } }`, or the string %q as the condition", "not "+strings.TrimSpace(rest))
	}
	t.fail(resolve.InvalidAddress, diag.Diagnostic{Message: fmt.Sprintf("%.80q is a condition, not the name of a state or signal", ref.Value), At: ref.At, Help: help})
	return false
}

func (t Typer) state(c unit.Condition) *cond.Atom {
	if !t.noText(c.State) {
		return nil
	}
	s := t.findState(c.State, tableForm)
	if s == nil {
		return nil
	}
	target, ok := t.target("state", string(s.Name), s.Payload, c.Target)
	branch, branchOK := t.branchTest(s, c.Branch)
	if !ok || !branchOK {
		return nil
	}
	return &cond.Atom{Kind: cond.State, Name: string(s.Name), Guard: both(slices.Concat(target, branch))}
}

func (t Typer) signal(c unit.Condition) *cond.Atom {
	if !t.noText(c.Signal) {
		return nil
	}
	s := t.findSignal(c.Signal, tableForm)
	if s == nil {
		return nil
	}
	guards, ok := t.target("signal", string(s.Name), s.Payload, c.Target)
	if c.Branch.Set() {
		t.signalBranch(s, c.Branch.At.OfKey())
		ok = false
	}
	if !ok {
		return nil
	}
	return &cond.Atom{Kind: cond.Signal, Name: string(s.Name), Guard: both(guards)}
}

func (t Typer) signalBranch(s *resolve.Signal, at source.Place) {
	t.fail(NoBranches, diag.Diagnostic{
		Message: fmt.Sprintf("signal %q has no branches", s.Name),
		At:      at,
		Help:    "test its payload with `target`",
	})
}
