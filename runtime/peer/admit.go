package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Admits reports for each client that waits whether the rule lets it in as far as
// that is known while it waits. False is no more than a suspicion: only the accepted
// connection tells (see [Of]).
//
// A client gets in by its user, by the groups that the user databases give that
// user, or by those of a process of that user that has the client's socket open. The
// latter costs a walk through /proc, and is done only if the rule has groups and a
// client does not get in without.
func (r *Rule) Admits(clients []Client) ([]bool, error) {
	may := make([]bool, len(clients))
	var errs []error
	byUser := map[uint32]bool{}
	doubtful := map[uint64]int{} // by inode of the socket: its index
	for i, c := range clients {
		if !c.Known {
			continue
		}
		known, looked := byUser[c.UID]
		if !looked {
			var err error
			known, err = r.admitsUser(c.UID)
			errs = append(errs, err)
			byUser[c.UID] = known
		}
		may[i] = known
		if !known && len(r.GIDs) > 0 {
			doubtful[uint64(c.socket)] = i
		}
	}
	if len(doubtful) > 0 {
		errs = append(errs, eachHolder(doubtful, func(i, pid int) {
			cred, err := credOfProcess(pid)
			if err == nil && cred.UID == clients[i].UID && r.Allows(cred) {
				may[i] = true
			}
		}))
	}
	return may, errors.Join(errs...)
}

func (r *Rule) admitsUser(uid uint32) (bool, error) {
	if r.AllowsUser(uid) || len(r.GIDs) == 0 {
		return r.AllowsUser(uid), nil
	}
	cred, err := withGroups(uid)
	if err != nil {
		return false, err
	}
	return r.Allows(cred), nil
}

// eachHolder calls found for every process that has one of the sockets open, with
// what the socket stands for.
func eachHolder(wanted map[uint64]int, found func(i, pid int)) error {
	links := 0
	return eachName("/proc", func(name string) (bool, error) {
		pid, err := strconv.Atoi(name)
		if err != nil {
			return true, nil //nolint:nilerr // not a process
		}
		links++
		err = sockets(pid, func(inode uint64) bool {
			links++
			if i, ok := wanted[inode]; ok && inode != 0 {
				found(i, pid)
			}
			return links < maxLinks
		})
		if err != nil && !vanished(err) && !errors.Is(err, fs.ErrPermission) {
			return false, err
		}
		return links < maxLinks, nil
	})
}

// maxStatus bounds /proc/PID/status, which has up to 65536 groups.
const maxStatus = 1 << 20

// credOfProcess returns the effective identity of a process and its groups, as
// proc_pid_status(5) has them.
func credOfProcess(pid int) (Cred, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return Cred{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	cred, err := parseStatus(io.LimitReader(f, maxStatus))
	if err != nil {
		return Cred{}, fmt.Errorf("status of process %d: %w", pid, err)
	}
	cred.PID = int32(pid)
	return cred, nil
}

func parseStatus(r io.Reader) (Cred, error) {
	var cred Cred
	seen := 0
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxStatus)
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), ":")
		if !slices.Contains([]string{"Uid", "Gid", "Groups"}, key) {
			continue
		}
		var ids []uint32
		for field := range strings.FieldsSeq(rest) {
			id, err := strconv.ParseUint(field, 10, 32)
			if err != nil {
				return Cred{}, err
			}
			ids = append(ids, uint32(id))
		}
		seen++
		switch {
		case key == "Groups":
			cred.Groups = ids
		case len(ids) < 2: // real, effective, saved, of the file system
			return Cred{}, fmt.Errorf("%s has %d numbers, want 4", key, len(ids))
		case key == "Uid":
			cred.UID = ids[1]
		default:
			cred.GID = ids[1]
		}
	}
	if err := lines.Err(); err != nil {
		return Cred{}, err
	}
	if seen != 3 {
		return Cred{}, errors.New("it has no Uid, Gid and Groups")
	}
	return cred, nil
}
