package plan

import (
	"cmp"
	"slices"
)

// Index finds the definitions of one plan by name. It points into the plan,
// which must not change while the Index is used.
type Index struct {
	permissions map[Name]*Permission
	states      map[Name]*State
	signals     map[Name]*Signal
	timers      map[Name]*Timer
	variables   map[Name]*Variable
	services    map[Name]*Service
	sockets     map[Name]*Socket
	owned       map[Name][]*Socket
}

// Index returns the index of p.
func (p *Plan) Index() *Index {
	x := &Index{
		permissions: byName(p.Permissions, func(v *Permission) Name { return v.Name }),
		states:      byName(p.States, func(v *State) Name { return v.Name }),
		signals:     byName(p.Signals, func(v *Signal) Name { return v.Name }),
		timers:      byName(p.Timers, func(v *Timer) Name { return v.Name }),
		variables:   byName(p.Variables, func(v *Variable) Name { return Name(v.Name) }),
		services:    byName(p.Services, func(v *Service) Name { return v.Name }),
		sockets:     byName(p.Sockets, func(v *Socket) Name { return v.Name }),
		owned:       map[Name][]*Socket{},
	}
	for i := range p.Sockets {
		if s := &p.Sockets[i]; s.Owner != "" {
			x.owned[s.Owner] = append(x.owned[s.Owner], s)
		}
	}
	for _, sockets := range x.owned {
		slices.SortStableFunc(sockets, func(a, b *Socket) int { return cmp.Compare(a.Order, b.Order) })
	}
	return x
}

func byName[T any](list []T, name func(*T) Name) map[Name]*T {
	m := make(map[Name]*T, len(list))
	for i := range list {
		m[name(&list[i])] = &list[i]
	}
	return m
}

// Permission returns the permission with that name.
func (x *Index) Permission(n Name) (*Permission, bool) { return get(x.permissions, n) }

// State returns the state with that name.
func (x *Index) State(n Name) (*State, bool) { return get(x.states, n) }

// Signal returns the signal with that name.
func (x *Index) Signal(n Name) (*Signal, bool) { return get(x.signals, n) }

// Timer returns the timer with that name.
func (x *Index) Timer(n Name) (*Timer, bool) { return get(x.timers, n) }

// Variable returns the variable with that name.
func (x *Index) Variable(name string) (*Variable, bool) { return get(x.variables, Name(name)) }

// Service returns the service with that name.
func (x *Index) Service(n Name) (*Service, bool) { return get(x.services, n) }

// Socket returns the socket with that name.
func (x *Index) Socket(n Name) (*Socket, bool) { return get(x.sockets, n) }

// SocketsOf returns the sockets whose descriptors the service owner inherits,
// in the order of the descriptors. The slice belongs to the Index.
func (x *Index) SocketsOf(owner Name) []*Socket { return x.owned[owner] }

func get[T any](m map[Name]*T, n Name) (*T, bool) {
	v, ok := m[n]
	return v, ok
}
