package listen

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Verify checks that fd is the socket that w asked for and nothing more, and
// returns the kernel's facts about it. It asks the kernel only; nothing that
// the plugin says is needed or believed.
//
// The socket must be bound to exactly the address, in our network namespace,
// neither listening nor connected, and free of those options that nobody asked
// for by which its traffic could be shared, marked, diverted or dropped. A
// descriptor that is something else is a [*MismatchError]. That the plugin has
// kept no copy is not checked here but once per call, with [Facts.Inode] and
// peer.Sockets.
//
// On success the descriptor is close-on-exec and O_NONBLOCK. In every case it
// remains the caller's to close.
func Verify(fd int, w Want) (Facts, error) {
	facts, err := verify(fd, w)
	if err != nil {
		return Facts{}, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return Facts{}, fmt.Errorf("set close-on-exec: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return Facts{}, fmt.Errorf("set O_NONBLOCK: %w", err)
	}
	return facts, nil
}

func verify(fd int, w Want) (Facts, error) {
	want, err := expect(w)
	if err != nil {
		return Facts{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Facts{}, fmt.Errorf("fstat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return Facts{}, mismatch("the plugin returned %s, want a %s socket", fileKind(st.Mode), want.name)
	}
	facts := Facts{Inode: st.Ino}
	for _, check := range []func(int, *expectation) error{
		checkKind, checkNetns, checkIdle, checkOptions, checkFilter,
	} {
		if err := check(fd, want); err != nil {
			return Facts{}, err
		}
	}
	facts.Stream = want.accepts()
	switch {
	case want.shape != nil:
		err = want.checkOther(fd, &facts)
	case want.inet:
		err = want.checkInet(fd, &facts)
	default:
		err = want.checkUnix(fd, &facts)
	}
	if err == nil {
		err = checkReadBack(fd, want, w)
	}
	if err == nil {
		facts.Links, err = linksOf(facts.Path, w)
	}
	if err != nil {
		return Facts{}, err
	}
	facts.Cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return Facts{}, fmt.Errorf("getsockopt SO_COOKIE: %w", err)
	}
	return facts, nil
}

// expectation is a Want, read.
type expectation struct {
	name     string // "tcp", "udp", "uds stream"
	inet     bool
	typ      int // SOCK_STREAM, …
	protocol int
	endpoint endpoint // inet
	node     node     // not inet

	shape   *Shape // of another transport than tcp, udp and uds
	address string // of another transport

	reusePort   bool
	transparent bool
	freebind    *bool  // nil: the plugin's choice
	device      string // of bind-device; empty: none
	mark        int
}

// accepts reports whether the socket is one that accepts connections.
func (e *expectation) accepts() bool {
	stream := e.typ != unix.SOCK_DGRAM && e.typ != unix.SOCK_RAW && e.typ != unix.SOCK_RDM
	return stream && (e.shape == nil || e.shape.Listening)
}

func expect(w Want) (*expectation, error) {
	e := &expectation{name: w.Type, shape: w.Shape}
	err := e.expectEvery(w)
	switch {
	case err != nil:
	case w.Shape != nil:
		e.typ, e.address = int(w.Shape.Type), w.Address
	case w.Type == "tcp":
		e.typ, e.protocol = unix.SOCK_STREAM, unix.IPPROTO_TCP
		if w.Options["mptcp"] == "true" {
			e.name, e.protocol = "mptcp", unix.IPPROTO_MPTCP
		}
		err = e.expectInet(w)
	case w.Type == "udp":
		e.typ, e.protocol = unix.SOCK_DGRAM, unix.IPPROTO_UDP
		err = e.expectInet(w)
	case w.Type == "uds":
		err = e.expectUnix(w)
	default:
		err = fmt.Errorf("transport %q, want tcp, udp or uds, or the shape of its sockets", w.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("verify %s %s: %w", w.Type, w.Address, err)
	}
	return e, nil
}

// expectEvery reads the options of every transport that decide who gets the
// traffic.
func (e *expectation) expectEvery(w Want) error {
	e.device = w.Options["bind-device"]
	if text, ok := w.Options["mark"]; ok {
		var err error
		if e.mark, err = plainNumber(text); err != nil {
			return fmt.Errorf("option mark: %w", err)
		}
	}
	return nil
}

// option reads a boolean option; nil when it is not given.
func option(w Want, name string) (*bool, error) {
	text, ok := w.Options[name]
	if !ok {
		return nil, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return nil, fmt.Errorf("option %s = %q, want true or false", name, text)
	}
	return &v, nil
}

// checkKind checks family, type and protocol. IPv4 and IPv6 pass here alike: a
// wrong one of them shows in the address, where people recognise it.
func checkKind(fd int, want *expectation) error {
	domain, err := getsockopt(fd, unix.SO_DOMAIN, "SO_DOMAIN")
	if err != nil {
		return err
	}
	typ, err := getsockopt(fd, unix.SO_TYPE, "SO_TYPE")
	if err != nil {
		return err
	}
	protocol, err := getsockopt(fd, unix.SO_PROTOCOL, "SO_PROTOCOL")
	if err != nil {
		return err
	}
	if want.shape != nil {
		return want.checkShape(domain, typ, protocol)
	}
	inet := domain == unix.AF_INET || domain == unix.AF_INET6
	if inet != want.inet || !inet && domain != unix.AF_UNIX || typ != want.typ || protocol != want.protocol {
		return mismatch("the plugin returned a %s socket, want %s", socketKind(domain, typ, protocol), want.name)
	}
	return nil
}

// checkNetns checks that the socket belongs to our network namespace: an equal
// address elsewhere is another address. The kernel tells since Linux 5.14;
// before that nobody can know.
func checkNetns(fd int, _ *expectation) error {
	own, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(own) }() // it was never used
	ours, err := unix.GetsockoptUint64(own, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getsockopt SO_NETNS_COOKIE: %w", err)
	}
	theirs, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return fmt.Errorf("getsockopt SO_NETNS_COOKIE: %w", err)
	}
	if theirs != ours {
		return mismatch("the plugin returned a socket of another network namespace")
	}
	return nil
}

// checkIdle checks that nothing can have reached the socket yet: listen(2) is
// ours to call, and a connected socket hears only one peer.
func checkIdle(fd int, want *expectation) error {
	listening, err := getsockopt(fd, unix.SO_ACCEPTCONN, "SO_ACCEPTCONN")
	if err != nil {
		return err
	}
	if listening != 0 {
		return mismatch("the plugin returned a socket that is listening already, want it bound only")
	}
	switch _, err := unix.Getpeername(fd); {
	case want.shape != nil && !want.accepts():
		// Whether one of datagrams is connected means something else in every
		// family: netlink always is.
	case want.shape != nil && (err == nil || !errors.Is(err, unix.ENOTCONN) && !errors.Is(err, unix.EAFNOSUPPORT)):
		return mismatch("the plugin returned a connected socket, want it bound only")
	case want.shape != nil:
	case err == nil:
		return mismatch("the plugin returned a connected socket, want it bound only")
	case !errors.Is(err, unix.ENOTCONN):
		return fmt.Errorf("getpeername: %w", err)
	}
	return nil
}

// checkFilter checks that no BPF program is attached, which could drop whatever
// it likes. Asked with a length of 0 the kernel answers with the number of
// instructions and writes nothing; it answers EACCES for an eBPF program, which
// it does not show.
func checkFilter(fd int, _ *expectation) error {
	var instructions uint32
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_GET_FILTER,
		0, uintptr(unsafe.Pointer(&instructions)), 0)
	switch {
	case errno == unix.EACCES || errno == 0 && instructions > 0:
		return mismatch("the plugin returned a socket with a BPF filter attached, want none")
	case errno != 0:
		return fmt.Errorf("getsockopt SO_GET_FILTER: %w", errno)
	}
	return nil
}

// checkOptions checks the options of every socket. Those of one family are with
// that family.
func checkOptions(fd int, want *expectation) error {
	mark, err := getsockopt(fd, unix.SO_MARK, "SO_MARK")
	if err != nil {
		return err
	}
	if mark != want.mark {
		return mismatch("SO_MARK of the returned socket is %s, want it %s", markName(mark), markName(want.mark))
	}
	return checkFlag(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT", want.reusePort)
}

func markName(mark int) string {
	if mark == 0 {
		return "unset"
	}
	return strconv.FormatUint(uint64(uint32(mark)), 10)
}

// checkFlag checks an option that is on or off.
func checkFlag(fd, level, opt int, name string, want bool) error {
	v, err := unix.GetsockoptInt(fd, level, opt)
	if err != nil {
		return fmt.Errorf("getsockopt %s: %w", name, err)
	}
	if (v != 0) != want {
		return mismatch("%s of the returned socket is %s, want %s", name, onOff(v != 0), onOff(want))
	}
	return nil
}

func getsockopt(fd, opt int, name string) (int, error) {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
	if err != nil {
		return 0, fmt.Errorf("getsockopt %s: %w", name, err)
	}
	return v, nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// fileKind names what is not a socket.
func fileKind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	case unix.S_IFLNK:
		return "a symbolic link"
	}
	return "a descriptor of another kind"
}

// socketKind names a socket as unit files do.
func socketKind(domain, typ, protocol int) string {
	inet := domain == unix.AF_INET || domain == unix.AF_INET6
	switch {
	case inet && typ == unix.SOCK_STREAM && protocol == unix.IPPROTO_TCP:
		return "tcp"
	case inet && typ == unix.SOCK_STREAM && protocol == unix.IPPROTO_MPTCP:
		return "mptcp"
	case inet && typ == unix.SOCK_DGRAM && protocol == unix.IPPROTO_UDP:
		return "udp"
	case domain == unix.AF_UNIX && kindName(typ) != "":
		return "uds " + kindName(typ)
	}
	return fmt.Sprintf("family %d, type %d, protocol %d", domain, typ, protocol)
}
