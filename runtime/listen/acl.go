package listen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

// ErrNoACL is wrapped by the error of [Restrict] on a file system that has no
// access control lists.
var ErrNoACL = errors.New("the file system has no access control lists")

// aclName is the extended attribute with the access control list of a file, acl(5).
const aclName = "system.posix_acl_access"

// Layout of the attribute: a version, then entries of tag, permissions and id,
// <linux/posix_acl_xattr.h>.
const (
	aclVersion = 2

	aclOwner      = 0x01 // ACL_USER_OBJ
	aclUser       = 0x02
	aclOwnerGroup = 0x04 // ACL_GROUP_OBJ
	aclGroup      = 0x08
	aclMask       = 0x10
	aclOthers     = 0x20

	aclNoID = 1<<32 - 1

	// mayConnect is read and write, as a socket's node usually has it; connect(2)
	// asks for write alone.
	mayConnect = 6
)

// maxACL bounds the entries of a list. The kernel takes an attribute of 64 KiB,
// but the common file systems have room for one block.
const maxACL = 500

// Restrict makes the kernel let only those connect to the node of a unix socket
// whom the rule allows: it sets mode and access control list of the node. The
// node keeps its owner and group, who may connect only if the rule has them.
//
// A socket that listens is restricted first and published then, so that nobody
// is let in before and nobody is turned away who may. fd is the socket itself,
// and the node that is changed is the one that the kernel made for it: the path
// is only looked at.
func Restrict(fd int, f *Facts, rule *peer.Rule) error {
	pin, err := unix.Open(f.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("restrict %s: %w", f.Path, err)
	}
	defer func() { _ = unix.Close(pin) }() // O_PATH: nothing can be lost
	var st unix.Stat_t
	if err := unix.Fstat(pin, &st); err != nil {
		return fmt.Errorf("restrict %s: fstat: %w", f.Path, err)
	}
	ours, err := ownsNode(fd, &st)
	if err != nil {
		return fmt.Errorf("restrict %s: %w", f.Path, err)
	}
	if !ours {
		return fmt.Errorf("restrict %s: %w", f.Path, ErrForeignNode)
	}
	list, err := encodeACL(st.Uid, st.Gid, rule)
	if err != nil {
		return fmt.Errorf("restrict %s: %w", f.Path, err)
	}
	// The link leads to the pinned node itself, not to what is at its path now.
	node := "/proc/self/fd/" + strconv.Itoa(pin)
	switch err := unix.Setxattr(node, aclName, list, 0); {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("restrict %s: %w", f.Path, ErrNoACL)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.E2BIG), errors.Is(err, unix.ERANGE):
		return fmt.Errorf("restrict %s: the permissions name %d users and %d groups, more than the file system has room for: put the users into groups: %w",
			f.Path, len(rule.UIDs)+len(rule.Except), len(rule.GIDs), err)
	case err != nil:
		return fmt.Errorf("restrict %s: set its access control list: %w", f.Path, err)
	}
	return nil
}

// encodeACL writes the list of a node with this owner and group. The kernel wants
// the entries sorted by tag and id.
func encodeACL(uid, gid uint32, rule *peer.Rule) ([]byte, error) {
	if n := len(rule.UIDs) + len(rule.GIDs) + len(rule.Except); n > maxACL {
		return nil, fmt.Errorf("the permissions name %d users and groups, at most %d fit into an access control list: put the users into groups", n, maxACL)
	}
	list := binary.LittleEndian.AppendUint32(nil, aclVersion)
	entry := func(tag, permissions uint16, id uint32) {
		list = binary.LittleEndian.AppendUint16(list, tag)
		list = binary.LittleEndian.AppendUint16(list, permissions)
		list = binary.LittleEndian.AppendUint32(list, id)
	}
	permit := func(yes bool) uint16 {
		if yes {
			return mayConnect
		}
		return 0
	}
	entry(aclOwner, permit(rule.AllowsUser(uid)), aclNoID)
	// The entry of a user comes before those of groups, so one without permissions
	// keeps the user out.
	for _, id := range distinct(slices.Concat(rule.UIDs, rule.Except), uid) {
		entry(aclUser, permit(rule.AllowsUser(id)), id)
	}
	entry(aclOwnerGroup, permit(slices.Contains(rule.GIDs, gid)), aclNoID)
	for _, id := range distinct(rule.GIDs, gid) {
		entry(aclGroup, mayConnect, id)
	}
	entry(aclMask, mayConnect, aclNoID)
	entry(aclOthers, 0, aclNoID)
	return list, nil
}

// distinct returns the ids sorted, without the one that has an entry of its own.
func distinct(ids []uint32, without uint32) []uint32 {
	sorted := slices.Compact(slices.Sorted(slices.Values(ids)))
	return slices.DeleteFunc(sorted, func(id uint32) bool { return id == without })
}
