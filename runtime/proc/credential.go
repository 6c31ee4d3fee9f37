package proc

import (
	"errors"
	"fmt"
	"math"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// noID is (uid_t)-1 and (gid_t)-1, which setresuid(2) and setresgid(2) take for
// "leave as it is".
const noID = math.MaxUint32

// A Credential is the identity that a service runs with. Real, effective and
// saved ids are all set to it.
type Credential struct {
	UID, GID uint32

	// Groups are all supplementary groups; empty drops those of the daemon.
	Groups []uint32
}

// LookupCredential returns the identity of a user and a group, each a name or a
// decimal id. Without a group it is the user's own; without a user it is who runs
// the daemon, in that group alone. Without both there is nothing to change, and
// the Credential is nil.
//
// The supplementary groups are those of the user, as initgroups(3) would set
// them; an id without an entry in the user database has none, and needs a group.
func LookupCredential(userName, groupName string) (*Credential, error) {
	if userName == "" && groupName == "" {
		return nil, nil //nolint:nilnil // documented: nothing to change
	}
	c := &Credential{UID: uint32(unix.Geteuid())}
	var entry *user.User
	if userName != "" {
		var err error
		if c.UID, entry, err = lookupUser(userName); err != nil {
			return nil, err
		}
	}
	gid, err := lookupGID(userName, groupName, entry)
	if err != nil {
		return nil, err
	}
	c.GID = gid
	if entry == nil {
		return c, nil
	}
	// GroupIds adds the primary group of the entry to those that list the user.
	// With a group of its own choice the service must not get the other one too.
	primary := *entry
	primary.Gid = strconv.FormatUint(uint64(gid), 10)
	ids, err := primary.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", userName, err)
	}
	for _, s := range ids {
		id, err := parseID(s)
		if err != nil {
			return nil, fmt.Errorf("groups of user %s: %w", userName, err)
		}
		c.Groups = append(c.Groups, id)
	}
	slices.Sort(c.Groups)
	c.Groups = slices.Compact(c.Groups)
	return c, nil
}

// lookupUser returns the id of a user, and the entry in the user database, which
// a number need not have.
func lookupUser(name string) (uint32, *user.User, error) {
	uid, notNumber := parseID(name)
	var entry *user.User
	var err error
	if notNumber == nil {
		entry, err = user.LookupId(name)
		if _, ok := errors.AsType[user.UnknownUserIdError](err); ok {
			return uid, nil, nil
		}
	} else {
		entry, err = user.Lookup(name)
	}
	if err != nil {
		return 0, nil, err // "user: unknown user bob" says it all
	}
	uid, err = parseID(entry.Uid)
	if err != nil {
		return 0, nil, fmt.Errorf("user %q: %w", name, err)
	}
	return uid, entry, nil
}

// lookupGID returns the id of the group; without a name it is the user's own.
func lookupGID(userName, groupName string, entry *user.User) (uint32, error) {
	if groupName == "" {
		if entry == nil {
			return 0, fmt.Errorf("user %s: not in the user database: name a group too", userName)
		}
		gid, err := parseID(entry.Gid)
		if err != nil {
			return 0, fmt.Errorf("group of user %q: %w", userName, err)
		}
		return gid, nil
	}
	if gid, err := parseID(groupName); err == nil {
		return gid, nil
	}
	group, err := user.LookupGroup(groupName)
	if err != nil {
		return 0, err // "group: unknown group staff" says it all
	}
	gid, err := parseID(group.Gid)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", groupName, err)
	}
	return gid, nil
}

// parseID reads a uid or gid. A leading zero is no decimal: it might be meant as
// an octal number.
func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err != nil:
		return 0, err
	case id == noID, len(s) > 1 && s[0] == '0':
		return 0, fmt.Errorf("id %s: must be a decimal number below %d", s, uint32(noID))
	}
	return uint32(id), nil
}

// isOwn says whether an unprivileged daemon runs with this identity already.
func (c *Credential) isOwn() bool {
	if c == nil || unix.Geteuid() == 0 {
		return false
	}
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	have, err := unix.Getgroups()
	if err != nil {
		return false // setgroups will say what is wrong
	}
	uid, gid := int(c.UID), int(c.GID)
	if ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid || sgid != gid {
		return false
	}
	// The primary group counts in both lists, since initgroups puts it into its own.
	want := []int{gid}
	for _, g := range c.Groups {
		want = append(want, int(g))
	}
	return slices.Equal(set(want), set(append(have, gid)))
}

func set(ids []int) []int {
	slices.Sort(ids)
	return slices.Compact(ids)
}
