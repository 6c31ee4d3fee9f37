package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// wholeTable finds a test in e that no json payload passes whatever it is: that of a
// state is a table which has the branch keys, and all are compared as canonical JSON. It
// says why, and what may be meant. table says that the condition is written as one.
func (p *Pass) wholeTable(e cond.Expr, table bool) (why, help string) {
	for _, part := range e.And {
		if why, help := p.wholeTable(part, table); why != "" {
			return why, help
		}
	}
	if e.Atom == nil || e.Atom.Guard == nil {
		return "", ""
	}
	if e.Atom.Kind == cond.Signal {
		if s := p.Table.SignalNamed(plan.Name(e.Atom.Name)); s != nil && s.Payload == cond.JSON {
			return otherText(fmt.Sprintf("signal %q", s.Name), *e.Atom.Guard, table)
		}
		return "", ""
	}
	s := p.Table.StateNamed(plan.Name(e.Atom.Name))
	if s == nil || !s.Branching() || s.Name == resolve.ActiveState || s.KeysUnknown() {
		return "", ""
	}
	for _, g := range allOf(*e.Atom.Guard) {
		if not := g.Not; not != nil && not.Pred != nil && alwaysThere(s, not.Pred) {
			return fmt.Sprintf("every payload of state %q has the branch key `%s`", s.Name, not.Pred.Path[0]),
				"test its value, or write `not` in front of the state: that holds when it is not set"
		}
		if pred := g.Pred; pred != nil && pred.Root == cond.Target && len(pred.Path) == 0 && !ofTable(pred) {
			return fmt.Sprintf("the payload of state %q is a table, so it is no match for `%s`", s.Name, pred), fieldHelp(s, pred, table)
		}
	}
	return otherText(fmt.Sprintf("state %q", s.Name), *e.Atom.Guard, table)
}

// allOf returns the guards that all have to hold for g to hold.
func allOf(g cond.Guard) []cond.Guard {
	if g.And != nil {
		return g.And
	}
	return []cond.Guard{g}
}

// otherText finds a test for a text that no json payload has.
func otherText(what string, guard cond.Guard, table bool) (why, help string) {
	write := func(text string) string { return "target == " + strconv.Quote(clipped(text)) }
	if table {
		write = func(text string) string { return "target = " + apostrophes(clipped(text)) }
	}
	for _, g := range allOf(guard) {
		pred := g.Pred
		if pred == nil || pred.Root != cond.Target || len(pred.Path) > 0 || pred.Op != cond.OpEqual {
			continue
		}
		text, ok := pred.Lit.(string)
		if !ok {
			continue
		}
		value, err := cond.ParseJSON([]byte(text))
		if err != nil {
			quoted, _ := cond.Canonical(text) // a string is never without JSON
			return fmt.Sprintf("the payload of %s is JSON, and %.80q is none", what, text),
				fmt.Sprintf("write `%s` for that string; for a field, write its path", write(quoted))
		}
		if value.Text() != text {
			return fmt.Sprintf("the payload of %s is compared as JSON with sorted keys and without spaces", what),
				fmt.Sprintf("write `%s`", write(value.Text()))
		}
	}
	return "", ""
}

// apostrophes writes JSON as a literal string of TOML, if that is possible.
func apostrophes(text string) string {
	if strings.Contains(text, "'") {
		return strconv.Quote(text)
	}
	return "'" + text + "'"
}

func clipped(text string) string {
	if short := fmt.Sprintf("%.80s", text); short != text {
		return short + "…"
	}
	return text
}

// alwaysThere reports whether a test holds for every payload of a json state: that a
// branch key is there.
func alwaysThere(s *resolve.State, pred *cond.Pred) bool {
	keys := s.BranchKeys()
	return pred.Op == cond.OpExists && len(pred.Path) == 1 && slices.Contains(keys, pred.Path[0])
}

// ofTable reports whether a table may pass a test.
func ofTable(pred *cond.Pred) bool {
	switch pred.Op {
	case cond.OpEqual:
		return isTable(pred.Lit)
	case cond.OpIn:
		list, ok := pred.Lit.([]any)
		return !ok || slices.ContainsFunc(list, isTable)
	case cond.OpIs:
		return pred.Lit == "object" || pred.Lit == cond.JSON.String()
	case cond.OpLess, cond.OpAtMost, cond.OpMore, cond.OpAtLeast, cond.OpHas:
		return false
	case cond.OpNotEqual, cond.OpContains, cond.OpMatches, cond.OpStartsWith, cond.OpEndsWith, cond.OpExists:
	}
	return true
}

// isTable reports whether a literal is a table, or its text.
func isTable(lit any) bool {
	switch lit := lit.(type) {
	case map[string]any:
		return true
	case string:
		var table map[string]any
		return json.Unmarshal([]byte(lit), &table) == nil && table != nil
	}
	return false
}

// fieldHelp says how a field of a payload is tested.
func fieldHelp(s *resolve.State, pred *cond.Pred, table bool) string {
	keys := s.BranchKeys()
	field := *pred
	field.Path = []string{keys[0]}
	str, isText := pred.Lit.(string)
	switch {
	case table && isText && pred.Op == cond.OpEqual && len(keys) == 1:
		return fmt.Sprintf("write `branch = %.80q` if `%s` is meant; for another field, `target = { as = { … } }`", str, keys[0])
	case table:
		return fmt.Sprintf("test its fields: `target = { as = { %s = … } }`", keys[0])
	}
	return fmt.Sprintf("test a field of it, such as `%.80s`", &field)
}
