package plan

import (
	"slices"
	"strconv"
)

// Grant is what was changed at run time about who holds a permission. It is kept by
// numbers: names may come to mean somebody else.
type Grant struct {
	Users  []uint32 `json:"users,omitempty"`  // hold it beyond what the plan says
	Groups []uint32 `json:"groups,omitempty"` // their members do

	// NotUsers do not hold it, whatever the plan, a group or a link says.
	NotUsers []uint32 `json:"not_users,omitempty"`

	// NotGroups are groups of the plan that do not give it to their members.
	NotGroups []uint32 `json:"not_groups,omitempty"`
}

// Size is how many users and groups the grant is about.
func (g *Grant) Size() int {
	return len(g.Users) + len(g.Groups) + len(g.NotUsers) + len(g.NotGroups)
}

// WithGrants returns the plan as it is with what was changed at run time, by the names
// of permissions. Grants of permissions that it does not have are left out. group says
// which number a group of the plan means.
//
// The digest stays that of the plan itself, and p is not changed.
func (p *Plan) WithGrants(grants map[Name]Grant, group func(name string) (gid uint32, ok bool)) *Plan {
	if len(grants) == 0 {
		return p
	}
	with := *p
	with.Permissions = slices.Clone(p.Permissions)
	for _, b := range builtins() {
		if _, changed := grants[b.Name]; changed && p.Permission(b.Name) == nil {
			with.Permissions = append(with.Permissions, b)
		}
	}
	for i := range with.Permissions {
		q := &with.Permissions[i]
		grant, ok := grants[q.Name]
		if !ok {
			continue
		}
		q.Grant = grant
		q.Users = append(slices.Clone(q.Users), texts(grant.Users)...)
		q.Groups = append(slices.Clone(q.Groups), texts(grant.Groups)...)
		q.Groups = slices.DeleteFunc(q.Groups, func(name string) bool {
			gid, known := group(name)
			return known && slices.Contains(grant.NotGroups, gid)
		})
	}
	return &with
}

// Permission returns the permission with this full name: that of the plan, a builtin
// one, which nobody has been given, or nil.
func (p *Plan) Permission(name Name) *Permission {
	if i := slices.IndexFunc(p.Permissions, func(q Permission) bool { return q.Name == name }); i >= 0 {
		return &p.Permissions[i]
	}
	return nil
}

// AllPermissions returns the permissions of the plan, and the builtin ones that it
// gives to nobody. [AnyPermission] is not among them.
func (p *Plan) AllPermissions() []Permission {
	all := slices.Clone(p.Permissions)
	for _, b := range builtins() {
		if p.Permission(b.Name) == nil {
			all = append(all, b)
		}
	}
	return all
}

// builtins returns the builtin permissions that somebody may hold, by id.
func builtins() []Permission {
	var all []Permission
	for name, id := range BuiltinPermissions {
		if id != AnyPermission {
			all = append(all, Permission{Name: BuiltinGroup + "@" + Name(name), ID: id})
		}
	}
	slices.SortFunc(all, func(a, b Permission) int { return int(a.ID) - int(b.ID) })
	return all
}

func texts(ids []uint32) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatUint(uint64(id), 10)
	}
	return out
}
