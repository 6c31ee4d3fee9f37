package typing

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
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

	// Broken says that the unit has mistakes that are reported already: what is
	// missing in it is no further mistake.
	Broken bool
}

// Conditions returns the tree of a list of conditions: the condition itself if
// it has one item, else an explicit node that says how they combine. It returns
// nil for an absent list, and when there were mistakes.
func (t Typer) Conditions(list unit.Conditions, how Join) *cond.Expr {
	var items []cond.Expr
	sound := true
	for _, c := range list.Items {
		atom := t.condition(c)
		sound = sound && atom != nil
		if atom != nil {
			items = append(items, cond.Expr{Atom: atom})
		}
	}
	switch {
	case !sound || len(items) == 0:
		return nil
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
	if list.Set() && len(list.Items) == 0 && !t.Broken {
		t.fail(EmptyConditions, diag.Diagnostic{
			Message: "`start-on` is empty",
			At:      list.At,
			Help:    "list the conditions to start on, or remove `start-on`",
		})
	}
	return t.Conditions(list, how)
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

func (t Typer) condition(c unit.Condition) *cond.Atom {
	switch {
	case c.Bare.Set():
		return t.bare(c.Bare)
	case c.State.Set() && c.Signal.Set():
		t.fail(TwoNames, diag.Diagnostic{
			Message: "a condition is about a state or a signal, not both",
			At:      c.Signal.At.OfKey(),
			Help:    "split it into two conditions",
			Labels:  []diag.Label{{At: c.State.At.OfKey(), Message: "the state"}},
		})
	case c.State.Set():
		return t.state(c)
	case c.Signal.Set():
		return t.signal(c)
	}
	return nil // the decoder reported a condition without a name
}

// bare types a condition that is only a name.
func (t Typer) bare(ref unit.String) *cond.Atom {
	if isExpression(ref.Value) {
		t.fail(Expression, diag.Diagnostic{
			Message: "conditions as expressions are not supported by this version of rindc",
			At:      ref.At,
			Help:    "write a table, for example `{ state = \"net@up\", target = { contains = \"eth0\" } }`",
		})
		return nil
	}
	flow, bad := t.Scope.Flow(ref)
	t.reportKnown(bad)
	switch {
	case flow.State != nil:
		return &cond.Atom{Kind: cond.State, Name: string(flow.State.Name)}
	case flow.Signal != nil:
		return &cond.Atom{Kind: cond.Signal, Name: string(flow.Signal.Name)}
	}
	return nil
}

// isExpression tells an expression of the condition language from a misspelt
// address: it has a space or a bracket, which no address has.
func isExpression(s string) bool {
	if _, err := grammar.ParseAddress(s); err == nil {
		return false
	}
	return strings.ContainsAny(s, " \t\n()")
}

func (t Typer) state(c unit.Condition) *cond.Atom {
	s, bad := t.Scope.State(c.State)
	if s == nil {
		if bad != nil {
			if other, _ := t.Scope.Signal(c.State); other != nil {
				t.fail(StateNotSignal, diag.Diagnostic{
					Message: fmt.Sprintf("%q is a signal, not a state", other.Name),
					At:      c.State.At,
					Help:    fmt.Sprintf("write `{ signal = %q }`", c.State.Value),
				})
				return nil
			}
		}
		t.reportKnown(bad)
		return nil
	}
	target, ok := t.target("state", string(s.Name), s.Payload, c.Target)
	branch, branchOK := t.branchTest(s, c.Branch)
	if !ok || !branchOK {
		return nil
	}
	return &cond.Atom{Kind: cond.State, Name: string(s.Name), Guard: both(append(target, branch...))}
}

func (t Typer) signal(c unit.Condition) *cond.Atom {
	s, bad := t.Scope.Signal(c.Signal)
	if s == nil {
		if bad != nil {
			if other, _ := t.Scope.State(c.Signal); other != nil {
				t.fail(StateNotSignal, diag.Diagnostic{
					Message: fmt.Sprintf("%q is a state, not a signal", other.Name),
					At:      c.Signal.At,
					Help:    fmt.Sprintf("write `{ state = %q }`", c.Signal.Value),
				})
				return nil
			}
		}
		t.reportKnown(bad)
		return nil
	}
	guards, ok := t.target("signal", string(s.Name), s.Payload, c.Target)
	if c.Branch.Set() {
		t.fail(NoBranches, diag.Diagnostic{
			Message: fmt.Sprintf("signal %q has no branches", s.Name),
			At:      c.Branch.At.OfKey(),
			Help:    "test its payload with `target`",
		})
		ok = false
	}
	if !ok {
		return nil
	}
	return &cond.Atom{Kind: cond.Signal, Name: string(s.Name), Guard: both(guards)}
}
