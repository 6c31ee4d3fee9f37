// Package daemon assembles rindrun from a plan and Options: the loop, the
// plugins, the listeners, the processes and the control socket. It decides
// nothing; the engine does.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/loop"
	"github.com/rind-sockets/rind/runtime/pluginhost"
)

// Options configure a daemon. Plan, RuntimeDir and SocketDir are required.
type Options struct {
	Plan *plan.Plan // valid

	RuntimeDir string   // control socket, sockets of plugins; made if missing
	SocketDir  string   // base of relative uds paths; made when it is needed
	PluginDirs []string // searched in order
	Control    string   // path of the control socket; empty: control.sock in RuntimeDir

	// Environ is what services inherit, before their own env. LISTEN_* and
	// NOTIFY_SOCKET in it are the daemon's and are not passed on.
	Environ []string

	Version string
	Log     *slog.Logger // nil discards

	// Ready is called once every socket that the plan wants from the start is
	// open or has failed.
	Ready func()

	// Impatient gets a value for each further request to end at once, while the
	// daemon is already shutting down. It may be nil.
	Impatient <-chan struct{}
}

// stopTimeout bounds what comes after the engine's own shutdown.
const stopTimeout = 5 * time.Second

// ErrPlugins says that a transport of the plan has no plugin.
var ErrPlugins = errors.New("missing plugin")

// Daemon runs one plan.
type Daemon struct {
	opts Options
	host *pluginhost.Host
	loop *loop.Loop
	lock *os.File

	// tasks are the workers. They end when what they wait for ends, which the
	// shutdown of the engine brings about, or with their context.
	tasks sync.WaitGroup
}

// Run runs the plan until ctx ends or somebody asks for the end, then stops
// everything in order and returns. When it returns, no process that it started,
// no goroutine, descriptor or path of it is left.
func Run(ctx context.Context, opts Options) error {
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	opts.Control = cmp.Or(opts.Control, filepath.Join(opts.RuntimeDir, "control.sock"))
	d := &Daemon{opts: opts}
	if err := d.prepare(); err != nil {
		return err
	}
	return errors.Join(d.run(ctx), d.lock.Close())
}

// prepare does what can fail before anything is started.
func (d *Daemon) prepare() error {
	if err := os.MkdirAll(d.opts.RuntimeDir, 0o755); err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	d.host = pluginhost.New(pluginhost.Options{
		Dirs: d.opts.PluginDirs, RuntimeDir: d.opts.RuntimeDir,
		Version: d.opts.Version, Log: d.opts.Log,
	})
	var errs []error
	for _, t := range d.opts.Plan.Transports {
		if _, err := d.host.Find(t.Name); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrPlugins, err)
	}
	return d.takeLock()
}

// takeLock makes sure that there is one daemon per runtime directory.
func (d *Daemon) takeLock() error {
	path := filepath.Join(d.opts.RuntimeDir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	if err := flock(f); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another rindrun uses it: stop it or choose another --runtime-dir")
		}
		return errors.Join(fmt.Errorf("runtime directory %s: %w", d.opts.RuntimeDir, err), f.Close())
	}
	d.lock = f
	return nil
}

// flock takes an exclusive lock without waiting. It uses SyscallConn and not Fd,
// which would make the file blocking.
func flock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lerr error
	err = raw.Control(func(fd uintptr) { lerr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return cmp.Or(err, lerr)
}

func (d *Daemon) run(ctx context.Context) error {
	set, err := listen.NewSet()
	if err != nil {
		return fmt.Errorf("watch listeners: %w", err)
	}
	d.loop = loop.New(flow.New(d.opts.Plan), d.opts.Log)

	// Workers outlive ctx: it only begins the shutdown, which needs them.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	socks := newSockets(work, d, set)
	procs := newProcesses(work, d, socks)
	d.loop.Connect(socks, procs, d.ready)

	server, err := control.Listen(work, d.opts.Control, control.Options{
		Plan: d.opts.Plan, Engine: d.loop, Facts: d.facts, Log: d.opts.Log,
		Shutdown: func(cause string) { d.loop.Post(flow.Shutdown{Cause: cause}) },
	})
	if err != nil {
		return errors.Join(err, set.Close())
	}
	watching := make(chan error, 1)
	go func() { watching <- set.Run(work, socks.report) }()
	hurrying := make(chan struct{})
	go d.hurry(work, hurrying)

	d.loop.Post(flow.Boot{})
	d.loop.Run(ctx)

	closing, cancel := context.WithTimeout(work, stopTimeout)
	defer cancel()
	errs := []error{server.Close(closing), d.host.Close(closing)}
	stopWork()
	errs = append(errs, <-watching, set.Close())
	<-hurrying
	d.tasks.Wait()
	return errors.Join(append(errs, d.removeRuntimeFiles())...)
}

func (d *Daemon) ready() {
	d.opts.Log.Info("ready", slog.Int("sockets", len(d.opts.Plan.Sockets)), slog.String("control", d.opts.Control))
	if d.opts.Ready != nil {
		d.opts.Ready()
	}
}

// hurry passes on that somebody does not want to wait for services any longer.
func (d *Daemon) hurry(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.opts.Impatient:
			d.loop.Post(flow.Shutdown{Cause: "asked again"})
		}
	}
}

// removeRuntimeFiles leaves the runtime directory as it was found, but for the
// directory itself and the lock, which another daemon may be waiting for.
func (d *Daemon) removeRuntimeFiles() error {
	if err := os.Remove(filepath.Join(d.opts.RuntimeDir, "lock")); err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	return nil
}

// facts is what the status shows beyond the engine's own.
func (d *Daemon) facts() control.Facts {
	f := control.Facts{Version: d.opts.Version}
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

// manifestOf returns the manifest that the plan was compiled with.
func manifestOf(p *plan.Plan, transport string) string {
	i := slices.IndexFunc(p.Transports, func(t plan.Transport) bool { return t.Name == transport })
	if i < 0 {
		return ""
	}
	return p.Transports[i].Manifest
}
