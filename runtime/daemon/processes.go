package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/notify"
	"github.com/rind-sockets/rind/runtime/proc"
)

// runner starts programs, of services and of triggers, and logs what they print.
// Its methods may be called at the same time; only start blocks.
type runner struct {
	ctx     context.Context // of the output: it ends with the daemon
	tasks   *sync.WaitGroup // the daemon's
	log     *slog.Logger    // what the daemon says of them
	printed *slog.Logger    // what they print: a slow reader slows them down
	last    *lastLines      // the same, of services
}

// start starts a program whose output is logged as that of who, until its last
// writer is gone or the daemon ends.
func (r *runner) start(spec *proc.Spec, who slog.Attr) (*proc.Process, error) {
	return r.startTo(spec, who, plan.Output{}, plan.Output{}, proc.Null)
}

// startTo is start for a program whose output goes somewhere else. Unless it is
// [proc.Null], conn is standard input, and standard output in place of stdout.
func (r *runner) startTo(spec *proc.Spec, who slog.Attr, stdout, stderr plan.Output, conn int) (*proc.Process, error) {
	if conn != proc.Null {
		stdout = plan.Output{To: "null"}
	}
	to, err := openOutputs(stdout, stderr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	spec.Stdin, spec.Stdout, spec.Stderr = conn, to.out, to.err
	if conn != proc.Null {
		spec.Stdout = conn
	}
	process, err := proc.Start(spec)
	if err != nil {
		return nil, also(err, to.discard())
	}
	to.started()
	if to.log != nil {
		r.print(to.log, who, process.PID())
	}
	return process, nil
}

// print logs what a program prints.
func (r *runner) print(out *proc.Output, who slog.Attr, pid int) {
	attr := slog.Int("pid", pid)
	r.tasks.Go(func() {
		r.complain(who, out.Run(r.ctx, func(line []byte) {
			if who.Key == serviceKey {
				r.last.add(who.Value.String(), pid, line)
			}
			r.printed.LogAttrs(r.ctx, slog.LevelInfo, "output", who, attr, slog.String("line", string(line)))
		}))
	})
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

	daemon      *daemon
	defs        map[plan.Name]*plan.Service
	environ     []string
	running     map[flow.ProcessID]*life
	evaluations *evaluations

	notifyDir string         // of the sockets that services speak to
	kept      *notify.Store  // of their descriptors; nil if there is none
	groups    *proc.Cgroups  // nil: they are held together by process groups
	lives     sync.WaitGroup // services, from their start to their burial
}

// maxKept is how many descriptors of one service are kept for its next start.
const maxKept = 128

func newProcesses(r *runner, d *daemon, environ []string) *processes {
	p := &processes{
		runner: r, daemon: d, environ: environ,
		defs: map[plan.Name]*plan.Service{}, running: map[flow.ProcessID]*life{},
		evaluations: newEvaluations(r, environ, d.loop.Post),
		notifyDir:   filepath.Join(d.opts.RuntimeDir, "notify"),
	}
	p.define(d.opts.Plan, nil)
	return p
}

// open makes what services share, also where the plan has none yet. What cannot be had is logged: they run without.
func (p *processes) open() {
	var err error
	if p.groups, err = proc.OpenCgroups(); err != nil {
		p.groups = nil
		p.log.LogAttrs(p.ctx, slog.LevelInfo, "services are held together by process groups only", slog.String("reason", err.Error()))
	} else {
		p.log.LogAttrs(p.ctx, slog.LevelInfo, "services are held together by control groups", slog.String("dir", p.groups.String()))
	}
	// What is in it is of a daemon that was killed: this one has the lock. Others
	// may reach a socket whose name they have been told, and not look for more.
	if err = errors.Join(os.RemoveAll(p.notifyDir), os.Mkdir(p.notifyDir, 0o711), os.Chmod(p.notifyDir, 0o711)); err != nil {
		p.log.LogAttrs(p.ctx, slog.LevelError, "services cannot say anything", slog.Any("error", err))
	}
	if p.kept, err = notify.NewStore(maxKept); err != nil {
		p.kept = nil
		p.log.LogAttrs(p.ctx, slog.LevelError, "descriptors of services are not kept", slog.Any("error", err))
		return
	}
	p.lives.Go(func() {
		err := p.kept.Run(p.ctx, func(owner, name string) {
			p.log.LogAttrs(p.ctx, slog.LevelInfo, "stored descriptor closed: its other end is gone",
				slog.String("service", owner), slog.String("name", name))
		})
		if err != nil {
			p.log.LogAttrs(p.ctx, slog.LevelError, "stored descriptors are not watched", slog.Any("error", err))
		}
	})
}

// close takes away what open has made, once every process is gone. Its context
// has ended.
func (p *processes) close() error {
	p.lives.Wait()
	var errs []error
	if p.kept != nil {
		errs = append(errs, p.kept.Close())
	}
	if p.groups != nil {
		errs = append(errs, p.groups.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.notifyDir))...)
}

// speaks says whether a service gets a socket for sd_notify(3).
func speaks(def *plan.Service) bool { return def.Notify || def.Watchdog != nil }

// owner is under which name the descriptors of an instance are kept.
func owner(id flow.ProcessID) string {
	if id.Instance == "" {
		return string(id.Service)
	}
	return string(id.Service) + "[" + id.Instance + "]"
}

// Spawn implements [loop.Processes]. The worker gets descriptors of its own, so
// that a socket may be stopped while its owner is being started.
func (p *processes) Spawn(f flow.Spawn) {
	def := p.defs[f.Process.Service]
	if def == nil { // cannot be: the engine starts nothing of services that are gone
		p.daemon.loop.Post(flow.ProcessFailed{Process: f.Process, Reason: "the plan has no such service any more"})
		return
	}
	in, err := p.handOver(f)
	if err != nil {
		p.lives.Go(in.release) // closing may take time
		p.daemon.loop.Post(flow.ProcessFailed{Process: f.Process, Reason: err.Error()})
		return
	}
	in.env = slices.Concat(in.env, p.daemon.observed.parent(f.Process))
	p.lives.Go(func() { p.serve(f, def, in) })
}

// handOver copies the listeners of an owner, and what it has left for its next
// start.
func (p *processes) handOver(f flow.Spawn) (handover, error) {
	in := handover{stdio: proc.Null}
	for _, name := range f.Sockets {
		file, release, err := p.daemon.sockets.duplicate(name)
		if err != nil {
			return in, err
		}
		in.add(file, release)
	}
	if f.Connection != 0 {
		return in, in.connect(p.daemon.sockets, f.Connection)
	}
	if p.kept == nil || !speaks(p.defs[f.Process.Service]) {
		return in, nil
	}
	copies, err := p.kept.Copies(owner(f.Process))
	if err != nil {
		return in, fmt.Errorf("service %s: %w", f.Process.Service, err)
	}
	for _, c := range copies {
		in.add(proc.File{FD: c.FD, Name: c.Name, Stored: true}, func() { _ = unix.Close(c.FD) })
	}
	return in, nil
}

// handover are the copies of descriptors for one start of a service.
type handover struct {
	files    []proc.File
	releases []func()
	env      []string // of a connection, and of a span
	stdio    int      // descriptor of a connection that is no file; proc.Null: there is none
}

// connect adds a copy of a connection.
func (in *handover) connect(s *sockets, id uint64) error {
	c, err := s.copyOf(id)
	if err != nil {
		return err
	}
	in.env = c.env
	if c.def.Stdio {
		in.stdio = c.fd
		in.releases = append(in.releases, c.release)
		return nil
	}
	in.add(c.file(), c.release)
	return nil
}

func (in *handover) add(file proc.File, release func()) {
	in.files = append(in.files, file)
	in.releases = append(in.releases, release)
}

func (in *handover) release() {
	for _, release := range in.releases {
		release()
	}
}

// serve is the life of one process of a service, from its start to its end.
func (p *processes) serve(f flow.Spawn, def *plan.Service, in handover) {
	l := &life{processes: p, def: def, id: f.Process, who: serviceAttr(f.Process)}
	err := l.start(f, &in)
	in.release()
	if err != nil {
		p.complain(l.who, l.close())
		p.daemon.loop.Post(flow.ProcessFailed{Process: l.id, Reason: err.Error()})
		return
	}
	p.daemon.loop.Deliver(func() flow.Event {
		p.running[l.id] = l
		return flow.ProcessStarted{Process: l.id, PID: l.first.PID()}
	}, nil)
	exit, err := l.wait()
	p.complain(l.who, err)
	l.clear()
	buried := make(chan struct{})
	bury := func() {
		p.bury(l.first, l.who)
		close(buried)
	}
	p.daemon.loop.Deliver(func() flow.Event {
		delete(p.running, l.id)
		bury()
		return flow.ProcessExited{Process: l.id, Status: exitStatus(exit, err)}
	}, bury)
	<-buried
	p.complain(l.who, l.close())
}

// serviceKey is the key of a service in the log.
const serviceKey = "service"

func serviceAttr(id flow.ProcessID) slog.Attr { return slog.String(serviceKey, owner(id)) }

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
	life := p.running[k.Process]
	if life == nil {
		return // it has ended, and its ProcessExited is on its way
	}
	sig := unix.SignalNum(k.Signal)
	if sig == 0 {
		p.complain(serviceAttr(k.Process), fmt.Errorf("signal %q: there is none of that name", k.Signal))
		return
	}
	life.signal(sig)
}

// Evaluate implements [loop.Processes].
func (p *processes) Evaluate(f flow.Evaluate) { p.evaluations.submit(f) }

// Command implements [loop.Processes].
func (p *processes) Command(c flow.RunCommand) { p.daemon.commands.submit(c) }
