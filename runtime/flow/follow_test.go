package flow_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestWhatFollows compares the engine with a model that has no index, no order
// and no memory: after every event, and after a restart, each state is what its
// conditions say of the others.
func TestWhatFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &followModel{plan: drawFollowing(t), set: map[plan.Name]map[string]bool{}}
		if err := m.plan.Validate(); err != nil {
			t.Fatalf("the test draws invalid plans: %v", err)
		}
		e := flow.New(m.plan, flow.Config{})
		e.Step(flow.Boot{})
		stored := map[plan.Name]map[string]cond.Value{}
		for range between(t, 1, 60, "events") {
			ev := m.draw(t)
			for _, f := range e.Step(ev) {
				switch f := f.(type) {
				case flow.Persist:
					store(stored, f)
				case flow.Report:
					t.Fatalf("%T%+v: %s", ev, ev, effectText(f))
				default: // the plan has no units
					t.Fatalf("%T%+v has the effect %s", ev, ev, effectText(f))
				}
			}
			if diff := cmp.Diff(m.visible(), m.shown(e)); diff != "" {
				t.Fatalf("after %T%+v (-model +engine):\n%s", ev, ev, diff)
			}
		}
		again := flow.New(m.plan, flow.Config{})
		for _, st := range m.plan.States {
			for _, v := range stored[st.Name] {
				again.Step(flow.SetState{State: st.Name, Value: v})
			}
		}
		again.Step(flow.Boot{})
		if diff := cmp.Diff(m.visible(), m.shown(again)); diff != "" {
			t.Fatalf("after a restart (-model +engine):\n%s", diff)
		}
	})
}

func store(stored map[plan.Name]map[string]cond.Value, f flow.Persist) {
	if stored[f.State] == nil {
		stored[f.State] = map[string]cond.Value{}
	}
	delete(stored[f.State], f.Branch)
	if f.Value != nil {
		stored[f.State][f.Branch] = *f.Value
	}
}

// followModel has what was set by hand: for each json state, its branches.
type followModel struct {
	plan *plan.Plan
	set  map[plan.Name]map[string]bool
}

const followIDs = "abc"

// drawFollowing draws json states of which each may follow from those before it.
func drawFollowing(t *rapid.T) *plan.Plan {
	p := &plan.Plan{}
	for i := range between(t, 2, 8, "states") {
		st := plan.State{Name: plan.Name(fmt.Sprintf("w@s%d", i)), Payload: cond.JSON}
		source := func() cond.Expr {
			a := cond.Atom{Kind: cond.State, Name: string(pick(t, p.States, "source").Name)}
			if rapid.Bool().Draw(t, "guard") {
				a.Guard = &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Op: cond.OpEqual, Lit: "a"}}
			}
			return cond.Expr{Atom: &a}
		}
		switch kind := between(t, 0, 4, "kind"); {
		case i == 0 || kind == 0:
		case kind == 1:
			x := source()
			st.After = &x
		case kind == 2:
			not := source()
			st.After = &cond.Expr{And: []cond.Expr{source(), {Not: &not}}}
		case kind == 3:
			st.After = &cond.Expr{Or: []cond.Expr{source(), source()}}
		default:
			doc := pick(t, []string{"a", "b"}, "made")
			v, err := cond.JSONValue(map[string]any{"id": doc})
			if err != nil {
				t.Fatal(err)
			}
			p.Variables = append(p.Variables, plan.Variable{Name: fmt.Sprintf("v%d", i), Default: &v})
			st.AutoPayload = &plan.AutoPayload{Variable: fmt.Sprintf("v%d", i)}
			st.ActivateOnNone = []plan.Absence{{State: pick(t, p.States, "absent").Name, Branch: pick(t, []string{"", "id"}, "branch")}}
		}
		p.States = append(p.States, st)
	}
	// The engine must not depend on the order of names.
	for i := range p.States {
		if rapid.Bool().Draw(t, "late") {
			renameState(p, i, plan.Name("w@z"+p.States[i].Name.Short()))
		}
	}
	byName(p.States, func(v plan.State) plan.Name { return v.Name })
	p.Requires = p.Needs()
	return p
}

func renameState(p *plan.Plan, i int, to plan.Name) {
	from := p.States[i].Name
	p.States[i].Name = to
	for k := range p.States {
		if x := p.States[k].After; x != nil {
			renameIn(x, string(from), string(to))
		}
		for n := range p.States[k].ActivateOnNone {
			if a := &p.States[k].ActivateOnNone[n]; a.State == from {
				a.State = to
			}
		}
	}
}

func renameIn(x *cond.Expr, from, to string) {
	for i := range x.And {
		renameIn(&x.And[i], from, to)
	}
	for i := range x.Or {
		renameIn(&x.Or[i], from, to)
	}
	if x.Not != nil {
		renameIn(x.Not, from, to)
	}
	if x.Atom != nil && x.Atom.Name == from {
		x.Atom.Name = to
	}
}

// draw draws an event and does to the model what it means.
func (m *followModel) draw(t *rapid.T) flow.Event {
	name := pick(t, m.plan.States, "state").Name
	id := string(pick(t, []byte(followIDs), "id"))
	if m.set[name] == nil {
		m.set[name] = map[string]bool{}
	}
	if rapid.Bool().Draw(t, "set") {
		m.set[name][id] = true
		v, err := cond.JSONValue(map[string]any{"id": id})
		if err != nil {
			t.Fatal(err)
		}
		return flow.SetState{State: name, Value: v}
	}
	if rapid.Bool().Draw(t, "all") {
		clear(m.set[name])
		return flow.RemoveState{State: name}
	}
	delete(m.set[name], id)
	return flow.RemoveState{State: name, Filter: &cond.Guard{Pred: &cond.Pred{Root: cond.Branch, Op: cond.OpEqual, Lit: id}}}
}

// visible returns the branches of every state, derived again and again until
// nothing changes.
func (m *followModel) visible() map[plan.Name]string {
	all := map[plan.Name]string{}
	for range len(m.plan.States) + 1 {
		next := map[plan.Name]string{}
		for _, st := range m.plan.States {
			for _, id := range followIDs {
				if m.set[st.Name][string(id)] || m.follows(&st, all, string(id)) {
					next[st.Name] += string(id)
				}
			}
		}
		all = next
	}
	return all
}

// follows reports whether a state has a branch because of the others.
func (m *followModel) follows(st *plan.State, all map[plan.Name]string, id string) bool {
	if len(st.ActivateOnNone) > 0 {
		a := st.ActivateOnNone[0]
		i := slices.IndexFunc(m.plan.Variables, func(v plan.Variable) bool { return v.Name == st.AutoPayload.Variable })
		there := all[a.State] != ""
		if a.Branch != "" {
			there = slices.Contains([]byte(all[a.State]), id[0])
		}
		return !there && m.plan.Variables[i].Default.Text() == fmt.Sprintf(`{"id":%q}`, id)
	}
	switch x := st.After; {
	case x == nil:
		return false
	case x.Atom != nil:
		return m.branches(x, all, id)
	case len(x.And) > 0:
		return m.branches(&x.And[0], all, id) && !m.any(x.And[1].Not, all)
	case m.any(&x.Or[0], all): // the first that holds gives the payload
		return m.branches(&x.Or[0], all, id)
	default:
		return m.branches(&x.Or[1], all, id)
	}
}

// branches reports whether the branch id of the state of an atom matches it.
func (m *followModel) branches(x *cond.Expr, all map[plan.Name]string, id string) bool {
	return slices.Contains([]byte(all[plan.Name(x.Atom.Name)]), id[0]) && (x.Atom.Guard == nil || id == "a")
}

func (m *followModel) any(x *cond.Expr, all map[plan.Name]string) bool {
	return slices.ContainsFunc([]byte(followIDs), func(id byte) bool { return m.branches(x, all, string(id)) })
}

// shown returns the branches that the engine shows.
func (m *followModel) shown(e *flow.Engine) map[plan.Name]string {
	all := map[plan.Name]string{}
	for _, st := range e.Snapshot().States {
		var ids []string
		for _, v := range st.Branches {
			doc, _ := v.Tree().(map[string]any)
			ids = append(ids, fmt.Sprint(doc["id"]))
		}
		slices.Sort(ids)
		for _, id := range ids {
			all[st.Name] += id
		}
	}
	return all
}
