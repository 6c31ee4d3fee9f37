// Package diff compares two plans: what a daemon that runs the old one would
// keep, bind again, start and stop when it takes over the new one.
//
// The comparison is of meanings: the place of a definition in its file, the
// order of files and the version of the compiler do not count.
package diff

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/graph"
	"github.com/rind-sockets/rind/plan/words"
)

// Effect is what happens to a unit.
type Effect string

// Effects. The first four are those of sockets that are open; a new socket that
// does not start by itself is added.
const (
	Rebound Effect = "rebound" // closed and bound again, see [plan.Socket.SameListener]
	Started Effect = "started" // new, and starts with the plan
	Stopped Effect = "stopped" // no longer there
	Kept    Effect = "kept"    // with its descriptor and what waits in its queue
	Added   Effect = "added"
	Removed Effect = "removed"
	Changed Effect = "changed"
)

// effects lists the effects in the order in which they are shown.
var effects = []Effect{Rebound, Started, Added, Changed, Stopped, Removed, Kept}

// Kinds of what is compared beside the units of [graph.Kinds].
const (
	Transport graph.Kind = "transport" // a socket type in use
	Feature   graph.Kind = "feature"   // something the runtime must have
)

// kinds lists all kinds in the order in which they are shown.
var kinds = append(slices.Clone(graph.Kinds), Transport, Feature)

// Change is what happens to one unit.
type Change struct {
	Kind   graph.Kind
	Name   plan.Name
	Effect Effect
	Fields []Field // what is different; of a kept socket perhaps nothing
	Note   string  // what else there is to know; may be empty
}

// Field is one key with another value. An absent value is "".
type Field struct {
	Key      string // of unit files, with a path: "options.backlog"
	Old, New string
}

// Diff is the difference of two plans.
type Diff struct {
	Changes []Change // by kind, effect and name; all sockets are there

	// Same counts the units that are equal in both plans.
	Same map[graph.Kind]int
}

// Equal reports whether the plans mean the same.
func (d *Diff) Equal() bool {
	return !slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Effect != Kept || len(c.Fields) > 0 })
}

// Compare returns the difference from one plan to another.
func Compare(before, after *plan.Plan) *Diff {
	c := comparer{
		out: &Diff{Same: map[graph.Kind]int{}},
		old: words.NamesOf(before),
		new: words.NamesOf(after),
	}
	c.sockets(before.Sockets, after.Sockets)
	units(&c, graph.Service, before.Services, after.Services, func(s *plan.Service) plan.Name { return s.Name }, nil)
	units(&c, graph.State, before.States, after.States, func(s *plan.State) plan.Name { return s.Name },
		func(s *plan.State) bool { return s.Builtin })
	units(&c, graph.Signal, before.Signals, after.Signals, func(s *plan.Signal) plan.Name { return s.Name },
		func(s *plan.Signal) bool { return s.Builtin })
	units(&c, graph.Timer, before.Timers, after.Timers, func(t *plan.Timer) plan.Name { return t.Name }, nil)
	units(&c, graph.Permission, before.Permissions, after.Permissions, func(q *plan.Permission) plan.Name { return q.Name },
		func(q *plan.Permission) bool { return q.Name.Group() == plan.BuiltinGroup && builtin(q.ID) })
	units(&c, graph.Variable, before.Variables, after.Variables, func(v *plan.Variable) plan.Name { return plan.Name(v.Name) }, nil)
	units(&c, Transport, before.Transports, after.Transports, func(t *plan.Transport) plan.Name { return plan.Name(t.Name) }, nil)
	c.features(before.Requires, after.Requires)
	slices.SortStableFunc(c.out.Changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(slices.Index(effects, a.Effect), slices.Index(effects, b.Effect)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return c.out
}

func builtin(id uint16) bool {
	for _, b := range plan.BuiltinPermissions {
		if b == id {
			return true
		}
	}
	return false
}

type comparer struct {
	out      *Diff
	old, new *words.Names
}

func (c *comparer) add(change Change) { c.out.Changes = append(c.out.Changes, change) }

// pair is a unit in both plans; one of them may be nil.
type pair[T any] struct {
	name     plan.Name
	old, new *T
}

// pairs returns the units of two lists by name, sorted.
func pairs[T any](before, after []T, name func(*T) plan.Name) []pair[T] {
	byName := map[plan.Name]*pair[T]{}
	at := func(u *T) *pair[T] {
		n := name(u)
		if byName[n] == nil {
			byName[n] = &pair[T]{name: n}
		}
		return byName[n]
	}
	for i := range before {
		at(&before[i]).old = &before[i]
	}
	for i := range after {
		at(&after[i]).new = &after[i]
	}
	out := make([]pair[T], 0, len(byName))
	for _, p := range byName {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b pair[T]) int { return cmp.Compare(a.name, b.name) })
	return out
}

// units compares the units of a kind. A builtin one is in a plan when something
// refers to it, so that its coming and going is no change.
func units[T any](c *comparer, kind graph.Kind, before, after []T, name func(*T) plan.Name, isBuiltin func(*T) bool) {
	for _, p := range pairs(before, after, name) {
		change := Change{Kind: kind, Name: p.name}
		switch {
		case p.old == nil && (isBuiltin == nil || !isBuiltin(p.new)):
			change.Effect = Added
		case p.new == nil && (isBuiltin == nil || !isBuiltin(p.old)):
			change.Effect = Removed
		case p.old == nil || p.new == nil:
			continue
		default:
			change.Effect, change.Fields = Changed, c.fields(p.old, p.new)
			if len(change.Fields) == 0 {
				c.out.Same[kind]++
				continue
			}
		}
		c.add(change)
	}
}

func (c *comparer) features(before, after []string) {
	name := func(s *string) plan.Name { return plan.Name(*s) }
	for _, p := range pairs(before, after, name) {
		switch {
		case p.old == nil:
			c.add(Change{Kind: Feature, Name: p.name, Effect: Added})
		case p.new == nil:
			c.add(Change{Kind: Feature, Name: p.name, Effect: Removed})
		default:
			c.out.Same[Feature]++
		}
	}
}

func (c *comparer) sockets(before, after []plan.Socket) {
	all := pairs(before, after, func(s *plan.Socket) plan.Name { return s.Name })
	freed := map[string]plan.Name{} // endpoints of sockets that stop
	for _, p := range all {
		if p.new == nil {
			freed[endpoint(p.old)] = p.name
		}
	}
	for _, p := range all {
		change := Change{Kind: graph.Socket, Name: p.name}
		switch {
		case p.old == nil:
			change.Effect, change.Note = appears(p.new)
			if other, ok := freed[endpoint(p.new)]; ok {
				change.Note += fmt.Sprintf("; %s, which had this endpoint, is stopped with what waits in its queue", other)
			}
		case p.new == nil:
			change.Effect, change.Note = Stopped, endpoint(p.old)
		default:
			change.Effect, change.Fields = Kept, c.fields(p.old, p.new)
			if !p.old.SameListener(p.new) {
				change.Effect = Rebound
			}
			if len(change.Fields) == 0 {
				c.out.Same[graph.Socket]++
			}
		}
		c.add(change)
	}
}

// appears says what becomes of a new socket.
func appears(s *plan.Socket) (effect Effect, note string) {
	switch {
	case s.StartOn != nil:
		return Added, endpoint(s) + ", starts on " + s.StartOn.String()
	case !s.Enabled:
		return Added, endpoint(s) + ", starts only when it is told to"
	}
	return Started, endpoint(s)
}

func endpoint(s *plan.Socket) string { return s.Type + " " + s.Listen }
