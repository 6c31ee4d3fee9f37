package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const ledgerUnits = `
-- web.toml --
[[permission]]
name = "operators"
id = 2000
users = ["4001"]

[[socket]]
name = "served"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[socket]]
name = "guarded"
type = "uds"
listen = "@$DIR/guarded"
permissions = ["operators"]
trigger = [{ signal = "seen" }]

[[socket]]
name = "each"
type = "tcp"
listen = "$IP:7002"
owner = "worker"
accept = true
limits = { max-connections = 1, on-limit = "refuse" }

[[service]]
name = "worker"
run = { exec = "$PROBE", args = ["-id", "worker"] }

[[socket]]
name = "bell"
type = "uds"
listen = "bell.sock"
trigger = [{ signal = "seen" }]
limits = { trigger = { burst = 2, interval = "1h" }, on-limit = "pause" }

[[socket]]
name = "queue"
type = "uds"
listen = "queue.sock"
owner = "never"

[[service]]
name = "never"
run.exec = "true"

[[socket]]
name = "datagrams"
type = "udp"
listen = "$IP:7003"
owner = "never"

[[socket]]
name = "taken"
type = "tcp"
listen = "$IP:7004"

[[service]]
name = "flaky"
run = { exec = "/bin/sh", args = ["-c", "test -e $DIR/once && exec sleep 1000; echo >$DIR/once; exit 3"] }
restart = { max_retries = 3, backoff = "1ms" }

[[signal]]
name = "seen"
payload = "none"
`

// scraped returns every series of the daemon's units with its value. Of what is measured
// it says 1 or 0, whether it is more than nothing: how much it is nobody knows before.
func (o *observer) scraped() map[string]float64 {
	o.t.Helper()
	status, body := o.get("/metrics")
	if status != 200 {
		o.t.Fatalf("/metrics: status %d: %s", status, body)
	}
	got := map[string]float64{}
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if !strings.HasPrefix(line, "rind_") || at < 0 {
			continue
		}
		series := line[:at]
		name, _, _ := strings.Cut(series, "{")
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			o.t.Fatalf("%s: %v", line, err)
		}
		switch {
		case strings.HasSuffix(name, "_bucket"), name == "rind_loop_inbox_depth", name == "rind_build_info":
			continue // sums and counts say as much; what waits is nothing, or somebody else's
		case strings.Contains(name, "_seconds") && !strings.HasSuffix(name, "_count"), strings.HasSuffix(name, "_bytes"), name == "rind_loop_steps_total":
			if v != 0 {
				v = math.Copysign(1, v)
			}
		}
		got[series] = v
	}
	return got
}

// settlesAt waits until a scrape is exactly that.
func (o *observer) settlesAt(want map[string]float64) {
	o.t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		diff := cmp.Diff(want, o.scraped())
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("the series are others than what was done (-want +got)\n%s", diff)
		}
	}
}

// socketSeries are the series of a socket to which nothing has happened yet.
func socketSeries(name, state string, owned bool) map[string]float64 {
	of := func(series, labels string) string {
		return fmt.Sprintf("rind_socket_%s{%ssocket=%q}", series, labels, name)
	}
	out := map[string]float64{
		fmt.Sprintf("rind_socket_state{socket=%q,state=%q}", name, state): 1,
		of("denials_total", `reason="permission",`):                       0,
		of("denials_total", `reason="unknown",`):                          0,
		of("denials_total", `reason="limit",`):                            0,
	}
	for _, series := range []string{"accesses_total", "activations_total", "pauses_total", "failures_total", "held_seconds_total"} {
		out[of(series, "")] = 0
	}
	if owned {
		for _, until := range []string{"started", "ready"} {
			out[fmt.Sprintf("rind_socket_activation_seconds_count{socket=%q,until=%q}", name, until)] = 0
			out[fmt.Sprintf("rind_socket_activation_seconds_sum{socket=%q,until=%q}", name, until)] = 0
		}
	}
	return out
}

// serviceSeries are the series of a service.
func serviceSeries(name, state string, processes, starts, restarts, success, failure, signal float64) map[string]float64 {
	exits := func(result string) string {
		return fmt.Sprintf("rind_service_exits_total{result=%q,service=%q}", result, name)
	}
	return map[string]float64{
		fmt.Sprintf("rind_service_state{service=%q,state=%q}", name, state): 1,
		fmt.Sprintf("rind_service_processes{service=%q}", name):             processes,
		fmt.Sprintf("rind_service_starts_total{service=%q}", name):          starts,
		fmt.Sprintf("rind_service_restarts_total{service=%q}", name):        restarts,
		exits("success"): success, exits("failure"): failure, exits("signal"): signal,
	}
}

// TestMetricsAreWhatWasDone does a counted number of things and compares every series
// with them; then a reload takes units away and brings others, and with them their
// series.
func TestMetricsAreWhatWasDone(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newBed(t, ledgerUnits)
	b.compile()
	holder, err := net.Listen("tcp", b.ip+":7004")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	b.start("RIND_METRICS_LISTEN=unix:" + b.file("run/metrics.sock"))
	o := b.observer()

	b.awaitSocket("web@taken", "failed")
	b.refused("in use", "start", "socket", "web@taken") // the second failure

	b.threeActivations()
	b.clientsOfGuarded()
	b.clientsOfEach()
	b.ringsAndPauses()
	for range 3 {
		c, err := b.dial("unix", b.file("sock/queue.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	b.do("pause", "queue")
	b.do("resume", "queue")
	b.do("pause", "queue")
	c, err := b.dial("udp", b.ip+":7003")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	b.do("start", "service", "web@flaky")
	b.await("flaky has been started again", func(st *controlv1.StatusResponse) bool {
		s := b.serviceOf(st, "web@flaky")
		return s.GetStarts() == 2 && s.GetState() == "active"
	})

	// A plugin that is killed is started when it is needed: for taken.
	b.killPlugin("tcp")
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	b.do("start", "socket", "web@taken")

	// One reload that changes nothing, two that cannot be, and a dry run.
	b.do("reload")
	b.write("broken.json", "{")
	b.refused("broken.json", "reload", b.file("broken.json"))
	b.refused("missing.json", "reload", b.file("missing.json"))
	b.do("reload", "--dry-run")

	want := ledger()
	o.settlesAt(want)

	next := strings.Replace(strings.TrimPrefix(ledgerUnits, "\n-- web.toml --\n"), `name = "bell"`, `name = "gong"`, 1)
	next = strings.Replace(next, `name = "flaky"`, `name = "steady"`, 1)
	b.do("reload", b.buildPlan("next.json", next))
	maps.DeleteFunc(want, func(series string, _ float64) bool {
		return strings.Contains(series, `"web@bell"`) || strings.Contains(series, `"web@flaky"`)
	})
	maps.Copy(want, socketSeries("web@gong", "listening", false))
	want[`rind_socket_queue_length{socket="web@gong"}`] = 0
	maps.Copy(want, serviceSeries("web@steady", "inactive", 0, 0, 0, 0, 0, 0))
	want[`rind_reloads_total{result="success"}`] = 2
	o.settlesAt(want)
}

// ledger is what the test has done before its last reload.
func ledger() map[string]float64 {
	want := map[string]float64{
		"rind_loop_up": 1, "rind_loop_busy_seconds_total": 1, "rind_loop_steps_total": 1, "rind_loop_longest_step_seconds": 1,
		`rind_reloads_total{result="success"}`: 1, `rind_reloads_total{result="failure"}`: 2,
	}
	for plugin, launches := range map[string]float64{"tcp": 2, "udp": 1, "uds": 1} {
		want[fmt.Sprintf("rind_plugin_up{plugin=%q}", plugin)] = 1
		want[fmt.Sprintf("rind_plugin_launches_total{plugin=%q}", plugin)] = launches
		want[fmt.Sprintf("rind_plugin_violations_total{plugin=%q}", plugin)] = 0
	}
	for name, state := range map[string]string{
		"served": "held", "guarded": "listening", "each": "listening", "bell": "listening", "queue": "paused", "datagrams": "listening", "taken": "listening",
	} {
		name = "web@" + name
		owned := strings.Contains("web@served web@each web@queue web@datagrams", name)
		maps.Copy(want, socketSeries(name, state, owned))
		want[fmt.Sprintf("rind_socket_queue_length{socket=%q}", name)] = 0
	}
	delete(want, `rind_socket_queue_length{socket="web@datagrams"}`)
	for series, v := range map[string]float64{
		`accesses_total{socket="web@served"}`:                           4,
		`activations_total{socket="web@served"}`:                        4,
		`held_seconds_total{socket="web@served"}`:                       1,
		`activation_seconds_count{socket="web@served",until="started"}`: 4,
		`activation_seconds_sum{socket="web@served",until="started"}`:   1,
		`activation_seconds_count{socket="web@served",until="ready"}`:   4,
		`activation_seconds_sum{socket="web@served",until="ready"}`:     1,

		`accesses_total{socket="web@guarded"}`:                    2,
		`denials_total{reason="permission",socket="web@guarded"}`: 3,

		`accesses_total{socket="web@each"}`:                           3,
		`activations_total{socket="web@each"}`:                        1,
		`connections{socket="web@each"}`:                              1,
		`denials_total{reason="limit",socket="web@each"}`:             2,
		`activation_seconds_count{socket="web@each",until="started"}`: 1,
		`activation_seconds_sum{socket="web@each",until="started"}`:   1,
		`activation_seconds_count{socket="web@each",until="ready"}`:   1,
		`activation_seconds_sum{socket="web@each",until="ready"}`:     1,

		`accesses_total{socket="web@bell"}`: 3,
		`pauses_total{socket="web@bell"}`:   1,

		`pauses_total{socket="web@queue"}`: 2,
		`queue_length{socket="web@queue"}`: 3,

		`queue_bytes{socket="web@datagrams"}`: 1,

		`failures_total{socket="web@taken"}`: 2,
	} {
		want["rind_socket_"+series] = v
	}
	maps.Copy(want, serviceSeries("web@app", "active", 1, 4, 0, 1, 1, 1))
	maps.Copy(want, serviceSeries("web@worker", "active", 1, 1, 0, 0, 0, 0))
	maps.Copy(want, serviceSeries("web@never", "inactive", 0, 0, 0, 0, 0, 0))
	maps.Copy(want, serviceSeries("web@flaky", "active", 1, 2, 1, 0, 1, 0))
	return want
}

// threeActivations starts the owner by an access four times: it ends well, badly, by a
// signal, and not.
func (b *bed) threeActivations() {
	b.t.Helper()
	addr := b.ip + ":7001"
	for _, end := range []func(){
		func() { b.must("tcp", addr, "exit 0") },
		func() { b.must("tcp", addr, "exit 4") },
		func() {
			if err := unix.Kill(int(b.service("web@app").GetPids()[0]), unix.SIGKILL); err != nil {
				b.t.Fatal(err)
			}
		},
	} {
		b.must("tcp", addr, "id")
		b.awaitSocket("web@served", "held")
		b.awaitService("web@app", "active")
		end()
		b.awaitSocket("web@served", "listening")
	}
	b.must("tcp", addr, "id")
}

// clientsOfGuarded are two who may and three who may not.
func (b *bed) clientsOfGuarded() {
	b.t.Helper()
	for _, uid := range []uint32{4001, 4003, 4003, 4001, 4003} {
		if _, err := connectAs(plain(uid), "@"+b.file("guarded"), ""); err != nil && !errors.Is(err, unix.ECONNRESET) {
			b.t.Fatalf("uid %d: %v", uid, err)
		}
	}
}

// clientsOfEach are one who stays, and two for whom there is no room.
func (b *bed) clientsOfEach() {
	b.t.Helper()
	stays, err := b.dial("tcp", b.ip+":7002")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { stays.Close() })
	b.awaitProcesses("web@worker", 1)
	for range 2 {
		b.isTurnedAway("tcp", "", b.ip+":7002")
	}
}

// ringsAndPauses rings twice, as often as the limit lets, and once more.
func (b *bed) ringsAndPauses() {
	b.t.Helper()
	for range 3 {
		c, err := b.dial("unix", b.file("sock/bell.sock"))
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil {
			b.t.Fatal(err)
		}
		c.Close()
	}
	b.awaitSocket("web@bell", "paused") // for a second; the ledger has it after that
}

// killPlugin kills a plugin and waits until the daemon knows.
func (b *bed) killPlugin(name string) {
	b.t.Helper()
	pid := func(st *controlv1.StatusResponse) int {
		for _, p := range st.GetPlugins() {
			if p.GetName() == name {
				return int(p.GetPid())
			}
		}
		return 0
	}
	killed := pid(b.status())
	if killed == 0 {
		b.t.Fatalf("the plugin %s does not run", name)
	}
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Fatal(err)
	}
	b.await("the death of the plugin is known", func(st *controlv1.StatusResponse) bool { return pid(st) != killed })
}
