package daemon

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// maxRelayed is how many records may wait for the reader of the log.
const maxRelayed = 4096

// relay is a log handler that never makes its caller wait. The loop logs through
// it, and must go on when the reader of the log does not read: a terminal that
// was stopped with ^S, a full pipe. What does not fit is lost and counted.
//
// What services print does not come this way. There the reader's pace is right:
// it slows the service down, and nothing is lost.
type relay struct {
	next  slog.Handler
	queue *relayQueue
}

// relayQueue is what a relay and everything derived from it share.
type relayQueue struct {
	records chan relayed
	lost    atomic.Int64
	stop    chan struct{}
	writer  sync.WaitGroup
}

type relayed struct {
	ctx    context.Context // for its values
	to     slog.Handler
	record slog.Record
}

// newRelay returns a relay to next. Close ends it.
func newRelay(next slog.Handler) *relay {
	r := &relay{next: next, queue: &relayQueue{records: make(chan relayed, maxRelayed), stop: make(chan struct{})}}
	r.queue.writer.Go(func() { r.queue.run(next) })
	return r
}

// close writes what waits. It is called once; what is logged later is lost.
func (r *relay) close() {
	close(r.queue.stop)
	r.queue.writer.Wait()
}

// run is the goroutine that writes, and may block in it.
func (q *relayQueue) run(next slog.Handler) {
	log := slog.New(next)
	for {
		select {
		case rec := <-q.records:
			q.write(log, rec)
		case <-q.stop:
			for {
				select {
				case rec := <-q.records:
					q.write(log, rec)
				default:
					return
				}
			}
		}
	}
}

func (q *relayQueue) write(log *slog.Logger, rec relayed) {
	// As with every logger there is nobody to tell that it cannot be written.
	_ = rec.to.Handle(rec.ctx, rec.record)
	if n := q.lost.Swap(0); n > 0 {
		log.Warn("log records lost: the reader of the log was too slow", slog.Int64("records", n))
	}
}

// Enabled implements [slog.Handler].
func (r *relay) Enabled(ctx context.Context, level slog.Level) bool {
	return r.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (r *relay) Handle(ctx context.Context, record slog.Record) error {
	select {
	case r.queue.records <- relayed{context.WithoutCancel(ctx), r.next, record.Clone()}:
	default:
		r.queue.lost.Add(1)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (r *relay) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &relay{r.next.WithAttrs(attrs), r.queue}
}

// WithGroup implements [slog.Handler].
func (r *relay) WithGroup(name string) slog.Handler {
	return &relay{r.next.WithGroup(name), r.queue}
}
