package peer

import "slices"

// Rule says who may connect: user 0, these users, and whoever is in one of these
// groups. The zero Rule lets nobody in but user 0.
type Rule struct {
	UIDs, GIDs []uint32

	// Except are users who may not, whatever groups they are in. None of them is
	// among UIDs.
	Except []uint32
}

// Allows reports whether the process that connected may.
func (r *Rule) Allows(c Cred) bool {
	if c.UID != 0 && slices.Contains(r.Except, c.UID) {
		return false
	}
	return r.AllowsUser(c.UID) || slices.Contains(r.GIDs, c.GID) ||
		slices.ContainsFunc(c.Groups, func(gid uint32) bool { return slices.Contains(r.GIDs, gid) })
}

// AllowsUser reports whether a user may connect whatever groups the process is in.
func (r *Rule) AllowsUser(uid uint32) bool {
	return uid == 0 || slices.Contains(r.UIDs, uid)
}
