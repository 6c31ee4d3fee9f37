package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/proc"
)

// runner starts programs, of services and of triggers, and logs what they print.
// Its methods may be called at the same time; only start blocks.
type runner struct {
	ctx     context.Context // of the output: it ends with the daemon
	tasks   *sync.WaitGroup // the daemon's
	log     *slog.Logger    // what the daemon says of them
	printed *slog.Logger    // what they print: a slow reader slows them down
}

// start starts a program whose output is logged as that of who, until its last
// writer is gone or the daemon ends.
func (r *runner) start(spec *proc.Spec, who slog.Attr) (*proc.Process, error) {
	out, err := proc.OpenOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	spec.Stdin, spec.Stdout, spec.Stderr = proc.Null, out.FD(), out.FD()
	process, err := proc.Start(spec)
	if err != nil {
		return nil, also(err, out.Close())
	}
	pid := slog.Int("pid", process.PID())
	r.tasks.Go(func() {
		r.complain(who, out.Run(r.ctx, func(line []byte) {
			r.printed.LogAttrs(r.ctx, slog.LevelInfo, "output", who, pid, slog.String("line", string(line)))
		}))
	})
	return process, nil
}

// bury takes along what is left of the group of a process that has ended, while
// the number of the group cannot be that of another, and frees the process.
func (r *runner) bury(process *proc.Process, who slog.Attr) {
	r.signal(process, syscall.SIGKILL, who)
	r.complain(who, process.Close())
}

// signal sends a signal to the group of a process. That nobody is there is no
// error.
func (r *runner) signal(process *proc.Process, sig syscall.Signal, who slog.Attr) {
	if err := process.SignalGroup(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.complain(who, err)
	}
}

// complain logs what should not happen and leaves everything in order.
func (r *runner) complain(who slog.Attr, err error) {
	if err != nil {
		r.log.LogAttrs(r.ctx, slog.LevelError, "process operation failed", who, slog.Any("error", err))
	}
}

// also adds an error that happened on the way out, on the same line.
func also(err, more error) error {
	if more == nil {
		return err
	}
	return fmt.Errorf("%w; also: %w", err, more)
}

// processes carries out the effects on processes. running belongs to the loop's
// goroutine.
type processes struct {
	*runner

	daemon  *daemon
	defs    map[plan.Name]*plan.Service
	environ []string
	running map[flow.ProcessID]*proc.Process
}

func newProcesses(r *runner, d *daemon, environ []string) *processes {
	p := &processes{
		runner: r, daemon: d, environ: environ,
		defs: map[plan.Name]*plan.Service{}, running: map[flow.ProcessID]*proc.Process{},
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
	var in handover
	for _, name := range f.Sockets {
		file, release, err := p.daemon.sockets.duplicate(name)
		if err != nil {
			in.release()
			p.daemon.loop.Post(flow.ProcessFailed{Process: f.Process, Reason: err.Error()})
			return
		}
		in.files = append(in.files, file)
		in.releases = append(in.releases, release)
	}
	p.tasks.Go(func() { p.serve(f.Process, in) })
}

// handover are the copies of listeners for one start of their owner.
type handover struct {
	files    []proc.File
	releases []func()
}

func (in handover) release() {
	for _, release := range in.releases {
		release()
	}
}

// serve is the life of one process of a service, from its start to its end.
func (p *processes) serve(id flow.ProcessID, in handover) {
	who := serviceAttr(id)
	process, err := p.startService(id, in.files, who)
	in.release()
	if err != nil {
		p.daemon.loop.Post(flow.ProcessFailed{Process: id, Reason: err.Error()})
		return
	}
	p.daemon.loop.Deliver(func() flow.Event {
		p.running[id] = process
		return flow.ProcessStarted{Process: id, PID: process.PID()}
	}, nil)
	exit, err := process.Wait(p.ctx)
	p.complain(who, err)
	bury := func() { p.bury(process, who) }
	p.daemon.loop.Deliver(func() flow.Event {
		delete(p.running, id)
		bury()
		return flow.ProcessExited{Process: id, Status: exitStatus(exit, err)}
	}, bury)
}

func (p *processes) startService(id flow.ProcessID, files []proc.File, attr slog.Attr) (*proc.Process, error) {
	def := p.defs[id.Service]
	run := &def.Run[id.Run]
	name := "service " + string(def.Name)
	who, err := lookupIdentity(def.User, def.Group)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p.start(&proc.Spec{
		Name: name, Exec: run.Exec, Args: run.Args, Env: environment(p.environ, who, run),
		Dir: def.WorkingDir, Cred: who.cred, Files: files,
	}, attr)
}

func serviceAttr(id flow.ProcessID) slog.Attr { return slog.String("service", string(id.Service)) }

// exitStatus is how a process ended, as the engine is told. What is not known is
// no success.
func exitStatus(exit proc.Exit, err error) flow.ExitStatus {
	switch {
	case err != nil || exit.Unknown:
		return flow.ExitStatus{Code: -1}
	case exit.Signal == 0:
		return flow.ExitStatus{Code: exit.Code}
	}
	name := unix.SignalName(exit.Signal)
	if name == "" { // the real-time signals have no names
		name = fmt.Sprintf("signal %d", int(exit.Signal))
	}
	return flow.ExitStatus{Signal: name}
}

// Kill implements [loop.Processes].
func (p *processes) Kill(k flow.Kill) {
	process := p.running[k.Process]
	if process == nil {
		return // it has ended, and its ProcessExited is on its way
	}
	p.signal(process, unix.SignalNum(k.Signal), serviceAttr(k.Process))
}

// Evaluate implements [loop.Processes].
func (p *processes) Evaluate(f flow.Evaluate) {
	p.daemon.loop.Post(flow.Evaluated{Eval: f.Eval, Reason: "not implemented"})
}

// Command implements [loop.Processes].
func (p *processes) Command(c flow.RunCommand) { p.daemon.commands.submit(c) }
