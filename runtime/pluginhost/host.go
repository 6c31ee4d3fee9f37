// Package pluginhost runs transport plugins for the daemon: programs that bind
// endpoints and hand the descriptors back over an inherited channel.
//
// A plugin is foreign code. It may write anything to any of its descriptors,
// answer wrongly or never, leave children behind or die at any moment, and none
// of that may stop, block or leak into the host. So go-plugin is used through a
// runner of our own ([process]) that shows it one checked line and nothing else
// of what the plugin writes, every call has a deadline, and what does not keep
// to the protocol is killed: the listeners live in the daemon, a plugin is
// disposable.
//
// The calls block; they are made by workers, not by the event loop. Whether a
// descriptor is the socket that was asked for is not decided here, but by
// runtime/listen, which asks the kernel.
package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Options configure a [Host]. Only Dirs and RuntimeDir have to be set.
type Options struct {
	// Dirs are searched in order for rind-transport-<name>.
	Dirs []string

	// RuntimeDir holds plugins/<name>, a directory of mode 0700 for the socket
	// of one plugin. It is made when the plugin starts and removed, with
	// whatever it holds, when the plugin ends. The path has to be short: a unix
	// socket address has 107 bytes.
	RuntimeDir string

	// Env is added to the environment of every plugin, as KEY=VALUE; variables
	// of the protocol cannot be set. The host's own environment is never passed
	// on.
	Env []string

	// Version is what plugins are told about the host in Describe.
	Version string

	// Log gets what plugins write to stderr and what they do wrong. It must not
	// make the caller wait for whoever reads it, or calls and the end of a plugin
	// take longer than their limits. Nil discards it.
	Log *slog.Logger

	// StartTimeout is from the start of the process to its handshake. Zero
	// means 5s.
	StartTimeout time.Duration

	// DescribeTimeout is for the first call. Zero means 1s.
	DescribeTimeout time.Duration

	// BindTimeout is for one call of Bind or BindBatch, which has
	// BindItemTimeout more for each item. Zero means 5s and 1ms.
	BindTimeout     time.Duration
	BindItemTimeout time.Duration

	// StopGrace is from the request to end to SIGKILL. Zero means 1.5s.
	StopGrace time.Duration
}

// Transport says which plugin is to bind, and what is known of it.
type Transport struct {
	Name string // of the plugin: its executable is rind-transport-Name

	// Manifest is "sha256:" and hex, as in the plan: the manifest that the plugin
	// must have been built with. Empty is any.
	Manifest string

	// Checksum is "sha256:" and hex: what the executable must be for it to be
	// executed at all. Empty is anything.
	Checksum string
}

// Endpoint is a socket to bind.
type Endpoint struct {
	ID      string            // the listener's, for the plugin's own records
	Scheme  string            // as the plugin's manifest names it: "tcp", "uds"
	Address string            // as the scheme writes it, expanded
	Options map[string]string // in the text form of the plan
	Prefer  []string          // of Options: the kernel may refuse these
	Backlog int               // for information: the host calls listen(2)
}

// Result is the outcome for one [Endpoint].
type Result struct {
	// FD is the bound socket, close-on-exec and the caller's to close, or -1.
	// It is what the plugin sent: nothing about it has been verified.
	FD int

	// Bound is the address that the plugin reports, for people to read.
	Bound string

	// Refused are the options that the socket does not have. Each is among the
	// endpoint's Prefer, and there once.
	Refused []Refusal

	// Err is a [*BindError] when the plugin could not bind, a [*PluginError]
	// when the plugin could not be used, or wraps the cause of the context's
	// end or [ErrClosed].
	Err error
}

// Refusal is an option that the kernel refused. The texts come from the plugin;
// they are bounded and have no control characters.
type Refusal struct {
	Option string
	Reason string // "operation not permitted (needs CAP_NET_ADMIN)"
}

// Status is what is known about one plugin.
type Status struct {
	Name       string
	Path       string // of the executable that was started last
	PID        int    // 0 when it is not running
	Launches   uint64
	Violations uint64 // of the descriptor protocol, by all its processes
	LastError  string
}

// Host runs plugins. Its methods may be called at the same time.
type Host struct {
	opts    Options
	starter *starter

	mu      sync.Mutex
	closed  bool
	plugins map[string]*plugin
	calls   map[uint64]context.CancelCauseFunc // of the calls of Bind that run
	nextID  uint64
	idle    chan struct{} // closed when the host is closed and no call runs
}

// New returns a host. It starts nothing: a plugin is started when the first of
// its endpoints is bound.
func New(opts Options) *Host {
	opts.StartTimeout = cmp.Or(opts.StartTimeout, 5*time.Second)
	opts.DescribeTimeout = cmp.Or(opts.DescribeTimeout, time.Second)
	opts.BindTimeout = cmp.Or(opts.BindTimeout, 5*time.Second)
	opts.BindItemTimeout = cmp.Or(opts.BindItemTimeout, time.Millisecond)
	opts.StopGrace = cmp.Or(opts.StopGrace, 1500*time.Millisecond)
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	return &Host{
		opts:    opts,
		starter: newStarter(),
		plugins: make(map[string]*plugin),
		calls:   make(map[uint64]context.CancelCauseFunc),
		idle:    make(chan struct{}),
	}
}

// Bind has the plugin of a transport bind all of eps and returns one result for
// each, in their order. It starts the plugin if none runs, and in the place of one
// that was started from an executable with another checksum. Success may be
// partial.
//
// Bind returns soon after ctx ends; descriptors that arrive later are closed.
func (h *Host) Bind(ctx context.Context, transport Transport, eps []Endpoint) []Result {
	if len(eps) == 0 {
		return nil
	}
	results := make([]Result, 0, len(eps))
	err := h.bind(ctx, transport, eps, &results)
	for len(results) < len(eps) {
		results = append(results, Result{FD: -1, Err: err})
	}
	return results
}

// bind appends results until there is one for each endpoint, or until an error
// that is the result of all the others.
func (h *Host) bind(ctx context.Context, transport Transport, eps []Endpoint, results *[]Result) error {
	ctx, leave, err := h.enter(ctx)
	if err != nil {
		return &PluginError{Transport: transport.Name, Err: err}
	}
	defer leave()
	p, err := h.plugin(transport.Name)
	if err != nil {
		return err
	}
	var mine *instance // the one that was started for this call
	retried := false
	for len(*results) < len(eps) {
		in, fresh, err := p.running(ctx, transport)
		if err != nil {
			return err
		}
		if fresh {
			mine = in
		}
		some, err := in.bind(ctx, eps[len(*results):])
		*results = append(*results, some...)
		switch {
		case err == nil:
		case died(err) && in != mine && !retried:
			// It was dead, or dying, before this call began, and a process that
			// is gone keeps nothing bound.
			retried = true
		default:
			return err
		}
	}
	return nil
}

// enter registers a call, so that Close can end it and wait for its end.
func (h *Host) enter(ctx context.Context) (context.Context, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	id := h.nextID
	h.nextID++
	h.calls[id] = cancel
	return ctx, func() {
		cancel(nil)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.calls, id)
		if h.closed && len(h.calls) == 0 {
			close(h.idle)
		}
	}, nil
}

// plugin returns the record of a transport's plugin.
func (h *Host) plugin(transport string) (*plugin, error) {
	if err := checkName(transport); err != nil {
		return nil, &PluginError{Transport: transport, Err: err}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.plugins[transport]
	if !ok {
		p = newPlugin(h, transport)
		h.plugins[transport] = p
	}
	return p, nil
}

// Status returns what is known about every plugin that was ever needed, sorted
// by name.
func (h *Host) Status() []Status {
	all := h.all()
	out := make([]Status, len(all))
	for i, p := range all {
		out[i] = p.status()
	}
	return out
}

// all returns the plugins sorted by name.
func (h *Host) all() []*plugin {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Sorted(maps.Keys(h.plugins))
	out := make([]*plugin, len(names))
	for i, name := range names {
		out[i] = h.plugins[name]
	}
	return out
}

// Close ends the calls that run with [ErrClosed], stops every plugin and removes
// their directories. When it returns nil, no process, goroutine or descriptor of
// the host is left. Until ctx ends, plugins have StopGrace to end by themselves;
// when ctx ends they are killed, and the error names those that are not gone.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		if len(h.calls) == 0 {
			close(h.idle)
		}
	}
	for _, cancel := range h.calls {
		cancel(ErrClosed)
	}
	h.mu.Unlock()

	var errs []error
	select {
	case <-h.idle:
	case <-ctx.Done():
		if !wait(h.idle, lag) {
			errs = append(errs, fmt.Errorf("close plugin host: calls have not ended: %w", context.Cause(ctx)))
		}
	}
	all := h.all()
	for _, p := range all {
		p.stop()
	}
	for _, p := range all {
		errs = append(errs, p.wait(ctx))
	}
	h.starter.close()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// With whatever a host that was killed has left there.
	if err := os.RemoveAll(filepath.Join(h.opts.RuntimeDir, pluginsDir)); err != nil {
		return fmt.Errorf("close plugin host: %w", err)
	}
	return nil
}
