package flow_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// drawFlow adds states and signals that follow from the others, and timers, to
// the plan of a world.
func drawFlow(t *rapid.T, p *plan.Plan) {
	json := cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "w@json"}}
	echo := cond.Expr{Atom: &cond.Atom{Kind: cond.State, Name: "w@echo"}}
	said := cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "w@said"}}
	p.States = append(
		p.States,
		plan.State{Name: "w@echo", Payload: cond.JSON, After: &cond.Expr{And: []cond.Expr{json}}},
		plan.State{Name: "w@idle", Payload: cond.None, ActivateOnNone: []plan.Absence{{State: "w@text"}, {State: "w@echo"}}},
		plan.State{
			Name: "w@made", Payload: cond.String, After: &echo,
			AutoPayload: &plan.AutoPayload{Eval: "/bin/make", Timeout: plan.Duration(time.Second)},
		},
	)
	p.Signals = append(
		p.Signals,
		plan.Signal{Name: "w@follows", Payload: cond.None, After: &cond.Expr{Or: []cond.Expr{echo, said}}},
		plan.Signal{Name: "w@then", Payload: cond.None, After: &cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "w@follows"}}},
	)
	p.Timers = append(p.Timers, plan.Timer{
		Name: "w@timer", Duration: plan.Duration(time.Minute), Repeat: rapid.Bool().Draw(t, "repeat"),
		After:  []plan.Name{pick(t, names(p.Services), "after")},
		Finish: []plan.Action{pick(t, flowActions(), "finish")},
	})
	byName(p.States, func(v plan.State) plan.Name { return v.Name })
	byName(p.Signals, func(v plan.Signal) plan.Name { return v.Name })
}

// flowActions are actions on what drawFlow adds.
func flowActions() []plan.Action {
	none := cond.NoneValue()
	return []plan.Action{
		{Do: plan.OpStartTimer, Target: "w@timer"},
		{Do: plan.OpStopTimer, Target: "w@timer"},
		{Do: plan.OpEmit, Target: "w@follows", Payload: &none},
		{Do: plan.OpSetState, Target: "w@idle", Payload: &none},
		{Do: plan.OpRemoveState, Target: "w@echo"},
		{Do: plan.OpSetState, Target: "w@text", Template: &plan.Template{
			Kind: cond.String, Each: "w@json", Node: plan.Node{State: "w@json", Path: []string{"id"}},
		}},
	}
}

// flowAtoms are conditions on what drawFlow adds.
func flowAtoms() (states, signals []cond.Atom) {
	states = []cond.Atom{
		{Kind: cond.State, Name: "w@echo"},
		{Kind: cond.State, Name: "w@idle"},
		{Kind: cond.State, Name: "w@made"},
	}
	signals = []cond.Atom{
		{Kind: cond.Signal, Name: "w@follows"},
		{Kind: cond.Signal, Name: "w@then"},
	}
	return states, signals
}
