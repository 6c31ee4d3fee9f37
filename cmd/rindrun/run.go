package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/daemon"
	"github.com/rind-sockets/rind/runtime/metrics"
)

// runFlags are the flags of "rindrun run"; each is also a variable of the
// environment, which the flag overrides.
type runFlags struct {
	runtimeDir, stateDir, socketDir, control string
	pluginDirs                               []string
	logFormat, logLevel                      string
	record, metricsListen                    string
	watch                                    bool
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run plan.json",
		Short: "run a plan in the foreground until SIGTERM or SIGINT",
		Long: `Run a plan in the foreground and log to standard error.

SIGTERM or SIGINT stops the services, closes the sockets, removes their paths and
ends the plugins; a second one does not wait for services that take their time.
SIGHUP loads the file of the plan again, as rindrun reload does. With NOTIFY_SOCKET set, READY=1 is sent once the sockets
of the plan are open. As the first process of a container, the daemon is a child of
this program, which forwards signals to it and reaps what falls to it. As root, the working directory is /.`,
		Example: `  rindrun run /run/rind/plan.json
  rindrun run --metrics-listen 127.0.0.1:9464 --watch plan.json`,
		Args: counted(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.runtimeDir, "runtime-dir", envOr("RIND_RUNTIME_DIR", defaultRuntimeDir()), "directory for the control socket and the plugins' sockets ($RIND_RUNTIME_DIR)")
	flags.StringVar(&f.stateDir, "state-dir", envOr("RIND_STATE_DIR", stateDirOf(os.Getuid())), "directory of the states that survive a restart ($RIND_STATE_DIR)")
	flags.StringVar(&f.socketDir, "socket-dir", envOr("RIND_SOCKET_DIR", "/var/sock"), "base of relative uds paths ($RIND_SOCKET_DIR)")
	flags.StringArrayVar(&f.pluginDirs, "plugin-dir", envList("RIND_PLUGIN_DIR", defaultPluginDirs()), "directory of transport plugins, searched in order; may be repeated ($RIND_PLUGIN_DIR, separated by colons)")
	flags.StringVar(&f.control, "control", os.Getenv("RIND_CONTROL"), "path of the control socket; default control.sock in the runtime directory ($RIND_CONTROL)")
	flags.StringVar(&f.logFormat, "log-format", envOr("RIND_LOG_FORMAT", formatAuto), "text, json, journal, or auto: journal where standard error is the journal, text on a terminal, else json ($RIND_LOG_FORMAT)")
	flags.StringVar(&f.logLevel, "log-level", envOr("RIND_LOG_LEVEL", "info"), "debug, info, warn or error ($RIND_LOG_LEVEL)")
	flags.StringVar(&f.record, "record", os.Getenv("RIND_RECORD"), "write everything that happens to this `file`, for rindrun replay ($RIND_RECORD)")
	flags.StringVar(&f.metricsListen, "metrics-listen", os.Getenv("RIND_METRICS_LISTEN"), "show Prometheus metrics, /healthz and /readyz at a loopback `address` or unix:/path ($RIND_METRICS_LISTEN)")
	flags.BoolVar(&f.watch, "watch", os.Getenv("RIND_WATCH") != "", "load the file of the plan again whenever it has changed ($RIND_WATCH, not empty)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, path string) error {
	log, err := newLogger(cmd.ErrOrStderr(), f.logFormat, f.logLevel)
	if err != nil {
		return &statusError{exitUsage, err}
	}
	if f.metricsListen != "" {
		if err := metrics.CheckAddress(f.metricsListen); err != nil {
			return &statusError{exitUsage, fmt.Errorf("--metrics-listen %w", err)}
		}
	}
	if os.Getpid() == firstProcess {
		return superviseAsInit(cmd.Context())
	}
	p, err := load(path)
	if err != nil {
		return &statusError{exitInternal, err}
	}
	if path, err = filepath.Abs(path); err != nil { // a reload reads it again
		return &statusError{exitInternal, err}
	}
	opts, err := f.options(p, log)
	if err != nil {
		return &statusError{exitInternal, err}
	}
	opts.Load = func(other string) (*plan.Plan, error) { return loadAgain(cmp.Or(other, path)) }
	if f.record != "" {
		// What is in it may be secret, as the payloads of states are.
		out, err := os.OpenFile(f.record, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		defer f.closeRecord(log, out)
		opts.Record = out
	}
	// A daemon does not hold on to a directory that it was started in by chance,
	// nor do the services that have none of their own.
	if os.Geteuid() == 0 {
		if err := os.Chdir("/"); err != nil {
			return &statusError{exitInternal, err}
		}
	}
	sig := notifySignals(cmd.Context())
	defer sig.stop()
	opts.Impatient, opts.Reload = sig.impatient, sig.reload
	if f.watch {
		stop, err := watchFile(path, func() { pass(sig.reload) }, log)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		defer stop()
	}
	if err := daemon.Run(sig.ctx, opts); err != nil {
		lastWord(cmd.ErrOrStderr(), err)
		return &statusError{status: exitInternal}
	}
	return nil
}

// closeRecord closes the record, of which a disk may tell only now that it has
// not got all.
func (f *runFlags) closeRecord(log *slog.Logger, out *os.File) {
	if err := out.Close(); err != nil {
		log.Error("the record is not complete", slog.Any("error", err))
	}
}

// lastWordTimeout bounds the last word of a daemon.
const lastWordTimeout = 2 * time.Second

// lastWord is complain for a daemon, which also ends when the reader of its
// standard error has stopped reading. Then the write, which cannot be cancelled,
// is left to the exit of the process.
func lastWord(w io.Writer, err error) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		complain(w, err)
	}()
	select {
	case <-said:
	case <-time.After(lastWordTimeout):
	}
}

// options returns what the daemon is told, with all paths made absolute.
func (f *runFlags) options(p *plan.Plan, log *slog.Logger) (daemon.Options, error) {
	opts := daemon.Options{
		Plan: p, RuntimeDir: f.runtimeDir, StateDir: f.stateDir, SocketDir: f.socketDir, Control: f.control,
		PluginDirs: slices.Clone(f.pluginDirs), Environ: os.Environ(), MetricsListen: f.metricsListen, Version: version, Log: log,
		Ready:     func() error { return notify(os.Getenv("NOTIFY_SOCKET"), "READY=1") },
		Reloading: func() error { return notify(os.Getenv("NOTIFY_SOCKET"), reloading()) },
	}
	paths := []*string{&opts.RuntimeDir, &opts.StateDir, &opts.SocketDir, &opts.Control}
	for i := range opts.PluginDirs {
		paths = append(paths, &opts.PluginDirs[i])
	}
	for _, path := range paths {
		if *path == "" {
			continue // the default of the daemon
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return daemon.Options{}, fmt.Errorf("%s: %w", *path, err)
		}
		*path = abs
	}
	return opts, nil
}
