package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// The series. A _state series has the value 1 and the state that the unit is in;
// the others do not exist meanwhile.
var (
	buildInfo = desc("rind_build_info", "Always 1, with the release and what it was built with.", "version", "go_version")
	loopUp    = desc("rind_loop_up", "Whether the loop answered this scrape. Without an answer there are no series of units.")
	loopBusy  = desc("rind_loop_busy_seconds_total", "Time that the loop spent working; its rate is its busy share.")
	loopSteps = desc("rind_loop_steps_total", "Entries of its inbox and timers that the loop has worked on.")
	loopMax   = desc("rind_loop_longest_step_seconds", "The longest step of the loop within the last one to two minutes.")
	loopInbox = desc("rind_loop_inbox_depth", "What waits for the loop at this moment.")

	socketState       = desc("rind_socket_state", "1 for the state that the socket is in.", "socket", "state")
	socketAccesses    = desc("rind_socket_accesses_total", "Accesses that the daemon has seen.", "socket")
	socketActivations = desc("rind_socket_activations_total", "Accesses that started the owner.", "socket")
	socketDenials     = desc("rind_socket_denials_total", "Clients that were turned away: without the permission, over a limit, or since nobody knew who they were (unknown).", "socket", "reason")
	socketConnections = desc("rind_socket_connections", "Live connections of a socket that accepts.", "socket")
	socketPauses      = desc("rind_socket_pauses_total", "How often the socket was paused.", "socket")
	socketFailures    = desc("rind_socket_failures_total", "How often the socket failed.", "socket")
	socketHeld        = desc("rind_socket_held_seconds_total", "Time that the owner has had the socket.", "socket")
	socketQueue       = desc("rind_socket_queue_length", "Connections that wait to be accepted.", "socket")
	socketQueueBytes  = desc("rind_socket_queue_bytes", "Bytes of datagrams that wait to be received.", "socket")
	socketLatency     = desc("rind_socket_activation_seconds", "From an access to the owner's process (started) and to its readiness (ready).", "socket", "until")

	serviceState    = desc("rind_service_state", "1 for the state that the service is in.", "service", "state")
	serviceProcs    = desc("rind_service_processes", "Running main processes.", "service")
	serviceStarts   = desc("rind_service_starts_total", "Processes that were started.", "service")
	serviceRestarts = desc("rind_service_restarts_total", "Starts that the restart policy or the watchdog wanted.", "service")
	serviceExits    = desc("rind_service_exits_total", "How processes have ended: success, failure or signal.", "service", "result")

	pluginUp         = desc("rind_plugin_up", "Whether the plugin runs; it is started when it is needed.", "plugin")
	pluginLaunches   = desc("rind_plugin_launches_total", "Processes of the plugin that were started.", "plugin")
	pluginViolations = desc("rind_plugin_violations_total", "Violations of the descriptor protocol.", "plugin")

	reloads = desc("rind_reloads_total", "Attempts to load another plan: success, or failure if the plan before goes on.", "result")

	spansSent    = desc("rind_spans_sent_total", "Spans that the collector has taken.")
	spansDropped = desc("rind_spans_dropped_total", "Spans that were dropped: too many waited (queue), or the collector did not take them (collector).", "reason")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (*Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildInfo, loopUp, loopBusy, loopSteps, loopMax, loopInbox,
		socketState, socketAccesses, socketActivations, socketDenials, socketConnections, socketPauses, socketFailures,
		socketHeld, socketQueue, socketQueueBytes, socketLatency,
		serviceState, serviceProcs, serviceStarts, serviceRestarts, serviceExits,
		pluginUp, pluginLaunches, pluginViolations, reloads,
		spansSent, spansDropped,
	} {
		to <- d
	}
}

// sample sends series of one scrape.
type sample chan<- prometheus.Metric

func (s sample) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.GaugeValue, v, labels)
}

func (s sample) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.CounterValue, v, labels)
}

func (s sample) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s <- m
}

func (s sample) histogram(d *prometheus.Desc, h *histogram, labels ...string) {
	m, err := prometheus.NewConstHistogram(d, h.count, h.sum.Seconds(), h.cumulative(), labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s <- m
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	s := sample(to)
	s.gauge(buildInfo, 1, m.opts.Version, runtime.Version())
	load := m.opts.Load()
	s.counter(loopBusy, load.Busy.Seconds())
	s.counter(loopSteps, float64(load.Steps))
	s.gauge(loopMax, load.Longest.Seconds())
	s.gauge(loopInbox, float64(load.Inbox))
	for _, p := range m.opts.Plugins() {
		s.gauge(pluginUp, truth(p.Running), p.Name)
		s.counter(pluginLaunches, float64(p.Launches), p.Name)
		s.counter(pluginViolations, float64(p.Violations), p.Name)
	}
	r := m.opts.Reloads()
	s.counter(reloads, float64(r.Done), "success")
	s.counter(reloads, float64(r.Failed), "failure")
	if spans := m.opts.Spans(); spans != nil {
		s.counter(spansSent, float64(spans.Sent))
		s.counter(spansDropped, float64(spans.Overflown), "queue")
		s.counter(spansDropped, float64(spans.Failed), "collector")
	}
	view, err := m.look()
	s.gauge(loopUp, truth(err == nil))
	if err != nil {
		return // rind_loop_up says so
	}
	for i := range view.Sockets {
		m.collectSocket(s, &view.Sockets[i], view.Queues)
	}
	for i := range view.Services {
		m.collectService(s, &view.Services[i])
	}
}

func (m *Metrics) collectSocket(s sample, st *flow.SocketStatus, queues map[plan.Name]Queue) {
	name := string(st.Def.Name)
	s.gauge(socketState, 1, name, string(st.State))
	s.counter(socketAccesses, float64(st.Accesses), name)
	s.counter(socketActivations, float64(st.Activations), name)
	s.counter(socketDenials, float64(st.Denials-st.Unknown), name, "permission")
	s.counter(socketDenials, float64(st.Unknown), name, "unknown")
	s.counter(socketDenials, float64(st.Refused), name, "limit")
	if st.Def.Accept {
		s.gauge(socketConnections, float64(st.Connections), name)
	}
	if q, ok := queues[st.Def.Name]; ok {
		d := socketQueue
		if q.Datagrams {
			d = socketQueueBytes
		}
		s.gauge(d, float64(q.Length), name)
	}
	t := m.timings.ofSocket(st.Def.Name)
	s.counter(socketPauses, float64(t.pauses), name)
	s.counter(socketFailures, float64(t.failures), name)
	s.counter(socketHeld, t.held.Seconds(), name)
	if st.Def.Owner != "" {
		s.histogram(socketLatency, &t.started, name, "started")
		s.histogram(socketLatency, &t.ready, name, "ready")
	}
}

func (m *Metrics) collectService(s sample, st *flow.ServiceStatus) {
	name := string(st.Def.Name)
	s.gauge(serviceState, 1, name, string(st.State))
	s.gauge(serviceProcs, float64(len(st.PIDs)), name)
	s.counter(serviceStarts, float64(st.Starts), name)
	s.counter(serviceRestarts, float64(st.Restarts), name)
	e := m.timings.ofService(st.Def.Name)
	s.counter(serviceExits, float64(e.succeeded), name, "success")
	s.counter(serviceExits, float64(e.failed), name, "failure")
	s.counter(serviceExits, float64(e.killed), name, "signal")
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
