package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Process is a service that was started, identified by its pidfd.
//
// When it exits, it stays a zombie until Close. That keeps its pid, which is also
// the number of its process group, from being given to anybody else: SignalGroup
// reaches the members that are left, or nobody. So the life of a Process is
//
//	Start, Wait, SignalGroup(SIGKILL) if nothing of it may stay, Close
//
// All methods may be called concurrently.
type Process struct {
	pid  int
	file *os.File // the pidfd, in the poller of the runtime
	conn syscall.RawConn

	turn chan struct{} // held by the one Wait that polls

	cgroup *Cgroup // of everything that belongs to it; nil: its process group does

	mu     sync.Mutex
	closed bool
	ended  bool
	exit   Exit
}

// An Exit is how a process ended. The zero value is success: it exited with
// status 0.
type Exit struct {
	// Code is the exit status if the process exited by itself.
	Code int

	// Signal ended the process, if it is not 0.
	Signal syscall.Signal

	// Core says that it left a core dump.
	Core bool

	// Unknown says that the process is gone and only its parent could learn more,
	// which is not this process.
	Unknown bool
}

func (e Exit) String() string {
	switch {
	case e.Unknown:
		return "exit unknown"
	case e.Signal == 0:
		return fmt.Sprintf("exit status %d", e.Code)
	}
	name := unix.SignalName(e.Signal)
	if name == "" { // the real-time signals have no names
		name = fmt.Sprintf("signal %d", int(e.Signal))
	}
	if e.Core {
		return "killed by " + name + ", core dumped"
	}
	return "killed by " + name
}

// newProcess watches the process that pidfd refers to, and takes over pidfd. If
// it cannot, the process is killed and reaped.
func newProcess(pid, pidfd int, group *Cgroup) (*Process, error) {
	p, err := watchPidfd(pid, pidfd, kill)
	if err != nil {
		return nil, err
	}
	p.cgroup = group
	return p, nil
}

// watchPidfd watches the process that pidfd refers to, and takes over pidfd. If
// it cannot, it calls abandon before it closes pidfd.
func watchPidfd(pid, pidfd int, abandon func(pidfd int) error) (*Process, error) {
	// os.NewFile hands only nonblocking descriptors to the poller. For a pidfd the
	// flag also means that waitid does not block, which is not wanted.
	if err := unix.SetNonblock(pidfd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("watch: %w", err), abandon(pidfd), unix.Close(pidfd))
	}
	file := os.NewFile(uintptr(pidfd), "pidfd")
	conn, err := file.SyscallConn()
	// A file that is not in the poller has no deadlines.
	if err = errors.Join(err, unix.SetNonblock(pidfd, false), file.SetReadDeadline(time.Time{})); err != nil {
		return nil, errors.Join(fmt.Errorf("watch: %w", err), abandon(pidfd), file.Close())
	}
	return &Process{pid: pid, file: file, conn: conn, turn: make(chan struct{}, 1)}, nil
}

// PID returns the process id, which is also that of its session and process
// group. It is good for logs at any time, and for system calls only until Close.
func (p *Process) PID() int { return p.pid }

// Wait returns how the process ended, as soon as it has. It may be called again
// and says the same. It fails when ctx ends or the Process is closed (os.ErrClosed).
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Exit{}, p.failed("wait", context.Cause(ctx))
	}
	release := expire(ctx, p.file)
	err := p.conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
	release()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Exit{}, p.failed("wait", context.Cause(ctx))
	case err != nil:
		return Exit{}, p.failed("wait", p.closedOr(err))
	}
	return p.status()
}

// status returns how the process ended, which it has, and leaves the zombie.
func (p *Process) status() (Exit, error) {
	var exit Exit
	var waitErr error
	err := p.conn.Control(func(fd uintptr) {
		// This blocks only while a debugger has the first claim on the zombie.
		exit, waitErr = waitExit(int(fd), unix.WEXITED|unix.WNOWAIT)
	})
	if err = errors.Join(err, waitErr); err != nil {
		return Exit{}, p.failed("wait", p.closedOr(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
	case p.closed: // Close may have been faster, and reaped it
		return Exit{}, p.failed("wait", os.ErrClosed)
	default:
		p.ended, p.exit = true, exit
	}
	return p.exit, nil
}

// Signal sends a signal to the process alone. If it is known to have ended, the
// error is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	var sigErr error
	err := p.conn.Control(func(fd uintptr) { sigErr = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	return p.signalled(sig, p.closedOr(errors.Join(err, sigErr)))
}

// SignalGroup sends a signal to everything that belongs to the process: the
// members of its process group and of its control group, if it has one. It does
// so also after the process itself has ended, until Close. If nobody is left in
// the process group, the error is os.ErrProcessDone.
func (p *Process) SignalGroup(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock() // Close must not reap before the signal is sent
	if p.closed {
		return p.signalled(sig, os.ErrClosed)
	}
	var others error
	switch {
	case p.cgroup == nil:
	case sig == unix.SIGKILL:
		others = p.cgroup.Kill()
	default:
		others = p.cgroup.signal(sig, p.pid)
	}
	if others != nil {
		// What the control group has is no reason to spare the process group.
		return p.failed("signal the control group of", errors.Join(others, unix.Kill(-p.pid, sig)))
	}
	return p.signalled(sig, unix.Kill(-p.pid, sig))
}

func (p *Process) signalled(sig syscall.Signal, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ESRCH):
		err = os.ErrProcessDone
	}
	return p.failed("send "+unix.SignalName(sig)+" to", err)
}

func (p *Process) failed(what string, err error) error {
	return fmt.Errorf("%s process %d: %w", what, p.pid, err)
}

// closedOr returns err, or os.ErrClosed in place of the error that a RawConn gives
// after Close, which cannot be told from others.
func (p *Process) closedOr(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.closed {
		return os.ErrClosed
	}
	return err
}

// Close reaps the process if it has ended, and ends every Wait. A process that
// still runs goes on, and is left to whoever becomes its parent when the daemon
// ends. Close may be called again and does nothing then.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var reapErr error
	err := p.conn.Control(func(fd uintptr) { _, reapErr = waitExit(int(fd), unix.WEXITED|unix.WNOHANG) })
	if err = errors.Join(err, reapErr, p.file.Close()); err != nil {
		return p.failed("close", err)
	}
	return nil
}

// siginfoChild is siginfo_t as waitid(2) fills it in.
type siginfoChild struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	status                int32
	_                     [128 - 28]byte
}

// Values of siginfo_t.si_code for SIGCHLD, of asm-generic/siginfo.h.
const (
	cldKilled = 2
	cldDumped = 3
)

// waitExit calls waitid for the process of pidfd. A process that is not a child
// of this one, or was reaped by somebody else, has an unknown exit, unless the
// kernel remembers it.
func waitExit(pidfd, options int) (Exit, error) {
	var info siginfoChild
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, (*unix.Siginfo)(unsafe.Pointer(&info)), options, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			if exit, ok := exitOf(pidfd); ok {
				return exit, nil
			}
			return Exit{Unknown: true}, nil
		case err != nil:
			return Exit{}, fmt.Errorf("waitid: %w", err)
		case info.code == cldKilled, info.code == cldDumped:
			return Exit{Signal: syscall.Signal(info.status), Core: info.code == cldDumped}, nil
		}
		return Exit{Code: int(info.status)}, nil
	}
}

// kill ends and reaps the process of pidfd, a child of this one.
func kill(pidfd int) error {
	sigErr := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	if errors.Is(sigErr, unix.ESRCH) {
		sigErr = nil
	}
	_, err := waitExit(pidfd, unix.WEXITED)
	return errors.Join(sigErr, err)
}

// readable says whether fd has something to read now; of a pidfd, whether the
// process has ended.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// expire makes reads of file fail with os.ErrDeadlineExceeded once ctx ends. The
// caller calls release when it has read.
func expire(ctx context.Context, file *os.File) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// The only possible error is that the file is closed, which ends reads too.
		_ = file.SetReadDeadline(past)
	})
	return func() {
		if !stop() {
			<-done
			_ = file.SetReadDeadline(time.Time{})
		}
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
