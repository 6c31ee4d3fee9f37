// Package daemon assembles rindrun from a plan and Options: the loop, the states
// on disk, the plugins, the listeners, the processes and the control socket. It
// decides nothing; the engine does.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/loop"
	"github.com/rind-sockets/rind/runtime/pluginhost"
)

// Options configure a daemon. Plan, RuntimeDir and SocketDir are required.
type Options struct {
	Plan *plan.Plan // valid

	// All paths are absolute: what they mean must not change with the working
	// directory.
	RuntimeDir string   // control socket, sockets of plugins; made if missing
	SocketDir  string   // base of relative uds paths; made when it is needed
	PluginDirs []string // searched in order
	StateDir   string   // durable states; made if missing; empty: states end with the daemon
	Control    string   // path of the control socket; empty: control.sock in RuntimeDir

	// Environ is what services inherit, before their own env, without what is
	// between the daemon and whoever started it (LISTEN_FDS, NOTIFY_SOCKET, …).
	Environ []string

	// Record, if set, gets a record of everything that happens, see package record.
	// It stays open.
	Record io.Writer

	// MetricsListen is where metrics and health checks are shown, a loopback
	// address or unix: and a path, as metrics.CheckAddress allows; empty: nowhere.
	MetricsListen string

	Version string

	// Log may make who writes to it wait. The daemon goes on meanwhile; services
	// that print wait, but at its end no longer than two seconds. Nil discards.
	Log *slog.Logger

	// Ready is called once every socket that the plan wants from the start is
	// open or has failed, unless the end has begun before. It may block; an error
	// is logged.
	Ready func() error

	// Reload gets a value for each request to load the plan's file again. It may be
	// nil.
	Reload <-chan struct{}

	// Load reads the plan at a path; "" is the file that Plan is from. Nil: there is
	// no other plan than Plan.
	Load func(path string) (*plan.Plan, error)

	// Reloading is called before a reload, and Ready after it, whatever came of it.
	// Nil is not called.
	Reloading func() error

	// Impatient gets a value for each further request to end at once, while the
	// daemon is already shutting down. It may be nil.
	Impatient <-chan struct{}
}

const (
	// commandGrace is how long the shutdown waits for programs of triggers,
	// usually of on-stop, before it kills them. Somebody who does not want to
	// wait for services still wants their sockets' on-stop to run.
	commandGrace = 5 * time.Second
	hurriedGrace = 2 * time.Second

	// closeTimeout bounds the end of the control socket and of the plugins,
	// which have limits of their own below it.
	closeTimeout = 5 * time.Second
)

// ErrPlugins says that a transport of the plan has no plugin.
var ErrPlugins = errors.New("missing plugin")

// daemon is one run of a plan.
type daemon struct {
	opts  Options
	relay *relay       // to opts.Log, which nothing else writes to
	log   *slog.Logger // never makes its caller wait
	host  *pluginhost.Host
	loop  *loop.Loop

	states    *states               // nil without a StateDir
	variables map[string]cond.Value // that the environment overrides
	rules     rules                 // the loop's, once it runs

	// grants is what was changed at run time about who holds the permissions. It belongs
	// to who has the turn of reloads, once the daemon runs.
	grants map[plan.Name]plan.Grant

	reloads reloads
	moments *moments
	begin   time.Time
	server  *control.Server

	addresses *addresses
	sockets   *sockets
	commands  *commands
	processes *processes
	observed  observation

	// tasks are the workers. They end when what they wait for ends, which the
	// shutdown of the engine brings about, or with their context.
	tasks sync.WaitGroup

	hurried bool // somebody does not want to wait for services; the loop's
}

// Run runs the plan until ctx ends or somebody asks for the end, then stops
// everything in order and returns. When it returns, also with an error, no
// process group that it started, no goroutine, descriptor or path of it is left,
// except directories, and a goroutine that is stuck in a write to the log.
func Run(ctx context.Context, opts Options) error {
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	opts.Control = cmp.Or(opts.Control, filepath.Join(opts.RuntimeDir, "control.sock"))
	d := &daemon{opts: opts, relay: newRelay(opts.Log.Handler())}
	defer d.relay.close()
	d.log = slog.New(d.relay)
	d.reloads.current, d.reloads.turn, d.reloads.changed = opts.Plan, make(chan struct{}, 1), make(chan struct{}, 1)
	d.moments, d.begin = newMoments(opts.Plan), time.Now()
	d.host = pluginhost.New(pluginhost.Options{
		Dirs: opts.PluginDirs, RuntimeDir: opts.RuntimeDir, Version: opts.Version, Log: d.log,
	})
	err := d.findPlugins(opts.Plan)
	if err != nil {
		return err // nothing has been touched
	}
	if d.variables, err = variables(opts.Plan, opts.Environ); err != nil {
		return err
	}
	lock, err := lockDir(opts.RuntimeDir)
	if err != nil {
		return err
	}
	return errors.Join(d.run(ctx), lock.release())
}

// findPlugins checks that there is a plugin for every transport of the plan.
func (d *daemon) findPlugins(p *plan.Plan) error {
	var missing []string
	for i := range p.Transports {
		if _, err := d.host.Find(p.Transports[i].PluginName()); err != nil {
			missing = append(missing, err.Error())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s", ErrPlugins, strings.Join(missing, "; "))
	}
	return nil
}

func (d *daemon) run(ctx context.Context) error {
	// Workers outlive ctx: it only begins the shutdown, which needs them.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	set, err := listen.NewSet()
	if err != nil {
		return fmt.Errorf("watch listeners: %w", err)
	}
	d.assemble(work, set)
	if err := d.openStates(work); err != nil {
		return errors.Join(err, set.Close())
	}
	granted := d.withGrants(d.opts.Plan)
	d.rules = resolveRules(granted, d.log)
	controls := control.Options{
		Plan: granted, Grant: d.grant, Engine: d.loop, Facts: d.facts, Log: d.log,
		Shutdown: func(cause string) { d.loop.Post(flow.Shutdown{Cause: cause}) },
		Logs:     d.processes.last.last,
	}
	if d.opts.Load != nil {
		controls.Reload = d.reload
	}
	d.reloads.turn <- struct{}{} // calls that need the server wait until it is there
	server, err := control.Listen(work, d.opts.Control, controls)
	d.server = server
	<-d.reloads.turn
	if err != nil {
		return errors.Join(err, d.closeStates(work), set.Close())
	}
	if err := d.observe(work); err != nil {
		return errors.Join(err, server.Close(work), d.closeStates(work), set.Close())
	}
	watching := make(chan error, 1)
	go func() { watching <- d.watch(work, set) }()
	endNodes := d.sockets.noticeNodes()
	listening := make(chan struct{})
	go d.listen(work, listening)
	following := make(chan struct{})
	d.addresses.follow(work, following)

	d.processes.open()
	recorder := d.startRecord()
	d.loop.Post(flow.Boot{})
	d.loop.Run(ctx)
	d.sockets.dismissAll()
	d.endRecord(recorder)

	d.finishCommands(work)
	closing, cancel := context.WithTimeout(work, closeTimeout)
	defer cancel()
	errs := []error{d.observed.close(closing), server.Close(closing), d.closeStates(closing), d.host.Close(closing)}
	stopWork()
	d.relay.end() // what services have printed is still on its way
	errs = append(errs, <-watching, set.Close())
	<-listening
	<-following
	d.tasks.Wait()
	errs = append(errs, d.processes.close(), endNodes())
	return errors.Join(errs...)
}

// assemble connects the parts, which nothing has started yet.
func (d *daemon) assemble(work context.Context, set *listen.Set) {
	r := &runner{ctx: work, tasks: &d.tasks, log: d.log, printed: slog.New(d.relay.patient()), last: newLastLines()}
	environ := inherited(d.opts.Environ)
	d.loop = loop.New(flow.New(d.opts.Plan, d.config()), d.log)
	d.commands = newCommands(r, environ)
	d.addresses = newAddresses(d.log, func() { d.loop.Post(flow.AddressesChanged{}) })
	d.sockets = newSockets(work, d, set)
	d.processes = newProcesses(r, d, environ)
	d.loop.Connect(d.sockets, d.processes, loop.Hooks{
		Ready: d.ready, Ending: d.ending, Plan: d.takePlan, Service: d.processes.takeService,
	})
}

func (d *daemon) ready() {
	d.observed.ready.Store(true)
	d.log.Info("ready", slog.Int("sockets", len(d.opts.Plan.Sockets)), slog.String("control", d.opts.Control))
	if d.opts.Ready != nil {
		d.tasks.Go(d.callReady) // it may block, and this is the loop
	}
}

func (d *daemon) callReady() {
	if err := d.opts.Ready(); err != nil {
		d.log.Warn("cannot tell that the daemon is ready", slog.Any("error", err))
	}
}

// ending makes whatever nobody needs any more end soon.
func (d *daemon) ending(cause string, again bool) {
	d.observed.ready.Store(false)
	d.log.Info("shutting down", slog.String("cause", cause), slog.Bool("hurry", again))
	if again {
		d.hurried = true
		d.sockets.stopOpening()
		return
	}
	d.sockets.finishOpening()
	d.commands.stopOthers()
}

// watch reports accesses until the daemon ends. A daemon that cannot see them is
// of no use, so it ends.
func (d *daemon) watch(ctx context.Context, set *listen.Set) error {
	err := set.Run(ctx, d.sockets.report)
	if err != nil {
		d.loop.Post(flow.Shutdown{Cause: err.Error()})
	}
	return err
}

// listen hears requests that do not come over the control socket.
func (d *daemon) listen(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.opts.Reload:
			d.tasks.Go(func() { d.reloadFile(ctx) })
		case <-d.opts.Impatient:
			d.loop.Post(flow.Shutdown{Cause: "asked again"})
		}
	}
}

// finishCommands waits for the programs of triggers, which have no loop any more.
func (d *daemon) finishCommands(ctx context.Context) {
	patience := commandGrace
	if d.hurried {
		patience = hurriedGrace
	}
	grace, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.commands.finish(grace)
}

// facts is what the status shows beyond the engine's own.
func (d *daemon) facts() control.Facts {
	f := control.Facts{Version: d.opts.Version, Store: d.storeFacts(), Begin: d.begin, Since: d.moments.at}
	for _, p := range d.host.Status() {
		f.Plugins = append(f.Plugins, &controlv1.PluginStatus{
			Name: p.Name, Path: p.Path, Pid: int32(p.PID), Launches: p.Launches, LastError: p.LastError,
		})
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.OpenDescriptors = len(fds) - 1 // the one that reads the directory
	}
	return f
}
