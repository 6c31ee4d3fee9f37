package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// lag is how long the host waits for what usually comes at once: the rest of the
// output of a process that has ended, or the end of a process that has closed
// its descriptors.
const lag = 100 * time.Millisecond

// process is one plugin process, from before its start to after its end. It is
// the runner of go-plugin, which gets to see of it the handshake line, the end
// of the process, and nothing else: go-plugin panics on one line of stderr that
// it does not like, waits for every holder of a pipe, and passes on the host's
// environment and standard input.
type process struct {
	path    string
	program program // only for Start
	dir     string  // for its socket
	env     []string
	starter *starter
	sink    *logSink
	stdout  *handshake

	ended  chan struct{} // closed when the process runs no more
	exited chan struct{} // closed when, after that, it is reaped
	done   chan struct{} // closed when, after that, its readers have ended

	// onViolation is the channel's.
	onViolation func(err error, last bool)

	mu      sync.Mutex
	pid     int // 0 before the start
	reaped  bool
	cause   error // why it ended or has to end; the first reason counts
	alone   bool  // it was not the host that ended it
	addr    string
	channel *channel
}

var _ runner.Runner = (*process)(nil)

// Start implements runner.Runner. On an error there is no process, or it is
// being killed.
func (p *process) Start(ctx context.Context) error {
	pipes, err := openPipes()
	if err != nil {
		p.fail(err)
		return err
	}
	// The process has copies; the host must not keep its own, or it would never
	// see the end of the pipes.
	defer pipes.closeChild()
	pid, pidfd, err := p.starter.start(ctx, p.program, p.env, pipes.child())
	if err != nil {
		pipes.closeHost()
		p.fail(err)
		return err
	}
	channel, err := newChannel(pipes.channel, p.onViolation)
	pipes.channel = -1 // taken over
	p.mu.Lock()
	p.pid, p.channel = pid, channel
	late := p.cause // given up while the starter was at work
	p.mu.Unlock()
	if late != nil || err != nil {
		p.fail(err)
	}
	go p.watch(context.WithoutCancel(ctx), pidfd, pipes.stdout, pipes.stderr)
	return p.reason()
}

// watch is the owner of a started process: it reaps it and ends its readers.
func (p *process) watch(ctx context.Context, pidfd, stdoutFD, stderrFD int) {
	stdout := os.NewFile(uintptr(stdoutFD), "plugin stdout")
	stderr := os.NewFile(uintptr(stderrFD), "plugin stderr")
	var readers sync.WaitGroup
	readers.Go(func() { p.readStdout(stdout) })
	readers.Go(func() { p.readStderr(ctx, stderr) })
	if p.channel != nil {
		readers.Go(p.readChannel)
	}
	p.reap(pidfd)
	close(p.exited)

	// Processes that left its group may hold the pipes open and write for ever.
	// Of a pipe without deadlines, because epoll refused it, reads do not wait.
	deadline := time.Now().Add(lag)
	_ = stdout.SetReadDeadline(deadline)
	_ = stderr.SetReadDeadline(deadline)
	if p.channel != nil {
		p.channel.close()
	}
	readers.Wait()
	_, _ = stdout.Close(), stderr.Close() // nothing was written, nothing can be lost
	close(p.done)
}

// reap waits for the end of the process, kills what is left of its group, and
// collects its status.
func (p *process) reap(pidfd int) {
	if err := waitExit(pidfd); err != nil {
		p.fail(fmt.Errorf("watch process %d: %w", p.pid, err))
	}
	close(p.ended)
	// What it printed in place of a handshake says more than its status.
	wait(p.stdout.ready, lag)
	p.mu.Lock()
	defer p.mu.Unlock()
	// Before the process is reaped, for until then its number, and so that of
	// the group, cannot be that of others.
	_ = unix.Kill(-p.pid, unix.SIGKILL) // ESRCH: nobody is left
	var status unix.WaitStatus
	_, err := unix.Wait4(p.pid, &status, 0, nil)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Wait4(p.pid, &status, 0, nil)
	}
	p.reaped = true
	if p.cause == nil {
		p.cause, p.alone = exitReason(status, err), true
	}
}

// waitExit waits until a process is a zombie, without a thread of its own: a
// pidfd is readable then (pidfd_open(2)). It closes pidfd.
func waitExit(pidfd int) error {
	if err := unix.SetNonblock(pidfd, true); err != nil {
		return err // also when the kernel has no pidfds and pidfd is -1
	}
	f := os.NewFile(uintptr(pidfd), "plugin pidfd")
	defer func() { _ = f.Close() }()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var werr error
	err = raw.Read(func(fd uintptr) bool {
		var info unix.Siginfo
		werr = unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(werr, unix.EINTR) {
			werr = nil
		}
		return werr != nil || info.Signo != 0
	})
	return errors.Join(err, werr)
}

func exitReason(status unix.WaitStatus, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("it has ended; its status is not known: %w", err)
	case status.Signaled():
		return fmt.Errorf("it was ended by %s", unix.SignalName(status.Signal()))
	}
	return fmt.Errorf("it exited with status %d", status.ExitStatus())
}

// readStdout passes the handshake on and drops the rest.
func (p *process) readStdout(f *os.File) {
	defer p.stdout.set("")
	r := bufio.NewReaderSize(f, maxHandshake)
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		p.fail(fmt.Errorf("it printed more than %d bytes without a newline in place of the go-plugin handshake (is it a transport plugin?)", maxHandshake))
	case err != nil && len(line) == 0:
		// Usually because it has ended, and that says more.
		if !wait(p.ended, lag) {
			p.fail(errors.New("it closed its standard output before the go-plugin handshake"))
		}
	default:
		addr, perr := parseHandshake(string(line))
		if perr != nil {
			p.fail(perr)
			break
		}
		p.stdout.set(formatHandshake(addr))
	}
	p.stdout.set("")
	// So that it does not block; the error is the end of the pipe or the
	// deadline.
	_, _ = io.Copy(io.Discard, r)
}

// readStderr logs what the plugin writes.
func (p *process) readStderr(ctx context.Context, f *os.File) {
	w := newLineWriter(ctx, p.sink)
	_, _ = io.Copy(w, f) // the error is the end of the pipe or the deadline
	w.end()
	p.sink.flush(ctx)
}

// readChannel receives descriptors. A plugin that has closed the channel can
// bind nothing any more.
func (p *process) readChannel() {
	if err := p.channel.run(); !wait(p.ended, lag) {
		p.fail(err)
	}
}

// wait waits at most d for done to be closed and reports whether it is.
func wait(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// fail kills the process because of err.
func (p *process) fail(err error) {
	p.mu.Lock()
	if p.cause == nil {
		p.cause = err
	}
	p.mu.Unlock()
	p.kill()
}

// reason returns why the process ended, or has to end; nil while it lives.
func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// endedAlone reports whether the process has ended without the host.
func (p *process) endedAlone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alone
}

// runningPID returns the number of the process, or 0.
func (p *process) runningPID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0
	}
	return p.pid
}

// kill sends SIGKILL to the process and its group.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 || p.reaped {
		return
	}
	// Both, for it may have left its group. ESRCH means that nobody is there.
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	_ = unix.Kill(p.pid, unix.SIGKILL)
}

// Wait implements runner.Runner.
func (p *process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// PluginToHost implements runner.Runner: go-plugin asks it where to call.
func (p *process) PluginToHost(network, addr string) (hostNetwork, hostAddr string, err error) {
	if network != "unix" {
		err = fmt.Errorf("it wants to be called at the %s address %q", clean(network, maxText), clean(addr, maxText))
	} else {
		err = checkSocket(p.dir, addr)
	}
	if err != nil {
		p.fail(err)
		return "", "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr = addr
	return network, addr, nil
}

// HostToPlugin implements runner.Runner: plugins do not call the host.
func (*process) HostToPlugin(network, _ string) (pluginNetwork, pluginAddr string, err error) {
	return "", "", fmt.Errorf("a plugin may not call the host over %s", network)
}

// ID implements runner.Runner.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return "" // tells go-plugin that there is nothing to kill
	}
	return strconv.Itoa(p.pid)
}

// Name implements runner.Runner.
func (p *process) Name() string { return p.path }

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner; go-plugin does not get to see it.
func (*process) Stderr() io.ReadCloser { return io.NopCloser(eofReader{}) }

// Diagnose implements runner.Runner; the host has errors of its own.
func (*process) Diagnose(context.Context) string { return "" }

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

// pipes are the descriptors between the host and a process that is about to be
// started. -1 is none.
type pipes struct {
	stdout, stderr, channel int // the host's ends, non-blocking

	null, out, errs, passing int // the process's: 0, 1, 2 and 3
}

// channelFD is the number of the descriptor channel in the plugin.
const channelFD = 3

func openPipes() (*pipes, error) {
	p := &pipes{-1, -1, -1, -1, -1, -1, -1}
	if err := p.open(); err != nil {
		p.closeChild()
		p.closeHost()
		return nil, fmt.Errorf("open its standard descriptors: %w", err)
	}
	return p, nil
}

func (p *pipes) open() (err error) {
	if p.null, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	for _, ends := range []struct{ host, child *int }{{&p.stdout, &p.out}, {&p.stderr, &p.errs}} {
		var fds [2]int
		if err = unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		*ends.host, *ends.child = fds[0], fds[1]
	}
	if p.channel, p.passing, err = fdpass.Pair(); err != nil {
		return err
	}
	for _, fd := range []int{p.stdout, p.stderr, p.channel} {
		if err = unix.SetNonblock(fd, true); err != nil {
			return err
		}
	}
	return nil
}

// child returns the descriptors of the process in their order.
func (p *pipes) child() []uintptr {
	return []uintptr{uintptr(p.null), uintptr(p.out), uintptr(p.errs), uintptr(p.passing)}
}

func (p *pipes) closeChild() { closeOpen(p.null, p.out, p.errs, p.passing) }
func (p *pipes) closeHost()  { closeOpen(p.stdout, p.stderr, p.channel) }

func closeOpen(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			fdpass.Close(fd)
		}
	}
}
