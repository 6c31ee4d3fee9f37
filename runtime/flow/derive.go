package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// derives reports whether a state follows from others.
func (st *state) derives() bool { return st.def.After != nil || len(st.def.ActivateOnNone) > 0 }

// soil says that a state may no longer be what it follows from.
func (e *Engine) soil(st *state) {
	if st.dirty {
		return
	}
	st.dirty = true
	i, _ := slices.BinarySearchFunc(e.dirty, st, func(a, b *state) int { return cmp.Compare(a.rank, b.rank) })
	e.dirty = slices.Insert(e.dirty, i, st)
}

// settleStates brings every state up to date that may have to follow. Sources
// have lower ranks, so that each state comes once, unless they follow in a
// circle: then the fuse ends it.
func (e *Engine) settleStates() {
	e.lap++
	for len(e.dirty) > 0 {
		st := e.dirty[0]
		e.dirty = slices.Delete(e.dirty, 0, 1)
		st.dirty = false
		if st.lap == e.lap && !e.spend("state "+string(st.def.Name)) {
			continue
		}
		st.lap = e.lap
		e.derive(st)
	}
}

// derive makes the branches of a state that follow what they should be now. What
// somebody has set is left alone.
func (e *Engine) derive(st *state) {
	const cause = "follows from its conditions"
	wanted := e.wanted(st)
	e.note(st)
	var gone []branch
	for _, b := range st.branches {
		if _, stays := wanted.index[b.ident]; !stays && !b.derived.IsZero() {
			b.derived = cond.Value{}
			gone = append(gone, b)
		}
	}
	for _, b := range gone {
		e.withdraw(st, b, cause)
	}
	st.compact()
	for _, b := range wanted.list {
		if i := st.find(b.ident); i >= 0 {
			have := &st.branches[i]
			if have.derived.Equal(b.derived) {
				continue
			}
			b.set = have.set
		}
		b.value = b.derived
		if !b.set.IsZero() {
			value, err := merge(b.derived, b.set)
			if err != nil {
				e.complain(st, err.Error())
				continue
			}
			b.value = value
		}
		e.store(st, b, cause)
	}
}

// branches are the branches that a state is to have, by ident.
type branches struct {
	list  []branch
	index map[string]int
}

// wanted returns the branches of a state that follow now.
func (e *Engine) wanted(st *state) branches {
	follows, absent := e.holds(st.def.After), e.absent(st)
	auto := st.def.AutoPayload != nil
	if auto && !e.prepare(st, follows || absent) {
		return branches{}
	}
	var payloads []cond.Value
	var problems []string
	switch {
	case follows && auto:
		payloads = append(payloads, st.made...)
	case follows:
		payloads, problems = e.inherit(st)
	}
	if absent {
		none := st.made
		if !auto {
			none = emptyPayload(st.def.Payload)
		}
		for _, v := range none {
			if !e.present(st, v) {
				payloads = append(payloads, v)
			}
		}
	}
	out := branches{index: map[string]int{}}
	for _, v := range payloads {
		if err := out.add(st, v); err != nil {
			problems = append(problems, err.Error())
		}
	}
	slices.Sort(problems)
	problems = slices.Compact(problems) // branches often lack the same
	e.complain(st, strings.Join(problems, "; "))
	return out
}

// add adds the branch that a payload is; of the same branch, the payloads are
// merged.
func (w *branches) add(st *state, v cond.Value) error {
	b, err := st.branchOf(v)
	if err != nil {
		return err
	}
	b.set, b.derived = cond.Value{}, v
	i, again := w.index[b.ident]
	if !again {
		w.index[b.ident] = len(w.list)
		w.list = append(w.list, b)
		return nil
	}
	w.list[i].derived, err = merge(w.list[i].derived, v)
	return err
}

// complain reports what keeps a state from following, once for as long as it
// does.
func (e *Engine) complain(st *state, problem string) {
	if st.complaint != problem && problem != "" {
		e.report("state does not follow", string(st.def.Name), problem)
	}
	st.complaint = problem
}

// inherit returns the payloads that a state takes over from the first state that
// its conditions find and that has a payload of its kind: for a json state, one
// for each branch that matches.
func (e *Engine) inherit(st *state) (payloads []cond.Value, problems []string) {
	if st.def.Payload == cond.None {
		return []cond.Value{cond.NoneValue()}, nil
	}
	a := e.origin(st.def.After, st.def.Payload)
	if a == nil {
		return nil, []string{noOrigin(st.def.Payload).Error()}
	}
	for v := range e.matching(a) {
		if st.def.Payload != cond.JSON {
			return []cond.Value{v}, nil
		}
		mapped, err := rekey(st.def, v)
		if err != nil {
			problems = append(problems, fmt.Sprintf("a branch of %s: %v", a.Name, err))
			continue
		}
		payloads = append(payloads, mapped)
	}
	return payloads, problems
}

// rekey returns a payload with the branch keys of st, each copied from the field
// that is its source.
func rekey(st *plan.State, v cond.Value) (cond.Value, error) {
	renamed := slices.ContainsFunc(st.Branch, func(k plan.BranchKey) bool { return k.Source != "" && k.Source != k.Target })
	if !renamed {
		return v, nil
	}
	keys := map[string]any{}
	if err := takeOver(keys, st.Branch, v); err != nil {
		return cond.Value{}, err
	}
	over, err := cond.JSONValue(keys)
	if err != nil {
		return cond.Value{}, err
	}
	return merge(v, over)
}

// emptyPayload is what a state has that is set because others are not.
func emptyPayload(k cond.Kind) []cond.Value {
	switch k {
	case cond.None:
		return []cond.Value{cond.NoneValue()}
	case cond.String:
		return []cond.Value{cond.StringValue("")}
	case cond.Bytes:
		return []cond.Value{cond.BytesValue(nil)}
	case cond.JSON: // has branch keys, which an auto-payload has to make
	}
	return nil
}

// absent reports whether a state has to be set because others are not, as far as
// no single branch decides that.
func (e *Engine) absent(st *state) bool {
	for _, a := range st.def.ActivateOnNone {
		if other := e.states[a.State]; a.Branch == "" && other != nil && len(other.branches) > 0 {
			return false
		}
	}
	return len(st.def.ActivateOnNone) > 0
}

// present reports whether a branch that must not be there has the same value as
// the payload in the field that tells.
func (e *Engine) present(st *state, v cond.Value) bool {
	for _, a := range st.def.ActivateOnNone {
		want, ok := field(v, a.Branch)
		if other := e.states[a.State]; ok && other != nil {
			same := func(b branch) bool {
				have, ok := field(b.value, a.Branch)
				return ok && have == want
			}
			if slices.ContainsFunc(other.branches, same) {
				return true
			}
		}
	}
	return false
}

// field returns the canonical text of a field of a json payload.
func field(v cond.Value, key string) (string, bool) {
	doc, _ := v.Tree().(map[string]any)
	value, ok := doc[key]
	if !ok {
		return "", false
	}
	text, err := cond.Canonical(value)
	return text, err == nil
}
