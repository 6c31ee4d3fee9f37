package plan

import (
	"slices"
	"strconv"
)

// Peer is somebody who wants to do something: a user, by number or by name, and
// the groups that the user is in.
type Peer struct {
	UID    uint32
	User   string // "" if nobody knows
	Groups []string
}

// Allows reports whether a peer holds one of the permissions with these ids. An
// empty list allows everybody, and user 0 holds every permission (SPEC §2.5, §7).
func (p *Plan) Allows(list []uint16, who Peer) bool {
	if len(list) == 0 || who.UID == 0 || slices.Contains(list, AnyPermission) {
		return true
	}
	seen := map[uint16]bool{}
	return slices.ContainsFunc(list, func(id uint16) bool { return p.holds(id, who, seen) })
}

// Restricted reports whether not everybody may access the socket.
func (s *Socket) Restricted() bool {
	return len(s.Permissions) > 0 && !slices.Contains(s.Permissions, AnyPermission)
}

// Holders returns who holds one of the permissions with these ids, as the plan
// names them, sorted: users, and groups whose members do. User 0 is not among
// them, who holds every permission. Whom a [Grant] excludes from one of them, and how
// that comes out where there are several, [Plan.Allows] knows.
func (p *Plan) Holders(list []uint16) (users, groups []string) {
	seen := map[uint16]bool{}
	next := slices.Clone(list)
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		i := slices.IndexFunc(p.Permissions, func(q Permission) bool { return q.ID == id })
		if seen[id] || i < 0 {
			continue
		}
		seen[id] = true
		q := &p.Permissions[i]
		users, groups, next = append(users, q.Users...), append(groups, q.Groups...), append(next, q.Links...)
	}
	slices.Sort(users)
	slices.Sort(groups)
	return slices.Compact(users), slices.Compact(groups)
}

// holds reports whether a peer has a permission, or one that implies it.
func (p *Plan) holds(id uint16, who Peer, seen map[uint16]bool) bool {
	if seen[id] {
		return false
	}
	seen[id] = true
	i := slices.IndexFunc(p.Permissions, func(q Permission) bool { return q.ID == id })
	if i < 0 {
		return false // a builtin one that the plan gives to nobody
	}
	q := &p.Permissions[i]
	if slices.Contains(q.Grant.NotUsers, who.UID) {
		return false
	}
	return slices.ContainsFunc(q.Users, func(user string) bool {
		return user == who.User && user != "" || user == strconv.FormatUint(uint64(who.UID), 10)
	}) || slices.ContainsFunc(q.Groups, func(group string) bool { return slices.Contains(who.Groups, group) }) ||
		slices.ContainsFunc(q.Links, func(link uint16) bool { return p.holds(link, who, seen) })
}
