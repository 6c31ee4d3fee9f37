package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/proc"
)

// processes carries out the effects on processes. running belongs to the loop's
// goroutine.
type processes struct {
	ctx     context.Context //nolint:containedctx // of the workers: it ends with the daemon, not with a call
	daemon  *Daemon
	sockets *sockets
	defs    map[plan.Name]*plan.Service
	environ []string

	running map[flow.ProcessID]*proc.Process

	mu    sync.Mutex // workers look users up
	users map[[2]string]identity
}

// identity is who runs a service, and what its environment says of that.
type identity struct {
	cred *proc.Credential
	env  []string
}

// private are the variables that are between the daemon and whoever started it.
var private = []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "FDSTORE"}

func newProcesses(ctx context.Context, d *Daemon, s *sockets) *processes {
	p := &processes{
		ctx: ctx, daemon: d, sockets: s,
		defs:    map[plan.Name]*plan.Service{},
		running: map[flow.ProcessID]*proc.Process{},
		users:   map[[2]string]identity{},
		environ: slices.DeleteFunc(slices.Clone(d.opts.Environ), func(kv string) bool {
			key, _, _ := strings.Cut(kv, "=")
			return slices.Contains(private, key)
		}),
	}
	for i := range d.opts.Plan.Services {
		def := &d.opts.Plan.Services[i]
		p.defs[def.Name] = def
	}
	return p
}

// Spawn implements [loop.Processes]. The worker gets descriptors of its own, so
// that a socket may be stopped while its owner is being started.
func (p *processes) Spawn(f flow.Spawn) {
	files := make([]proc.File, 0, len(f.Sockets))
	for _, name := range f.Sockets {
		fd, def, err := p.sockets.duplicate(name)
		if err != nil {
			closeFiles(files)
			p.daemon.loop.Post(flow.ProcessFailed{Process: f.Process, Reason: err.Error()})
			return
		}
		files = append(files, proc.File{FD: fd, Name: def.FDName, NonBlock: def.NonBlocking})
	}
	p.daemon.tasks.Go(func() { p.serve(f.Process, files) })
}

func closeFiles(files []proc.File) {
	for _, f := range files {
		_ = unix.Close(f.FD)
	}
}

// serve is the life of one process of a service, from its start to its end.
func (p *processes) serve(id flow.ProcessID, files []proc.File) {
	def := p.defs[id.Service]
	process, out, err := p.start(def, &def.Run[id.Run], files)
	closeFiles(files)
	if err != nil {
		p.daemon.loop.Post(flow.ProcessFailed{Process: id, Reason: err.Error()})
		return
	}
	p.log(out, string(def.Name), process.PID())
	p.daemon.loop.Deliver(func() flow.Event {
		p.running[id] = process
		return flow.ProcessStarted{Process: id, PID: process.PID()}
	})
	exit := p.wait(process, string(def.Name))
	p.daemon.loop.Deliver(func() flow.Event {
		delete(p.running, id)
		p.complain(string(def.Name), process.Close())
		return flow.ProcessExited{Process: id, Status: exit}
	})
}

// start starts a process and the pipe for what it prints.
func (p *processes) start(def *plan.Service, run *plan.Command, files []proc.File) (*proc.Process, *proc.Output, error) {
	name := "service " + string(def.Name)
	who, err := p.identity(def.User, def.Group)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return p.spawn(&proc.Spec{
		Name: name, Exec: run.Exec, Args: run.Args, Env: p.environment(who, run),
		Dir: def.WorkingDir, Cred: who.cred, Files: files,
	})
}

func (p *processes) spawn(spec *proc.Spec) (*proc.Process, *proc.Output, error) {
	out, err := proc.OpenOutput()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	spec.Stdin, spec.Stdout, spec.Stderr = proc.Null, out.FD(), out.FD()
	process, err := proc.Start(spec)
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return process, out, nil
}

// environment is the daemon's own, then what belongs to the user, then what the
// unit says.
func (p *processes) environment(who identity, run *plan.Command) []string {
	env := slices.Concat(p.environ, who.env)
	for _, key := range slices.Sorted(maps.Keys(run.Env)) {
		env = append(env, key+"="+run.Env[key])
	}
	return lastWins(env)
}

// lastWins drops all but the last entry of each variable: of two, getenv(3) would
// find the first.
func lastWins(env []string) []string {
	seen := map[string]bool{}
	kept := make([]string, 0, len(env))
	for _, kv := range slices.Backward(env) {
		key, _, _ := strings.Cut(kv, "=")
		if !seen[key] {
			seen[key] = true
			kept = append(kept, kv)
		}
	}
	slices.Reverse(kept)
	return kept
}

// identity looks a user up once; the plan does not change while it runs.
func (p *processes) identity(name, group string) (identity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{name, group}
	if who, ok := p.users[key]; ok {
		return who, nil
	}
	cred, err := proc.LookupCredential(name, group)
	if err != nil {
		return identity{}, err
	}
	who := identity{cred: cred}
	if name != "" {
		if u, err := user.LookupId(strconv.FormatUint(uint64(cred.UID), 10)); err == nil {
			who.env = []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
		}
	}
	p.users[key] = who
	return who, nil
}

// log hands on what a process prints, until its last writer is gone or the
// daemon ends.
func (p *processes) log(out *proc.Output, name string, pid int) {
	p.daemon.tasks.Go(func() {
		p.complain(name, out.Run(p.ctx, proc.LogLines(p.daemon.opts.Log, name, pid)))
	})
}

// wait waits for the end of a process and takes what is left of its group with
// it, as long as the number of the group cannot belong to anybody else.
func (p *processes) wait(process *proc.Process, name string) flow.ExitStatus {
	exit, err := process.Wait(p.ctx)
	p.complain(name, err)
	if err := process.SignalGroup(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.complain(name, err)
	}
	status := flow.ExitStatus{Code: exit.Code}
	if exit.Signal != 0 {
		status.Signal = unix.SignalName(exit.Signal)
		if status.Signal == "" {
			status.Signal = fmt.Sprintf("signal %d", int(exit.Signal))
		}
	}
	return status
}

// Kill implements [loop.Processes].
func (p *processes) Kill(k flow.Kill) {
	process := p.running[k.Process]
	if process == nil {
		return // it has ended, and its ProcessExited is on its way
	}
	sig := syscall.SIGTERM
	if k.Force {
		sig = syscall.SIGKILL
	}
	if err := process.SignalGroup(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.complain(string(k.Process.Service), err)
	}
}

// Command implements [loop.Processes]: a trigger's program runs beside everything
// else, with no listener, and its failure is worth a line in the log.
func (p *processes) Command(c flow.RunCommand) {
	p.daemon.tasks.Go(func() {
		name := "trigger of " + c.Cause
		process, out, err := p.spawn(&proc.Spec{
			Name: name, Exec: c.Argv[0], Args: c.Argv[1:], Env: lastWins(append(slices.Clone(p.environ), c.Env...)),
		})
		if err != nil {
			p.complain(name, err)
			return
		}
		p.log(out, name, process.PID())
		exit, err := process.Wait(p.ctx)
		if p.ctx.Err() != nil { // the daemon ends: a program that is still running goes with it
			err = process.SignalGroup(syscall.SIGKILL)
			if errors.Is(err, os.ErrProcessDone) {
				err = nil
			}
		}
		p.complain(name, errors.Join(err, process.Close()))
		if exit != (proc.Exit{}) {
			p.daemon.opts.Log.LogAttrs(p.ctx, slog.LevelWarn, "trigger command failed",
				slog.String("trigger", c.Cause), slog.String("exit", exit.String()))
		}
	})
}

// complain logs what should not happen and leaves everything in order.
func (p *processes) complain(name string, err error) {
	if err != nil {
		p.daemon.opts.Log.LogAttrs(p.ctx, slog.LevelError, "process operation failed",
			slog.String("process", name), slog.Any("error", err))
	}
}
