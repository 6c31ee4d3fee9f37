package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Explanation says whether somebody may access a socket, and why.
type Explanation struct {
	Allowed bool

	// Grounds are what lets them in, or why nothing does, for people: "permission
	// a@operators: user ann holds it".
	Grounds []string

	// Enforcement is what keeps others out: "nothing", "kernel", "screening" or
	// "accept", and Detail the same for people.
	Enforcement, Detail string
}

// Explain says whether a peer may access a socket. unguarded says that the file
// system of the socket's path has no access control lists, which only a running
// daemon knows.
func (p *Plan) Explain(s *Socket, who Peer, unguarded bool) Explanation {
	x := Explanation{Allowed: p.Allows(s.Permissions, who)}
	x.Enforcement, x.Detail = enforcement(s, unguarded)
	switch {
	case !s.Restricted():
		x.Grounds = []string{"the socket is for everybody"}
	case who.UID == 0:
		x.Grounds = []string{"user 0 holds every permission"}
	default:
		for _, id := range s.Permissions {
			x.Grounds = append(x.Grounds, p.grounds(id, who, nil)...)
		}
	}
	if len(x.Grounds) > 0 {
		return x // somebody is let in
	}
	for _, id := range s.Permissions {
		x.Grounds = append(x.Grounds, p.revoked(id, who, nil)...)
	}
	var names []string
	for _, id := range s.Permissions {
		names = append(names, p.PermissionName(id))
	}
	x.Grounds = append(x.Grounds, "neither the user nor a group holds "+strings.Join(names, " or "))
	return x
}

// grounds returns every way in which a peer comes to a permission; via are those
// that led to it.
func (p *Plan) grounds(id uint16, who Peer, via []uint16) []string {
	i := slices.IndexFunc(p.Permissions, func(q Permission) bool { return q.ID == id })
	if i < 0 || slices.Contains(via, id) {
		return nil
	}
	via = append(slices.Clone(via), id)
	path := p.path(via)
	q := &p.Permissions[i]
	if slices.Contains(q.Grant.NotUsers, who.UID) {
		return nil
	}
	var found []string
	for _, user := range q.Users {
		if user == who.User && user != "" || user == strconv.FormatUint(uint64(who.UID), 10) {
			found = append(found, fmt.Sprintf("%s: user %s %s", path, user, how(user, q.Grant.Users)))
		}
	}
	for _, group := range q.Groups {
		if slices.Contains(who.Groups, group) {
			found = append(found, fmt.Sprintf("%s: group %s %s", path, group, how(group, q.Grant.Groups)))
		}
	}
	for _, link := range q.Links {
		found = append(found, p.grounds(link, who, via)...)
	}
	return found
}

// how is by what somebody holds a permission: the plan, or a grant.
func how(name string, granted []uint32) string {
	if slices.Contains(texts(granted), name) {
		return "was granted it at run time"
	}
	return "holds it"
}

// revoked returns what was revoked at run time by which a peer might hold a permission
// else; via are those that led to it.
func (p *Plan) revoked(id uint16, who Peer, via []uint16) []string {
	i := slices.IndexFunc(p.Permissions, func(q Permission) bool { return q.ID == id })
	if i < 0 || slices.Contains(via, id) {
		return nil
	}
	via = append(slices.Clone(via), id)
	q := &p.Permissions[i]
	if slices.Contains(q.Grant.NotUsers, who.UID) {
		return []string{fmt.Sprintf("%s: revoked from user %d at run time", p.path(via), who.UID)}
	}
	var found []string
	for _, group := range texts(q.Grant.NotGroups) {
		if slices.Contains(who.Groups, group) {
			found = append(found, fmt.Sprintf("%s: revoked from group %s at run time", p.path(via), group))
		}
	}
	for _, link := range q.Links {
		found = append(found, p.revoked(link, who, via)...)
	}
	return found
}

// path names a permission and the links that lead from it.
func (p *Plan) path(via []uint16) string {
	steps := []string{"permission " + p.PermissionName(via[0])}
	for _, link := range via[1:] {
		steps = append(steps, "which "+p.PermissionName(link)+" implies")
	}
	return strings.Join(steps, ", ")
}

// PermissionName returns the name of a defined or builtin permission, and the number of
// one that is neither.
func (p *Plan) PermissionName(id uint16) string {
	for i := range p.Permissions {
		if p.Permissions[i].ID == id {
			return string(p.Permissions[i].Name)
		}
	}
	for name, builtin := range BuiltinPermissions {
		if builtin == id {
			return BuiltinGroup + "@" + name
		}
	}
	return strconv.Itoa(int(id))
}

func enforcement(s *Socket, unguarded bool) (what, detail string) {
	switch {
	case !s.Restricted():
		return "nothing", "nobody is kept out"
	case s.Type == "uds" && !strings.HasPrefix(s.Listen, "@") && !unguarded:
		return "kernel", "the access control list of the path, also while the owner runs"
	case s.Owner == "" || s.Accept:
		return "accept", "the daemon closes what it accepts from others"
	}
	return "screening", "the daemon disconnects others before the owner starts; while the owner runs, it accepts everybody"
}
