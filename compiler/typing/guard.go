package typing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan/cond"
)

// target types the test of a whole payload of kind k. A kind of 0 is one that
// the definition does not say, which is reported there: everything fits.
func (t Typer) target(what, name string, k cond.Kind, test unit.Test) ([]cond.Guard, bool) {
	if !test.Set() {
		return nil, true
	}
	if code, problem := misfit(test, k); code != "" {
		t.fail(code, diag.Diagnostic{
			Message: fmt.Sprintf("%s, but %s %q has a payload of kind %v", problem, what, name, k),
			At:      test.At,
			Help:    fits(k),
		})
		return nil, false
	}
	return t.desugar(cond.Target, test)
}

// misfit returns the code and the rule that a test of a payload of kind k
// breaks; no code if it is fine.
func misfit(test unit.Test, k cond.Kind) (code diag.Code, rule string) {
	switch {
	case k == 0:
	case test.Equal.Set() && k == cond.None:
		return EqualityOfNone, "a string is compared with a payload"
	case test.Contains.Set() && k == cond.None:
		return ContainsOfNone, "`contains` looks into a payload"
	case test.As.Set() && k != cond.JSON:
		return AsOfNonJSON, "`as` needs a json payload"
	case test.Binary.Value && k != cond.Bytes:
		return BinaryOfOther, "`binary` needs a payload of bytes"
	}
	return "", ""
}

// fits says which tests a payload of kind k allows.
func fits(k cond.Kind) string {
	switch k {
	case cond.JSON:
		return "use a string, `{ contains = \"…\" }` or `{ as = { … } }`"
	case cond.String:
		return "use a string or `{ contains = \"…\" }`"
	case cond.Bytes:
		return "use a string, `{ contains = \"…\" }` or `{ binary = true }`"
	case cond.None:
	}
	return "remove the test: there is no payload to look at"
}

// desugar returns the guards of a test that fits, whose conjunction it is
// (SPEC §4.3).
func (t Typer) desugar(root cond.Root, test unit.Test) ([]cond.Guard, bool) {
	switch {
	case test.Equal.Set():
		return []cond.Guard{whole(root, cond.OpEqual, test.Equal.Value)}, true
	case test.Contains.Set():
		return []cond.Guard{whole(root, cond.OpContains, test.Contains.Value)}, true
	case test.As.Set():
		return t.as(root, test.As)
	case test.Binary.Value:
		return []cond.Guard{whole(root, cond.OpIs, cond.Bytes.String())}, true
	}
	return nil, false // the decoder reported a test that tests nothing
}

func whole(root cond.Root, op cond.Op, lit any) cond.Guard {
	return cond.Guard{Pred: &cond.Pred{Root: root, Op: op, Lit: lit}}
}

// conjuncts returns the guards that all have to hold for g to hold.
func conjuncts(g *cond.Guard) []cond.Guard {
	if len(g.And) > 0 {
		return g.And
	}
	return []cond.Guard{*g}
}

// both joins guards into one that holds when all of them do; nil if there are
// none.
func both(guards []cond.Guard) *cond.Guard {
	switch len(guards) {
	case 0:
		return nil
	case 1:
		return &guards[0]
	}
	return &cond.Guard{And: guards}
}

func (t Typer) as(root cond.Root, filter unit.Any) ([]cond.Guard, bool) {
	tree, err := Tree(filter.Value)
	if err == nil {
		return conjuncts(cond.SubsetGuard(root, tree)), true
	}
	if !t.Lost { // the decoder reports what has no JSON form
		t.fail(diag.NoJSONForm, diag.Diagnostic{
			Message: err.Error(),
			At:      filter.At,
			Help:    "use strings, finite numbers, booleans, arrays and tables",
		})
	}
	return nil, false
}

// BranchTest returns the guard of a test of the branch keys of a state, nil for
// an absent test. It reports whether the test was sound.
func (t Typer) BranchTest(s *resolve.State, test unit.Test) (*cond.Guard, bool) {
	guards, ok := t.branchTest(s, test)
	return both(guards), ok
}

func (t Typer) branchTest(s *resolve.State, test unit.Test) ([]cond.Guard, bool) {
	switch {
	case !test.Set():
		return nil, true
	case s.Payload == 0: // reported at the definition
		return nil, false
	case s.Name == resolve.ActiveState:
		// Each of its values is a branch of its own, so the branch is the value.
		return t.target("state", string(s.Name), s.Payload, test)
	case !s.Branching():
		t.noBranches(s, test.At.OfKey())
		return nil, false
	case test.Binary.Value:
		t.fail(BinaryOfOther, diag.Diagnostic{
			Message: fmt.Sprintf("`binary` needs a payload of bytes, but the branch keys of state %q are json", s.Name),
			At:      test.At,
			Help:    fits(cond.JSON),
		})
		return nil, false
	}
	if test.As.Set() && !t.branchKeys(s, test.As) {
		return nil, false
	}
	return t.desugar(cond.Branch, test)
}

func (t Typer) noBranches(s *resolve.State, at source.Place) {
	help := "only json states have branches; test the payload with `target`"
	if s.Payload == cond.None {
		help = "remove the test: there is nothing to look at"
	}
	t.fail(NoBranches, diag.Diagnostic{
		Message: fmt.Sprintf("state %q has no branches: its payload is of kind %v", s.Name, s.Payload),
		At:      at,
		Help:    help,
	})
}

func branchKeysHelp(s *resolve.State) string {
	return fmt.Sprintf("the branch keys are %s; test the rest of the payload with `target`", strings.Join(s.BranchKeys(), ", "))
}

// nearestKey says what to write for a key that is no branch key of s.
func nearestKey(s *resolve.State, key string) (help string, fix *diag.Fix) {
	near, ok := diag.Nearest(key, s.BranchKeys())
	if !ok {
		return branchKeysHelp(s), nil
	}
	if s.Builtin { // else it may be the definition that is misspelt
		fix = diag.Misspelt(key, near, s.BranchKeys())
	}
	return fmt.Sprintf("did you mean `%s`?", near), fix
}

// branchKeys checks that a filter of branches looks only at what they have.
func (t Typer) branchKeys(s *resolve.State, filter unit.Any) bool {
	if s.KeysUnknown() {
		return true
	}
	keys := s.BranchKeys()
	table, ok := filter.Value.(map[string]any)
	if !ok {
		t.fail(NoBranchKey, diag.Diagnostic{
			Message: fmt.Sprintf("the branch keys of state %q are a table, which this is not", s.Name),
			At:      filter.At,
			Help:    branchKeysHelp(s),
		})
		return false
	}
	for _, key := range sortedKeys(table) {
		if !slices.Contains(keys, key) {
			keyHelp, fix := nearestKey(s, key)
			t.fail(NoBranchKey, diag.Diagnostic{
				Message: fmt.Sprintf("%q is no branch key of state %q", key, s.Name),
				At:      filter.At.At(key).OfKey(),
				Help:    keyHelp,
				Fix:     fix,
			})
			ok = false
		}
	}
	return ok
}
