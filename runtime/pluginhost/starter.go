package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// starter starts processes from one OS thread that lives as long as the host.
// The parent-death signal is sent when the *thread* that forked ends
// (prctl(2), PR_SET_PDEATHSIG), and the Go runtime ends threads as it likes.
type starter struct {
	begin sync.Once
	end   sync.Once
	jobs  chan func()
	quit  chan struct{}
	gone  chan struct{}
}

func newStarter() *starter {
	return &starter{jobs: make(chan func()), quit: make(chan struct{}), gone: make(chan struct{})}
}

// run is the goroutine of the starter.
func (s *starter) run() {
	defer close(s.gone)
	// Never unlocked: the thread ends with the goroutine.
	runtime.LockOSThread()
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.quit:
			return
		}
	}
}

// close ends the thread, which kills every process that was started from it and
// still lives.
func (s *starter) close() {
	s.begin.Do(func() { close(s.gone) }) // it was never needed
	s.end.Do(func() { close(s.quit) })
	<-s.gone
}

// start executes a program, in a process group of its own, with nothing but env
// and with files as its descriptors 0, 1, …; it dies with the host. It returns when
// the program has been executed. The descriptors stay the caller's; pidfd is.
func (s *starter) start(ctx context.Context, prog program, env []string, files []uintptr) (pid, pidfd int, err error) {
	s.begin.Do(func() { go s.run() })
	done := make(chan struct{})
	job := func() {
		defer close(done)
		pid, pidfd, err = forkExec(prog, env, files)
	}
	select {
	case s.jobs <- job:
		<-done // fork and exec cannot be interrupted, and do not wait for the program
		return pid, pidfd, err
	case <-s.quit:
		return 0, -1, ErrClosed
	case <-ctx.Done():
		return 0, -1, context.Cause(ctx)
	}
}

func forkExec(prog program, env []string, files []uintptr) (pid, pidfd int, err error) {
	if err := closeOnExec(); err != nil {
		return 0, -1, err
	}
	pidfd = -1
	path, files := prog.exec(files)
	pid, err = syscall.ForkExec(path, []string{prog.path}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
	})
	if err != nil {
		return 0, -1, execError(prog.path, err)
	}
	return pid, pidfd, nil
}

// execError says what the kernel's word about an exec means for whoever has to
// repair it.
func execError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("it is not a program for this machine (built for another architecture, or damaged): %w", err)
	case errors.Is(err, unix.ENOENT):
		if _, serr := os.Stat(path); serr == nil {
			return fmt.Errorf("its interpreter or dynamic loader is missing: %w", err)
		}
		return fmt.Errorf("it has just been removed: %w", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("it may not be executed (is its file system mounted noexec?): %w", err)
	}
	return fmt.Errorf("cannot be started: %w", err)
}

// closeOnExec marks every descriptor of this process above 2. What Go opens is
// marked already; what the process inherited from whoever started it is not,
// and would reach every plugin.
func closeOnExec() error {
	// Between this lock and an unmarked descriptor there can be nobody who is
	// about to mark it, or to pass it on by a fork of its own.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	// Before Linux 5.11.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("mark inherited descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
