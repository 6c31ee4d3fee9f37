// Package resolve has the definitions of all unit files and finds what a name
// in one of them means.
package resolve

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Socket is a defined socket.
type Socket struct {
	Name  plan.Name
	Group string
	Unit  *unit.Socket
}

// Service is a defined service.
type Service struct {
	Name  plan.Name
	Group string
	Unit  *unit.Service
}

// State is a defined or builtin state.
type State struct {
	plan.State // Payload is 0 when the unit does not say it

	Unit *unit.State // nil for a builtin
}

// KeysUnknown reports whether `branch` of s may have a mistake, which is reported
// there: what follows from the branch keys then is none.
func (s *State) KeysUnknown() bool { return s.Unit != nil && s.Unit.Lost.Any("branch") }

// Signal is a defined or builtin signal.
type Signal struct {
	plan.Signal // Payload is 0 when the unit does not say it

	Unit *unit.Signal // nil for a builtin
}

// Timer is a defined timer.
type Timer struct {
	Name  plan.Name
	Group string
	Unit  *unit.Timer
}

// Variable is a defined variable. Its name is global.
type Variable struct {
	Name  string
	Group string // of the file that defines it
	Kind  cond.Kind
	Unit  *unit.Variable
}

// Permission is a defined or builtin permission.
type Permission struct {
	Name    plan.Name
	Group   string
	ID      uint16 // meaningless when HasID is not set
	HasID   bool
	Builtin bool
	Unit    *unit.Permission // nil for a builtin
}

// Table holds every definition. The lists are in the order of the files and of
// the units in them, those with a name that is taken included; builtin
// definitions come last. A Table has one user at a time; others have a View.
type Table struct {
	Sockets     []*Socket
	Services    []*Service
	States      []*State
	Signals     []*Signal
	Timers      []*Timer
	Permissions []*Permission
	Variables   []*Variable

	gaps []Gap

	sockets     space[Socket]
	services    space[Service]
	states      space[State]
	signals     space[Signal]
	timers      space[Timer]
	permissions space[Permission]
	variables   space[Variable]
	ids         map[uint16]*Permission // the first with an id
	idsLost     bool                   // the id of some permission could not be read

	compared int // names that a misspelt one has been compared with
}

// Gap is where definitions may be that a table lacks, because a mistake that has
// been reported hides them, or the file could not be read. A name that may be
// there is not reported as unknown.
type Gap struct {
	Group string // with a slash at the end: the groups of that directory; "/": all
	Kind  string // "socket"; empty: any
}

// View returns the same definitions for another user, who has the part 1/users of
// the suggestions for names that nobody has.
func (t *Table) View(users int) *Table {
	v := *t
	v.compared = maxCompared - maxCompared/users
	return &v
}

// Incomplete reports whether definitions may be missing: in files that could not
// be read, or because of mistakes that have been reported.
func (t *Table) Incomplete() bool { return len(t.gaps) > 0 }

// New declares the units of all files and the builtin group rind, and reports
// what is defined twice. Units without a name are left out: nothing can refer to
// them, and the decoder reported them.
func New(files []*unit.File, gaps []Gap, ds *diag.List) *Table {
	room := func(units func(*unit.File) int) int {
		n := 0
		for _, f := range files {
			n += units(f)
		}
		return n
	}
	t := &Table{
		gaps:        gaps,
		sockets:     newSpace[Socket]("socket", room(func(f *unit.File) int { return len(f.Sockets) })),
		services:    newSpace[Service]("service", room(func(f *unit.File) int { return len(f.Services) })),
		states:      newSpace[State]("state", room(func(f *unit.File) int { return len(f.States) })),
		signals:     newSpace[Signal]("signal", room(func(f *unit.File) int { return len(f.Signals) })),
		timers:      newSpace[Timer]("timer", room(func(f *unit.File) int { return len(f.Timers) })),
		permissions: newSpace[Permission]("permission", room(func(f *unit.File) int { return len(f.Permissions) })),
		variables:   newSpace[Variable]("variable", room(func(f *unit.File) int { return len(f.Variables) })),
		ids:         map[uint16]*Permission{},
	}
	t.declareBuiltins()
	for _, f := range files {
		t.declareFlow(f, ds)
		t.declareUnits(f, ds)
	}
	t.moveBuiltinsLast()
	for _, p := range t.Permissions {
		if p.HasID && t.ids[p.ID] == nil {
			t.ids[p.ID] = p
		}
		t.idsLost = t.idsLost || p.Unit != nil && p.Unit.Lost.Any("id")
	}
	return t
}

func (t *Table) declareUnits(f *unit.File, ds *diag.List) {
	for _, u := range f.Sockets {
		d := &Socket{Name: plan.MakeName(f.Group, u.Name.Value), Group: f.Group, Unit: u}
		if t.sockets.declare(d.Name, d, u.Name, ds) {
			t.Sockets = append(t.Sockets, d)
		}
	}
	for _, u := range f.Services {
		d := &Service{Name: plan.MakeName(f.Group, u.Name.Value), Group: f.Group, Unit: u}
		if t.services.declare(d.Name, d, u.Name, ds) {
			t.Services = append(t.Services, d)
		}
	}
	for _, u := range f.Timers {
		d := &Timer{Name: plan.MakeName(f.Group, u.Name.Value), Group: f.Group, Unit: u}
		if t.timers.declare(d.Name, d, u.Name, ds) {
			t.Timers = append(t.Timers, d)
		}
	}
	for _, u := range f.Variables {
		d := &Variable{Name: u.Name.Value, Group: f.Group, Kind: kindOf(u.Default), Unit: u}
		if t.variables.declare(plan.Name(d.Name), d, u.Name, ds) {
			t.Variables = append(t.Variables, d)
		}
	}
	for _, u := range f.Permissions {
		d := &Permission{Name: plan.MakeName(f.Group, u.Name.Value), Group: f.Group, Unit: u}
		if u.ID.Set() && u.ID.Value > 0 && u.ID.Value <= 0xFFFF {
			d.ID, d.HasID = uint16(u.ID.Value), true
		}
		if t.permissions.declare(d.Name, d, u.Name, ds) {
			t.Permissions = append(t.Permissions, d)
		}
	}
}

func (t *Table) declareFlow(f *unit.File, ds *diag.List) {
	for _, u := range f.States {
		d := &State{Unit: u, State: plan.State{
			Name:        plan.MakeName(f.Group, u.Name.Value),
			Branch:      branchKeys(u.Branch),
			Impermanent: u.Impermanent.Value || strings.HasPrefix(u.Name.Value, "_"),
		}}
		d.Payload, _ = cond.ParseKind(u.Payload.Value) // the decoder reports an unknown kind
		if t.states.declare(d.Name, d, u.Name, ds) {
			t.States = append(t.States, d)
		}
	}
	for _, u := range f.Signals {
		d := &Signal{Unit: u, Signal: plan.Signal{Name: plan.MakeName(f.Group, u.Name.Value), Branch: branchKeys(u.Branch)}}
		d.Payload, _ = cond.ParseKind(u.Payload.Value) // the decoder reports an unknown kind
		if t.signals.declare(d.Name, d, u.Name, ds) {
			t.Signals = append(t.Signals, d)
		}
	}
}

// kindOf returns the kind of payload that the value of a variable is: text, or
// json for every other type of value.
func kindOf(v unit.Any) cond.Kind {
	if _, text := v.Value.(string); text || v.Value == nil {
		return cond.String
	}
	return cond.JSON
}

// branchKeys reads "key" and "target:source", with spaces around the colon.
func branchKeys(list unit.List) []plan.BranchKey {
	var keys []plan.BranchKey
	for _, item := range list.Items {
		target, from, _ := strings.Cut(item.Value, ":")
		k := plan.BranchKey{Target: strings.TrimSpace(target), Source: strings.TrimSpace(from)}
		if k.Source == k.Target {
			k.Source = ""
		}
		keys = append(keys, k)
	}
	return keys
}

// declare enters d, unless its name is taken. It reports whether there is a name
// at all: a second definition is checked like the first, though nothing finds it.
func (s *space[T]) declare(name plan.Name, d *T, at unit.String, ds *diag.List) bool {
	if at.Value == "" {
		return false
	}
	i, taken := s.full[name]
	if !taken {
		s.add(name, d, at.At)
		return true
	}
	first, code := s.defs[i].at, DuplicateName
	if first.IsZero() {
		code = RedefinedBuiltin
	}
	if ds.Full(code, diag.Error) {
		ds.Omit(code, diag.Error, 1)
		return true
	}
	problem := diag.Diagnostic{
		Code:     code,
		Severity: diag.Error,
		Message:  fmt.Sprintf("%s %q is defined twice", s.kind, name),
		At:       at.At,
		Help:     fmt.Sprintf("rename one of them: a %s needs a name that no other %s of its group has", s.kind, s.kind),
		Labels:   []diag.Label{{At: first, Message: "first defined here"}},
	}
	if s.kind == "variable" {
		problem.Help = "rename one of them: the names of variables have no group"
	}
	if first.IsZero() {
		problem.Message = fmt.Sprintf("%s %q is builtin", s.kind, name)
		problem.Help = fmt.Sprintf("remove it and use the builtin %s, or give it another name", s.kind)
		problem.Labels = nil
	}
	ds.Add(problem)
	return true
}

// definition is one definition and the place of its name, which is zero for a
// builtin.
type definition[T any] struct {
	name plan.Name
	decl *T
	at   source.Place

	// The next definition that has the same name in another group, and, for the first
	// of them, the last one.
	next, last int32
}

// space is the namespace of one kind. What finds a definition has its index.
type space[T any] struct {
	kind   string
	defs   []definition[T] // in the order of declaration
	full   map[plan.Name]int32
	short  map[string]int32 // the name without its group, to the first of that name
	names  []string         // those of defs
	shorts []string         // the keys of short, in the order of declaration
}

// none is no definition.
const none = -1

// newSpace returns a namespace with room for so many names.
func newSpace[T any](kind string, room int) space[T] {
	return space[T]{
		kind: kind, defs: make([]definition[T], 0, room), full: make(map[plan.Name]int32, room), short: make(map[string]int32, room),
		names: make([]string, 0, room), shorts: make([]string, 0, room),
	}
}

func (s *space[T]) add(name plan.Name, d *T, at source.Place) {
	i, short := int32(len(s.defs)), name.Short()
	s.defs = append(s.defs, definition[T]{name: name, decl: d, at: at, next: none, last: i})
	s.full[name] = i
	sound := short == "" || grammar.CheckName(short) == nil // else that is reported: nobody is to write it
	if sound {
		s.names = append(s.names, string(name))
	}
	first, shared := s.short[short]
	if !shared {
		s.short[short] = i
		if sound {
			s.shorts = append(s.shorts, short)
		}
		return
	}
	s.defs[s.defs[first].last].next = i
	s.defs[first].last = i
}
