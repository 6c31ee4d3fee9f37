// Package tracing sends a span to OpenTelemetry for each activation of a service, with
// one for each of its parts: the start of the process, and its readiness; and one for
// each listener that a plugin opens. Everything is configured by the variables of the
// [specification], and off unless they ask for it.
//
// Spans are made on the loop's goroutine, which takes microseconds, and sent by one of
// their own.
//
// [specification]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/activation"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Options of a Tracer. All fields are required.
type Options struct {
	Version string
	Environ []string // as os.Environ returns it; the SDK reads that itself
	Log     *slog.Logger
	Now     func() time.Time
}

// Counts are what has become of the spans that were sampled and are over.
type Counts struct {
	Sent      uint64
	Overflown uint64 // dropped, because too many waited
	Failed    uint64 // dropped, because the collector did not take them
}

// Tracer makes spans. Step and Parent belong to the loop's goroutine.
type Tracer struct {
	opts     Options
	base     context.Context // of spans without parent: whatever started the daemon is long over
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	out      *sender
	client   *http.Client

	tracker *activation.Tracker
	open    map[flow.ProcessID]*spans
	opening map[plan.Name]trace.Span
}

// spans are those of one activation.
type spans struct {
	ctx     context.Context // has root
	root    trace.Span
	spawn   trace.Span
	started time.Time // zero: there is no process yet
}

// New returns a tracer that sends to the collector of the environment, until Close. It
// does not look whether there is one. It is meant to be called once in a process, for
// what the SDK has to say is said to the log from then on.
func New(ctx context.Context, o Options) (*Tracer, error) {
	otel.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		o.Log.WarnContext(ctx, "spans", slog.Any("error", err))
	}))
	client, err := parseEnviron(o.Environ).client()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("exporter of spans: %w", err)
	}
	// The environment comes last: its names are the ones that count.
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attribute.String("service.name", "rindrun"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv())
	if err != nil {
		o.Log.WarnContext(ctx, "spans say less of where they come from", slog.Any("error", err))
	}
	base := context.WithoutCancel(ctx)
	out := newSender(base, exporter, o.Log)
	queue := sdk.NewBatchSpanProcessor(out, sdk.WithMaxQueueSize(maxWaiting))
	t := &Tracer{
		opts: o, base: base, out: out, client: client, tracker: activation.NewTracker(),
		open: map[flow.ProcessID]*spans{}, opening: map[plan.Name]trace.Span{},
		provider: sdk.NewTracerProvider(sdk.WithSpanProcessor(gate{queue, out}), sdk.WithResource(about)),
	}
	t.tracer = t.provider.Tracer("github.com/rind-sockets/rind", trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// Counts returns what has become of spans. It may be called at any time.
func (t *Tracer) Counts() Counts {
	return Counts{t.out.sent.Load(), t.out.overflown.Load(), t.out.failed.Load()}
}

// closeGrace is how long the end waits for a collector to take what is left.
const closeGrace = 2 * time.Second

// Close sends what is left, for no longer than two seconds, and ends what New has
// begun. That spans are lost is logged; it is no failure of whoever made them.
func (t *Tracer) Close(ctx context.Context) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	if err := t.provider.Shutdown(grace); err != nil {
		t.opts.Log.WarnContext(ctx, "the last spans are lost", slog.Any("error", err))
	}
	t.out.end()
	<-t.out.ended // soon: nothing can be sent any more
	t.client.CloseIdleConnections()
}

// Step is told every event and its effects, in order, as [loop.Recorder] says.
//
// [loop.Recorder]: https://pkg.go.dev/github.com/rind-sockets/rind/runtime/loop#Recorder
func (t *Tracer) Step(ev flow.Event, effects []flow.Effect) {
	now := t.opts.Now()
	for _, c := range t.tracker.Step(ev, effects, now) {
		t.changed(c, now)
	}
	switch ev := ev.(type) {
	case flow.Opened:
		t.opened(ev.Socket, now, attribute.StringSlice("rind.addresses", ev.Addresses))
	case flow.OpenFailed:
		if s := t.opening[ev.Socket]; s != nil {
			s.SetStatus(codes.Error, ev.Reason)
		}
		t.opened(ev.Socket, now, attribute.Bool("rind.retried", ev.Retry))
	case flow.Closed:
		t.opened(ev.Socket, now) // it was stopped meanwhile
	default: // has no span
	}
	for _, f := range effects {
		if f, ok := f.(flow.OpenSocket); ok {
			t.opened(f.Socket, now) // lest one is forgotten
			_, t.opening[f.Socket] = t.begin(t.base, "open "+string(f.Socket), now, attribute.String("rind.socket", string(f.Socket)))
		}
	}
}

func (t *Tracer) begin(ctx context.Context, name string, at time.Time, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithAttributes(attrs...))
}

// opened ends the span of a listener that is being opened, if there is one.
func (t *Tracer) opened(name plan.Name, at time.Time, attrs ...attribute.KeyValue) {
	s := t.opening[name]
	if s == nil {
		return
	}
	delete(t.opening, name)
	s.SetAttributes(attrs...)
	s.End(trace.WithTimestamp(at))
}

// changed follows an activation.
func (t *Tracer) changed(c activation.Change, now time.Time) {
	if c.Kind == activation.Begun {
		t.open[c.Process] = t.begun(c, now)
		return
	}
	s := t.open[c.Process]
	if s == nil {
		return // cannot be: Begun comes first
	}
	if c.Kind == activation.Started {
		s.root.SetAttributes(attribute.Int("process.pid", c.PID))
		s.spawn.End(trace.WithTimestamp(now))
		s.started = now
		return
	}
	delete(t.open, c.Process)
	last := s.spawn
	if now.After(s.started) && !s.started.IsZero() { // else it was ready with its exec
		_, last = t.begin(s.ctx, "ready", s.started)
	}
	if c.Kind == activation.Failed {
		last.SetStatus(codes.Error, c.Reason)
		s.root.SetStatus(codes.Error, c.Reason)
	}
	last.End(trace.WithTimestamp(now)) // does nothing to one that has ended
	s.root.End(trace.WithTimestamp(now))
}

// begun begins the span of an activation when its first access was.
func (t *Tracer) begun(c activation.Change, now time.Time) *spans {
	sockets := make([]string, len(c.Sockets))
	for i, name := range c.Sockets {
		sockets[i] = string(name)
	}
	attrs := []attribute.KeyValue{attribute.String("rind.service", string(c.Process.Service)), attribute.StringSlice("rind.sockets", sockets)}
	if c.Process.Instance != "" {
		attrs = append(attrs, attribute.String("rind.instance", c.Process.Instance))
	}
	s := &spans{}
	s.ctx, s.root = t.begin(t.base, "activate "+string(c.Process.Service), c.Begin(), attrs...)
	_, s.spawn = t.begin(s.ctx, "spawn", now)
	return s
}

// Parent returns what the spans of a process that is about to be started, or is not
// ready yet, belong to, in the form of a traceparent header of [Trace Context]; ""
// without an access that started it. It also says whether that is sampled.
//
// [Trace Context]: https://www.w3.org/TR/trace-context/#traceparent-header
func (t *Tracer) Parent(id flow.ProcessID) string {
	s := t.open[id]
	if s == nil {
		return ""
	}
	of := s.root.SpanContext()
	return fmt.Sprintf("00-%s-%s-%s", of.TraceID(), of.SpanID(), of.TraceFlags()&trace.FlagsSampled)
}
