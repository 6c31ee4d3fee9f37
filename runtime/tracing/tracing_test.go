package tracing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a collector that keeps what it is sent.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	resource map[string]string
	spans    []*otlp.Span
	answer   int           // status
	block    chan struct{} // requests wait for its end; nil: they do not
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{answer: http.StatusOK, resource: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(r.Close)
	for key, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_SERVICE_NAME": "rind-of-test", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
		"OTEL_BSP_SCHEDULE_DELAY": "10",
	} {
		t.Setenv(key, value)
	}
	return r
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	if r.block != nil {
		<-r.block
	}
	body, err := io.ReadAll(req.Body)
	var message collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &message)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(req.URL.Path, err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer == http.StatusOK {
		for _, rs := range message.GetResourceSpans() {
			for _, kv := range rs.GetResource().GetAttributes() {
				r.resource[kv.GetKey()] = text(kv.GetValue())
			}
			for _, ss := range rs.GetScopeSpans() {
				r.spans = append(r.spans, ss.GetSpans()...)
			}
		}
	}
	w.WriteHeader(r.answer)
}

// text is a value of an attribute, for comparison.
func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *common.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *common.AnyValue_ArrayValue:
		var all []string
		for _, one := range v.ArrayValue.GetValues() {
			all = append(all, text(one))
		}
		return strings.Join(all, ",")
	default:
		return fmt.Sprint(v)
	}
}

// scene is a tracer whose time the test decides.
type scene struct {
	*Tracer

	now time.Time
	log bytes.Buffer
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{now: time.Unix(1000, 0)}
	var err error
	s.Tracer, err = New(t.Context(), Options{
		Version: "1.2.3", Log: slog.New(slog.NewTextHandler(&s.log, nil)), Now: func() time.Time { return s.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// step is told something after a time.
func (s *scene) step(after time.Duration, ev flow.Event, effects ...flow.Effect) {
	s.now = s.now.Add(after)
	s.Step(ev, effects)
}

// shown is what a test says of a span. Times are in milliseconds since the scene began.
type shown struct {
	Name, Parent string
	Begin, End   int64
	Attributes   string
	Error        string
}

func (r *receiver) shown() []shown {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]string{}
	for _, s := range r.spans {
		names[string(s.GetTraceId())+string(s.GetSpanId())] = s.GetName()
	}
	ms := func(nano uint64) int64 { return time.Unix(0, int64(nano)).Sub(time.Unix(1000, 0)).Milliseconds() }
	var out []shown
	for _, s := range r.spans {
		one := shown{
			Name: s.GetName(), Parent: names[string(s.GetTraceId())+string(s.GetParentSpanId())],
			Begin: ms(s.GetStartTimeUnixNano()), End: ms(s.GetEndTimeUnixNano()),
		}
		var attrs []string
		for _, kv := range s.GetAttributes() {
			attrs = append(attrs, kv.GetKey()+"="+text(kv.GetValue()))
		}
		one.Attributes = strings.Join(attrs, " ")
		if s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR {
			one.Error = s.GetStatus().GetMessage()
		}
		out = append(out, one)
	}
	return out
}

var process = flow.ProcessID{Service: "t@svc", Incarnation: 1}

func TestSpans(t *testing.T) {
	const ms = time.Millisecond
	spawn := flow.Spawn{Process: process, Sockets: []plan.Name{"t@a", "t@b"}}
	active := flow.Transition{Kind: "service", Name: "t@svc", To: "active"}
	const about = "rind.service=t@svc rind.sockets=t@a"
	tests := []struct {
		name string
		play func(s *scene)
		want []shown
	}{
		{"ready later", func(s *scene) {
			s.step(0, flow.Accessed{Socket: "t@a"})
			s.step(3*ms, flow.Screened{Socket: "t@a"}, spawn)
			s.step(2*ms, flow.ProcessStarted{Process: process, PID: 7})
			s.step(40*ms, flow.Notified{Process: process}, active)
			s.step(time.Hour, flow.ProcessExited{Process: process})
		}, []shown{
			{Name: "spawn", Parent: "activate t@svc", Begin: 3, End: 5},
			{Name: "ready", Parent: "activate t@svc", Begin: 5, End: 45},
			{Name: "activate t@svc", Begin: 0, End: 45, Attributes: about + " process.pid=7"},
		}},
		{"ready with its exec", func(s *scene) {
			s.step(0, flow.Accessed{Socket: "t@a"}, spawn)
			s.step(2*ms, flow.ProcessStarted{Process: process, PID: 7}, active)
		}, []shown{
			{Name: "spawn", Parent: "activate t@svc", Begin: 0, End: 2},
			{Name: "activate t@svc", Begin: 0, End: 2, Attributes: about + " process.pid=7"},
		}},
		{"no process", func(s *scene) {
			s.step(0, flow.Accessed{Socket: "t@a"}, spawn)
			s.step(2*ms, flow.ProcessFailed{Process: process, Reason: "no such file"})
		}, []shown{
			{Name: "spawn", Parent: "activate t@svc", Begin: 0, End: 2, Error: "no such file"},
			{Name: "activate t@svc", Begin: 0, End: 2, Attributes: about, Error: "no such file"},
		}},
		{"a crash before it is ready", func(s *scene) {
			s.step(0, flow.Accessed{Socket: "t@a"}, spawn)
			s.step(2*ms, flow.ProcessStarted{Process: process, PID: 7})
			s.step(2*ms, flow.ProcessExited{Process: process, Status: flow.ExitStatus{Code: 3}})
		}, []shown{
			{Name: "spawn", Parent: "activate t@svc", Begin: 0, End: 2},
			{Name: "ready", Parent: "activate t@svc", Begin: 2, End: 4, Error: "it ended before it was ready: status 3"},
			{Name: "activate t@svc", Begin: 0, End: 4, Attributes: about + " process.pid=7", Error: "it ended before it was ready: status 3"},
		}},
		{"a listener", func(s *scene) {
			s.step(0, flow.Boot{}, flow.OpenSocket{Socket: "t@a"}, flow.OpenSocket{Socket: "t@b"}, flow.OpenSocket{Socket: "t@c"})
			s.step(5*ms, flow.Opened{Socket: "t@a", Addresses: []string{"127.0.0.1:80", "[::1]:80"}})
			s.step(ms, flow.OpenFailed{Socket: "t@b", Reason: "address in use"})
			s.step(ms, flow.Closed{Socket: "t@c"})
			s.step(ms, flow.Closed{Socket: "t@a"})
		}, []shown{
			{Name: "open t@a", Begin: 0, End: 5, Attributes: "rind.socket=t@a rind.addresses=127.0.0.1:80,[::1]:80"},
			{Name: "open t@b", Begin: 0, End: 6, Attributes: "rind.socket=t@b rind.retried=false", Error: "address in use"},
			{Name: "open t@c", Begin: 0, End: 7, Attributes: "rind.socket=t@c"},
		}},
		{"no access", func(s *scene) {
			s.step(0, flow.Boot{}, spawn)
			s.step(ms, flow.ProcessStarted{Process: process}, active)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t)
			s := newScene(t)
			tt.play(s)
			s.Close(t.Context())
			if diff := cmp.Diff(tt.want, r.shown()); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if got := s.Counts(); got != (Counts{Sent: uint64(len(tt.want))}) {
				t.Errorf("%+v, want %d sent", got, len(tt.want))
			}
			if len(s.open)+len(s.opening) != 0 {
				t.Errorf("spans that are over are kept: %v, %v", s.open, s.opening)
			}
			if len(tt.want) > 0 {
				for key, want := range map[string]string{"service.name": "rind-of-test", "service.version": "1.2.3", "deployment.environment": "test"} {
					if r.resource[key] != want {
						t.Errorf("resource: %s is %q, want %q", key, r.resource[key], want)
					}
				}
			}
			if s.log.Len() > 0 {
				t.Errorf("it has something to say: %s", s.log.String())
			}
		})
	}
}

// What a process is told belongs to the span of its activation.
func TestParent(t *testing.T) {
	for sampler, flags := range map[string]string{"always_on": "01", "always_off": "00"} {
		t.Run(sampler, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", sampler)
			r := newReceiver(t)
			s := newScene(t)
			if got := s.Parent(process); got != "" {
				t.Errorf("before an access it is %q", got)
			}
			s.step(0, flow.Accessed{Socket: "t@a"}, flow.Spawn{Process: process, Sockets: []plan.Name{"t@a"}})
			parent := s.Parent(process)
			s.step(0, flow.ProcessStarted{Process: process}, flow.Transition{Kind: "service", Name: "t@svc", To: "active"})
			s.Close(t.Context())
			var traceID, spanID []byte
			var got string
			if _, err := fmt.Sscanf(parent, "00-%32x-%16x-%s", &traceID, &spanID, &got); err != nil || got != flags || len(traceID) != 16 || len(spanID) != 8 {
				t.Fatalf("%q is not 00-trace-span-%s: %v", parent, flags, err)
			}
			if sampler == "always_off" {
				if n := len(r.spans); n != 0 {
					t.Errorf("%d spans were sent that were not sampled", n)
				}
				return
			}
			root := r.spans[len(r.spans)-1]
			if !bytes.Equal(root.GetTraceId(), traceID) || !bytes.Equal(root.GetSpanId(), spanID) {
				t.Errorf("%q is not the span %x of %x", parent, root.GetSpanId(), root.GetTraceId())
			}
		})
	}
}

// A collector that does not answer costs spans, which are counted, and neither memory
// nor the time of the loop; and two seconds at the end.
func TestSlowCollector(t *testing.T) {
	r := newReceiver(t)
	r.block = make(chan struct{})
	s := newScene(t)
	const openings = maxWaiting + 100
	for range openings {
		s.step(0, flow.Boot{}, flow.OpenSocket{Socket: "t@a"})
		s.step(0, flow.Opened{Socket: "t@a"})
	}
	if got := s.Counts(); got != (Counts{Overflown: openings - maxWaiting}) {
		t.Errorf("%+v, want %d overflown", got, openings-maxWaiting)
	}
	begin := time.Now()
	s.Close(t.Context())
	if took := time.Since(begin); took > closeGrace+5*time.Second {
		t.Errorf("the end took %v", took)
	}
	close(r.block)
	if got := s.Counts(); got.Failed != maxWaiting {
		t.Errorf("%+v, want %d failed", got, maxWaiting)
	}
}

// A collector that refuses is logged once, and so is its return.
func TestRefusingCollector(t *testing.T) {
	r := newReceiver(t)
	r.answer = http.StatusForbidden
	s := newScene(t)
	send := func(want Counts) {
		t.Helper()
		s.step(0, flow.Boot{}, flow.OpenSocket{Socket: "t@a"})
		s.step(0, flow.Opened{Socket: "t@a"})
		if err := s.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.Counts(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	send(Counts{Failed: 1})
	send(Counts{Failed: 2})
	r.mu.Lock()
	r.answer = http.StatusOK
	r.mu.Unlock()
	send(Counts{Failed: 2, Sent: 1})
	s.Close(t.Context())
	said := s.log.String()
	if n := strings.Count(said, "spans cannot be sent"); n != 1 {
		t.Errorf("it says %d times that spans cannot be sent, want once:\n%s", n, said)
	}
	if !strings.Contains(said, "403") || !strings.Contains(said, "spans can be sent again") {
		t.Errorf("it does not say why, or that it is over:\n%s", said)
	}
}

func TestWanted(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		want    bool
		wantErr string
	}{
		{name: "nothing"},
		{name: "an endpoint", environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"}, want: true},
		{name: "an endpoint of traces", environ: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/v1/traces"}, want: true},
		{name: "an empty endpoint", environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT="}},
		{name: "an endpoint of metrics", environ: []string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://c:4318"}},
		{name: "the exporter with its default endpoint", environ: []string{"OTEL_TRACES_EXPORTER=otlp"}, want: true},
		{name: "no exporter", environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_TRACES_EXPORTER=none"}},
		{name: "disabled", environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_SDK_DISABLED=True"}},
		{name: "another exporter", environ: []string{"OTEL_TRACES_EXPORTER=zipkin"}, wantErr: `OTEL_TRACES_EXPORTER is "zipkin": it must be otlp or none`},
		{
			name: "grpc", environ: []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
			wantErr: `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": it must be http/protobuf, which collectors usually have at port 4318`,
		},
		{
			name: "json", environ: []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"},
			wantErr: `OTEL_EXPORTER_OTLP_PROTOCOL is "http/json": it must be http/protobuf, which collectors usually have at port 4318`,
		},
		{
			name:    "that of traces counts",
			environ: []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"},
			want:    true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Wanted(tt.environ)
			if msg := errText(err); msg != tt.wantErr || got != tt.want {
				t.Errorf("Wanted: %v, %q; want %v, %q", got, msg, tt.want, tt.wantErr)
			}
		})
	}
}

// What is wrong with the environment is said by the name of the variable.
func TestBadClient(t *testing.T) {
	tests := []struct{ variable, value, want string }{
		{"TIMEOUT", "soon", `OTEL_EXPORTER_OTLP_TIMEOUT is "soon": it must be a number of milliseconds`},
		{"TIMEOUT", "0", `OTEL_EXPORTER_OTLP_TIMEOUT is "0": it must be a number of milliseconds`},
		{"CERTIFICATE", "/nowhere", "OTEL_EXPORTER_OTLP_CERTIFICATE: open /nowhere: no such file or directory"},
		{"CERTIFICATE", "/dev/null", "OTEL_EXPORTER_OTLP_CERTIFICATE: /dev/null has no certificate in PEM"},
		{"CLIENT_KEY", "/k", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together: set both"},
	}
	for _, tt := range tests {
		t.Run(tt.variable+" "+tt.value, func(t *testing.T) {
			_, err := New(context.WithoutCancel(t.Context()), Options{
				Environ: []string{"OTEL_EXPORTER_OTLP_" + tt.variable + "=" + tt.value}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			if errText(err) != tt.want {
				t.Errorf("New: %q, want %q", errText(err), tt.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
