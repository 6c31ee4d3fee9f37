package sat

import (
	"slices"

	"github.com/rind-sockets/rind/plan/cond"
)

// testSteps is what a test of one payload costs, in steps of the search.
const testSteps = 4

// payload looks for one payload that passes all tests. The tests are split into
// predicates, and every way in which the predicates can come out is tried.
func (q *question) payload(shape Shape, list []test) (Branch, Verdict) {
	var preds []*cond.Pred
	number := func(p *cond.Pred) (int, bool) {
		v := slices.IndexFunc(preds, func(q *cond.Pred) bool { return p == q || p.Equal(q) })
		if v < 0 {
			v = len(preds)
			preds = append(preds, p)
		}
		return v, v < maxVariables
	}
	var goal []proposition
	for _, t := range list {
		p, ok := guardProposition(t.guard, t.want, number)
		if !ok {
			return Branch{}, Unknown
		}
		goal = append(goal, p)
	}
	var found Branch
	unsure := false
	search := search{
		steps: &q.steps,
		admit: func(*literals, int) bool { return true },
		good: func(l *literals) bool {
			facts := make([]fact, 0, len(preds))
			for v, p := range preds {
				if l.yes.has(v) || l.no.has(v) {
					facts = append(facts, fact{p, l.yes.has(v)})
				}
			}
			b, verdict := q.find(shape, facts)
			unsure = unsure || verdict == Unknown
			found = b
			return verdict == Satisfiable
		},
	}
	switch {
	case search.run(proposition{join: joinAll, kids: goal}):
		return found, Satisfiable
	case unsure || q.steps <= 0:
		return Branch{}, Unknown
	}
	return Branch{}, Unsatisfiable
}

// guardProposition is what it takes for g to come out as wanted.
func guardProposition(g *cond.Guard, want bool, number func(*cond.Pred) (int, bool)) (proposition, bool) {
	switch {
	case g == nil:
		if want {
			return proposition{join: joinAll}, true
		}
		return proposition{join: joinAny}, true
	case g.Pred != nil:
		v, ok := number(g.Pred)
		return proposition{join: joinNone, v: v, want: want}, ok
	case g.Not != nil:
		return guardProposition(g.Not, !want, number)
	}
	p, kids := proposition{join: joinAll}, g.And
	if len(g.And) == 0 {
		p.join, kids = joinAny, g.Or
	}
	if !want { // de Morgan
		p.join = joinAll + joinAny - p.join
	}
	for i := range kids {
		k, ok := guardProposition(&kids[i], want, number)
		if !ok {
			return p, false
		}
		p.kids = append(p.kids, k)
	}
	return p, true
}

// fact is a predicate and whether it holds.
type fact struct {
	pred *cond.Pred
	want bool
}

// is reports whether f is about an operator.
func (f fact) is(op cond.Op) bool { return f.pred.Op == op }

func (f fact) of(b Branch) bool {
	g := cond.Guard{Pred: f.pred}
	return g.Match(b.Value, b.Keys) == f.want
}

// fits reports whether a payload has all facts, as package cond sees it.
func (q *question) fits(b Branch, facts []fact) bool {
	for _, f := range facts {
		q.steps -= testSteps
		if !f.of(b) {
			return false
		}
	}
	return true
}

// find looks for a payload with all facts.
func (q *question) find(shape Shape, facts []fact) (Branch, Verdict) {
	switch shape.Kind {
	case cond.None:
		b := Branch{Value: cond.NoneValue()}
		if q.fits(b, facts) {
			return b, Satisfiable
		}
		return b, Unsatisfiable // there is no other
	case cond.String, cond.Bytes:
		return q.findText(shape, facts)
	case cond.JSON:
		return q.findJSON(shape, facts)
	}
	return Branch{}, Unknown
}

// findText looks for a payload of kind string or bytes.
func (q *question) findText(shape Shape, facts []fact) (Branch, Verdict) {
	candidates, complete := values(facts, onlyText)
	for _, c := range candidates {
		text, ok := c.(string)
		if !ok {
			continue
		}
		b := Branch{Value: cond.StringValue(text)}
		if shape.Kind == cond.Bytes {
			b.Value = cond.BytesValue([]byte(text))
		}
		if shape.Values {
			b.Keys = map[string]any{shape.Keys[0]: text}
		}
		if q.fits(b, facts) {
			return b, Satisfiable
		}
		if q.steps <= 0 {
			return b, Unknown
		}
	}
	if shape.Kind == cond.Bytes {
		if b := (Branch{Value: cond.BytesValue([]byte{0xFF})}); q.fits(b, facts) {
			return b, Satisfiable
		}
	}
	if complete || textClash(facts) {
		return Branch{}, Unsatisfiable
	}
	return Branch{}, Unknown
}

// findJSON looks for a json payload.
func (q *question) findJSON(shape Shape, facts []fact) (Branch, Verdict) {
	// Only the key fields are seen through the root branch: a test of another
	// one fails whatever the payload is.
	kept := make([]fact, 0, len(facts))
	for _, f := range facts {
		if f.pred.Root == cond.Branch && len(f.pred.Path) > 0 && !slices.Contains(shape.Keys, f.pred.Path[0]) {
			if f.want {
				return Branch{}, Unsatisfiable
			}
			continue
		}
		kept = append(kept, f)
	}
	d := document{question: q, shape: shape, facts: kept, complete: true}
	d.lay()
	if d.impossible {
		return Branch{}, Unsatisfiable
	}
	b, ok := d.fill(0)
	switch {
	case ok:
		return b, Satisfiable
	case d.complete && q.steps > 0:
		return Branch{}, Unsatisfiable
	}
	return Branch{}, Unknown
}
