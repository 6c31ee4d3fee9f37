package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Limits of what a client can make the daemon keep, and a trigger that takes one
// payload into the next.
const (
	maxPayload  = 1 << 20  // bytes of one payload
	maxBranches = 100_000  // of one state
	maxState    = 64 << 20 // bytes of all branches of one state
)

// state is one state of the plan and its branches, in the order they appeared.
type state struct {
	def      *plan.State
	branches []branch
	index    map[string]int // of branches, by ident
	size     int            // bytes of all branches
	interest interest

	// Of a state that follows from others, see derive.go.
	rank      int  // sources have lower ones
	dirty     bool // it is in Engine.dirty
	lap       uint64
	complaint string       // why it does not follow as it should, reported once
	eval      uint64       // the Evaluate that is not answered yet, or 0
	made      []cond.Value // what auto-payload has made; nil: nothing yet
}

// States returns the states that an engine of p has: those of the plan, and
// rind@active whether or not a unit mentions it, sorted by name.
func States(p *plan.Plan) []*plan.State {
	list := make([]*plan.State, 0, len(p.States)+1)
	for i := range p.States {
		list = append(list, &p.States[i])
	}
	i, found := slices.BinarySearchFunc(list, ActiveState, func(st *plan.State, name plan.Name) int {
		return strings.Compare(string(st.Name), string(name))
	})
	if !found {
		list = slices.Insert(list, i, &plan.State{Name: ActiveState, Payload: cond.String, Builtin: true})
	}
	return list
}

// branch is one branch of a state. It may be there because somebody set it, or
// because it follows from other states, or both: then what was set is merged
// over what follows. Only what was set survives a restart.
type branch struct {
	ident   string         // canonical text of keys, or of the value of rind@active
	keys    map[string]any // nil for a state without branches
	value   cond.Value     // what everybody sees
	set     cond.Value     // zero: nobody set it
	derived cond.Value     // zero: it does not follow
}

// setState validates, stores, then announces.
func (e *Engine) setState(ev SetState, w why) {
	st, ok := e.states[ev.State]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such state: %s", ev.State))
		return
	}
	b, err := st.branchOf(ev.Value)
	if err == nil {
		b, err = st.over(b)
	}
	if err == nil {
		err = st.hasRoom(b)
	}
	switch {
	case err != nil:
		e.refuse(w, Failed, fmt.Sprintf("state %s: %v", ev.State, err))
		return
	case e.exited:
		e.refuse(w, Failed, "failed: the daemon is shutting down")
		return
	}
	if i := st.find(b.ident); i >= 0 && b.set.Equal(st.branches[i].set) {
		e.reply(w.from, Unchanged, "unchanged")
		return
	}
	e.persist(st, &b)
	e.note(st)
	e.store(st, b, w.text)
	e.propagate(w)
	e.reply(w.from, Done, "set")
}

// removeState removes what was set and delivers the removal afterwards, with the
// branches that are kept in place. What follows from other states stays for as
// long as it does.
func (e *Engine) removeState(ev RemoveState, w why) {
	st, ok := e.states[ev.State]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such state: %s", ev.State))
		return
	case e.exited:
		e.refuse(w, Failed, "failed: the daemon is shutting down")
		return
	}
	e.note(st)
	var gone []branch
	count := 0
	for i := range st.branches {
		b := st.branches[i]
		if b.set.IsZero() || !ev.Filter.Match(b.value, b.keys) {
			continue
		}
		count++
		b.set = cond.Value{}
		e.persist(st, &b)
		gone = append(gone, b)
	}
	for _, b := range gone {
		e.withdraw(st, b, w.text)
	}
	st.compact()
	e.propagate(w)
	if w.from.ID == 0 {
		return
	}
	r := Reply{Request: w.from.ID, Outcome: Done, Message: "removed", Count: count}
	if count == 0 {
		r.Outcome, r.Message = Unchanged, "no such branch"
	}
	e.emit(r)
}

// store puts a branch into its place and records the change, if there is one for
// anybody to see.
func (e *Engine) store(st *state, b branch, cause string) {
	i := st.find(b.ident)
	changed := i < 0 || !b.value.Equal(st.branches[i].value)
	st.size += b.value.Len()
	if i < 0 {
		if st.index == nil {
			st.index = map[string]int{}
		}
		st.index[b.ident] = len(st.branches)
		st.branches = append(st.branches, b)
	} else {
		st.size -= st.branches[i].value.Len()
		st.branches[i] = b
	}
	if changed {
		e.recordBranch(st, b, false, cause)
	}
}

// withdraw stores a branch of which one layer is gone, or records the removal if
// nothing is left of it. Removed branches stay until [state.compact].
func (e *Engine) withdraw(st *state, b branch, cause string) {
	switch {
	case !b.set.IsZero():
		b.value = b.set
	case !b.derived.IsZero():
		b.value = b.derived
	default:
		st.branches[st.index[b.ident]] = b
		e.recordBranch(st, b, true, cause)
		return
	}
	e.store(st, b, cause)
}

// compact drops the branches of which nothing is left.
func (st *state) compact() {
	kept := st.branches[:0]
	for _, b := range st.branches {
		if b.set.IsZero() && b.derived.IsZero() {
			delete(st.index, b.ident)
			st.size -= b.value.Len()
			continue
		}
		st.index[b.ident] = len(kept)
		kept = append(kept, b)
	}
	clear(st.branches[len(kept):])
	st.branches = kept
}

// recordBranch records what became of a branch, and that other states may follow.
// Before Boot, states are restored: that causes nothing.
func (e *Engine) recordBranch(st *state, b branch, removal bool, cause string) {
	if !e.booted {
		return
	}
	e.changes = append(e.changes, change{
		kind: cond.State, name: string(st.def.Name), value: b.value, keys: b.keys, removal: removal,
		state: st, branch: b, interest: &st.interest, cause: cause,
	})
	for _, follower := range st.interest.states {
		e.soil(follower)
	}
}

// persist has what was set of a branch stored. What follows is found out again at
// the next start.
func (e *Engine) persist(st *state, b *branch) {
	if st.def.Impermanent || !e.booted {
		return
	}
	p := Persist{State: st.def.Name, Branch: b.ident}
	if !b.set.IsZero() {
		v := b.set
		p.Value = &v
	}
	e.emit(p)
}

// refuse answers a request that cannot be carried out; without anybody waiting
// it is a failing trigger, which is logged and stops nothing (S60), or a state
// that was stored under other unit files.
func (e *Engine) refuse(w why, o Outcome, message string) {
	switch {
	case w.from.ID != 0:
		e.reply(w.from, o, message)
	case !e.booted:
		e.report("not restored", w.text, message)
	default:
		e.report("trigger failed", w.text, message)
	}
}

// branchOf returns the branch that a payload is when somebody sets it, or why it
// cannot be one.
func (st *state) branchOf(v cond.Value) (branch, error) {
	if err := st.def.CheckPayload(v); err != nil {
		return branch{}, err
	}
	b := branch{value: v, set: v}
	if st.def.Name == ActiveState {
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

// over returns b, which somebody sets, merged over what there is of that branch.
func (st *state) over(b branch) (branch, error) {
	i := st.find(b.ident)
	if i < 0 {
		return b, nil
	}
	have := &st.branches[i]
	var err error
	if b.set, err = merge(have.set, b.set); err != nil {
		return b, err
	}
	b.derived = have.derived
	b.value, err = merge(b.derived, b.set)
	return b, err
}

// hasRoom reports why a state cannot keep a branch that somebody sets.
func (st *state) hasRoom(b branch) error {
	i := st.find(b.ident)
	size := st.size + b.value.Len()
	if i >= 0 {
		size -= st.branches[i].value.Len()
	}
	switch {
	case b.value.Len() > maxPayload:
		return tooLong(b.value)
	case i < 0 && len(st.branches) >= maxBranches:
		return fmt.Errorf("it has %d branches already, and no more are allowed: remove some", len(st.branches))
	case size > maxState:
		return fmt.Errorf("its branches would have %d bytes, at most %d are allowed: remove some", size, maxState)
	}
	return nil
}

func tooLong(v cond.Value) error {
	return fmt.Errorf("the payload has %d bytes, at most %d are allowed", v.Len(), maxPayload)
}

// find returns the index of the branch that a payload with that identity
// replaces or is merged into, or -1.
func (st *state) find(ident string) int {
	if i, ok := st.index[ident]; ok {
		return i
	}
	return -1
}

// merge returns what a branch becomes when v is set over old, which may be
// missing: json objects are merged key by key, one level deep; everything else is
// replaced.
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
