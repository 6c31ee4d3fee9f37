package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// maxRelayed is how many records may wait for the reader of the log.
	maxRelayed = 4096

	// maxPrinted is how many lines of services may wait before services do.
	maxPrinted = 64

	// logGrace is how long the end of the daemon waits for the reader of the log,
	// in all.
	logGrace = 2 * time.Second
)

// relay is a log handler that never makes its caller wait. All that the daemon
// says goes through it, for the daemon must go on, and come to its end, when the
// reader of the log does not read: a terminal that was stopped with ^S, a full
// pipe. What does not fit is lost and counted.
//
// What services print goes through the handler that patient returns. There the
// reader's pace is right: it slows the service down, and nothing is lost as long
// as the daemon runs.
//
// Only one goroutine, the writer, meets the reader, so only it can be stuck.
type relay struct {
	next  slog.Handler
	queue *relayQueue
}

// relayQueue is what a relay and everything derived from it share.
type relayQueue struct {
	records chan relayed // the daemon's
	printed chan relayed // the services'
	lost    atomic.Int64

	stop     chan struct{} // closed when nothing comes any more
	over     chan struct{} // closed when nobody waits for the reader any more
	done     chan struct{} // closed when the writer has ended
	patience *time.Timer   // closes over; nil before the end begins
}

type relayed struct {
	ctx    context.Context // for its values
	to     slog.Handler
	record slog.Record
}

// newRelay returns a relay to next. Close ends it.
func newRelay(next slog.Handler) *relay {
	q := &relayQueue{
		records: make(chan relayed, maxRelayed), printed: make(chan relayed, maxPrinted),
		stop: make(chan struct{}), over: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run(slog.New(next))
	return &relay{next, q}
}

// end begins the end: from now on the reader has logGrace for what waits and
// what still comes. It is called before close, and not while close is.
func (r *relay) end() {
	if r.queue.patience == nil {
		r.queue.patience = time.AfterFunc(logGrace, func() { close(r.queue.over) })
	}
}

// close returns when all is written, or when the patience is over and the rest is
// lost. It is called once; what is logged later is lost.
//
// A write that is stuck in the kernel cannot be cancelled. Then the writer is
// left to the exit of the process, or to a reader that reads again: it writes
// nothing more.
func (r *relay) close() {
	r.end()
	q := r.queue
	close(q.stop)
	select {
	case <-q.done:
	case <-q.over:
	}
	if q.patience.Stop() {
		close(q.over)
	}
}

// run is the writer, and may block.
func (q *relayQueue) run(log *slog.Logger) {
	defer close(q.done)
	for q.writeNext(log) {
	}
}

// writeNext writes one record, be it about those that were lost, and reports
// whether there may be another one.
func (q *relayQueue) writeNext(log *slog.Logger) bool {
	select {
	case <-q.over:
		return false
	default:
	}
	if n := q.lost.Swap(0); n > 0 {
		log.Warn("log records lost: the reader of the log was too slow", slog.Int64("records", n))
		return true
	}
	var one relayed
	select {
	case one = <-q.records:
	case one = <-q.printed:
	case <-q.stop:
		select {
		case one = <-q.records:
		case one = <-q.printed:
		default:
			return false
		}
	}
	// As with every logger there is nobody to tell that it cannot be written.
	_ = one.to.Handle(one.ctx, one.record)
	return true
}

// Enabled implements [slog.Handler].
func (r *relay) Enabled(ctx context.Context, level slog.Level) bool {
	return r.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (r *relay) Handle(ctx context.Context, record slog.Record) error {
	select {
	case r.queue.records <- r.relayed(ctx, record):
	default:
		r.queue.lost.Add(1)
	}
	return nil
}

func (r *relay) relayed(ctx context.Context, record slog.Record) relayed {
	return relayed{context.WithoutCancel(ctx), r.next, record.Clone()}
}

// WithAttrs implements [slog.Handler].
func (r *relay) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &relay{r.next.WithAttrs(attrs), r.queue}
}

// WithGroup implements [slog.Handler].
func (r *relay) WithGroup(name string) slog.Handler {
	return &relay{r.next.WithGroup(name), r.queue}
}

// patient returns a handler that makes its caller wait for the reader, until the
// relay's patience at the end is over.
func (r *relay) patient() slog.Handler { return &patientRelay{r} }

// patientRelay is a relay that waits.
type patientRelay struct{ *relay }

// Handle implements [slog.Handler].
func (p *patientRelay) Handle(ctx context.Context, record slog.Record) error {
	select {
	case p.queue.printed <- p.relayed(ctx, record):
	case <-p.queue.over:
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (p *patientRelay) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &patientRelay{&relay{p.next.WithAttrs(attrs), p.queue}}
}

// WithGroup implements [slog.Handler].
func (p *patientRelay) WithGroup(name string) slog.Handler {
	return &patientRelay{&relay{p.next.WithGroup(name), p.queue}}
}
