package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/loop"
	"github.com/rind-sockets/rind/runtime/metrics"
	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/tracing"
)

// observation shows what the daemon does: to whoever asks over HTTP, and to the
// collector of spans that the environment names.
type observation struct {
	daemon  *daemon
	metrics *metrics.Metrics
	server  *metrics.Server
	tracer  *tracing.Tracer // nil: nobody wants spans
	ready   atomic.Bool
	reloads struct{ done, failed atomic.Uint64 } // dry runs do not count
}

// reloaded counts an attempt to load another plan.
func (o *observation) reloaded(done bool) {
	if done {
		o.reloads.done.Add(1)
	} else {
		o.reloads.failed.Add(1)
	}
}

// observe begins to show metrics and to send spans, if somebody wants them. It must be
// called before the loop runs. Spans that cannot be had are no reason not to run.
func (d *daemon) observe(work context.Context) error {
	d.observed.daemon = d
	wanted, err := tracing.Wanted(d.opts.Environ)
	if wanted {
		d.observed.tracer, err = tracing.New(work, tracing.Options{
			Version: d.opts.Version, Environ: d.opts.Environ, Log: d.log, Now: time.Now,
		})
	}
	if err != nil {
		d.observed.tracer = nil
		d.log.WarnContext(work, "no spans are sent", slog.Any("error", err))
	}
	if d.opts.MetricsListen == "" {
		return nil
	}
	d.observed.metrics = metrics.New(work, metrics.Options{
		Version: d.opts.Version,
		Look:    d.observed.look,
		Alive:   func(ctx context.Context) error { return d.loop.Look(ctx, func() {}) },
		Load:    d.observed.load,
		Plugins: d.observed.plugins,
		Spans:   d.observed.spans,
		Reloads: d.observed.reloadCounts,
		Ready:   d.observed.ready.Load,
		Now:     time.Now,
	})
	if d.observed.server, err = d.observed.metrics.Serve(work, d.opts.MetricsListen, d.log); err != nil {
		return errors.Join(err, d.observed.close(work))
	}
	d.log.InfoContext(work, "metrics are shown", slog.String("address", d.observed.server.Addr().String()))
	return nil
}

// recorders tells all of them.
type recorders []loop.Recorder

// Step implements [loop.Recorder].
func (r recorders) Step(ev flow.Event, effects []flow.Effect) {
	for _, one := range r {
		one.Step(ev, effects)
	}
}

// close ends what observe has begun.
func (o *observation) close(ctx context.Context) error {
	if o.tracer != nil {
		o.tracer.Close(ctx)
	}
	if o.server == nil {
		return nil
	}
	return o.server.Close(ctx)
}

// look returns the state of every unit, and what waits in open sockets.
func (o *observation) look(ctx context.Context) (metrics.View, error) {
	snap, err := o.daemon.loop.Snapshot(ctx)
	if err != nil {
		return metrics.View{}, err
	}
	cookies := map[plan.Name]uint64{}
	err = o.daemon.loop.Look(ctx, func() {
		for name, li := range o.daemon.sockets.open {
			cookies[name] = li.facts.Cookie
		}
	})
	if err != nil {
		return metrics.View{}, err
	}
	view := metrics.View{Snapshot: snap, Queues: map[plan.Name]metrics.Queue{}}
	waiting, err := peer.Queues()
	if err != nil {
		// The rest is worth showing; a kernel without sock_diag stays without it.
		o.daemon.log.LogAttrs(ctx, slog.LevelDebug, "queues cannot be seen", slog.Any("error", err))
		return view, nil
	}
	for name, cookie := range cookies {
		if q, ok := waiting[cookie]; ok {
			view.Queues[name] = metrics.Queue{Datagrams: !q.Listening, Length: q.Length}
		}
	}
	return view, nil
}

func (o *observation) load() metrics.Load {
	l := o.daemon.loop.Load()
	return metrics.Load{Busy: l.Busy, Steps: l.Steps, Longest: l.Longest, Inbox: l.Inbox}
}

func (o *observation) reloadCounts() metrics.Reloads {
	return metrics.Reloads{Done: o.reloads.done.Load(), Failed: o.reloads.failed.Load()}
}

// spans returns what has become of spans; nil: nobody wants any.
func (o *observation) spans() *metrics.Spans {
	if o.tracer == nil {
		return nil
	}
	c := o.tracer.Counts()
	return &metrics.Spans{Sent: c.Sent, Overflown: c.Overflown, Failed: c.Failed}
}

// parent returns the variables that say which span a process that is about to be
// started belongs to.
func (o *observation) parent(id flow.ProcessID) []string {
	if o.tracer == nil {
		return nil
	}
	if parent := o.tracer.Parent(id); parent != "" {
		return []string{"TRACEPARENT=" + parent}
	}
	return nil
}

func (o *observation) plugins() []metrics.Plugin {
	var out []metrics.Plugin
	for _, p := range o.daemon.host.Status() {
		out = append(out, metrics.Plugin{Name: p.Name, Running: p.PID != 0, Launches: p.Launches, Violations: p.Violations})
	}
	return out
}
