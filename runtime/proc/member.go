package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pidfdInfo is struct pidfd_info of linux/pidfd.h, in its first version.
type pidfdInfo struct {
	mask, cgroup uint64
	pid, tgid    uint32
	ppid         uint32
	_            [8]uint32 // user and group ids
	exitCode     int32
}

// infoOf asks the kernel about the process of a pidfd (PIDFD_GET_INFO, Linux
// 6.13). Of one that has been reaped it knows the group and the exit only, from
// Linux 6.15 on.
func infoOf(pidfd int, mask uint64) (pidfdInfo, error) {
	info := pidfdInfo{mask: mask}
	const sizeMask, sizeShift = 0x3fff, 16
	request := unix.PIDFD_GET_INFO&^(sizeMask<<sizeShift) | unsafe.Sizeof(info)<<sizeShift
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pidfd), request, uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return pidfdInfo{}, errno
	}
	return info, nil
}

// exitOf returns how the process of pidfd ended, if the kernel tells somebody
// who is not its parent.
func exitOf(pidfd int) (Exit, bool) {
	info, err := infoOf(pidfd, unix.PIDFD_INFO_EXIT)
	if err != nil || info.mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}, false
	}
	ws := syscall.WaitStatus(info.exitCode)
	if ws.Signaled() {
		return Exit{Signal: ws.Signal(), Core: ws.CoreDump()}, true
	}
	return Exit{Code: ws.ExitStatus()}, true
}

// Owns says whether the process of a pidfd belongs to p: it is p itself, in its
// control group, or, without one, in its session or a descendant. A process that
// has been reaped belongs to nobody, unless the kernel remembers its group.
func (p *Process) Owns(pidfd int) bool {
	pid, err := pidOf(pidfd)
	if err != nil || pid <= 0 {
		info, err := infoOf(pidfd, unix.PIDFD_INFO_CGROUPID|unix.PIDFD_INFO_EXIT)
		return err == nil && p.cgroup != nil && info.mask&unix.PIDFD_INFO_CGROUPID != 0 && info.cgroup == p.cgroup.id
	}
	var owns bool
	switch {
	case pid == p.pid:
		owns = true
	case p.cgroup != nil:
		owns = p.cgroup.has(pid)
	default:
		owns = p.begot(pid)
	}
	// Only now is it certain that all this was about that process: it is still
	// there, so nobody else has its number.
	return owns && unix.PidfdSendSignal(pidfd, 0, nil, 0) == nil
}

// Is says whether a pidfd is that of p, as long as p is not closed.
func (p *Process) Is(pidfd int) bool {
	pid, err := pidOf(pidfd)
	return err == nil && pid == p.pid
}

// begot says whether a process is in the session of p, or descends from it.
func (p *Process) begot(pid int) bool {
	const maxGenerations = 64
	for range maxGenerations {
		parent, session, err := parentOf(pid)
		switch {
		case err != nil:
			return false
		case session == p.pid || parent == p.pid:
			return true
		case parent <= 1:
			return false
		}
		pid = parent
	}
	return false
}

// parentOf returns the parent and the session of a process, from
// proc_pid_stat(5).
func parentOf(pid int) (parent, session int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name is in parentheses and may have some itself.
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 4 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %d fields after the name", pid, len(f))
	}
	parent, err = strconv.Atoi(f[1])
	session, serr := strconv.Atoi(f[3])
	return parent, session, errors.Join(err, serr)
}

// pidOf returns the process of a pidfd, 0 or -1 if it has been reaped, or is
// invisible here. Kernels from 5.10 on tell.
func pidOf(pidfd int) (int, error) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "Pid:"); ok {
			return strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return 0, fmt.Errorf("descriptor %d is no pidfd", pidfd)
}

// Adopt watches a process of a service that this one has not started. The result
// is only for Wait, Signal and Close: the group is that of the process which was
// started. pidfd stays the caller's.
func Adopt(pidfd int) (*Process, error) {
	pid, err := pidOf(pidfd)
	if err != nil {
		return nil, fmt.Errorf("adopt: %w", err)
	}
	// A copy would share its O_NONBLOCK.
	own, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("adopt process %d: pidfd_open: %w", pid, err)
	}
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil { // pid may be that of another process
		return nil, errors.Join(fmt.Errorf("adopt process %d: %w", pid, err), unix.Close(own))
	}
	return watchPidfd(pid, own, func(int) error { return nil })
}
