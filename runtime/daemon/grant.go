package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os/user"
	"slices"
	"strconv"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/store"
)

// grantsRecord is what grants are among the states on disk, a branch for each
// permission. No state of a plan is called so: their names have a group.
const grantsRecord plan.Name = "grants"

// maxGrants bounds the users and groups of one permission that are granted or revoked
// at run time. More do not fit into the access control list of a path.
const maxGrants = 500

// grantee is whom a grant is about.
type grantee struct {
	id    uint32
	group bool
	title string // "user ann (4001)"
}

// granteeOf looks up a user or a group, by name or number.
func granteeOf(g control.Grant) (grantee, error) {
	kind, name, find := "user", g.User, peer.UserID
	if g.Group != "" {
		kind, name, find = "group", g.Group, peer.GroupID
	}
	id, err := strconv.ParseUint(name, 10, 32)
	title := kind + " " + name
	if err != nil {
		text, err := find(name)
		_, noUser := errors.AsType[user.UnknownUserError](err)
		_, noGroup := errors.AsType[user.UnknownGroupError](err)
		switch {
		case noUser || noGroup:
			return grantee{}, fmt.Errorf("no such %s: %s", kind, name)
		case err != nil:
			return grantee{}, fmt.Errorf("look up %s: %w", title, err)
		}
		if id, err = strconv.ParseUint(text, 10, 32); err != nil {
			return grantee{}, fmt.Errorf("%s has the id %q, which is no number", title, text)
		}
		title += " (" + text + ")"
	}
	if id == math.MaxUint32 { // (uid_t)-1
		return grantee{}, fmt.Errorf("no such %s: %s", kind, name)
	}
	return grantee{id: uint32(id), group: g.Group != "", title: title}, nil
}

// grant changes who holds a permission, and comes back when every open socket and the
// control interface follow (SPEC §7). Connections that are there already stay.
func (d *daemon) grant(ctx context.Context, g control.Grant) (control.Granted, error) {
	who, err := granteeOf(g)
	if err != nil {
		return control.Granted{}, err
	}
	// A reload has the same turn: the plan and what was granted go together.
	select {
	case d.reloads.turn <- struct{}{}:
		defer func() { <-d.reloads.turn }()
	case <-ctx.Done():
		return control.Granted{}, context.Cause(ctx) // whoever asked has gone
	}
	p := d.currentPlan()
	next, message, err := newChange(p, d.grants, g, who).apply()
	if err != nil {
		return control.Granted{}, err
	}
	out := control.Granted{Holder: who.title, Message: message, Lasting: d.states != nil, Changed: next != nil}
	if next == nil {
		return out, nil
	}
	if next.Size() > maxGrants {
		return control.Granted{}, fmt.Errorf("permission %s was granted to or revoked from %d users and groups at run time, and no more fit: put the users into a group", g.Permission, maxGrants)
	}
	d.setGrant(g.Permission, *next)
	if err := d.keepGrant(ctx, g.Permission, *next); err != nil {
		out.Lasting = false
		out.Problems = append(out.Problems, "not saved: "+err.Error())
	}
	problems, err := d.applyGrants(p)
	if err != nil {
		return control.Granted{}, err
	}
	out.Problems = append(out.Problems, problems...)
	d.log.LogAttrs(ctx, slog.LevelInfo, "permission changed", slog.String("permission", string(g.Permission)),
		slog.String("change", message), slog.String("holder", who.title), slog.String("by", g.By))
	return out, nil
}

// setGrant replaces the map, which others may be reading.
func (d *daemon) setGrant(permission plan.Name, g plan.Grant) {
	next := maps.Clone(d.grants)
	if next == nil {
		next = map[plan.Name]plan.Grant{}
	}
	next[permission] = g
	if g.Size() == 0 {
		delete(next, permission)
	}
	d.grants = next
}

// applyGrants makes everything follow that looks at who holds a permission of plan p.
// It waits for the access control lists, and returns what went wrong with them.
func (d *daemon) applyGrants(p *plan.Plan) (problems []string, err error) {
	quiet := slog.New(slog.DiscardHandler) // the log has it from when the plan was loaded
	with := d.withGrants(p)
	rules := resolveRules(with, quiet)
	show := d.server.SetPlan(with)
	taken := make(chan []func() error, 1)
	d.loop.Deliver(func() flow.Event {
		d.rules = rules
		show()
		taken <- d.sockets.follow()
		return nil
	}, func() { close(taken) })
	lists, ok := <-taken
	if !ok {
		return nil, errors.New("the daemon ends")
	}
	return applyLists(lists), nil
}

// withGrants returns a plan with what was granted and revoked at run time.
func (d *daemon) withGrants(p *plan.Plan) *plan.Plan {
	return p.WithGrants(d.grants, func(name string) (uint32, bool) { return idOf(name, peer.GroupID) })
}

// keepGrant puts on disk what was changed about a permission.
func (d *daemon) keepGrant(ctx context.Context, permission plan.Name, g plan.Grant) error {
	if d.states == nil {
		return nil
	}
	change := store.Change{State: grantsRecord, Branch: string(permission)}
	if g.Size() > 0 {
		text, err := json.Marshal(g)
		if err != nil {
			return err
		}
		value, err := cond.ParseJSON(text)
		if err != nil {
			return err
		}
		change.Value = &value
	}
	done := make(chan error, 1)
	d.states.Submit([]store.Change{change}, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // it is written as soon as the disk lets it
		return fmt.Errorf("%s: still being written: %w", d.states.Status().Path, context.Cause(ctx))
	}
}

// restoreGrant takes what is on disk. A record that cannot be read is an error of the
// log: somebody may get in who had been kept out.
func (d *daemon) restoreGrant(b store.Branch) {
	var g plan.Grant
	err := b.Err
	if err == nil {
		err = json.Unmarshal([]byte(b.Value.Text()), &g)
	}
	if err != nil {
		d.log.Error("what was granted and revoked of a permission cannot be read, the plan alone counts for it",
			slog.String("permission", b.Branch), slog.Any("error", err))
		return
	}
	d.setGrant(plan.Name(b.Branch), g)
}

// change is one change of who holds a permission.
type change struct {
	plan   *plan.Plan // as it was loaded
	grants map[plan.Name]plan.Grant
	of     plan.Permission // as the plan has it
	before plan.Grant
	who    grantee
	revoke bool
}

func newChange(p *plan.Plan, grants map[plan.Name]plan.Grant, g control.Grant, who grantee) *change {
	c := &change{plan: p, grants: grants, before: grants[g.Permission], who: who, revoke: g.Revoke}
	for _, q := range p.AllPermissions() {
		if q.Name == g.Permission {
			c.of = q
		}
	}
	return c
}

// apply returns what is so of the permission from now on, nil if it is so already, and
// says for people what happened.
func (c *change) apply() (next *plan.Grant, message string, err error) {
	switch {
	case c.of.Name == "":
		return nil, "", errors.New("the plan has been replaced by one without that permission")
	case !c.who.group && c.who.id == 0 && c.revoke:
		return nil, "", errors.New("user 0 holds every permission, which cannot be revoked")
	case !c.who.group && c.who.id == 0:
		return nil, "already so: user 0 holds every permission", nil
	case c.revoke && c.who.group:
		return c.revokeGroup()
	case c.revoke:
		return c.revokeUser()
	}
	return c.grant()
}

func (c *change) grant() (*plan.Grant, string, error) {
	next := c.before
	given, taken, inPlan := &next.Users, &next.NotUsers, names(c.of.Users, peer.UserID)
	if c.who.group {
		given, taken, inPlan = &next.Groups, &next.NotGroups, names(c.of.Groups, peer.GroupID)
	}
	direct := slices.Contains(inPlan, c.who.id) || slices.Contains(*given, c.who.id)
	if direct && !slices.Contains(*taken, c.who.id) {
		return nil, "already so", nil
	}
	*taken = without(*taken, c.who.id)
	if !direct {
		*given = with(*given, c.who.id)
	}
	return &next, "granted", nil
}

// revokeUser excludes a user wherever something else than a grant might give the
// permission: a group counts also if the user databases do not have the user in it,
// since a process may have it from before.
func (c *change) revokeUser() (*plan.Grant, string, error) {
	next := c.before
	if slices.Contains(next.NotUsers, c.who.id) {
		return nil, "already so", nil
	}
	granted := slices.Contains(next.Users, c.who.id)
	next.Users = without(next.Users, c.who.id)
	users, groups := c.holders(next)
	if len(groups) > 0 || slices.Contains(names(users, peer.UserID), c.who.id) {
		next.NotUsers = with(next.NotUsers, c.who.id)
		return &next, "revoked", nil
	}
	if !granted {
		return nil, "already so: the user does not hold it", nil
	}
	return &next, "revoked", nil
}

func (c *change) revokeGroup() (*plan.Grant, string, error) {
	next := c.before
	inPlan := slices.Contains(names(c.of.Groups, peer.GroupID), c.who.id)
	taken, granted := slices.Contains(next.NotGroups, c.who.id), slices.Contains(next.Groups, c.who.id)
	next.Groups = without(next.Groups, c.who.id)
	if inPlan {
		next.NotGroups = with(next.NotGroups, c.who.id)
	}
	if _, groups := c.holders(next); slices.Contains(names(groups, peer.GroupID), c.who.id) {
		return nil, "", fmt.Errorf("%s holds %s by its links: revoke the permission that it links to, or from the users of the group",
			c.who.title, c.of.Name)
	}
	switch {
	case granted || inPlan && !taken:
		return &next, "revoked", nil
	case taken:
		return nil, "already so", nil
	}
	return nil, "already so: the group does not hold it", nil
}

// holders returns who would hold the permission with another grant of it.
func (c *change) holders(g plan.Grant) (users, groups []string) {
	grants := maps.Clone(c.grants)
	if grants == nil {
		grants = map[plan.Name]plan.Grant{}
	}
	grants[c.of.Name] = g
	with := c.plan.WithGrants(grants, func(name string) (uint32, bool) { return idOf(name, peer.GroupID) })
	return with.Holders([]uint16{c.of.ID})
}

// names returns the numbers of users or groups, of those that there are.
func names(list []string, find func(string) (string, error)) []uint32 {
	var ids []uint32
	for _, name := range list {
		if id, ok := idOf(name, find); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// idOf returns the number that a user or group of a plan has.
func idOf(name string, find func(string) (string, error)) (uint32, bool) {
	id, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		text, err := find(name)
		if err != nil {
			return 0, false // nobody
		}
		if id, err = strconv.ParseUint(text, 10, 32); err != nil {
			return 0, false
		}
	}
	return uint32(id), true
}

func with(ids []uint32, id uint32) []uint32 {
	next := append(slices.Clone(ids), id)
	slices.Sort(next)
	return slices.Compact(next)
}

func without(ids []uint32, id uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(ids), func(have uint32) bool { return have == id })
}
