package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/daemon"
)

// systemPluginDir is where packages install plugins.
const systemPluginDir = "/usr/lib/rind/plugins"

// runFlags are the flags of "rindrun run"; each is also a variable of the
// environment, which the flag overrides.
type runFlags struct {
	runtimeDir, stateDir, socketDir, control string
	pluginDirs                               []string
	logFormat, logLevel                      string
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run plan.json",
		Short: "run a plan in the foreground until SIGTERM or SIGINT",
		Long: `Run a plan in the foreground and log to standard error.

SIGTERM or SIGINT stops the services, closes the sockets, removes their paths and
ends the plugins; a second one does not wait for services that take their time.
With NOTIFY_SOCKET set, READY=1 is sent once the sockets of the plan are open.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.runtimeDir, "runtime-dir", envOr("RIND_RUNTIME_DIR", defaultRuntimeDir()), "directory for the control socket and the plugins' sockets ($RIND_RUNTIME_DIR)")
	flags.StringVar(&f.stateDir, "state-dir", envOr("RIND_STATE_DIR", "/var/lib/rind"), "directory for durable states; this version keeps states in memory only ($RIND_STATE_DIR)")
	flags.StringVar(&f.socketDir, "socket-dir", envOr("RIND_SOCKET_DIR", "/var/sock"), "base of relative uds paths ($RIND_SOCKET_DIR)")
	flags.StringArrayVar(&f.pluginDirs, "plugin-dir", envList("RIND_PLUGIN_DIR", defaultPluginDirs()), "directory of transport plugins, searched in order; may be repeated ($RIND_PLUGIN_DIR, separated by colons)")
	flags.StringVar(&f.control, "control", os.Getenv("RIND_CONTROL"), "path of the control socket; default control.sock in the runtime directory ($RIND_CONTROL)")
	flags.StringVar(&f.logFormat, "log-format", envOr("RIND_LOG_FORMAT", "auto"), "text, json, or auto: text on a terminal ($RIND_LOG_FORMAT)")
	flags.StringVar(&f.logLevel, "log-level", envOr("RIND_LOG_LEVEL", "info"), "debug, info, warn or error ($RIND_LOG_LEVEL)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, path string) error {
	log, err := f.logger(cmd)
	if err != nil {
		return &statusError{exitUsage, err}
	}
	p, err := load(path)
	if err != nil {
		return &statusError{exitInternal, err}
	}
	opts := daemon.Options{
		Plan: p, PluginDirs: f.pluginDirs, Environ: os.Environ(), Version: version, Log: log,
		Ready: func() {
			if _, err := sdnotify.SdNotify(false, sdnotify.SdNotifyReady); err != nil {
				log.Warn("cannot tell the service manager that we are ready", slog.Any("error", err))
			}
		},
	}
	for _, dir := range []struct {
		to   *string
		from string
	}{{&opts.RuntimeDir, f.runtimeDir}, {&opts.SocketDir, f.socketDir}, {&opts.Control, f.control}} {
		if *dir.to, err = absolute(dir.from); err != nil {
			return &statusError{exitInternal, err}
		}
	}
	ctx, impatient, stop := signals(cmd.Context())
	defer stop()
	opts.Impatient = impatient
	if err := daemon.Run(ctx, opts); err != nil {
		return &statusError{exitInternal, err}
	}
	return nil
}

func load(path string) (*plan.Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return p, nil
}

// signals returns a context that ends with the first signal, and a channel that
// gets a value for each further one.
func signals(parent context.Context) (ctx context.Context, impatient <-chan struct{}, stop func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancelCause(parent)
	got := make(chan os.Signal, 4)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGINT)
	again := make(chan struct{})
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			case sig := <-got:
				if ctx.Err() == nil {
					cancel(fmt.Errorf("signal %v", sig))
					continue
				}
				select {
				case again <- struct{}{}:
				case <-over:
					return
				}
			}
		}
	}()
	return ctx, again, func() {
		signal.Stop(got)
		close(over)
		cancel(nil)
	}
}

func (f *runFlags) logger(cmd *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %s: must be debug, info, warn or error", f.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	format := f.logFormat
	if format == "auto" {
		format = "json"
		if term.IsTerminal(int(os.Stderr.Fd())) {
			format = "text"
		}
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), opts)), nil
	}
	return nil, fmt.Errorf("--log-format %s: must be text, json or auto", f.logFormat)
}

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}

func envList(key string, fallback []string) []string {
	if v := os.Getenv(key); v != "" {
		return slices.DeleteFunc(filepath.SplitList(v), func(s string) bool { return s == "" })
	}
	return fallback
}

// defaultRuntimeDir is /run/rind for root, and below the user's own runtime
// directory for everybody else.
func defaultRuntimeDir() string {
	if os.Getuid() != 0 {
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			return filepath.Join(dir, "rind")
		}
	}
	return "/run/rind"
}

// defaultPluginDirs begins beside this program.
func defaultPluginDirs() []string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(exe))
	}
	return append(dirs, systemPluginDir)
}

// absolute makes a path independent of the working directory; empty stays.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if strings.ContainsRune(abs, 0) {
		return "", errors.New("a path cannot have a NUL byte")
	}
	return abs, nil
}
