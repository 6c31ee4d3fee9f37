package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/e2e"
)

// pidfsMagic is the file system of pidfds that identify a process, since Linux
// 6.9 (PID_FS_MAGIC in linux/magic.h).
const pidfsMagic = 0x50494446

// inspect reports on this process.
func inspect() (*e2e.Report, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	r := &e2e.Report{
		PID:  os.Getpid(),
		UID:  os.Getuid(),
		GID:  os.Getgid(),
		Dir:  dir,
		Args: os.Args,
		Env:  map[string]string{},
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		r.Env[name] = value
	}
	if r.Status, r.Limits, err = restrictions(); err != nil {
		return nil, err
	}
	if r.FDs, err = descriptors(); err != nil {
		return nil, err
	}
	if r.PIDFDInode, err = pidfdInode(); err != nil {
		return nil, err
	}
	return r, nil
}

// descriptors lists what this process inherited. A descriptor with close-on-exec
// cannot have survived exec: the Go runtime or the probe opened it since.
func descriptors() ([]e2e.FD, error) {
	var fds []e2e.FD
	for n := range 1024 {
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue // not open, or not inherited
		}
		status, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", n, err)
		}
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n))
		if err != nil {
			return nil, err
		}
		fds = append(fds, e2e.FD{N: n, Link: link, NonBlock: status&unix.O_NONBLOCK != 0})
	}
	return fds, nil
}

func pidfdInode() (uint64, error) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return 0, fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return 0, fmt.Errorf("fstatfs of a pidfd: %w", err)
	}
	if fs.Type != pidfsMagic {
		return 0, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("fstat of a pidfd: %w", err)
	}
	return st.Ino, nil
}
