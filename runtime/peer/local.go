package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// OfLocal returns who is at the other end of fd, an accepted tcp connection whose
// client is on this machine and in this network namespace: the user that opened
// the client's socket (sock_diag(7), INET_DIAG). The kernel knows no groups of
// it, so GID and Groups are those that the user databases give that user, and PID
// is 0.
//
// A client that has closed its socket already is nobody's any more, and one on
// another machine never was anybody's: that is [ErrUnknown].
func OfLocal(fd int) (Cred, error) {
	ours, err := localAddress(fd)
	if err != nil {
		return Cred{}, fmt.Errorf("peer of a tcp connection: %w", err)
	}
	name, err := unix.Getpeername(fd)
	if err != nil {
		return Cred{}, fmt.Errorf("peer of a tcp connection: %w", err)
	}
	theirs, err := addressOf(name)
	if err != nil {
		return Cred{}, fmt.Errorf("peer of a tcp connection: %w", err)
	}
	client, err := inetSocketAt(unmapped(theirs), unmapped(ours))
	switch {
	case errors.Is(err, unix.ENOENT):
		return Cred{}, fmt.Errorf("%w: no socket of this machine is the client %s", ErrUnknown, theirs)
	case err != nil:
		return Cred{}, fmt.Errorf("peer of a tcp connection: %w", err)
	case unmapped(client.local) != unmapped(theirs):
		return Cred{}, fmt.Errorf("%w: no socket of this machine is the client %s", ErrUnknown, theirs)
	case client.inode == 0: // of a closed socket older kernels say user 0
		return Cred{}, fmt.Errorf("%w: the client %s has closed its socket", ErrUnknown, theirs)
	}
	return withGroups(client.uid)
}

// withGroups adds the groups that the user databases know. A user who is not in
// them has none; GID is then one that no rule can name.
func withGroups(uid uint32) (Cred, error) {
	cred := Cred{UID: uid, GID: nobodysGroup}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if _, unknown := errors.AsType[user.UnknownUserIdError](err); unknown {
		return cred, nil
	}
	if err != nil {
		return Cred{}, fmt.Errorf("groups of user %d: %w", uid, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return Cred{}, fmt.Errorf("groups of user %d: %w", uid, err)
	}
	for _, text := range append(ids, u.Gid) {
		gid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return Cred{}, fmt.Errorf("groups of user %d: %q is no id", uid, text)
		}
		cred.Groups = append(cred.Groups, uint32(gid))
		if text == u.Gid {
			cred.GID = uint32(gid)
		}
	}
	return cred, nil
}

// nobodysGroup is (gid_t)-1, which is no group.
const nobodysGroup = 1<<32 - 1

// inetSocketAt returns the tcp socket with this local and remote address; ENOENT
// is that there is none.
func inetSocketAt(local, remote netip.AddrPort) (inetSocket, error) {
	request := inetRequest(local, remote)
	native.PutUint32(request[4:], stateEstablished|stateCloseWait)
	native.PutUint64(request[48:], 1<<64-1) // INET_DIAG_NOCOOKIE
	var found inetSocket
	err := ask(request, 0, func(body []byte) error {
		var err error
		found, err = parseInet(body)
		return err
	})
	return found, err
}

// inetRequest asks for the tcp socket with this local and remote address.
func inetRequest(local, remote netip.AddrPort) []byte {
	request := make([]byte, inetRequestSize)
	request[0], request[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() {
		request[0] = unix.AF_INET
	}
	binary.BigEndian.PutUint16(request[8:], local.Port())
	binary.BigEndian.PutUint16(request[10:], remote.Port())
	copy(request[12:28], local.Addr().AsSlice())
	copy(request[28:44], remote.Addr().AsSlice())
	return request
}

// unmapped is an address as a socket of its own family has it.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
