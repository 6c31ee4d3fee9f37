// Package metrics shows what a daemon does: Prometheus metrics and two health
// checks over HTTP. Whoever asks costs the loop at most a look every quarter of a
// second, and the number of series is bounded by the plan: labels are names of
// units, and words of tables in this package.
package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/activation"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Options say what is shown. All fields are required.
type Options struct {
	Version string

	// Look returns what the loop knows. It may take until ctx ends.
	Look func(ctx context.Context) (View, error)

	// Alive returns nil once the loop has answered, which may take until ctx ends.
	Alive func(ctx context.Context) error

	// Load, Plugins, Reloads and Spans do not ask the loop.
	Load    func() Load
	Plugins func() []Plugin
	Reloads func() Reloads

	// Spans returns nil if there are none to be sent.
	Spans func() *Spans

	Ready func() bool
	Now   func() time.Time
}

// View is one look at everything.
type View struct {
	flow.Snapshot

	// Queues has what waits in open sockets, as far as it can be known.
	Queues map[plan.Name]Queue
}

// Queue is what waits in one socket: connections, or bytes of datagrams.
type Queue struct {
	Datagrams bool
	Length    uint32
}

// Load is how busy the loop is.
type Load struct {
	Busy    time.Duration // since its start
	Steps   uint64        // since its start
	Longest time.Duration // step of the last one to two minutes
	Inbox   int           // what waits for it
}

// Plugin is a transport plugin that was needed.
type Plugin struct {
	Name       string
	Running    bool
	Launches   uint64
	Violations uint64
}

// Reloads are the attempts to load another plan.
type Reloads struct {
	Done   uint64 // the daemon runs it, though some of its sockets may have failed
	Failed uint64 // the plan before goes on
}

// Spans is what has become of the spans that were to be sent.
type Spans struct {
	Sent      uint64
	Overflown uint64 // dropped: too many waited
	Failed    uint64 // dropped: the collector did not take them
}

// lookEvery is how old a look may be to be shown again.
const lookEvery = 250 * time.Millisecond

// Metrics are those of one daemon. Its methods may be called at the same time.
type Metrics struct {
	opts     Options
	work     context.Context // ends with the daemon
	timings  timings
	registry *prometheus.Registry

	looking sync.Mutex
	view    View
	looked  time.Time
	lookErr error
}

// New returns metrics that nobody can see yet. ctx bounds the looks.
func New(ctx context.Context, o Options) *Metrics {
	m := &Metrics{opts: o, work: ctx, registry: prometheus.NewRegistry()}
	m.timings = timings{
		now: o.Now, sockets: map[plan.Name]*socketTimes{}, services: map[plan.Name]*exits{}, tracker: activation.NewTracker(),
	}
	m.registry.MustRegister(
		m,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Step is told every event and its effects, in order, on the loop's goroutine, as
// [loop.Recorder] says.
//
// [loop.Recorder]: https://pkg.go.dev/github.com/rind-sockets/rind/runtime/loop#Recorder
func (m *Metrics) Step(ev flow.Event, effects []flow.Effect) { m.timings.step(ev, effects) }

// lookTimeout bounds the wait for a loop that does not answer. It is shorter than
// a scrape usually waits, so that the scrape says so.
const lookTimeout = 3 * time.Second

// look returns what the loop knows, or knew a moment ago.
func (m *Metrics) look() (View, error) {
	m.looking.Lock()
	defer m.looking.Unlock()
	if now := m.opts.Now(); m.looked.IsZero() || now.Sub(m.looked) >= lookEvery {
		ctx, cancel := context.WithTimeout(m.work, lookTimeout)
		defer cancel()
		m.view, m.lookErr = m.opts.Look(ctx)
		m.looked = m.opts.Now()
	}
	return m.view, m.lookErr
}
