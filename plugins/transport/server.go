package transport

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// maxRequest is the longest request in bytes: a batch of tens of thousands of
// endpoints.
const maxRequest = 16 << 20

// server answers the calls of the host. Release, Adopt and Watch belong to
// features that it does not list, and stay unimplemented.
type server struct {
	transportv1.UnimplementedTransportServer

	manifest  *manifest.Manifest
	transport Transport
	channel   *channel
	log       *slog.Logger
}

// Describe answers from the manifest.
func (s *server) Describe(context.Context, *transportv1.DescribeRequest) (*transportv1.DescribeResponse, error) {
	resp := &transportv1.DescribeResponse{
		Name:           s.manifest.Name,
		Version:        s.manifest.Version,
		Features:       s.manifest.Features,
		ManifestSha256: s.manifest.Digest(),
	}
	for i := range s.manifest.Schemes {
		resp.Schemes = append(resp.Schemes, describeScheme(&s.manifest.Schemes[i]))
	}
	return resp, nil
}

func describeScheme(s *manifest.Scheme) *transportv1.Scheme {
	schema := &transportv1.Schema{}
	for _, o := range s.Options {
		schema.Fields = append(schema.Fields, &transportv1.Field{
			Name: o.Name, Type: fieldTypes[o.Type], Min: o.Min, Max: o.Max, EnumValues: o.Enum,
			Pattern: o.Pattern, DefaultValue: o.Default, Doc: o.Doc,
		})
	}
	return &transportv1.Scheme{
		Name: s.Name,
		Shape: &transportv1.SocketShape{
			Domain: s.Shape.Domain, Type: s.Shape.Type, Protocols: s.Shape.Protocols, Listening: s.Shape.Listening,
		},
		Options: schema,
	}
}

// fieldTypes has a string for a mode: the protocol knows no such type, and its
// text is one.
var fieldTypes = map[manifest.Type]transportv1.Field_Type{
	manifest.String:   transportv1.Field_STRING,
	manifest.Int:      transportv1.Field_INT,
	manifest.Bool:     transportv1.Field_BOOL,
	manifest.Enum:     transportv1.Field_ENUM,
	manifest.Mode:     transportv1.Field_STRING,
	manifest.Bytes:    transportv1.Field_BYTES,
	manifest.Duration: transportv1.Field_DURATION,
	manifest.List:     transportv1.Field_LIST_STRING,
}

// Configure reports every setting as unknown: there are none in this version.
func (s *server) Configure(_ context.Context, req *transportv1.ConfigureRequest) (*transportv1.ConfigureResponse, error) {
	resp := &transportv1.ConfigureResponse{}
	for _, key := range sortedKeys(req.GetSettings()) {
		resp.Problems = append(resp.Problems, &transportv1.Problem{
			Severity: transportv1.Problem_ERROR,
			Code:     "UNKNOWN_SETTING",
			Message:  fmt.Sprintf("the transport %s has no setting %q", s.manifest.Name, clip(key)),
			Field:    key,
		})
	}
	return resp, nil
}

// Validate judges endpoints by the manifest and the transport's own rules.
func (s *server) Validate(ctx context.Context, req *transportv1.ValidateRequest) (*transportv1.ValidateResponse, error) {
	resp := &transportv1.ValidateResponse{}
	for _, ep := range req.GetEndpoints() {
		if err := ctx.Err(); err != nil {
			return nil, status.FromContextError(err).Err()
		}
		resp.Results = append(resp.Results, s.validate(ctx, ep))
	}
	return resp, nil
}

func (s *server) validate(ctx context.Context, req *transportv1.Endpoint) *transportv1.ValidateResult {
	ep, err := s.endpoint(ctx, req)
	if err != nil {
		e := asError(err)
		problem := &transportv1.Problem{
			Severity: transportv1.Problem_ERROR, Code: e.Code.String(),
			Message: e.wire().GetMessage(), Hint: e.wire().GetHint(), Field: e.Field,
		}
		if e.Field == "" {
			problem.Length = uint32(len(req.GetAddress()))
		} else {
			problem.Length = uint32(len(req.GetOptions()[e.Field]))
		}
		return &transportv1.ValidateResult{Problems: []*transportv1.Problem{problem}}
	}
	return &transportv1.ValidateResult{Canonical: ep.Address}
}

// endpoint checks a foreign endpoint in every way that needs no socket. Its
// address comes back in the canonical spelling.
func (s *server) endpoint(ctx context.Context, req *transportv1.Endpoint) (ep Endpoint, err error) {
	defer func() {
		if e := s.panicked(ctx, recover()); e != nil {
			ep, err = Endpoint{}, e
		}
	}()
	scheme, ok := s.manifest.Scheme(req.GetScheme())
	if !ok {
		return Endpoint{}, &Error{
			Code:    Unsupported,
			Message: fmt.Sprintf("the transport %s has no scheme %q", s.manifest.Name, clip(req.GetScheme())),
		}
	}
	ep, err = NewEndpoint(scheme, req.GetAddress(), req.GetOptions())
	if err != nil {
		return Endpoint{}, err
	}
	for _, name := range req.GetPrefer() {
		if _, ok := req.GetOptions()[name]; !ok {
			return Endpoint{}, &Error{
				Code: InvalidOption, Message: fmt.Sprintf("option %q is preferred, but has no value", clip(name)),
			}
		}
	}
	ep.ID, ep.Prefer = req.GetId(), req.GetPrefer()
	if checker, ok := s.transport.(Checker); ok {
		if ep.Address, err = checker.Check(ep); err != nil {
			return Endpoint{}, err
		}
	}
	return ep, nil
}

// panicked makes an error of what recover returned, if that is a panic, and
// logs it.
func (s *server) panicked(ctx context.Context, r any) error {
	if r == nil {
		return nil
	}
	const most = 8 << 10
	stack := debug.Stack()
	s.log.ErrorContext(ctx, "the transport panicked",
		slog.Any("panic", r), slog.String("stack", string(stack[:min(len(stack), most)])))
	return &Error{Code: Internal, Message: fmt.Sprintf("the transport %s panicked: %v", s.manifest.Name, r)}
}

// intercept keeps a panic in this package from ending the process.
func (s *server) intercept(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (resp any, err error) {
	defer func() {
		if e := s.panicked(ctx, recover()); e != nil {
			resp, err = nil, status.Errorf(codes.Internal, "%s: %s", info.FullMethod, e)
		}
	}()
	return handle(ctx, req)
}

// Bind binds one endpoint.
func (s *server) Bind(ctx context.Context, req *transportv1.BindRequest) (*transportv1.BindResponse, error) {
	results, err := s.bind(ctx, req.GetToken(), []*transportv1.BindRequest{req}, false)
	if err != nil {
		return nil, err
	}
	return &transportv1.BindResponse{Result: results[0]}, nil
}

// BindBatch binds many endpoints, in order.
func (s *server) BindBatch(ctx context.Context, req *transportv1.BindBatchRequest) (*transportv1.BindBatchResponse, error) {
	results, err := s.bind(ctx, req.GetToken(), req.GetItems(), req.GetAllOrNothing())
	if err != nil {
		return nil, err
	}
	return &transportv1.BindBatchResponse{Results: results}, nil
}

// bind binds the items and returns once the host has every descriptor in its
// channel. When it fails, no socket of the last frame stays bound; what went
// before is the host's to close, which knows the token.
func (s *server) bind(
	ctx context.Context, token []byte, items []*transportv1.BindRequest, allOrNothing bool,
) ([]*transportv1.BindResult, error) {
	if len(token) != len(wire.Token{}) {
		return nil, status.Errorf(codes.InvalidArgument, "the token has %d bytes, want %d", len(token), len(wire.Token{}))
	}
	d := delivery{channel: s.channel, token: wire.Token(token)}
	defer d.discard()
	results := make([]*transportv1.BindResult, len(items))
	for i, item := range items {
		sock, err := s.bindOne(ctx, item)
		switch {
		case err == nil:
			results[i] = &transportv1.BindResult{BoundAddress: sock.Bound, Refused: refusals(sock.Refused)}
			d.held = append(d.held, sock)
		case ctx.Err() != nil:
			return nil, status.FromContextError(ctx.Err()).Err()
		case allOrNothing:
			return nothing(len(items), i, asError(err)), nil
		default:
			results[i] = &transportv1.BindResult{Error: asError(err).wire()}
		}
		if !allOrNothing && len(d.held) == s.channel.most {
			if err := d.send(ctx); err != nil {
				return nil, err
			}
		}
	}
	if err := d.send(ctx); err != nil {
		return nil, err
	}
	return results, nil
}

// nothing returns the results of a batch that is off because of one item.
func nothing(n, failed int, err *Error) []*transportv1.BindResult {
	off := &transportv1.BindResult{Error: (&Error{
		Code:    Unavailable,
		Message: fmt.Sprintf("not bound, because item %d of the batch failed and the batch is all or nothing", failed),
	}).wire()}
	results := slices.Repeat([]*transportv1.BindResult{off}, n)
	results[failed] = &transportv1.BindResult{Error: err.wire()}
	return results
}

func refusals(list []Refusal) []*transportv1.Refusal {
	var out []*transportv1.Refusal
	for _, r := range list {
		e := r.Err.wire()
		out = append(out, &transportv1.Refusal{
			Option: r.Option, Message: e.GetMessage(), Hint: e.GetHint(), OsErrno: e.GetOsErrno(),
		})
	}
	return out
}

func (s *server) bindOne(ctx context.Context, req *transportv1.BindRequest) (sock *Socket, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if netns := req.GetNetns(); netns != "" {
		return nil, &Error{
			Code:    Unsupported,
			Message: fmt.Sprintf("the transport %s binds in its own network namespace only, not in %q", s.manifest.Name, clip(netns)),
		}
	}
	ep, err := s.endpoint(ctx, req.GetEndpoint())
	if err != nil {
		return nil, err
	}
	ep.Backlog = int(req.GetBacklog())
	defer func() {
		if e := s.panicked(ctx, recover()); e != nil {
			sock, err = nil, e
		}
	}()
	sock, err = s.transport.Bind(ctx, ep)
	if err != nil {
		return nil, err
	}
	if sock == nil {
		return nil, &Error{Code: Internal, Message: fmt.Sprintf("the transport %s returned no socket for %s", s.manifest.Name, ep.Address)}
	}
	if err := sock.finish(); err != nil {
		sock.discard()
		return nil, &Error{Code: Internal, Message: fmt.Sprintf("the transport %s bound %s wrongly: %s", s.manifest.Name, ep.Address, err)}
	}
	return sock, nil
}

// delivery carries the sockets of one call to the host.
type delivery struct {
	channel *channel
	token   wire.Token
	held    []*Socket // bound, not yet the host's
	sent    int
}

// send sends and closes what is held.
func (d *delivery) send(ctx context.Context) error {
	for len(d.held) > 0 {
		part := d.held[:min(len(d.held), d.channel.most)]
		fds := make([]int, len(part))
		for i, sock := range part {
			fds[i] = sock.FD
		}
		err := d.channel.send(ctx, wire.Frame{Count: uint16(len(fds)), Token: d.token, First: uint32(d.sent)}, fds)
		if ctx.Err() != nil {
			// The host no longer waits: it closes what it got, and the rest is
			// undone here.
			return status.FromContextError(ctx.Err()).Err()
		}
		if err != nil {
			return status.Errorf(codes.Unavailable, "send descriptors to the host: %s", err)
		}
		for _, sock := range part {
			sock.close()
		}
		d.held = d.held[len(part):]
		d.sent += len(part)
	}
	return nil
}

// discard takes back what is held.
func (d *delivery) discard() {
	for _, sock := range d.held {
		sock.discard()
	}
	d.held = nil
}
