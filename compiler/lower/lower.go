// Package lower turns checked units into a plan. It cannot fail: everything that
// can be wrong has been reported before.
package lower

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Lower returns the plan of a program without errors, but for its sources.
//
// Of the builtin definitions, the plan has those that something refers to.
func Lower(p *check.Program, compiler string) *plan.Plan {
	l := lowerer{program: p, used: uses{}, out: &plan.Plan{Compiler: compiler}}
	l.sockets()
	l.services()
	l.timers()
	l.flow()
	l.permissions()
	l.transports()
	l.out.Requires = l.out.Needs()
	return l.out
}

type lowerer struct {
	program *check.Program
	used    uses
	out     *plan.Plan
}

// Source returns what the plan says of one unit file. Its name there must not
// depend on where the units root is.
func Source(name string, f *unit.File) plan.Source {
	sum := sha256.Sum256(f.Source.Text)
	out := plan.Source{File: name, SHA256: hex.EncodeToString(sum[:]), Units: make(map[string]int, f.Len())}
	add := func(kind string, u unit.String, header source.Place) {
		out.Units[kind+" "+f.Group+"@"+u.Value] = header.Line()
	}
	for _, u := range f.Sockets {
		add("socket", u.Name, u.At)
	}
	for _, u := range f.Services {
		add("service", u.Name, u.At)
	}
	for _, u := range f.States {
		add("state", u.Name, u.At)
	}
	for _, u := range f.Signals {
		add("signal", u.Name, u.At)
	}
	for _, u := range f.Timers {
		add("timer", u.Name, u.At)
	}
	for _, u := range f.Permissions {
		add("permission", u.Name, u.At)
	}
	for _, u := range f.Variables {
		out.Units["variable "+u.Name.Value] = u.At.Line()
	}
	return out
}

func (l *lowerer) sockets() {
	order := map[plan.Name]int{}
	l.out.Sockets = make([]plan.Socket, 0, len(l.program.Sockets))
	for _, s := range l.program.Sockets {
		out := plan.Socket{
			Name:        s.Name,
			Type:        s.Unit.Type.Value,
			Listen:      s.Endpoint.String(),
			Lifecycle:   plan.Managed,
			Enabled:     !s.Unit.Enabled.Set() || s.Unit.Enabled.Value,
			StartOn:     l.used.expr(s.StartOn),
			StopOn:      l.used.expr(s.StopOn),
			Trigger:     l.used.actions(s.Trigger),
			OnStart:     l.used.actions(s.OnStart),
			OnStop:      l.used.actions(s.OnStop),
			Permissions: l.used.permissions(s.Permissions),
			ManagedBy:   l.used.permissions(s.ManagedBy),
			FDName:      s.FDName(),
			NonBlocking: s.Unit.NonBlocking.Value,
			Options:     s.Options,

			Prefer:       s.Prefer,
			Accept:       s.Unit.Accept.Value,
			Stdio:        s.Unit.Stdio.Value,
			FlushPending: s.Unit.FlushPending.Value,
			Limits:       socketLimits(s.Unit.Limits),
		}
		if s.Unit.Lifecycle.Set() {
			out.Lifecycle = plan.Lifecycle(s.Unit.Lifecycle.Value)
		}
		if s.Owner != nil {
			out.Owner, out.Order = s.Owner.Name, order[s.Owner.Name]
			order[s.Owner.Name]++
		}
		l.out.Sockets = append(l.out.Sockets, out)
	}
}

func (l *lowerer) flow() {
	l.out.States = make([]plan.State, 0, len(l.program.States))
	for _, s := range l.program.States {
		l.out.States = append(l.out.States, l.state(s))
	}
	l.out.Signals = make([]plan.Signal, 0, len(l.program.Signals))
	for _, s := range l.program.Signals {
		out := s.Signal.Signal
		out.After = l.used.expr(s.After)
		out.Permissions = l.used.permissions(s.Permissions)
		l.out.Signals = append(l.out.Signals, out)
	}
	// Last, so that everything that refers to one has been seen.
	for _, s := range l.program.Table.States {
		if s.Builtin && l.used[use{"state", s.Name}] {
			l.out.States = append(l.out.States, s.State)
		}
	}
	for _, s := range l.program.Table.Signals {
		if s.Builtin && l.used[use{"signal", s.Name}] {
			l.out.Signals = append(l.out.Signals, s.Signal)
		}
	}
	for _, v := range l.program.Table.Variables {
		l.out.Variables = append(l.out.Variables, plan.Variable{Name: v.Name, Default: value(v.Unit.Default), Env: v.Unit.Env.Value})
	}
}

func (l *lowerer) permissions() {
	for _, q := range l.program.Permissions {
		groups := values(q.Unit.Groups)
		if q.Unit.Group.Set() {
			groups = append(groups, q.Unit.Group.Value)
		}
		l.out.Permissions = append(l.out.Permissions, plan.Permission{
			Name:   q.Name,
			ID:     q.ID,
			Links:  l.used.permissions(q.Links),
			Users:  unique(values(q.Unit.Users)),
			Groups: unique(groups),
		})
	}
	for _, q := range l.program.Table.Permissions {
		if q.Builtin && l.used[use{"permission", q.Name}] {
			l.out.Permissions = append(l.out.Permissions, plan.Permission{Name: q.Name, ID: q.ID})
		}
	}
}

func (l *lowerer) transports() {
	used := map[string]plan.Transport{}
	for _, s := range l.program.Sockets {
		m := s.Transport
		t := plan.Transport{Name: s.Scheme.Name, Version: m.Version, Manifest: m.SHA256}
		if m.Name != t.Name {
			t.Plugin = m.Name
		}
		if m.Executables != nil {
			shape := s.Scheme.Shape
			t.Shape = &plan.Shape{Domain: shape.Domain, Type: shape.Type, Protocols: shape.Protocols, Listening: shape.Listening}
			t.Checksums = m.Executables
		}
		used[s.Scheme.Name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		l.out.Transports = append(l.out.Transports, used[name])
	}
}

func values(list unit.List) []string {
	if len(list.Items) == 0 {
		return nil
	}
	out := make([]string, 0, len(list.Items))
	for _, s := range list.Items {
		out = append(out, s.Value)
	}
	return out
}

func unique[T ~string | ~uint16](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

// use is a reference to a definition.
type use struct {
	kind string
	name plan.Name
}

// uses collects what the units refer to while they are lowered.
type uses map[use]bool

func (u uses) expr(e *cond.Expr) *cond.Expr {
	if e == nil {
		return nil
	}
	e.Atoms(func(a cond.Atom) {
		kind := "state"
		if a.Kind == cond.Signal {
			kind = "signal"
		}
		u[use{kind, plan.Name(a.Name)}] = true
	})
	return e
}

func (u uses) actions(list []plan.Action) []plan.Action {
	for _, a := range list {
		switch a.Do {
		case plan.OpSetState, plan.OpRemoveState:
			u[use{"state", a.Target}] = true
		case plan.OpEmit:
			u[use{"signal", a.Target}] = true
		case plan.OpScript, plan.OpExec, plan.OpStartService, plan.OpStopService, plan.OpStartSocket, plan.OpStopSocket,
			plan.OpStartTimer, plan.OpStopTimer:
		}
		if a.Template != nil {
			a.Template.References(func(n *plan.Node) { u.state(n.State) })
		}
	}
	return list
}

// state notes a reference to a state, if there is one.
func (u uses) state(name plan.Name) plan.Name {
	if name != "" {
		u[use{"state", name}] = true
	}
	return name
}

func (u uses) permissions(list []*resolve.Permission) []uint16 {
	var ids []uint16
	for _, q := range list {
		u[use{"permission", q.Name}] = true
		ids = append(ids, q.ID)
	}
	return unique(ids)
}
