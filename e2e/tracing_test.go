package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A daemon that is told of a collector by the environment sends a span for each
// activation, of which the service knows; and one for each listener.
func TestSpansOfAnActivation(t *testing.T) {
	t.Parallel()
	sent := make(chan *otlp.Span, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var message collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &message)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, rs := range message.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					select {
					case sent <- s:
					default:
						t.Error("far too many spans")
					}
				}
			}
		}
	}))
	defer receiver.Close()
	b := newBed(t, oneOwner(`lifecycle = "owned"`, probeService))
	b.compile()
	b.start("OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL, "OTEL_SERVICE_NAME=rind", "TRACEPARENT=00-11111111111111111111111111111111-2222222222222222-01",
		"OTEL_BSP_SCHEDULE_DELAY=50", "RIND_METRICS_LISTEN=unix:"+b.file("run/metrics.sock"))
	b.must("tcp", b.ip+":7001", "id")
	env := b.nextReport("app").Env
	spans := map[string]*otlp.Span{}
	late := time.After(patience)
	for len(spans) < 3 {
		select {
		case s := <-sent:
			spans[s.GetName()] = s
		case <-late:
			t.Fatalf("after %v there are only %v", patience, spans)
		}
	}
	root, spawn := spans["activate web@app"], spans["spawn"]
	if root == nil || spawn == nil || spans["open web@http"] == nil {
		t.Fatalf("there is not every span: %v", spans)
	}
	if string(spawn.GetParentSpanId()) != string(root.GetSpanId()) || len(root.GetParentSpanId()) != 0 {
		t.Errorf("spawn is below %x, activate %x below %x", spawn.GetParentSpanId(), root.GetSpanId(), root.GetParentSpanId())
	}
	if root.GetEndTimeUnixNano() <= root.GetStartTimeUnixNano() {
		t.Errorf("the activation took no time: %v", root)
	}
	if got, want := env["TRACEPARENT"], "00-"+hex.EncodeToString(root.GetTraceId())+"-"+hex.EncodeToString(root.GetSpanId())+"-01"; got != want {
		t.Errorf("the service has TRACEPARENT=%s, want %s", got, want)
	}
	if name, ok := env["OTEL_SERVICE_NAME"]; ok || env["OTEL_EXPORTER_OTLP_ENDPOINT"] != receiver.URL {
		t.Errorf("the service has OTEL_SERVICE_NAME=%q and OTEL_EXPORTER_OTLP_ENDPOINT=%q", name, env["OTEL_EXPORTER_OTLP_ENDPOINT"])
	}
	b.observer().await(`rind_spans_sent_total`, is(3))
	b.stop(syscall.SIGTERM)
}

// A collector that nobody can reach, or a protocol that there is not, is logged, and
// costs nothing else.
func TestNoCollector(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, says string
		env        []string
	}{
		{"unreachable", "spans cannot be sent", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=1"}},
		{"grpc", "it must be http/protobuf", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, oneOwner(`lifecycle = "owned"`, probeService))
			b.compile()
			b.start(tt.env...)
			b.must("tcp", b.ip+":7001", "id")
			b.stop(syscall.SIGTERM)
			if log := b.log.String(); !strings.Contains(log, tt.says) {
				t.Errorf("the log does not say %q:\n%s", tt.says, log)
			}
		})
	}
}
