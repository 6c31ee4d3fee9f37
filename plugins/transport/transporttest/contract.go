package transporttest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// contract checks the calls around binding.
func (k *kit) contract(t *testing.T) {
	k.each(t, []check{
		{"16 it is healthy", healthy},
		{"17 Describe tells what the manifest tells", k.describesManifest},
		{"18 unknown fields are ignored", ignoresUnknownFields},
		{"19 an unknown method is unimplemented", unknownMethod},
		{"20 an unknown setting is a problem", unknownSetting},
		{"20b a feature that it does not list is unimplemented", k.unlistedFeatures},
	})
}

func healthy(s *session) {
	t := s.t
	resp, err := healthpb.NewHealthClient(s.conn).Check(callContext(t), &healthpb.HealthCheckRequest{Service: "plugin"})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetStatus(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health of the service \"plugin\" is %s, want SERVING", got)
	}
}

func (k *kit) describesManifest(s *session) {
	t := s.t
	resp := s.describe(t)
	if !proto.Equal(resp, s.describe(t)) {
		t.Error("two calls of Describe differ")
	}
	type facts struct {
		Name, Version, SHA256 string
		Features              []string
		Schemes               map[string][]string // to their options
	}
	want := facts{
		Name: k.manifest.Name, Version: k.manifest.Version, SHA256: k.manifest.SHA256,
		Features: k.manifest.Features, Schemes: map[string][]string{},
	}
	for _, s := range k.manifest.Schemes {
		want.Schemes[s.Name] = optionNames(s.Options, func(o manifest.Option) string { return o.Name })
	}
	got := facts{
		Name: resp.GetName(), Version: resp.GetVersion(), SHA256: fmt.Sprintf("sha256:%x", resp.GetManifestSha256()),
		Features: resp.GetFeatures(), Schemes: map[string][]string{},
	}
	for _, s := range resp.GetSchemes() {
		got.Schemes[s.GetName()] = optionNames(s.GetOptions().GetFields(), (*transportv1.Field).GetName)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Describe differs from the manifest (-manifest +Describe):\n%s", diff)
	}
}

func optionNames[T any](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	return names
}

func ignoresUnknownFields(s *session) {
	t := s.t
	req := &transportv1.DescribeRequest{HostName: "transporttest"}
	future := protowire.AppendTag(nil, 4242, protowire.BytesType)
	req.ProtoReflect().SetUnknown(protowire.AppendString(future, "from the future"))
	if _, err := s.Describe(callContext(t), req); err != nil {
		t.Errorf("Describe with an unknown field: %v", err)
	}
}

func unknownMethod(s *session) {
	t := s.t
	err := s.conn.Invoke(callContext(t), "/rind.transport.v1.Transport/FromTheFuture", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an unknown method gives %v, want Unimplemented", err)
	}
	s.describe(t)
}

func unknownSetting(s *session) {
	t := s.t
	const key = "no-plugin-has-this"
	resp, err := s.Configure(callContext(t), &transportv1.ConfigureRequest{Settings: map[string]string{key: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range resp.GetProblems() {
		if p.GetField() == key {
			return
		}
	}
	t.Errorf("Configure with the setting %s has the problems %v, want one with that field", key, resp.GetProblems())
}

func (k *kit) unlistedFeatures(s *session) {
	t := s.t
	calls := map[string]func(context.Context) error{
		"release": func(ctx context.Context) error {
			_, err := s.Release(ctx, &transportv1.ReleaseRequest{})
			return err
		},
		"adopt": func(ctx context.Context) error {
			_, err := s.Adopt(ctx, &transportv1.AdoptRequest{})
			return err
		},
		"watch": func(ctx context.Context) error {
			stream, err := s.Watch(ctx, &transportv1.WatchRequest{})
			if err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		},
	}
	for _, feature := range k.manifest.Features {
		delete(calls, feature)
	}
	for feature, call := range calls {
		if err := call(callContext(t)); status.Code(err) != codes.Unimplemented {
			t.Errorf("the call of the unlisted feature %q gives %v, want Unimplemented", feature, err)
		}
	}
}

// validate checks the judgement of endpoints that needs no socket.
func (k *kit) validate(t *testing.T) {
	k.each(t, []check{
		{"21 the examples of the manifest are true", k.examples},
		{"23 10,000 endpoints take less than 2 s", k.validatesFast},
		{"24 a problem points inside its field", k.problemPlaces},
		{"25 a canonical address is its own canonical address", k.fixedPoint},
	})
}

func (s *session) validateOne(t *testing.T, ep *transportv1.Endpoint) *transportv1.ValidateResult {
	t.Helper()
	resp, err := s.Validate(callContext(t), &transportv1.ValidateRequest{Endpoints: []*transportv1.Endpoint{ep}})
	if err != nil {
		t.Fatalf("Validate %s: %v", ep.GetAddress(), err)
	}
	if len(resp.GetResults()) != 1 {
		t.Fatalf("Validate %s: %d results, want 1", ep.GetAddress(), len(resp.GetResults()))
	}
	return resp.GetResults()[0]
}

// firstError returns the code of the first problem that is an error.
func firstError(r *transportv1.ValidateResult) string {
	for _, p := range r.GetProblems() {
		if p.GetSeverity() == transportv1.Problem_ERROR {
			return p.GetCode()
		}
	}
	return ""
}

func (k *kit) examples(s *session) {
	t := s.t
	n := 0
	for _, scheme := range k.manifest.Schemes {
		for _, e := range scheme.Examples {
			n++
			r := s.validateOne(t, &transportv1.Endpoint{Scheme: scheme.Name, Address: e.Listen})
			if got := firstError(r); got != e.Code {
				t.Errorf("%s %q: Validate says %q, the manifest %q", scheme.Name, e.Listen, got, e.Code)
			}
			if err := scheme.CheckAddress(e.Listen); e.OK && err != nil {
				t.Errorf("%s %q is an example that is OK, but %v", scheme.Name, e.Listen, err)
			}
		}
	}
	if n == 0 {
		t.Skip("skipped: the manifest has no [[scheme.example]]")
	}
}

func (k *kit) validatesFast(s *session) {
	t := s.t
	req := &transportv1.ValidateRequest{}
	for i := range 10_000 {
		req.Endpoints = append(req.Endpoints, k.Binds[i%len(k.Binds)].Endpoint)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	resp, err := s.Validate(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(resp.GetResults()); got != len(req.GetEndpoints()) {
		t.Errorf("%d results, want %d", got, len(req.GetEndpoints()))
	}
}

func (k *kit) problemPlaces(s *session) {
	t := s.t
	good := k.Binds[0].Endpoint
	unknown := &transportv1.Endpoint{
		Scheme: good.GetScheme(), Address: good.GetAddress(), Options: map[string]string{"no-plugin-has-this": "1"},
	}
	if code := firstError(s.validateOne(t, unknown)); code != transport.InvalidOption.String() {
		t.Errorf("Validate says %q of an unknown option, want %s", code, transport.InvalidOption)
	}
	for _, ep := range []*transportv1.Endpoint{
		unknown,
		{Scheme: good.GetScheme(), Address: ""},
		{Scheme: good.GetScheme(), Address: "\u00e9 \x01 hardly an address"},
	} {
		for _, p := range s.validateOne(t, ep).GetProblems() {
			text := ep.GetAddress()
			if p.GetField() != "" {
				text = ep.GetOptions()[p.GetField()]
			}
			if end := uint64(p.GetOffset()) + uint64(p.GetLength()); end > uint64(len(text)) {
				t.Errorf("Validate %v: the problem %v ends at %d of %d", ep, p, end, len(text))
			}
		}
	}
}

func (k *kit) fixedPoint(s *session) {
	t := s.t
	for _, b := range k.Binds {
		first := s.validateOne(t, b.Endpoint)
		if code := firstError(first); code != "" {
			t.Errorf("%s: Validate says %s of an endpoint that can be bound: %v", b.Name, code, first.GetProblems())
			continue
		}
		ep := proto.CloneOf(b.Endpoint)
		ep.Address = first.GetCanonical()
		if again := s.validateOne(t, ep); again.GetCanonical() != first.GetCanonical() {
			t.Errorf("%s: %q becomes %q becomes %q", b.Name, b.Endpoint.GetAddress(), first.GetCanonical(), again.GetCanonical())
		}
	}
}
