package flow

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// activeState is the one state of kind string that has a branch per value.
const activeState plan.Name = "rind@active"

// state is one state of the plan and its branches, in the order they appeared.
type state struct {
	def      *plan.State
	branches []branch
}

type branch struct {
	value cond.Value
	keys  map[string]any // nil for a state without branches
	ident string         // canonical text of keys, or of the value of rind@active
}

// setState validates, stores, then announces.
func (e *Engine) setState(ev SetState, w why) {
	st, ok := e.states[ev.State]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such state: %s", ev.State))
		return
	}
	b, err := st.branchOf(ev.Value)
	i := st.find(b.ident)
	if err == nil && i >= 0 {
		b.value, err = merge(st.branches[i].value, b.value)
	}
	if err != nil {
		e.refuse(w, Failed, fmt.Sprintf("state %s: %v", ev.State, err))
		return
	}
	if i >= 0 && b.value.Equal(st.branches[i].value) {
		e.reply(w.from, Unchanged, "unchanged")
		return
	}
	e.replace(change{kind: cond.State, name: string(ev.State), value: b.value, keys: b.keys}, w.depth, func() {
		if i < 0 {
			st.branches = append(st.branches, b)
			return
		}
		st.branches[i] = b
	})
	e.reply(w.from, Done, "set")
}

// removeState removes first and delivers the removal afterwards, with the
// branches that are kept in place.
func (e *Engine) removeState(ev RemoveState, w why) {
	st, ok := e.states[ev.State]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such state: %s", ev.State))
		return
	}
	before := len(st.branches)
	e.replace(change{kind: cond.State, name: string(ev.State), removal: true}, w.depth, func() {
		st.branches = slices.DeleteFunc(st.branches, func(b branch) bool { return ev.Filter.Match(b.value, b.keys) })
	})
	if w.from.ID == 0 {
		return
	}
	r := Reply{Request: w.from.ID, Outcome: Done, Message: "removed", Count: before - len(st.branches)}
	if r.Count == 0 {
		r.Outcome, r.Message = Unchanged, "no such branch"
	}
	e.emit(r)
}

func (e *Engine) emitSignal(ev EmitSignal, w why) {
	def, ok := e.signals[ev.Signal]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such signal: %s", ev.Signal))
		return
	}
	if err := def.CheckPayload(ev.Value); err != nil {
		e.refuse(w, Failed, fmt.Sprintf("signal %s: %v", ev.Signal, err))
		return
	}
	e.announce(change{kind: cond.Signal, name: string(ev.Signal), value: ev.Value}, w.depth)
	e.reply(w.from, Done, "emitted")
}

// refuse answers a request that cannot be carried out; without anybody waiting
// it is a failing trigger, which is logged and stops nothing (S60).
func (e *Engine) refuse(w why, o Outcome, message string) {
	if w.from.ID != 0 {
		e.reply(w.from, o, message)
		return
	}
	e.report("trigger failed", w.text, message)
}

// branchOf returns the branch that a payload is, or why it cannot be one.
func (st *state) branchOf(v cond.Value) (branch, error) {
	if err := st.def.CheckPayload(v); err != nil {
		return branch{}, err
	}
	b := branch{value: v}
	if st.def.Name == activeState {
		b.ident = v.Text()
		b.keys = map[string]any{"name": b.ident}
		return b, nil
	}
	doc, ok := v.Tree().(map[string]any)
	if !ok { // a state without branches
		return b, nil
	}
	b.keys = map[string]any{}
	for _, key := range st.def.BranchKeys() {
		b.keys[key] = doc[key]
	}
	var err error
	b.ident, err = cond.Canonical(b.keys)
	return b, err
}

// find returns the index of the branch that a payload with that identity
// replaces or is merged into, or -1.
func (st *state) find(ident string) int {
	return slices.IndexFunc(st.branches, func(have branch) bool { return have.ident == ident })
}

// merge returns what a branch becomes when v is set: json objects are merged
// key by key, one level deep; everything else is replaced.
func merge(old, v cond.Value) (cond.Value, error) {
	have, ok := old.Tree().(map[string]any)
	if !ok {
		return v, nil
	}
	add, ok := v.Tree().(map[string]any)
	if !ok {
		return v, nil
	}
	merged := maps.Clone(have)
	maps.Copy(merged, add)
	return cond.JSONValue(merged)
}
