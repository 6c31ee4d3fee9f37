package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// activeState is the one state of kind string that has a branch per value.
const activeState plan.Name = "rind@active"

// defaultKey tells the branches of a json state apart that names no keys.
const defaultKey = "id"

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
	if err != nil {
		e.refuse(w, Failed, fmt.Sprintf("state %s: %v", ev.State, err))
		return
	}
	changed := true
	if i := st.find(b); i < 0 {
		st.branches = append(st.branches, b)
	} else {
		old := st.branches[i].value
		if b.value, err = merge(old, b.value); err != nil {
			e.refuse(w, Failed, fmt.Sprintf("state %s: %v", ev.State, err))
			return
		}
		changed = !b.value.Equal(old)
		st.branches[i] = b
	}
	if !changed {
		e.reply(w.from, Unchanged, "unchanged")
		return
	}
	e.announce(change{kind: cond.State, name: string(ev.State), value: b.value, keys: b.keys})
	e.reply(w.from, Done, "set")
}

// removeState removes first and looks at levels afterwards, with the branches
// that are kept in place.
func (e *Engine) removeState(ev RemoveState, w why) {
	st, ok := e.states[ev.State]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such state: %s", ev.State))
		return
	}
	removed := 0
	e.stopsOnRemoval(ev.State, func() {
		st.branches = slices.DeleteFunc(st.branches, func(b branch) bool {
			if !ev.Filter.Match(b.value, b.keys) {
				return false
			}
			removed++
			return true
		})
	})
	if w.from.ID == 0 {
		return
	}
	r := Reply{Request: w.from.ID, Outcome: Done, Message: "removed", Count: removed}
	if removed == 0 {
		r.Outcome, r.Message = Unchanged, "no such branch"
	}
	e.emit(r)
}

func (e *Engine) emitSignal(ev EmitSignal, w why) {
	def, ok := e.signals[ev.Signal]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such signal: %s", ev.Signal))
		return
	case ev.Value.Kind() != def.Payload:
		e.refuse(w, Failed, fmt.Sprintf("signal %s: payload is %v, want %v", ev.Signal, ev.Value.Kind(), def.Payload))
		return
	}
	e.announce(change{kind: cond.Signal, name: string(ev.Signal), value: ev.Value})
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
	if v.Kind() != st.def.Payload {
		return branch{}, fmt.Errorf("payload is %v, want %v", v.Kind(), st.def.Payload)
	}
	if v.Kind() != cond.JSON {
		b := branch{value: v}
		if st.def.Name == activeState {
			b.ident = v.Text()
			b.keys = map[string]any{"name": b.ident}
		}
		return b, nil
	}
	doc, ok := v.Tree().(map[string]any)
	if !ok {
		return branch{}, fmt.Errorf("payload must be a JSON object with the key %s", strings.Join(st.keyNames(), ", "))
	}
	b := branch{value: v, keys: map[string]any{}}
	for _, key := range st.keyNames() {
		field, ok := doc[key]
		if !ok {
			return branch{}, fmt.Errorf("payload lacks the branch key %q", key)
		}
		b.keys[key] = field
	}
	var err error
	b.ident, err = cond.Canonical(b.keys)
	return b, err
}

func (st *state) keyNames() []string {
	if len(st.def.Branch) == 0 {
		return []string{defaultKey}
	}
	names := make([]string, len(st.def.Branch))
	for i, k := range st.def.Branch {
		names[i] = k.Target
	}
	return names
}

// find returns the index of the branch that b replaces or is merged into, or -1.
func (st *state) find(b branch) int {
	return slices.IndexFunc(st.branches, func(have branch) bool { return have.ident == b.ident })
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
