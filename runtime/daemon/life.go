package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/notify"
	"github.com/rind-sockets/rind/runtime/proc"
)

// life is one process of a service and everything that belongs to it.
//
// Its main process is the one that was started, until a message says MAINPID=.
// The first one stays the owner of the process group and, as a zombie, keeps its
// number until the burial.
type life struct {
	*processes

	id  flow.ProcessID
	def *plan.Service // as it was when the process was started
	who slog.Attr

	first *proc.Process
	group *proc.Cgroup   // nil: it has a process group only
	voice *notify.Socket // nil: it has nothing to say

	mu       sync.Mutex
	main     *proc.Process   // first, or an adopted one
	adopted  []*proc.Process // to be closed
	turn     func()          // ends the wait for a main process that is none any more
	mainOnly bool            // only the main process may say something

	dropped uint // messages; of the goroutine that hears them
}

// start starts the process. Whatever it has made by then, close takes away.
func (l *life) start(f flow.Spawn, in *handover) error {
	def := l.def
	spec, err := l.spec(def, f)
	if err != nil {
		return fmt.Errorf("service %s: %w", def.Name, err)
	}
	spec.Files = in.files
	spec.Env = lastWins(append(spec.Env, in.env...))
	if err := l.equip(def, spec); err != nil {
		return fmt.Errorf("service %s: %w", def.Name, err)
	}
	l.first, err = l.startTo(spec, l.who, def.Stdout, def.Stderr, in.stdio)
	l.main = l.first
	return err
}

// spec is how the process is to be started.
func (l *life) spec(def *plan.Service, f flow.Spawn) (*proc.Spec, error) {
	who, err := l.identify(def, f.User)
	if err != nil {
		return nil, err
	}
	var fromFile []string
	if def.EnvFile != "" {
		var faults []string
		if fromFile, faults, err = readEnvFile(def.EnvFile); err != nil {
			return nil, err
		}
		for _, fault := range faults {
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "line of env-file ignored", l.who, slog.String("line", fault))
		}
	}
	spec := &proc.Spec{
		Name: "service " + string(def.Name), Exec: f.Command.Exec, Args: f.Command.Args,
		Env: environment(l.environ, who, fromFile, f.Command.Env, f.Env),
		Dir: def.WorkingDir, Cred: who.cred, NoNewPrivileges: def.NoNewPrivileges, Capabilities: def.Capabilities,
		Limits: resourceLimits(def.Limits),
	}
	if spec.Dir == "" && def.Space != nil {
		spec.Dir = who.home
	}
	if def.Umask != "" {
		mask, err := strconv.ParseUint(def.Umask, 8, 9)
		if err != nil {
			return nil, fmt.Errorf("umask: %w", err)
		}
		spec.Umask = new(uint32(mask))
	}
	return spec, nil
}

// equip makes the control group and the socket of the process.
func (l *life) equip(def *plan.Service, spec *proc.Spec) error {
	var err error
	if l.groups != nil {
		if l.group, err = l.groups.New(owner(l.id)); err != nil {
			return err
		}
		spec.Cgroup = l.group
	}
	if !speaks(def) {
		return nil
	}
	uid := os.Geteuid()
	if spec.Cred != nil {
		uid = int(spec.Cred.UID)
	}
	l.voice, err = notify.Listen(filepath.Join(l.notifyDir, strconv.FormatUint(l.id.Incarnation, 10)), uid)
	if err != nil {
		return err
	}
	set := []string{"NOTIFY_SOCKET=" + l.voice.Path()}
	if l.kept != nil {
		set = append(set, "FDSTORE="+strconv.Itoa(maxKept))
	}
	if w := def.Watchdog; w != nil {
		set = append(set, "WATCHDOG_USEC="+strconv.FormatInt(time.Duration(w.Interval).Microseconds(), 10))
		spec.PIDEnv = []string{"WATCHDOG_PID"}
	}
	spec.Env = lastWins(append(spec.Env, set...))
	return nil
}

// wait returns how the main process ended, and hears what the service says until
// then.
func (l *life) wait() (proc.Exit, error) {
	for {
		ctx, turn := context.WithCancel(l.ctx)
		l.mu.Lock()
		main := l.main
		l.turn = turn
		l.mu.Unlock()
		exit, err := l.hearUntilExit(ctx, main)
		turn()
		l.mu.Lock()
		replaced := l.main != main
		l.mu.Unlock()
		if !replaced || l.ctx.Err() != nil {
			return exit, err
		}
	}
}

// hearUntilExit hears what the service says until a process has ended. What it
// had said by then has been heard.
func (l *life) hearUntilExit(ctx context.Context, main *proc.Process) (proc.Exit, error) {
	if l.voice == nil {
		return main.Wait(ctx)
	}
	hearing, stop := context.WithCancel(ctx)
	var ear sync.WaitGroup
	ear.Go(func() { l.complain(l.who, l.voice.Run(hearing, l.hear)) })
	exit, err := main.Wait(ctx)
	stop()
	ear.Wait()
	l.complain(l.who, l.voice.Drain(l.hear))
	return exit, err
}

// clear takes along what is left of the service when its main process has ended,
// and waits for it to be gone: nobody who has a copy of a listener shall take
// connections from the next start. It does not wait without a control group,
// where there is nothing to wait for.
func (l *life) clear() {
	l.signal(unix.SIGKILL)
	if l.group == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), killWait)
	defer cancel()
	l.complain(l.who, l.group.Wait(ctx))
}

// close takes away what is not a process.
func (l *life) close() error {
	var errs []error
	for _, p := range l.adopted {
		errs = append(errs, p.Close())
	}
	if l.voice != nil {
		errs = append(errs, l.voice.Close())
	}
	if l.group != nil {
		errs = append(errs, l.group.Remove())
	}
	return errors.Join(errs...)
}

// signal sends a signal to everything that belongs to the service.
func (l *life) signal(sig syscall.Signal) {
	l.processes.signal(l.first, sig, l.who)
	l.mu.Lock()
	main := l.main
	l.mu.Unlock()
	if l.group != nil || main == l.first {
		return // the group has it
	}
	if err := main.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.complain(l.who, err)
	}
}

// hear takes one message.
func (l *life) hear(r *notify.Received, err error) {
	if err == nil {
		err = l.refuse(r)
	}
	if err != nil {
		l.drop(err)
		return
	}
	if r.Fault != nil {
		l.drop(fmt.Errorf("message not understood: %w", r.Fault))
	}
	m := &r.Message
	if m.Access != 0 {
		l.mainOnly = m.Access == notify.AccessMain
	}
	l.keep(r)
	notice := flow.Notice{
		Ready: m.Ready, Reloading: m.Reloading, Stopping: m.Stopping, Status: m.Text(),
		Alive: m.Alive, Failing: m.Failing, Watchdog: m.Watchdog, Extend: m.Extend,
	}
	if m.MainPID != 0 {
		if err := l.follow(m.MainPID); err != nil {
			l.drop(err)
		} else {
			notice.MainPID = m.MainPID
		}
	}
	if notice != (flow.Notice{}) {
		l.daemon.loop.Post(flow.Notified{Process: l.id, Notice: notice})
	}
	if m.Barrier {
		l.release(r)
	}
}

// refuse says why a message must not count, or returns nil.
func (l *life) refuse(r *notify.Received) error {
	switch {
	case r.PIDFD < 0:
		return fmt.Errorf("message dropped: process %d has ended before it could be asked who it is", r.PID)
	case !l.first.Owns(r.PIDFD):
		return fmt.Errorf("message dropped: process %d does not belong to the service, or has ended before it could be asked", r.PID)
	case l.mainOnly && !l.isMain(r.PIDFD):
		return fmt.Errorf("message dropped: process %d is not the main process (NOTIFYACCESS=main)", r.PID)
	}
	return nil
}

func (l *life) isMain(pidfd int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.main.Is(pidfd)
}

// drop logs what is wrong with a message: the first time, the second, the fourth
// and so on, since a service may go on like that for ever.
func (l *life) drop(err error) {
	l.dropped++
	if bits.OnesCount(l.dropped) == 1 {
		l.log.LogAttrs(l.ctx, slog.LevelWarn, "message of a service is wrong", l.who, slog.Any("error", err), slog.Uint64("messages", uint64(l.dropped)))
	}
}

// keep stores descriptors that came with a message, or forgets stored ones.
func (l *life) keep(r *notify.Received) {
	if l.kept == nil {
		return
	}
	m := &r.Message
	if m.Remove && m.FDName != "" {
		l.kept.Remove(owner(l.id), m.FDName)
	}
	if m.Store && len(r.Files) > 0 {
		files := r.Files
		r.Files = nil // Add takes them over
		if err := l.kept.Add(owner(l.id), m.FDName, files, !m.NoPoll); err != nil {
			l.drop(err)
		}
	}
}

// follow makes another process of the service its main one.
func (l *life) follow(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("MAINPID=%d: %w", pid, err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	if !l.first.Owns(pidfd) {
		return fmt.Errorf("MAINPID=%d: the process does not belong to the service", pid)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.main.Is(pidfd) {
		return nil
	}
	next := l.first
	if !next.Is(pidfd) {
		if next, err = proc.Adopt(pidfd); err != nil {
			return fmt.Errorf("MAINPID=%d: %w", pid, err)
		}
		l.adopted = append(l.adopted, next)
	}
	l.main = next
	l.turn()
	return nil
}

// release closes the descriptor of a barrier once everything that was said before
// it has been carried out: that is what the service waits for. It is closed by a
// worker, because it is whatever the service has sent.
func (l *life) release(r *notify.Received) {
	if len(r.Files) != 1 {
		return // it is no barrier
	}
	fd := r.Files[0]
	r.Files = nil
	reached := make(chan struct{})
	l.lives.Go(func() {
		<-reached
		notify.Discard(fd)
	})
	l.daemon.loop.Deliver(func() flow.Event {
		close(reached)
		return nil
	}, func() { close(reached) })
}

// resourceLimits are the limits of a plan, in the order of their names.
func resourceLimits(limits map[string]plan.Limit) []proc.Limit {
	var list []proc.Limit
	for _, name := range sortedKeys(limits) {
		list = append(list, proc.Limit{Resource: name, Soft: limitValue(limits[name].Soft), Hard: limitValue(limits[name].Hard)})
	}
	return list
}

func limitValue(v int64) uint64 {
	if v == plan.Infinity {
		return proc.Infinity
	}
	return uint64(v)
}
