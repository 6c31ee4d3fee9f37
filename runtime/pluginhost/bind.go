package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// Bounds of one BindBatch. A gRPC server takes 4 MiB by default.
const (
	maxBatchItems = 1024
	maxBatchBytes = 2 << 20
)

// maxBound is the largest length of an address that is taken over.
const maxBound = 256

// bind has the plugin bind as many of eps as one call can have, from the first
// on, and returns one result for each. An error is about all others.
func (in *instance) bind(ctx context.Context, eps []Endpoint) ([]Result, error) {
	items := in.request(eps)
	ch := in.proc.channel
	token := ch.open(len(items))
	answers, err := in.call(ctx, token, items)
	if err != nil {
		// A descriptor that comes for a call that its caller gave up is nobody's
		// fault.
		ch.cancel(token, ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded))
		return nil, err
	}
	if len(answers) != len(items) {
		ch.cancel(token, false)
		return nil, in.broke(fmt.Errorf("it answered with %d results for %d sockets", len(answers), len(items)))
	}
	want := 0
	for _, a := range answers {
		if a.GetError() == nil {
			want++
		}
	}
	fds, err := ch.take(token, want)
	if err != nil && !errors.Is(err, errNoFDs) {
		err = in.broke(err)
	} else {
		in.plugin.worked()
	}
	results := make([]Result, len(items))
	for i, a := range answers {
		switch {
		case a.GetError() != nil:
			results[i] = Result{FD: -1, Err: newBindError(eps[i].Address, a.GetError())}
		case errors.Is(err, errNoFDs):
			results[i] = Result{FD: -1, Err: noFDs(eps[i].Address)}
		case err != nil:
			results[i] = Result{FD: -1, Err: err}
		default:
			results[i] = in.result(eps[i], a, fds[0])
			fds = fds[1:]
		}
	}
	return results, nil
}

// result takes over one bound socket with its descriptor, which is closed if the
// plugin left out an option that it had no leave to.
func (in *instance) result(ep Endpoint, a *transportv1.BindResult, fd int) Result {
	r := Result{FD: fd, Bound: clean(a.GetBoundAddress(), maxBound)}
	for _, refusal := range a.GetRefused() {
		name := clean(refusal.GetOption(), maxName)
		again := slices.ContainsFunc(r.Refused, func(r Refusal) bool { return r.Option == name })
		if again || !slices.Contains(ep.Prefer, name) {
			err := fmt.Errorf("it bound %s without the option %q, which it may not leave out", ep.Address, name)
			return Result{FD: -1, Err: in.broke(errors.Join(err, unix.Close(fd)))}
		}
		reason := clean(strings.TrimPrefix(refusal.GetMessage(), "option "+name+": "), maxText)
		if reason == "" {
			reason = "the plugin does not say why"
		}
		if hint := clean(refusal.GetHint(), maxText); hint != "" {
			reason += " (" + hint + ")"
		}
		r.Refused = append(r.Refused, Refusal{Option: name, Reason: reason})
	}
	return r
}

// request returns as many of eps as one call can have, at least one.
func (in *instance) request(eps []Endpoint) []*transportv1.BindRequest {
	limit := 1
	if in.batch {
		limit = min(len(eps), maxBatchItems)
	}
	items := make([]*transportv1.BindRequest, 0, limit)
	size := 0
	for _, ep := range eps[:limit] {
		item := &transportv1.BindRequest{
			Endpoint: &transportv1.Endpoint{Id: ep.ID, Scheme: ep.Scheme, Address: ep.Address, Options: ep.Options, Prefer: ep.Prefer},
			Backlog:  uint32(max(ep.Backlog, 0)),
		}
		size += proto.Size(item)
		if len(items) > 0 && size > maxBatchBytes {
			break
		}
		items = append(items, item)
	}
	return items
}

// call makes the RPC. The answers may be fewer or more than the items.
func (in *instance) call(ctx context.Context, token wire.Token, items []*transportv1.BindRequest) ([]*transportv1.BindResult, error) {
	opts := in.plugin.host.opts
	timeout := opts.BindTimeout + time.Duration(len(items))*opts.BindItemTimeout
	rctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if len(items) > 1 {
		resp, err := in.rpc.BindBatch(rctx, &transportv1.BindBatchRequest{Token: token[:], Items: items})
		if err != nil {
			return nil, in.failed(ctx, rctx, "BindBatch", timeout, err)
		}
		return resp.GetResults(), nil
	}
	items[0].Token = token[:]
	resp, err := in.rpc.Bind(rctx, items[0])
	if err != nil {
		return nil, in.failed(ctx, rctx, "Bind", timeout, err)
	}
	if resp.GetResult() == nil {
		return nil, nil
	}
	return []*transportv1.BindResult{resp.GetResult()}, nil
}

// failed says why an RPC has no answer, and ends a process that will not give
// one any more.
func (in *instance) failed(ctx, rctx context.Context, method string, timeout time.Duration, err error) error {
	code := status.Code(err)
	// The plugin knows the deadline, and may see it pass before the host does.
	late := rctx.Err() != nil || code == codes.DeadlineExceeded
	callers, has := ctx.Deadline()
	own, _ := rctx.Deadline()
	if ctx.Err() != nil || late && has && callers.Equal(own) {
		return in.plugin.gaveUp(ctx)
	}
	e := &PluginError{Transport: in.plugin.name, Path: in.proc.path}
	switch {
	case late:
		e.Err = &lateError{"answer " + method, timeout}
		in.proc.fail(e.Err)
	case code == codes.Unavailable || code == codes.Canceled:
		if !wait(in.proc.done, 2*lag) {
			in.proc.fail(errors.New("its connection broke"))
		}
		e.Err, e.died = in.whyEnded(), in.proc.endedAlone()
	default:
		e.Err = rpcError(method, err)
	}
	in.plugin.note(e)
	return e
}

// broke is the error of a call in which the plugin broke the protocol.
func (in *instance) broke(err error) error {
	e := &PluginError{Transport: in.plugin.name, Path: in.proc.path, Err: err}
	in.plugin.note(e)
	return e
}

// rpcError is the error of an RPC, in which the plugin may have written anything.
func rpcError(method string, err error) error {
	s := status.Convert(err)
	return fmt.Errorf("%s failed: %s: %s", method, clean(s.Code().String(), maxName), clean(s.Message(), maxText))
}

// noFDs is the result for a socket for which this process had no room.
func noFDs(address string) *BindError {
	return &BindError{
		Address: address,
		Code:    transportv1.BindError_RESOURCE_EXHAUSTED,
		Message: "rindrun has too many open files",
		Hint:    "raise its LimitNOFILE",
		Errno:   unix.EMFILE,
	}
}
