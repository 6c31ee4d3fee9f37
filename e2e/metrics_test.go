package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// observer asks the metrics of a bed's daemon over a unix socket.
type observer struct {
	t      *testing.T
	client *http.Client
}

func (b *bed) observer() *observer {
	path := b.file("run/metrics.sock")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &observer{b.t, &http.Client{Transport: transport, Timeout: patience}}
}

func (o *observer) get(path string) (status int, body string) {
	o.t.Helper()
	r, err := o.client.Get("http://rind" + path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// value returns the value of a series, as it is written without its value.
func (o *observer) value(series string) (float64, bool) {
	o.t.Helper()
	status, body := o.get("/metrics")
	if status != http.StatusOK {
		o.t.Fatalf("/metrics: status %d: %s", status, body)
	}
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				o.t.Fatalf("%s: %v", line, err)
			}
			return v, true
		}
	}
	return 0, false
}

// await waits until a series has a value. What is shown may be a moment old.
func (o *observer) await(series string, ok func(float64) bool) {
	o.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		v, found := o.value(series)
		if found && ok(v) {
			return
		}
		if time.Now().After(deadline) {
			o.t.Errorf("%s is %v (found %v) after %v", series, v, found, patience)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

func is(want float64) func(float64) bool { return func(v float64) bool { return v == want } }
func positive(v float64) bool            { return v > 0 }

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBed(t, oneOwner(`lifecycle = "owned"`, probeService)+`
[[socket]]
name = "queue"
type = "uds"
listen = "queue.sock"
owner = "never"

[[socket]]
name = "datagrams"
type = "udp"
listen = "$IP:7002"
owner = "never"

[[service]]
name = "never"
run.exec = "true"
`)
	b.compile()
	b.start("RIND_METRICS_LISTEN=unix:" + b.file("run/metrics.sock"))
	o := b.observer()
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := o.get(path); status != http.StatusOK {
			t.Errorf("%s: status %d: %s", path, status, body)
		}
	}
	o.await(`rind_socket_state{socket="web@http",state="listening"}`, is(1))
	for range 3 {
		c, err := b.dial("unix", b.file("sock/queue.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	o.await(`rind_socket_queue_length{socket="web@queue"}`, is(3))
	c, err := net.Dial("udp", b.ip+":7002")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	o.await(`rind_socket_queue_bytes{socket="web@datagrams"}`, positive)

	b.must("tcp", b.ip+":7001", "id")
	o.await(`rind_socket_state{socket="web@http",state="held"}`, is(1))
	o.await(`rind_socket_activations_total{socket="web@http"}`, is(1))
	o.await(`rind_socket_activation_seconds_count{socket="web@http",until="started"}`, is(1))
	o.await(`rind_socket_activation_seconds_count{socket="web@http",until="ready"}`, is(1))
	o.await(`rind_socket_held_seconds_total{socket="web@http"}`, positive)
	o.await(`rind_service_processes{service="web@app"}`, is(1))
	b.must("tcp", b.ip+":7001", "exit 4")
	o.await(`rind_service_exits_total{result="failure",service="web@app"}`, is(1))
	o.await(`rind_loop_busy_seconds_total`, positive)
	o.await(`rind_plugin_launches_total{plugin="tcp"}`, is(1))

	_, body := o.get("/metrics")
	if _, err := exec.LookPath("promtool"); err == nil {
		cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(body)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "rind_") {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
	b.stop(syscall.SIGTERM)
}

// While services end, the daemon says that it is alive and not ready.
func TestNotReadyWhileEnding(t *testing.T) {
	t.Parallel()
	b := newBed(t, oneOwner("", `run = { exec = "sh", args = ["-c", "trap '' TERM; echo > $DIR/up; sleep 1000"] }
stop = { timeout = "3s" }
`))
	b.compile()
	b.start("RIND_METRICS_LISTEN=unix:" + b.file("run/metrics.sock"))
	o := b.observer()
	b.do("start", "service", "web@app")
	b.eventually("the service ignores SIGTERM", func() bool {
		_, err := os.Stat(b.file("up"))
		return err == nil
	})
	b.signal(syscall.SIGTERM)
	deadline := time.Now().Add(patience)
	for {
		status, _ := o.get("/readyz")
		if status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz: status %d while the daemon ends", status)
		}
		<-time.After(5 * time.Millisecond)
	}
	if status, body := o.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: status %d: %s", status, body)
	}
	b.wait()
	b.checkNothingLeft()
}

func TestMetricsAddressIsLocal(t *testing.T) {
	t.Parallel()
	b := newBed(t, oneOwner("", probeService))
	b.compile()
	b.refused("must be a loopback address", "run", "--metrics-listen", "0.0.0.0:9464", b.file("plan.json"))
}
