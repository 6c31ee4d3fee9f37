package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// maxWaiting is how many spans wait to be sent, or are being sent. More are dropped:
// a collector that is slow or gone costs spans, and neither memory nor time.
const maxWaiting = 2048

// sender is the exporter as the SDK sees it. It counts what becomes of spans, and its
// end can be awaited.
type sender struct {
	next sdk.SpanExporter
	log  *slog.Logger

	life  context.Context // of everything that is being sent
	end   context.CancelFunc
	ended chan struct{} // is closed when the SDK does not need it any more

	waiting                 atomic.Int64
	sent, overflown, failed atomic.Uint64
	failing                 bool // the SDK sends one batch at a time
}

// newSender returns a sender that ends with end, not with ctx: then it must be able to
// send what is left.
func newSender(ctx context.Context, next sdk.SpanExporter, log *slog.Logger) *sender {
	s := &sender{next: next, log: log, ended: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// ExportSpans implements [sdk.SpanExporter]. What goes wrong is counted and logged
// here: the SDK has nothing to do about it.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer s.waiting.Add(-int64(len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() //nolint:contextcheck // two contexts end it: this one is the second
	if err := s.next.ExportSpans(ctx, spans); err != nil {
		s.failed.Add(uint64(len(spans)))
		if !s.failing { // once for each time that it begins
			s.log.WarnContext(ctx, "spans cannot be sent", slog.Any("error", err))
		}
		s.failing = true
		return nil
	}
	s.sent.Add(uint64(len(spans)))
	if s.failing {
		s.log.InfoContext(ctx, "spans can be sent again")
	}
	s.failing = false
	return nil
}

// Shutdown implements [sdk.SpanExporter]. The SDK calls it once, after the last
// ExportSpans.
func (s *sender) Shutdown(ctx context.Context) error {
	defer close(s.ended)
	return s.next.Shutdown(ctx)
}

// gate is a queue of the SDK that never overflows, because it is told no more than it
// takes. The SDK's own does not tell what it drops.
type gate struct {
	sdk.SpanProcessor

	out *sender
}

// OnEnd implements [sdk.SpanProcessor]. It does not block.
func (g gate) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if g.out.waiting.Add(1) > maxWaiting {
		g.out.waiting.Add(-1)
		g.out.overflown.Add(1)
		return
	}
	g.SpanProcessor.OnEnd(s)
}
