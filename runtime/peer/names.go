package peer

import "os/user"

// UserID returns the uid of a user by name, as text.
func UserID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

// GroupID returns the gid of a group by name, as text.
func GroupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
