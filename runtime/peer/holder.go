package peer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks bounds the search for the process that has a socket open: so many
// descriptors of all processes are looked at, a fraction of a second.
const maxLinks = 1 << 17

// Holder returns who holds an address now, as text for the error of a bind that
// failed: "held by nginx (pid 812)". It is empty when nobody does, or nobody
// that can be seen from here: the kernel shows only the sockets of this network
// namespace. typ is tcp, udp or uds; address is as the transport plugin gets
// it: "127.0.0.1:80", "*:80", "/abs/path", "@abstract".
//
// The answer is a snapshot and the work is bounded, but it may take a fraction
// of a second on a machine with many processes: never call it on the loop.
func Holder(typ, address string) (string, error) {
	var (
		s   owned
		err error
	)
	switch typ {
	case "tcp":
		s, err = inetHolder(unix.IPPROTO_TCP, address)
	case "udp":
		s, err = inetHolder(unix.IPPROTO_UDP, address)
	case "uds":
		s, err = unixHolder(address)
	default:
		return "", nil // a third-party transport: we do not know its addresses
	}
	if err != nil {
		return "", fmt.Errorf("who holds %s: %w", address, err)
	}
	if s.inode == 0 {
		return "", nil
	}
	return s.describe()
}

// owned is a socket by the two things that lead to its owner.
type owned struct{ inode, uid uint32 }

// describe names the process that has the socket open.
func (s owned) describe() (string, error) {
	pid, err := process(uint64(s.inode))
	if err != nil {
		return "", err
	}
	if pid == 0 {
		return fmt.Sprintf("held by a process of uid %d that cannot be seen from here", s.uid), nil
	}
	pid = origin(pid, uint64(s.inode))
	return fmt.Sprintf("held by %s (pid %d)", command(pid), pid), nil
}

// maxGenerations bounds how far origin goes.
const maxGenerations = 16

// origin returns the process from which pid has the socket: its parent if that has it open
// too, and so on. To stop a worker, or a child on its way to execve(2), frees no address.
func origin(pid int, inode uint64) int {
	links := 0
	for range maxGenerations {
		parent, found := parentOf(pid), false
		err := sockets(parent, func(have uint64) bool {
			links++
			found = have == inode
			return !found && links < maxLinks
		})
		if err != nil || !found { // there is none, it may not be looked at, or it has another socket
			break
		}
		pid = parent
	}
	return pid
}

// parentOf reads the parent's pid in /proc/PID/status, see proc_pid_status(5). It is 0 when
// there is none here.
func parentOf(pid int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			parent, _ := strconv.Atoi(strings.TrimSpace(text))
			return parent
		}
	}
	return 0
}

// inetHolder finds the socket that stands most directly in the way of address.
func inetHolder(protocol uint8, address string) (owned, error) {
	port, dual := strings.CutPrefix(address, "*:")
	if dual {
		address = "[::]:" + port
	}
	want, err := netip.ParseAddrPort(address)
	if err != nil {
		return owned{}, err
	}
	if want.Port() == 0 {
		return owned{}, nil
	}
	var best owned
	bestRank := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := inetSockets(family, protocol, want.Port(), func(s inetSocket) error {
			if r := rank(want.Addr().WithZone(""), dual, s); r > bestRank && s.inode != 0 {
				best, bestRank = owned{inode: s.inode, uid: s.uid}, r
			}
			return nil
		})
		if err != nil {
			return owned{}, err
		}
	}
	return best, nil
}

// rank says how directly a socket on the port stands in the way of want: 3 the
// same address, 2 a wildcard that covers it, 1 an address that want covers, 0
// not at all. dual is whether want takes IPv4 and IPv6.
func rank(want netip.Addr, dual bool, s inetSocket) int {
	have, want := s.local.Addr().Unmap(), want.Unmap()
	haveDual := have == netip.IPv6Unspecified() && !s.v6only
	sameFamily := have.Is4() == want.Is4()
	switch {
	case have == want:
		return 3
	case have.IsUnspecified() && (sameFamily || haveDual):
		return 2
	case want.IsUnspecified() && (sameFamily || dual):
		return 1
	}
	return 0
}

// unixHolder finds the socket that is bound to the abstract name, or to the
// node at the path. The node decides and not the name: a path may lead to the
// same socket under another name, and the name of a removed node holds nothing.
func unixHolder(address string) (owned, error) {
	abstract := strings.HasPrefix(address, "@")
	var node uint32
	if !abstract {
		var st unix.Stat_t
		if err := unix.Stat(address, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			return owned{}, nil //nolint:nilerr // nothing there that a socket could hold
		}
		node = uint32(st.Ino)
	}
	var found owned
	err := unixSockets(func(s unixSocket) error {
		named := s.name == address
		if s.node != node || abstract && !named {
			return nil
		}
		found = owned{inode: s.inode, uid: s.uid}
		if named {
			return errStop
		}
		return nil // inode numbers repeat on other file systems: look for a better one
	})
	return found, err
}

// process returns the first process that has the socket open, 0 when there is
// none or the search was cut short.
func process(inode uint64) (int, error) {
	links, holder := 0, 0
	err := eachName("/proc", func(name string) (bool, error) {
		pid, err := strconv.Atoi(name)
		if err != nil {
			return true, nil //nolint:nilerr // not a process
		}
		links++
		err = sockets(pid, func(have uint64) bool {
			links++
			if have == inode {
				holder = pid
			}
			return holder == 0 && links < maxLinks
		})
		if err != nil && !vanished(err) && !errors.Is(err, fs.ErrPermission) {
			return false, err
		}
		return holder == 0 && links < maxLinks, nil
	})
	return holder, err
}

// Sockets returns the inode numbers of the sockets that a process has open, in
// the order of its descriptors. It tells whether a plugin has kept a copy of a
// socket that it handed over, but not whether it passed one on.
func Sockets(pid int) ([]uint64, error) {
	var all []uint64
	err := sockets(pid, func(inode uint64) bool {
		if inode != 0 {
			all = append(all, inode)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// sockets calls visit for every descriptor of a process, with the inode of the
// socket or 0 when it is something else, until visit returns false.
func sockets(pid int, visit func(inode uint64) bool) error {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	return eachName(dir, func(name string) (bool, error) {
		target, err := os.Readlink(dir + "/" + name)
		if vanished(err) {
			return true, nil // closed since
		}
		if err != nil {
			return false, err
		}
		return visit(socketInode(target)), nil
	})
}

// socketInode reads "socket:[123]", the target of a link in /proc/PID/fd.
func socketInode(target string) uint64 {
	number, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0
	}
	number, ok = strings.CutSuffix(number, "]")
	if !ok {
		return 0
	}
	inode, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0
	}
	return inode
}

// vanished reports whether an error of /proc says that the process or the
// descriptor is gone.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// eachName calls visit with every name in a directory, a few at a time since a
// process may have a million descriptors, until visit returns false.
func eachName(dir string, visit func(name string) (more bool, err error)) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	for {
		names, err := f.Readdirnames(256)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if more, err := visit(name); err != nil || !more {
				return err
			}
		}
	}
}

// command returns the name of a process. Any process may choose it freely, so
// whatever is not printable is quoted.
func command(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm") // at most 16 bytes
	name := strings.TrimSuffix(string(b), "\n")
	if err != nil || name == "" {
		return "a process"
	}
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
