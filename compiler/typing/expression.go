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

// expression types the tree of a condition that is written as text.
type expression struct {
	Typer

	text unit.String
}

func (e expression) at(x grammar.Extent) source.Place { return e.text.At.Within(x.From, x.To) }

// expr returns the typed tree, nil when there were mistakes. A node of one
// operand is the operand, as in a list of one condition.
func (e expression) expr(c *grammar.Condition) *cond.Expr {
	switch {
	case c.Atom != nil:
		return atom(e.atom(c.Atom))
	case c.Not != nil:
		e.noSignal = negated
		if x := e.expr(c.Not); x != nil {
			return &cond.Expr{Not: x}
		}
		return nil
	case len(c.And) > 0:
		return e.join(c.And, All)
	}
	return e.join(c.Or, Any)
}

func (e expression) join(list []grammar.Condition, how Join) *cond.Expr {
	items := make([]cond.Expr, 0, len(list))
	for i := range list {
		if x := e.expr(&list[i]); x != nil {
			items = append(items, *x)
		}
	}
	if len(items) < len(list) {
		return nil
	}
	return joined(items, how)
}

// payload is what the guard of an atom looks at.
type payload struct {
	what  string // "state" or "signal"
	name  string
	kind  cond.Kind // 0: the definition does not say, which is reported there
	state *resolve.State
}

func (p payload) String() string { return fmt.Sprintf("%s %q", p.what, p.name) }

func (e expression) atom(a *grammar.ConditionAtom) *cond.Atom {
	ref := unit.String{Value: a.Name, At: e.at(a.At)}
	out := &cond.Atom{Kind: a.Kind}
	if _, bad := grammar.ParseAddress(a.Name); bad != nil { // a name that is too long
		e.fail(resolve.InvalidAddress, diag.Diagnostic{Message: bad.Message, At: ref.At, Help: bad.Help})
		return nil
	}
	if a.Kind == 0 {
		if out = e.bare(ref); out == nil {
			return nil
		}
		ref.Value = out.Name // as it was resolved
	}
	var of payload
	switch out.Kind {
	case cond.State:
		s := e.findState(ref, textForm)
		if s == nil {
			return nil
		}
		out.Name, of = string(s.Name), payload{"state", string(s.Name), s.Payload, s}
	case cond.Signal:
		s := e.findSignal(ref, textForm)
		if s == nil {
			return nil
		}
		out.Name, of = string(s.Name), payload{"signal", string(s.Name), s.Payload, nil}
	}
	if a.Guard == nil {
		return out
	}
	if out.Guard = e.guard(a.Guard, of); out.Guard == nil {
		return nil
	}
	return out
}

// guard returns the typed guard, nil when there were mistakes.
func (e expression) guard(g *grammar.ConditionGuard, of payload) *cond.Guard {
	switch {
	case g.Pred != nil:
		return e.pred(g.Pred, of)
	case g.Not != nil:
		if x := e.guard(g.Not, of); x != nil {
			return &cond.Guard{Not: x}
		}
		return nil
	case len(g.And) > 0:
		if items := e.guards(g.And, of); items != nil {
			return &cond.Guard{And: items}
		}
		return nil
	}
	if items := e.guards(g.Or, of); items != nil {
		return &cond.Guard{Or: items}
	}
	return nil
}

func (e expression) guards(list []grammar.ConditionGuard, of payload) []cond.Guard {
	items := make([]cond.Guard, 0, len(list))
	for i := range list {
		if x := e.guard(&list[i], of); x != nil {
			items = append(items, *x)
		}
	}
	if len(items) < len(list) {
		return nil
	}
	return items
}

func (e expression) pred(p *grammar.ConditionPred, of payload) *cond.Guard {
	out := p.Pred
	kind := of.kind
	if p.Root == cond.Branch {
		out.Root, kind = e.branch(p, of)
	}
	if kind == 0 || !e.fits(p, kind, of) {
		return nil
	}
	return &cond.Guard{Pred: &out}
}

// branch checks a predicate on the branch of a state, and returns the root and
// the kind of payload that it tests; no kind when there were mistakes.
func (e expression) branch(p *grammar.ConditionPred, of payload) (cond.Root, cond.Kind) {
	switch s := of.state; {
	case s == nil:
		e.fail(NoBranches, diag.Diagnostic{
			Message: fmt.Sprintf("%v has no branches", of),
			At:      e.at(p.At),
			Help:    "test its payload with `target`",
		})
		return 0, 0
	case s.Payload == 0: // reported at the definition
		return 0, 0
	case s.Name == resolve.ActiveState:
		// Each of its values is a branch of its own, so the branch is the value.
		return cond.Target, s.Payload
	case !s.Branching():
		e.noBranches(s, e.at(p.At))
		return 0, 0
	case len(p.Path) > 0 && !s.KeysUnknown() && !slices.Contains(s.BranchKeys(), p.Path[0]):
		help, fix := nearestKey(s, p.Path[0])
		e.fail(NoBranchKey, diag.Diagnostic{
			Message: fmt.Sprintf("%q is no branch key of state %q", p.Path[0], s.Name),
			At:      e.at(p.Key),
			Help:    help,
			Fix:     fix,
		})
		return 0, 0
	}
	return cond.Branch, cond.JSON
}

// fits checks that the operator can test a payload of kind k against the literal.
func (e expression) fits(p *grammar.ConditionPred, k cond.Kind, of payload) bool {
	op, ok := cond.LookupOperator(p.Op)
	if !ok {
		return false // the grammar knows no other
	}
	path := len(p.Path) > 0
	switch {
	case path && k != cond.JSON:
		e.fail(PathOfNonJSON, diag.Diagnostic{
			Message: fmt.Sprintf("a path leads into a json payload, but %v has one of kind %v", of, k),
			At:      e.at(p.At),
			Help:    "test the payload as a whole, or declare `payload = \"json\"`",
		})
		return false
	case !path && !slices.Contains(op.Kinds, k):
		e.fail(wrongOperator(p.Op, k), diag.Diagnostic{
			Message: fmt.Sprintf("`%s` cannot test the payload of %v, which is of kind %v", p.Op, of, k),
			At:      e.at(p.At),
			Help:    operatorsFor(k),
		})
		return false
	}
	if err := op.Check(k, path, p.Lit); err != nil {
		help := fmt.Sprintf("`%s` holds if %s", p.Op, op.Doc)
		if lit, ok := p.Lit.(string); ok && p.Op == cond.OpIn && lit != "" {
			help = fmt.Sprintf("write a list: `in [%.80q]`", lit)
		} else if p.Op == cond.OpIs {
			help = "compare with `==`: `is` is about types"
		}
		e.fail(WrongLiteral, diag.Diagnostic{
			Message: err.Error(),
			At:      e.at(p.Literal),
			Help:    help,
		})
		return false
	}
	return e.canBe(p, k, of)
}

// canBe reports a type that the payload as a whole never has.
func (e expression) canBe(p *grammar.ConditionPred, k cond.Kind, of payload) bool {
	name, _ := p.Lit.(string)
	if p.Op != cond.OpIs || len(p.Path) > 0 || name == k.String() {
		return true
	}
	if k == cond.JSON && name != cond.Bytes.String() && name != cond.None.String() {
		return true // a JSON document of that type
	}
	e.fail(BinaryOfOther, diag.Diagnostic{
		Message: fmt.Sprintf("%v is never of type %s: its payload is of kind %v", of, name, k),
		At:      e.at(p.At),
		Help:    "remove the test, or change what it is about",
	})
	return false
}

// wrongOperator returns the code for an operator that cannot test a payload of
// kind k as a whole.
func wrongOperator(op cond.Op, k cond.Kind) diag.Code {
	if k != cond.None {
		return WrongOperator
	}
	switch op { //nolint:exhaustive // what the TOML forms have too
	case cond.OpEqual, cond.OpNotEqual, cond.OpIn:
		return EqualityOfNone
	case cond.OpContains, cond.OpMatches, cond.OpStartsWith, cond.OpEndsWith:
		return ContainsOfNone
	}
	return WrongOperator
}

// operatorsFor lists the operators for a payload of kind k.
func operatorsFor(k cond.Kind) string {
	if k == cond.None {
		return fits(k)
	}
	var list []string
	for _, o := range cond.Operators {
		if o.Op != cond.OpExists && slices.Contains(o.Kinds, k) {
			list = append(list, "`"+string(o.Op)+"`")
		}
	}
	return "use one of " + strings.Join(list, ", ")
}
