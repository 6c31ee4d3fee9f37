package check

import (
	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// State is a state of a unit file whose parts are understood.
type State struct {
	*resolve.State

	After       *cond.Expr
	Absent      []*resolve.State // in the order of activate-on-none; nil where one is unknown
	Variable    *resolve.Variable
	Permissions []*resolve.Permission

	refErrors []diag.Diagnostic
}

// Signal is a signal of a unit file whose parts are understood.
type Signal struct {
	*resolve.Signal

	After       *cond.Expr
	Permissions []*resolve.Permission

	refErrors []diag.Diagnostic
}

// Timer is a timer whose parts are understood.
type Timer struct {
	*resolve.Timer

	After  []*resolve.Service
	Finish []plan.Action
}

// instances is what a service says about its instances, as far as it is
// understood.
type instances struct {
	After      []*resolve.Service
	ManagedBy  []*resolve.Permission
	Branching  *resolve.State // of the source, nil: no branching
	UserSource *resolve.State
	Variables  []*resolve.Variable // of run, in its order; nil for a process that has none

	refErrors []diag.Diagnostic
}

func (p *Program) typer(group string, lost unit.Lost, ds *diag.List) typing.Typer {
	return typing.Typer{Scope: p.Table.In(group), Report: ds.Add, Enough: ds.Full, Lost: lost.Any("start-on", "stop-on", "after")}
}

// bindFlow binds one part of the states, signals and timers.
func (p *Program) bindFlow(i int, ds *diag.List) {
	for _, d := range share(p.Table.States, i) {
		if d.Unit != nil {
			p.States = append(p.States, p.bindState(d, ds))
		}
	}
	for _, d := range share(p.Table.Signals, i) {
		if d.Unit == nil {
			continue
		}
		t := p.typer(d.Name.Group(), d.Unit.Lost, ds)
		s := &Signal{Signal: d, After: t.Conditions(d.Unit.After, typing.All)}
		s.Permissions, s.refErrors = permissions(t.Scope, d.Unit.Permissions)
		p.Signals = append(p.Signals, s)
	}
	for _, d := range share(p.Table.Timers, i) {
		t := p.typer(d.Group, d.Unit.Lost, ds)
		p.Timers = append(p.Timers, &Timer{
			Timer: d, After: services(t, d.Unit.After), Finish: action.Lower(t, d.Unit.Finish),
		})
	}
}

func (p *Program) bindState(d *resolve.State, ds *diag.List) *State {
	t := p.typer(d.Name.Group(), d.Unit.Lost, ds)
	s := &State{State: d, After: t.Levels(d.Unit.After)}
	for _, a := range d.Unit.ActivateOnNone.Items {
		s.Absent = append(s.Absent, found(t, a.Name, resolve.Scope.State))
	}
	if a := d.Unit.AutoPayload; a != nil {
		s.Variable = found(t, a.Variable, resolve.Scope.Variable)
	}
	s.Permissions, s.refErrors = permissions(t.Scope, d.Unit.Permissions)
	return s
}

func (p *Program) bindInstances(d *resolve.Service, ds *diag.List) instances {
	t := p.typer(d.Group, d.Unit.Lost, ds)
	in := instances{After: services(t, d.Unit.After)}
	if from := d.Unit.UserSource; from != nil {
		in.UserSource = found(t, from.State, resolve.Scope.State)
	}
	if b := d.Unit.Branching; b != nil && b.Enabled.Or(true) {
		in.Branching = found(t, b.State, resolve.Scope.State)
	}
	in.ManagedBy, in.refErrors = permissions(t.Scope, d.Unit.ManagedBy)
	for _, r := range d.Unit.Run {
		in.Variables = append(in.Variables, found(t, r.Variable, resolve.Scope.Variable))
	}
	return in
}

// found looks up a name that was written, and reports one that means nothing.
func found[T any](t typing.Typer, ref unit.String, lookup func(resolve.Scope, unit.String) (*T, *diag.Diagnostic)) *T {
	if !ref.Set() {
		return nil
	}
	x, bad := lookup(t.Names(), ref)
	if bad != nil {
		t.Report(*bad)
	}
	return x
}

func services(t typing.Typer, list unit.List) []*resolve.Service {
	var out []*resolve.Service
	for _, ref := range list.Items {
		if s := found(t, ref, resolve.Scope.Service); s != nil {
			out = append(out, s)
		}
	}
	return out
}
