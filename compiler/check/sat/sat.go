// Package sat decides whether conditions can hold: together, one without the
// other, or at all. It is a small solver for the formulas of unit files. The
// boolean part goes through the ways in which a formula can hold; the other part
// looks for payloads that pass the tests of each way, and has them judged by the
// evaluator of the engine itself, package cond.
//
// An answer is never a guess. Satisfiable comes with a world in which the
// formula holds when cond evaluates it; Unsatisfiable only when every kind of
// payload that the tests can tell apart has failed; everything else is Unknown.
package sat

import (
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// Verdict is what is known about a formula.
type Verdict uint8

// Verdicts. The zero Verdict is invalid.
const (
	_ Verdict = iota
	Satisfiable
	Unsatisfiable
	Unknown
)

func (v Verdict) String() string {
	switch v {
	case Satisfiable:
		return "satisfiable"
	case Unsatisfiable:
		return "unsatisfiable"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// Result is the answer to a question.
type Result struct {
	Verdict Verdict
	World   World  // of Satisfiable: one in which the formula holds
	Why     string // of Unknown: what could not be decided
}

// Shape is what the payloads of a state or signal can be.
type Shape struct {
	Kind cond.Kind

	// Keys lists the fields that every payload of a json state has, and that
	// tell its branches apart.
	Keys []string

	// Values says that a state has one branch for each value, as rind@active
	// has. Keys then has the one key whose field is the value.
	Values bool
}

// several reports whether a state may have more than one branch.
func (s Shape) several() bool { return len(s.Keys) > 0 }

// Limits of one question.
const (
	maxSteps = 20_000 // of the search; a test of a payload counts as testSteps
	maxNodes = 4096   // of the formula
)

// Solver answers questions. It is not safe for concurrent use.
type Solver struct {
	// State and Signal return what the payloads of a state or signal can be. A
	// Kind of 0 means that it is not known; then nothing is decided about it.
	State  func(name string) Shape
	Signal func(name string) Shape

	// Steps is how much work is left for all questions together; see [Budget].
	// When it is used up, every further answer is Unknown.
	Steps int
}

// Budget is how many steps the questions about n conditions may take together.
func Budget(n int) int { return 500_000 + 100*n }

// Solve reports whether there is a world in which f holds: an assignment of
// payloads to states, and at most one signal that is being delivered.
func (s *Solver) Solve(f Formula) Result {
	if f.size() > maxNodes {
		return unknown("it has too many parts")
	}
	q := &question{solver: s, steps: min(maxSteps, s.Steps)}
	allowed := q.steps
	p, ok := q.number(f)
	if !ok {
		return unknown(fmt.Sprintf("it tests more than %d different things", maxVariables))
	}
	var found World
	search := search{steps: &q.steps, admit: q.admit, good: func(l *literals) bool {
		w, ok := q.world(l)
		if !ok || !f.Eval(w) {
			q.unsure("it combines tests in a way that is not analysed")
			return false
		}
		found = w
		return true
	}}
	sat := search.run(p)
	s.Steps -= allowed - max(q.steps, 0)
	switch {
	case sat:
		return Result{Verdict: Satisfiable, World: found}
	case q.steps <= 0:
		return unknown("it has too many combinations")
	case q.why != "":
		return unknown(q.why)
	}
	return Result{Verdict: Unsatisfiable}
}

func unknown(why string) Result { return Result{Verdict: Unknown, Why: why} }

func (f Formula) size() int {
	n := 1
	for _, k := range f.kids {
		n += k.size()
	}
	return n
}

// question is one formula while it is being decided.
type question struct {
	solver *Solver
	steps  int
	why    string // not empty: some way was not decided

	atoms []*cond.Atom // by variable
	owner []int        // the subject of each variable
	about []*subject
}

// subject is one state or signal that the formula is about.
type subject struct {
	kind   cond.AtomKind
	name   string
	shape  Shape
	vars   set
	models map[literals]model // what has been found out, by the literals about it
}

// model is what a subject is when some of its atoms hold and others do not.
type model struct {
	verdict  Verdict
	branches []Branch // of a signal: one, its payload
}

func (q *question) unsure(why string) {
	if q.why == "" {
		q.why = why
	}
}

// number gives every different atom a variable.
func (q *question) number(f Formula) (proposition, bool) {
	if f.join == joinNone {
		v, ok := q.variable(f.atom)
		return proposition{join: joinNone, v: v, want: f.want}, ok
	}
	p := proposition{join: f.join}
	if len(f.kids) > 0 {
		p.kids = make([]proposition, len(f.kids))
	}
	for i, k := range f.kids {
		var ok bool
		if p.kids[i], ok = q.number(k); !ok {
			return p, false
		}
	}
	return p, true
}

func (q *question) variable(a *cond.Atom) (int, bool) {
	v := slices.IndexFunc(q.atoms, func(b *cond.Atom) bool {
		return a == b || a.Kind == b.Kind && a.Name == b.Name && equalGuards(a.Guard, b.Guard)
	})
	if v >= 0 {
		return v, true
	}
	v = len(q.atoms)
	if v == maxVariables {
		return 0, false
	}
	q.atoms = append(q.atoms, a)
	i := slices.IndexFunc(q.about, func(s *subject) bool { return s.kind == a.Kind && s.name == a.Name })
	if i < 0 {
		shape := q.solver.State
		if a.Kind == cond.Signal {
			shape = q.solver.Signal
		}
		i = len(q.about)
		q.about = append(q.about, &subject{kind: a.Kind, name: a.Name, shape: shape(a.Name)})
	}
	q.about[i].vars = q.about[i].vars.with(v)
	q.owner = append(q.owner, i)
	return v, true
}

func equalGuards(a, b *cond.Guard) bool {
	switch {
	case a == nil || b == nil:
		return a == b
	case a.Pred != nil && b.Pred != nil:
		return a.Pred.Equal(b.Pred)
	case a.Pred != nil || b.Pred != nil:
		return false
	case a.Not != nil || b.Not != nil:
		return equalGuards(a.Not, b.Not)
	}
	equal := func(a, b cond.Guard) bool { return equalGuards(&a, &b) }
	return slices.EqualFunc(a.And, b.And, equal) && slices.EqualFunc(a.Or, b.Or, equal)
}

// admit reports whether the literals may be part of a world as far as the
// subject of v is concerned.
func (q *question) admit(l *literals, v int) bool {
	i := q.owner[v]
	s := q.about[i]
	if s.kind == cond.Signal && l.yes.has(v) {
		for w, owner := range q.owner { // one signal is delivered at a time
			if owner != i && l.yes.has(w) && q.about[owner].kind == cond.Signal {
				return false
			}
		}
	}
	m := q.model(s, l)
	if m.verdict == Unknown {
		q.unsure(fmt.Sprintf("its tests of %q are not analysed together", s.name))
	}
	return m.verdict != Unsatisfiable
}

// model returns what a subject is under the literals.
func (q *question) model(s *subject, l *literals) model {
	mine := literals{yes: l.yes.and(s.vars), no: l.no.and(s.vars)}
	if mine.yes == (set{}) {
		return model{verdict: Satisfiable} // it is not there
	}
	if m, ok := s.models[mine]; ok {
		return m
	}
	if s.models == nil {
		s.models = map[literals]model{}
	}
	var hold, fail []*cond.Guard
	for v, a := range q.atoms {
		if mine.yes.has(v) {
			hold = append(hold, a.Guard)
		} else if mine.no.has(v) {
			fail = append(fail, a.Guard)
		}
	}
	m := q.branches(s, hold, fail)
	if q.steps > 0 {
		s.models[mine] = m
	}
	return m
}

// world returns the world that the models of the literals make.
func (q *question) world(l *literals) (World, bool) {
	q.steps -= len(q.about)
	w := World{states: make([]state, 0, len(q.about))}
	for _, s := range q.about {
		m := q.model(s, l)
		if m.verdict != Satisfiable {
			return w, false
		}
		if s.kind == cond.State {
			w.states = append(w.states, state{s.name, m.branches})
		} else if len(m.branches) > 0 {
			w.signal, w.payload = s.name, m.branches[0].Value
		}
	}
	return w, true
}
