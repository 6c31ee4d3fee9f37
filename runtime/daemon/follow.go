package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"slices"
	"strconv"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/peer"
)

// follow gives every open socket the rule that counts for it now, and returns what is
// left to do, which blocks: the access control lists of paths. Each is to be called
// once. Whoever is there already stays.
func (s *sockets) follow() []func() error {
	var lists []func() error
	for name, li := range s.open {
		if restrict := s.followOne(li, s.daemon.rules[name]); restrict != nil {
			lists = append(lists, restrict)
		}
	}
	return lists
}

// followOne is follow for one socket. A socket that becomes one for everybody, or is not
// for everybody any more, is replaced by the reload that has made it so.
func (s *sockets) followOne(li *listener, rule *peer.Rule) func() error {
	had := li.rule.Load()
	if rule == nil || had == nil {
		return nil
	}
	li.rule.Store(rule)
	if li.facts.Path == "" || sameRule(had, rule) {
		return nil
	}
	f, release, err := s.duplicate(li.name)
	if err != nil {
		return func() error { return err }
	}
	return func() error {
		defer release()
		// The last one that comes here has the last rule.
		li.restricting.Lock()
		defer li.restricting.Unlock()
		err := listen.Restrict(f.FD, &li.facts, li.rule.Load())
		if err == nil || errors.Is(err, listen.ErrNoACL) { // which is checked on access
			return nil
		}
		return fmt.Errorf("socket %s: who may connect to it has not changed, stop and start it to try again: %w", li.name, err)
	}
}

// applyLists does what follow has left, and returns what went wrong.
func applyLists(lists []func() error) (problems []string) {
	for _, restrict := range lists {
		if err := restrict(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// followLater is follow where nobody waits for the lists.
func (s *sockets) followLater(lists ...func() error) {
	for _, restrict := range lists {
		if restrict != nil {
			s.daemon.tasks.Go(func() {
				if err := restrict(); err != nil {
					s.daemon.log.LogAttrs(s.ctx, slog.LevelError, "who may connect has not changed", slog.Any("error", err))
				}
			})
		}
	}
}

func sameRule(a, b *peer.Rule) bool {
	return slices.Equal(a.UIDs, b.UIDs) && slices.Equal(a.GIDs, b.GIDs) && slices.Equal(a.Except, b.Except)
}

// exclude takes out of a rule whom a revoke excludes from one of the permissions and who
// does not hold another. Of these users only the groups count that the user databases
// have: the list of a path cannot tell by which permission a group gets in.
func (r *resolver) exclude(def *plan.Socket, rule *peer.Rule) {
	for _, uid := range r.excluded(def.Permissions) {
		rule.UIDs = slices.DeleteFunc(rule.UIDs, func(id uint32) bool { return id == uid })
		if r.plan.Allows(def.Permissions, inDatabase(uid)) {
			rule.UIDs = append(rule.UIDs, uid)
		} else {
			rule.Except = append(rule.Except, uid)
		}
	}
}

// excluded returns whom a revoke excludes from one of these permissions, or from one
// that they imply.
func (r *resolver) excluded(list []uint16) []uint32 {
	var uids []uint32
	seen := map[uint16]bool{}
	for next := slices.Clone(list); len(next) > 0; {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		i := slices.IndexFunc(r.plan.Permissions, func(q plan.Permission) bool { return q.ID == id })
		if seen[id] || i < 0 {
			continue
		}
		seen[id] = true
		uids = append(uids, r.plan.Permissions[i].Grant.NotUsers...)
		next = append(next, r.plan.Permissions[i].Links...)
	}
	slices.Sort(uids)
	return slices.Compact(uids)
}

// inDatabase returns a user as the user databases have it, with names and numbers of
// the groups. One that they do not have is in no group.
func inDatabase(uid uint32) plan.Peer {
	who := plan.Peer{UID: uid}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return who // nothing speaks for it
	}
	who.User = u.Username
	ids, err := u.GroupIds()
	if err != nil {
		ids = nil // as above; the primary group is known all the same
	}
	for _, gid := range append(ids, u.Gid) {
		who.Groups = append(who.Groups, gid)
		if g, err := user.LookupGroupId(gid); err == nil {
			who.Groups = append(who.Groups, g.Name)
		}
	}
	return who
}
