// Package cond has the conditions of a flow: payload values, the operators that
// test them, and the typed tree that a condition compiles to. It evaluates
// conditions and knows nothing of unit files, plans or the engine.
package cond

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// Expr is one node of a condition. Exactly one field is set; the zero Expr is
// invalid. It is plain data: the JSON form is the form in the plan.
type Expr struct {
	And  []Expr `json:"and,omitempty"`  // all hold; at least one
	Or   []Expr `json:"or,omitempty"`   // any holds; at least one
	Not  *Expr  `json:"not,omitempty"`  // a level of a level
	Atom *Atom  `json:"atom,omitempty"` // one state or signal
}

// AtomKind says what an atom is about.
type AtomKind uint8

// Atom kinds.
const (
	_ AtomKind = iota
	State
	Signal
)

// Atom tests one state or signal: that it is there, and that its payload
// satisfies the guard.
type Atom struct {
	Kind  AtomKind
	Name  string // full address
	Guard *Guard // nil: any payload
}

// Guard is a boolean expression over one payload. Exactly one field is set.
type Guard struct {
	And  []Guard `json:"and,omitempty"`
	Or   []Guard `json:"or,omitempty"`
	Not  *Guard  `json:"not,omitempty"`
	Pred *Pred   `json:"pred,omitempty"`
}

// Root says what the path of a predicate starts from.
type Root uint8

// Roots. Branch sees only the branch key fields of a payload, Target all of it.
const (
	_ Root = iota
	Target
	Branch
)

// Pred compares the value at a path with a literal.
type Pred struct {
	Root Root     `json:"root"`
	Path []string `json:"path,omitempty"` // object keys or decimal array indices
	Op   Op       `json:"op"`
	Lit  any      `json:"lit,omitempty"` // JSON data; for "is" the name of a type

	pattern *regexp.Regexp // of Lit, compiled when the predicate was decoded
}

// Equal reports whether p and q are the same test.
func (p *Pred) Equal(q *Pred) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.Root == q.Root && p.Op == q.Op && slices.Equal(p.Path, q.Path) && same(p.Lit, q.Lit)
}

// wireAtom spells an atom {"state":"a@b"} or {"signal":"a@b"}.
type wireAtom struct {
	State  string `json:"state,omitempty"`
	Signal string `json:"signal,omitempty"`
	Guard  *Guard `json:"guard,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (a Atom) MarshalJSON() ([]byte, error) {
	w := wireAtom{Guard: a.Guard}
	switch a.Kind {
	case State:
		w.State = a.Name
	case Signal:
		w.Signal = a.Name
	default:
		return nil, fmt.Errorf("marshal an atom of invalid kind %d", a.Kind)
	}
	return encode(w)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Atom) UnmarshalJSON(data []byte) error {
	var w wireAtom
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	if (w.State == "") == (w.Signal == "") {
		return fmt.Errorf("a condition names a state or a signal, got %s", data)
	}
	*a = Atom{Kind: State, Name: w.State, Guard: w.Guard}
	if w.Signal != "" {
		a.Kind, a.Name = Signal, w.Signal
	}
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (r Root) MarshalText() ([]byte, error) {
	switch r {
	case Target:
		return []byte("target"), nil
	case Branch:
		return []byte("branch"), nil
	}
	return nil, fmt.Errorf("marshal an invalid path root %d", r)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Root) UnmarshalText(text []byte) error {
	switch string(text) {
	case "target":
		*r = Target
	case "branch":
		*r = Branch
	default:
		return fmt.Errorf("unknown path root %q: want target or branch", text)
	}
	return nil
}

// UnmarshalJSON implements [json.Unmarshaler]. It keeps the spelling of numbers.
func (p *Pred) UnmarshalJSON(data []byte) error {
	type plain Pred // without this method
	var w struct {
		plain
		Lit json.RawMessage `json:"lit"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*p = Pred(w.plain)
	if w.Lit == nil {
		return nil
	}
	var err error
	if p.Lit, err = decodeTree(w.Lit); err != nil {
		return err
	}
	if text, ok := p.Lit.(string); ok && p.Op == OpMatches && len(text) <= maxPattern {
		if pattern, err := regexp.Compile(text); err == nil { // else validation reports it
			p.pattern = pattern
		}
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (p *Pred) MarshalJSON() ([]byte, error) {
	type plain Pred
	return encode((*plain)(p))
}

// Atoms calls f for every atom of e, from left to right.
func (e Expr) Atoms(f func(Atom)) {
	for _, x := range slices.Concat(e.And, e.Or) {
		x.Atoms(f)
	}
	if e.Not != nil {
		e.Not.Atoms(f)
	}
	if e.Atom != nil {
		f(*e.Atom)
	}
}
