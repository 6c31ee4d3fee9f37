package proc

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capabilityNames are the capabilities of linux/capability.h in their order.
var capabilityNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// capSet is a set of capabilities: bit n is number n.
type capSet uint64

func (s capSet) String() string {
	var names []string
	for n := range 64 {
		switch {
		case s&(1<<n) == 0:
		case n < len(capabilityNames):
			names = append(names, capabilityNames[n])
		default:
			names = append(names, fmt.Sprintf("capability %d", n))
		}
	}
	return strings.Join(names, ", ")
}

// parseCaps returns the set of some names.
func parseCaps(names []string) (capSet, error) {
	var set capSet
next:
	for _, name := range names {
		for n, known := range capabilityNames {
			if name == known {
				set |= 1 << n
				continue next
			}
		}
		return 0, fmt.Errorf("capability %q: there is none of that name", name)
	}
	return set, nil
}

// privileges says what becomes of the capabilities of a new process. The zero
// value leaves them to the change of user and to exec.
type privileges struct {
	Restrict bool
	Have     capSet // all that the service has
	Drop     capSet // from the bounding set
	Root     bool   // the service runs as user 0
	Change   bool   // and the daemon does not run as the service's user
}

// restrict checks that the daemon can give the service these capabilities and no
// others. Nil is no restriction.
func restrict(names []string, cred *Credential, noNew bool) (privileges, error) {
	if names == nil {
		return privileges{}, nil
	}
	have, err := parseCaps(names)
	if err != nil {
		return privileges{}, err
	}
	permitted, bounding, err := ownCaps()
	if err != nil {
		return privileges{}, fmt.Errorf("capabilities: %w", err)
	}
	if lacks := have &^ (permitted & bounding); lacks != 0 {
		return privileges{}, fmt.Errorf("capabilities: rindrun does not have %s itself: give it to rindrun, or take it from the unit", lacks)
	}
	p := privileges{Restrict: true, Have: have, Drop: bounding &^ have, Root: unix.Geteuid() == 0}
	if cred != nil {
		p.Root, p.Change = cred.UID == 0, int(cred.UID) != unix.Geteuid()
	}
	if p.Drop != 0 && permitted&(1<<unix.CAP_SETPCAP) == 0 {
		if !noNew {
			return privileges{}, fmt.Errorf("capabilities: rindrun needs CAP_SETPCAP to keep the service from getting others: give it to rindrun, or set no-new-privileges")
		}
		p.Drop = 0 // there is no program by which it could get them
	}
	return p, nil
}

// ownCaps returns the permitted and the bounding set of this process.
func ownCaps() (permitted, bounding capSet, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, 0, fmt.Errorf("capget: %w", err)
	}
	for n := range 64 {
		// It fails for those that the kernel does not know.
		if is, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err == nil && is == 1 {
			bounding |= 1 << n
		}
	}
	return capSet(data[0].Permitted) | capSet(data[1].Permitted)<<32, bounding, nil
}

// restrictBefore comes before the change of user. The bounding set needs
// CAP_SETPCAP. PR_SET_KEEPCAPS keeps the permitted set over the change; exec ends
// it. It says nothing of the effective set, which the change clears.
func (s *script) restrictBefore(p privileges) {
	if !p.Restrict {
		return
	}
	for n := range 64 {
		if p.Drop&(1<<n) != 0 {
			s.add("drop", "from the bounding set "+capSet(1<<n).String(), unix.SYS_PRCTL,
				num(unix.PR_CAPBSET_DROP), num(n), num(0), num(0), num(0))
		}
	}
	if p.Change && !p.Root && p.Have != 0 {
		s.add("keep", "capabilities", unix.SYS_PRCTL, num(unix.PR_SET_KEEPCAPS), num(1), num(0), num(0), num(0))
	}
}

// restrictAfter comes after the change of user. What exec makes of the sets
// differs, see "Transformation of capabilities during execve()" in
// capabilities(7): user 0 gets what is in the bounding set; everybody else what is
// in the ambient set, which must be in the inheritable one.
func (s *script) restrictAfter(p privileges) {
	if !p.Restrict {
		return
	}
	inheritable := p.Have
	if p.Root {
		inheritable = 0
	}
	s.add("clear", "the ambient capabilities", unix.SYS_PRCTL,
		num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL), num(0), num(0), num(0))
	header := s.image.space(int(unsafe.Sizeof(unix.CapUserHeader{})))
	version := (*unix.CapUserHeader)(unsafe.Pointer(unsafe.SliceData(s.image.bytes(header))))
	version.Version = unix.LINUX_CAPABILITY_VERSION_3
	data := s.image.space(int(2 * unsafe.Sizeof(unix.CapUserData{})))
	both := (*[2]unix.CapUserData)(unsafe.Pointer(unsafe.SliceData(s.image.bytes(data))))
	for i := range both {
		have, inherit := uint32(p.Have>>(32*i)), uint32(inheritable>>(32*i))
		both[i] = unix.CapUserData{Effective: have, Permitted: have, Inheritable: inherit}
	}
	s.add("set", "the capabilities "+p.Have.String(), unix.SYS_CAPSET, header, data)
	for n := range 64 {
		if inheritable&(1<<n) != 0 {
			s.add("raise", "the ambient capability "+capSet(1<<n).String(), unix.SYS_PRCTL,
				num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_RAISE), num(n), num(0), num(0))
		}
	}
}
