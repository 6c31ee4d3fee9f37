package plan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// BuiltinGroup is the group of the definitions that need no unit file.
const BuiltinGroup = "rind"

// DefaultBranchKey tells the branches of a json state apart that names no keys
// of its own.
const DefaultBranchKey = "id"

// Branching reports whether s may have several branches that key fields of the
// payload tell apart, which all json states have.
func (s *State) Branching() bool { return s.Payload == cond.JSON }

// BranchKeys returns the names of the payload fields that tell the branches of s
// apart; nil if it has none.
func (s *State) BranchKeys() []string {
	if !s.Branching() {
		return nil
	}
	if len(s.Branch) == 0 {
		return []string{DefaultBranchKey}
	}
	keys := make([]string, len(s.Branch))
	for i, k := range s.Branch {
		keys[i] = k.Target
	}
	return keys
}

// CheckPayload reports why v cannot be the payload of s: it has another kind, or
// it is json that is no object or lacks a branch key.
func (s *State) CheckPayload(v cond.Value) error {
	if err := checkKind(s.Payload, v); err != nil {
		return err
	}
	if !s.Branching() {
		return nil
	}
	fields, ok := v.Tree().(map[string]any)
	if !ok {
		return fmt.Errorf("the payload of a json state is an object with the branch keys %q", s.BranchKeys())
	}
	for _, key := range s.BranchKeys() {
		if _, ok := fields[key]; !ok {
			return fmt.Errorf("the branch key %q is missing", key)
		}
	}
	return nil
}

// CheckPayload reports why v cannot be the payload of s.
func (s *Signal) CheckPayload(v cond.Value) error { return checkKind(s.Payload, v) }

func checkKind(want cond.Kind, v cond.Value) error {
	if v.Kind() != want {
		return fmt.Errorf("the payload is %v, want %v", v.Kind(), want)
	}
	return nil
}

func validKind(k cond.Kind) bool { return slices.Contains(cond.Kinds, k) }

// parts says which fields of an [Action] an operation has.
type parts struct{ command, args, target, payload, filter bool }

// shapes has the fields of every operation of [Ops].
var shapes = map[Op]parts{
	OpScript:       {command: true},
	OpExec:         {command: true, args: true},
	OpSetState:     {target: true, payload: true},
	OpRemoveState:  {target: true, filter: true},
	OpEmit:         {target: true, payload: true},
	OpStartService: {target: true},
	OpStopService:  {target: true},
	OpStartSocket:  {target: true},
	OpStopSocket:   {target: true},
	OpStartTimer:   {target: true},
	OpStopTimer:    {target: true},
}

func (v *validator) actions(field string, list []Action) {
	for i := range list {
		if err := v.action(&list[i]); err != nil {
			v.problem("%s[%d]: %w", field, i, err)
		}
	}
}

func (v *validator) action(a *Action) error {
	want, ok := shapes[a.Do]
	switch {
	case !ok:
		return fmt.Errorf("unknown operation %q", a.Do)
	case (a.Command != "") != want.command:
		return wrongPart(a.Do, "command", want.command)
	case len(a.Args) > 0 && !want.args:
		return wrongPart(a.Do, "args", false)
	case (a.Target != "") != want.target:
		return wrongPart(a.Do, "target", want.target)
	case (a.Payload != nil || a.Template != nil) != want.payload:
		return wrongPart(a.Do, "payload", want.payload)
	case a.Payload != nil && a.Template != nil:
		return fmt.Errorf("%s has a payload and a template for it", a.Do)
	case a.Filter != nil && !want.filter:
		return wrongPart(a.Do, "filter", false)
	}
	return v.target(a)
}

func wrongPart(op Op, part string, wanted bool) error {
	if wanted {
		return fmt.Errorf("%s without %s", op, part)
	}
	return fmt.Errorf("%s has a %s, which it cannot have", op, part)
}

func (v *validator) target(a *Action) error {
	switch a.Do {
	case OpScript, OpExec:
		return nil
	case OpSetState, OpRemoveState:
		s, ok := v.index.State(a.Target)
		if !ok {
			return noSuch("state", a)
		}
		switch {
		case a.Template != nil:
			return v.template(a.Template, s.Payload)
		case a.Do == OpSetState:
			return s.CheckPayload(*a.Payload)
		}
		return checkGuard(a.Filter, s.Payload, s.Branching())
	case OpEmit:
		s, ok := v.index.Signal(a.Target)
		if !ok {
			return noSuch("signal", a)
		}
		if a.Template != nil {
			return v.template(a.Template, s.Payload)
		}
		return s.CheckPayload(*a.Payload)
	case OpStartService, OpStopService:
		if _, ok := v.index.Service(a.Target); !ok {
			return noSuch("service", a)
		}
	case OpStartSocket, OpStopSocket:
		if _, ok := v.index.Socket(a.Target); !ok {
			return noSuch("socket", a)
		}
	case OpStartTimer, OpStopTimer:
		if _, ok := v.index.Timer(a.Target); !ok {
			return noSuch("timer", a)
		}
	}
	return nil
}

func noSuch(kind string, a *Action) error {
	return fmt.Errorf("%s %s, which is no %s of the plan", a.Do, a.Target, kind)
}

func (v *validator) expr(field string, e *cond.Expr) {
	if e == nil {
		return
	}
	if err := v.checkExpr(*e); err != nil {
		v.problem("%s: %w", field, err)
	}
}

func (v *validator) checkExpr(e cond.Expr) error {
	set := 0
	for _, is := range []bool{len(e.And) > 0, len(e.Or) > 0, e.Not != nil, e.Atom != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return errors.New("a condition has exactly one of and, or, not, atom")
	}
	for _, x := range slices.Concat(e.And, e.Or) {
		if err := v.checkExpr(x); err != nil {
			return err
		}
	}
	if e.Not != nil {
		signal := ""
		e.Not.Atoms(func(a cond.Atom) {
			if a.Kind == cond.Signal {
				signal = a.Name
			}
		})
		if signal != "" {
			return fmt.Errorf("not signal %s: the absence of an event is no condition", signal)
		}
		return v.checkExpr(*e.Not)
	}
	if e.Atom != nil {
		return v.checkAtom(e.Atom)
	}
	return nil
}

func (v *validator) checkAtom(a *cond.Atom) error {
	switch a.Kind {
	case cond.State:
		s, ok := v.index.State(Name(a.Name))
		if !ok {
			return fmt.Errorf("%q is no state of the plan", a.Name)
		}
		if err := checkGuard(a.Guard, s.Payload, s.Branching()); err != nil {
			return fmt.Errorf("state %s: %w", a.Name, err)
		}
		return nil
	case cond.Signal:
		s, ok := v.index.Signal(Name(a.Name))
		if !ok {
			return fmt.Errorf("%q is no signal of the plan", a.Name)
		}
		if err := checkGuard(a.Guard, s.Payload, false); err != nil {
			return fmt.Errorf("signal %s: %w", a.Name, err)
		}
		return nil
	}
	return errors.New("an atom names a state or a signal")
}

// checkGuard checks a guard over a payload of kind k, which has branch keys if
// branching is set. A nil guard is fine.
func checkGuard(g *cond.Guard, k cond.Kind, branching bool) error {
	if g == nil {
		return nil
	}
	set := 0
	for _, is := range []bool{len(g.And) > 0, len(g.Or) > 0, g.Not != nil, g.Pred != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return errors.New("a guard has exactly one of and, or, not, pred")
	}
	for _, x := range slices.Concat(g.And, g.Or) {
		if err := checkGuard(&x, k, branching); err != nil {
			return err
		}
	}
	if g.Not != nil {
		return checkGuard(g.Not, k, branching)
	}
	if g.Pred != nil {
		return checkPred(g.Pred, k, branching)
	}
	return nil
}

func checkPred(p *cond.Pred, k cond.Kind, branching bool) error {
	op, ok := cond.LookupOperator(p.Op)
	switch {
	case !ok:
		return fmt.Errorf("unknown operator %q", p.Op)
	case p.Root != cond.Target && p.Root != cond.Branch:
		return errors.New("a path starts at target or branch")
	case p.Root == cond.Branch && !branching:
		return errors.New("branch tests something that has no branch keys")
	}
	return op.Check(k, len(p.Path) > 0, p.Lit)
}
