package e2e

import (
	"errors"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const countedUnits = `
-- web.toml --
[[permission]]
name = "operators"
id = 2000
users = ["4001"]

[[socket]]
name = "http"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "datagrams"
type = "udp"
listen = "$IP:7003"

[[socket]]
name = "in"
type = "uds"
listen = "in.sock"
owner = "each"
accept = true
stdio = true
limits = { max-connections = 1, on-limit = "refuse" }

[[service]]
name = "each"
run.exec = "cat"

[[socket]]
name = "bell"
type = "uds"
listen = "@$DIR/bell"
permissions = ["operators"]
trigger = [{ script = "true" }]

[[socket]]
name = "busy"
type = "tcp"
listen = "$IP:7002"
`

// Everything is counted that has happened, and nothing else.
func TestMetricsCount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newBed(t, countedUnits)
	taken, err := net.Listen("tcp", b.ip+":7002")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.compile()
	b.start("RIND_METRICS_LISTEN=unix:" + b.file("run/metrics.sock"))
	o := b.observer()
	b.awaitSocket("web@busy", "failed")
	b.awaitSocket("web@bell", "listening")

	for i, end := range []string{"exit 0", "exit 4", "exit 0", "exit 7"} {
		b.must("tcp", b.ip+":7001", end)
		b.await("the owner is down", func(st *controlv1.StatusResponse) bool {
			return b.socketOf(st, "web@http").GetState() == "listening" && b.serviceOf(st, "web@app").GetStarts() == uint64(i+1)
		})
	}
	b.must("tcp", b.ip+":7001", "id")
	for _, pid := range b.awaitProcesses("web@app", 1) {
		if err := unix.Kill(int(pid), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	b.awaitSocket("web@http", "listening")
	b.do("pause", "http")
	b.do("resume", "http")

	first := b.dialFrom("unix", "", b.file("sock/in.sock"))
	b.awaitProcesses("web@each", 1)
	for range 3 {
		b.isTurnedAway("unix", "", b.file("sock/in.sock"))
	}
	for range 5 {
		if _, err := connectAs(plain(4003), "@"+b.file("bell"), ""); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := connectAs(plain(4001), "@"+b.file("bell"), ""); err != nil {
			t.Fatal(err)
		}
	}

	for series, want := range map[string]float64{
		`rind_socket_accesses_total{socket="web@http"}`:                                    5,
		`rind_socket_activations_total{socket="web@http"}`:                                 5,
		`rind_socket_activation_seconds_count{socket="web@http",until="started"}`:          5,
		`rind_socket_activation_seconds_count{socket="web@http",until="ready"}`:            5,
		`rind_socket_activation_seconds_bucket{socket="web@http",until="ready",le="+Inf"}`: 5,
		`rind_socket_pauses_total{socket="web@http"}`:                                      1,
		`rind_socket_failures_total{socket="web@http"}`:                                    0,
		`rind_socket_queue_length{socket="web@http"}`:                                      0,
		`rind_service_starts_total{service="web@app"}`:                                     5,
		`rind_service_restarts_total{service="web@app"}`:                                   0,
		`rind_service_exits_total{result="success",service="web@app"}`:                     2,
		`rind_service_exits_total{result="failure",service="web@app"}`:                     2,
		`rind_service_exits_total{result="signal",service="web@app"}`:                      1,
		`rind_service_processes{service="web@app"}`:                                        0,
		`rind_socket_state{socket="web@busy",state="failed"}`:                              1,
		`rind_socket_failures_total{socket="web@busy"}`:                                    1,
		`rind_socket_accesses_total{socket="web@in"}`:                                      4,
		`rind_socket_connections{socket="web@in"}`:                                         1,
		`rind_socket_denials_total{reason="limit",socket="web@in"}`:                        3,
		`rind_socket_denials_total{reason="permission",socket="web@in"}`:                   0,
		`rind_service_starts_total{service="web@each"}`:                                    1,
		`rind_socket_accesses_total{socket="web@bell"}`:                                    2,
		`rind_socket_denials_total{reason="permission",socket="web@bell"}`:                 5,
		`rind_socket_denials_total{reason="unknown",socket="web@bell"}`:                    0,
		`rind_socket_denials_total{reason="limit",socket="web@bell"}`:                      0,
		`rind_plugin_launches_total{plugin="tcp"}`:                                         1,
		`rind_plugin_violations_total{plugin="tcp"}`:                                       0,
		`rind_loop_up`: 1,
	} {
		o.await(series, is(want))
	}
	for _, series := range []string{
		`rind_socket_held_seconds_total{socket="web@http"}`,
		`rind_socket_activation_seconds_sum{socket="web@http",until="started"}`,
		`rind_loop_busy_seconds_total`, `rind_loop_steps_total`, `rind_loop_longest_step_seconds`,
	} {
		o.await(series, positive)
	}
	o.documented()

	// A plugin is launched again when it is needed.
	for _, p := range b.status().GetPlugins() {
		if p.GetPid() != 0 {
			if err := unix.Kill(int(p.GetPid()), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.await(`rind_plugin_up{plugin="tcp"}`, is(0))
	b.do("stop", "http")
	b.do("start", "http")
	o.await(`rind_plugin_launches_total{plugin="tcp"}`, is(2))

	// What a reload takes away has no series any more, and what it brings has.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_, units, _ := strings.Cut(countedUnits, "-- web.toml --\n")
	kept, _, _ := strings.Cut(units, "[[socket]]\nname = \"in\"")
	b.rewrite(kept + "[[socket]]\nname = \"new\"\ntype = \"uds\"\nlisten = \"new.sock\"\n")
	b.do("reload")
	o.await(`rind_socket_state{socket="web@new",state="listening"}`, is(1))
	o.await(`rind_socket_accesses_total{socket="web@new"}`, is(0))
	b.eventually("the series of what is gone are gone", func() bool {
		_, body := o.get("/metrics")
		return !strings.Contains(body, `"web@in"`) && !strings.Contains(body, `"web@bell"`) &&
			!strings.Contains(body, `"web@each"`) && !strings.Contains(body, `"web@busy"`)
	})
	if got, _ := o.value(`rind_socket_activations_total{socket="web@http"}`); got != 5 {
		t.Errorf("after the reload, web@http has %v activations, want 5 as before", got)
	}
}

// documented checks that the page about metrics lists those that there are.
func (o *observer) documented() {
	o.t.Helper()
	page, err := os.ReadFile("../docs/observation.md")
	if err != nil {
		o.t.Fatal(err)
	}
	name := regexp.MustCompile(`rind_[a-z_]+`)
	listed, shown := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, n := range name.FindAllString(cells[1], -1) {
				listed[n] = !strings.HasPrefix(n, "rind_spans_") // nobody has asked for spans
			}
		}
	}
	maps.DeleteFunc(listed, func(_ string, here bool) bool { return !here })
	_, body := o.get("/metrics")
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, "# TYPE "); ok && strings.HasPrefix(text, "rind_") {
			n, _, _ := strings.Cut(text, " ")
			shown[n] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(listed))); diff != "" {
		o.t.Errorf("metrics that docs/observation.md lists (-shown +listed):\n%s", diff)
	}
	if len(shown) < 20 {
		o.t.Errorf("only %d metrics are shown: %v", len(shown), shown)
	}
}
