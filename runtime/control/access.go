package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/peer"
)

// view is what a server knows of the plan that runs. It never changes; a reload
// puts another one in its place, for the calls that come afterwards.
type view struct {
	plan     *plan.Plan
	names    *directory
	sockets  map[plan.Name]*plan.Socket
	services map[plan.Name]*plan.Service
	states   map[plan.Name]*plan.State
	signals  map[plan.Name]*plan.Signal

	// Who is meant by the users and groups that the permissions name, as the system
	// said when the plan was loaded: to ask it for every group of a caller would let
	// the caller decide how much there is to do.
	users  map[uint32][]string
	groups map[uint32][]string

	own     uint32   // the daemon's user
	granted []uint16 // permissions that let somebody do something
}

func newView(p *plan.Plan, own int) *view {
	v := &view{
		plan: p, names: newDirectory(p), own: uint32(own),
		sockets: map[plan.Name]*plan.Socket{}, services: map[plan.Name]*plan.Service{},
		states: map[plan.Name]*plan.State{}, signals: map[plan.Name]*plan.Signal{},
		users: map[uint32][]string{}, groups: map[uint32][]string{},
		granted: []uint16{plan.SystemServices},
	}
	for i := range p.Sockets {
		v.sockets[p.Sockets[i].Name] = &p.Sockets[i]
		v.granted = append(v.granted, p.Sockets[i].ManagedBy...)
	}
	for i := range p.Services {
		v.services[p.Services[i].Name] = &p.Services[i]
		v.granted = append(v.granted, p.Services[i].ManagedBy...)
	}
	for _, st := range flow.States(p) {
		v.states[st.Name] = st
		v.granted = append(v.granted, st.Permissions...)
	}
	for i := range p.Signals {
		v.signals[p.Signals[i].Name] = &p.Signals[i]
		v.granted = append(v.granted, p.Signals[i].Permissions...)
	}
	slices.Sort(v.granted)
	v.granted = slices.Compact(v.granted)
	for i := range p.Permissions {
		for _, name := range p.Permissions[i].Users {
			enter(v.users, name, func() (string, error) { return peer.UserID(name) })
		}
		for _, name := range p.Permissions[i].Groups {
			enter(v.groups, name, func() (string, error) { return peer.GroupID(name) })
		}
	}
	return v
}

// enter notes which number a name of the plan means. A name that the system does
// not know, and a number, which means itself, need no entry.
func enter(names map[uint32][]string, name string, number func() (string, error)) {
	text, err := number()
	if err != nil {
		return
	}
	id, err := strconv.ParseUint(text, 10, 32)
	if err == nil && !slices.Contains(names[uint32(id)], name) {
		names[uint32(id)] = append(names[uint32(id)], name)
	}
}

// manages reports whether a caller may do everything: uid 0 and the daemon's user.
func (v *view) manages(c caller) bool {
	return c.err == nil && (c.cred.UID == 0 || c.cred.UID == v.own)
}

// holds reports whether a caller has one of some permissions; nobody has one of
// none.
func (v *view) holds(c caller, list []uint16) bool {
	if c.err != nil || len(list) == 0 {
		return false
	}
	var groups []string
	for _, gid := range append([]uint32{c.cred.GID}, c.cred.Groups...) {
		groups = append(groups, v.groups[gid]...)
		groups = append(groups, strconv.FormatUint(uint64(gid), 10))
	}
	who := plan.Peer{UID: c.cred.UID, Groups: groups}
	if v.plan.Allows(list, who) {
		return true
	}
	return slices.ContainsFunc(v.users[c.cred.UID], func(name string) bool {
		who.User = name
		return v.plan.Allows(list, who)
	})
}

// known reports whether a caller may change anything at all.
func (v *view) known(c caller) bool { return v.manages(c) || v.holds(c, v.granted) }

// mayOperate reports why a caller may not start and stop a unit.
func (v *view) mayOperate(c caller, u unit) error {
	list := []uint16{plan.SystemServices}
	switch u.kind {
	case controlv1.UnitKind_UNIT_KIND_SOCKET:
		list = append(list, v.sockets[u.name].ManagedBy...)
	case controlv1.UnitKind_UNIT_KIND_SERVICE:
		list = append(list, v.services[u.name].ManagedBy...)
	case controlv1.UnitKind_UNIT_KIND_UNSPECIFIED:
	}
	return v.need(c, list, fmt.Sprintf("start and stop %s %s", kindName(u.kind), u.name))
}

// maySet reports why a caller may not set a state, which includes to read it.
func (v *view) maySet(c caller, name plan.Name) error {
	return v.need(c, orSystem(v.states[name].Permissions), "set state "+string(name))
}

// mayEmit reports why a caller may not emit a signal.
func (v *view) mayEmit(c caller, name plan.Name) error {
	return v.need(c, orSystem(v.signals[name].Permissions), "emit signal "+string(name))
}

// stateFor finds the state that a caller wants to change, and may.
func (v *view) stateFor(c caller, name string) (plan.Name, error) {
	if !v.known(c) {
		return "", v.errNothing(c)
	}
	full, err := v.names.state(name)
	if err != nil {
		return "", badName(err)
	}
	if err := v.maySet(c, full); err != nil {
		return "", denied(err)
	}
	return full, nil
}

// signalFor finds the signal that a caller wants to emit, and may.
func (v *view) signalFor(c caller, name string) (plan.Name, error) {
	if !v.known(c) {
		return "", v.errNothing(c)
	}
	full, err := v.names.signal(name)
	if err != nil {
		return "", badName(err)
	}
	if err := v.mayEmit(c, full); err != nil {
		return "", denied(err)
	}
	return full, nil
}

// mayRead reports whether a caller may see the payload of a state or signal.
func (v *view) mayRead(c caller, kind cond.AtomKind, name plan.Name) bool {
	if v.manages(c) {
		return true
	}
	if kind == cond.Signal {
		s := v.signals[name]
		return s != nil && v.holds(c, orSystem(s.Permissions))
	}
	st := v.states[name]
	return st != nil && v.holds(c, orSystem(st.Permissions))
}

// orSystem is who may set a state or emit a signal: without permissions of its own,
// whoever manages the rest.
func orSystem(list []uint16) []uint16 {
	if len(list) == 0 {
		return []uint16{plan.SystemServices}
	}
	return list
}

// need reports why a caller may not do something for which one of these permissions
// is needed.
func (v *view) need(c caller, list []uint16, what string) error {
	switch {
	case v.manages(c) || v.holds(c, list):
		return nil
	case c.err != nil:
		return fmt.Errorf("permission denied: the caller is unknown: %w", c.err)
	}
	var names []string
	for _, id := range list {
		names = append(names, v.plan.PermissionName(id))
	}
	holders := ""
	if len(names) > 0 {
		holders = ", and who holds " + strings.Join(names, " or ") + ","
	}
	return fmt.Errorf("permission denied for %v: only uid 0 and the daemon's user (uid %d)%s may %s", c, v.own, holders, what)
}

// denied is an error of a call that may not be made.
func denied(err error) error { return connect.NewError(connect.CodePermissionDenied, err) }

// errNothing refuses a caller without any permission. What there is to change is not
// a stranger's business.
func (v *view) errNothing(c caller) error {
	if err := v.need(c, nil, "change anything, unless the plan gives somebody a permission for it"); err != nil {
		return denied(err)
	}
	return denied(errors.New("permission denied"))
}

// onlyManagers refuses everybody but uid 0 and the daemon's user.
func (h *handler) onlyManagers(ctx context.Context, what string) error {
	if err := h.view.Load().need(callerOf(ctx), nil, what); err != nil {
		return denied(err)
	}
	return nil
}
