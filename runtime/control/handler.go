package control

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/loop"
)

// Engine is the part of the loop that the control interface needs.
type Engine interface {
	Ask(ctx context.Context, by string, event func(flow.Request) flow.Event) (flow.Reply, error)
	Snapshot(ctx context.Context) (flow.Snapshot, error)
	Watch(ctx context.Context) (<-chan loop.Announcement, error)
}

// Facts is what the status shows beyond the engine's own.
type Facts struct {
	Version         string
	Plugins         []*controlv1.PluginStatus
	OpenDescriptors int
	Store           *controlv1.StoreStatus // nil: states end with the daemon
	Begin           time.Time              // of the daemon

	// Since returns when a unit came into its state; the zero time: it has never been
	// in another one. Nil: nobody knows.
	Since func(Unit) time.Time
}

// Unit identifies a unit, or an instance of a service that may have several. Kind is
// that of a [flow.Transition].
type Unit struct {
	Kind     string
	Name     plan.Name
	Instance string
}

// since is when a unit came into its state, as it goes over the wire.
func (f Facts) since(kind string, name plan.Name, instance string) int64 {
	if f.Since == nil {
		return 0
	}
	return micros(f.Since(Unit{kind, name, instance}))
}

// micros is a time as it goes over the wire, 0 if there is none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// handler answers the calls. The caller of each is in its context.
type handler struct {
	view     atomic.Pointer[view]
	engine   Engine
	facts    func() Facts
	shutdown func(cause string)
	reload   func(ctx context.Context, r Reload) (Reloaded, error)
	grant    func(ctx context.Context, g Grant) (Granted, error)
	logs     func(services []string, lines int) []*controlv1.LogLine
	pid      int
	own      int // the daemon's user
	watches  watches
}

func newHandler(o Options, pid, own int) *handler {
	h := &handler{
		engine: o.Engine, facts: o.Facts, shutdown: o.Shutdown, reload: o.Reload, grant: o.Grant, logs: o.Logs, pid: pid, own: own,
	}
	h.view.Store(newView(o.Plan, own))
	return h
}

// Status implements the service. Everybody may look, but the payloads of states
// are for those who may set them: a state that is set and has no branches in the
// answer is one whose payload is not shown.
func (h *handler) Status(ctx context.Context, _ *controlv1.StatusRequest) (*controlv1.StatusResponse, error) {
	v, who := h.view.Load(), callerOf(ctx)
	snap, err := h.engine.Snapshot(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	facts := h.facts()
	resp := &controlv1.StatusResponse{
		Version: facts.Version, PlanDigest: v.plan.Digest, Pid: int32(h.pid),
		Plugins: facts.Plugins, OpenDescriptors: int32(facts.OpenDescriptors),
		Store: facts.Store, SinceUnixMicros: micros(facts.Begin),
	}
	for _, s := range snap.Sockets {
		resp.Sockets = append(resp.Sockets, socketStatus(&s, facts))
	}
	for _, s := range snap.Services {
		resp.Services = append(resp.Services, serviceStatus(s, facts))
	}
	for _, t := range snap.Timers {
		resp.Timers = append(resp.Timers, &controlv1.TimerStatus{
			Name: string(t.Def.Name), State: string(t.State), Reason: t.Reason, Ends: t.Ends,
			SinceUnixMicros: facts.since("timer", t.Def.Name, ""),
		})
	}
	for _, s := range snap.States {
		st := &controlv1.StateStatus{Name: string(s.Name)}
		if v.mayRead(who, cond.State, s.Name) {
			for _, value := range s.Branches {
				st.Branches = append(st.Branches, toWire(value))
			}
			st.Follows = s.Follows
		}
		resp.States = append(resp.States, st)
	}
	if v.manages(who) {
		resp.Grants = v.grants()
	}
	return resp, nil
}

// Start implements the service.
func (h *handler) Start(ctx context.Context, req *controlv1.StartRequest) (*controlv1.StartResponse, error) {
	results, err := h.each(ctx, req.GetKind(), req.GetNames(), func(u unit, r flow.Request) flow.Event {
		if u.kind == controlv1.UnitKind_UNIT_KIND_SERVICE {
			return flow.StartService{Service: u.name, Instance: u.instance, From: r}
		}
		return flow.StartSocket{Socket: u.name, From: r}
	}, keep(req.GetPersist(), h.persist))
	if err != nil {
		return nil, err
	}
	return &controlv1.StartResponse{Results: results}, nil
}

// Stop implements the service.
func (h *handler) Stop(ctx context.Context, req *controlv1.StopRequest) (*controlv1.StopResponse, error) {
	results, err := h.each(ctx, req.GetKind(), req.GetNames(), func(u unit, r flow.Request) flow.Event {
		if u.kind == controlv1.UnitKind_UNIT_KIND_SERVICE {
			return flow.StopService{Service: u.name, Instance: u.instance, From: r}
		}
		return flow.StopSocket{Socket: u.name, From: r}
	}, keep(req.GetPersist(), h.forget))
	if err != nil {
		return nil, err
	}
	return &controlv1.StopResponse{Results: results}, nil
}

// maxNames bounds one call of Start or Stop.
const maxNames = 1000

// each asks for one operation per name. A name that leads nowhere, an operation that
// the caller may not ask for, or one that fails, is a result and does not stop the
// others; a caller who may ask for none of them is refused. then follows what did not
// fail, and may be nil.
func (h *handler) each(ctx context.Context, kind controlv1.UnitKind, names []string, event func(unit, flow.Request) flow.Event, then keeper) ([]*controlv1.UnitResult, error) {
	v, who := h.view.Load(), callerOf(ctx)
	if !v.known(who) {
		return nil, v.errNothing(who)
	}
	if len(names) == 0 || len(names) > maxNames {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%d names, want 1 to %d", len(names), maxNames))
	}
	results := make([]*controlv1.UnitResult, 0, len(names))
	var refusal error // the last one
	refusals := 0
	for _, name := range names {
		u, err := v.names.unit(kind, name)
		if err != nil {
			results = append(results, refused(kind, name, err))
			continue
		}
		result := &controlv1.UnitResult{Name: u.title(), Kind: u.kind}
		results = append(results, result)
		if err := v.mayOperate(who, u); err != nil {
			refusal = err
			refusals++
			result.Outcome, result.Message = controlv1.Outcome_OUTCOME_DENIED, err.Error()
			continue
		}
		takeTime(ctx)
		h.operate(ctx, u, event, then, result)
	}
	if refusals == len(names) {
		return nil, denied(refusal)
	}
	return results, nil
}

// operate asks for one operation and says in result what came of it.
func (h *handler) operate(ctx context.Context, u unit, event func(unit, flow.Request) flow.Event, then keeper, result *controlv1.UnitResult) {
	reply, err := h.engine.Ask(ctx, callerOf(ctx).String(), func(r flow.Request) flow.Event { return event(u, r) })
	if err != nil { // what was done before is still worth knowing
		result.Outcome, result.Message = controlv1.Outcome_OUTCOME_FAILED, "failed: "+err.Error()
		return
	}
	result.Outcome, result.Message = outcome(reply.Outcome), reply.Message
	if then != nil && (reply.Outcome == flow.Done || reply.Outcome == flow.Unchanged) {
		then(ctx, u, result)
	}
}

func refused(kind controlv1.UnitKind, name string, err error) *controlv1.UnitResult {
	result := &controlv1.UnitResult{Name: name, Kind: kind, Outcome: controlv1.Outcome_OUTCOME_FAILED, Message: err.Error()}
	if bad, ok := errors.AsType[*nameError](err); ok {
		result.Outcome = bad.outcome
	}
	return result
}

// SetState implements the service.
func (h *handler) SetState(ctx context.Context, req *controlv1.SetStateRequest) (*controlv1.SetStateResponse, error) {
	v := h.view.Load()
	name, err := v.stateFor(callerOf(ctx), req.GetName())
	if err != nil {
		return nil, err
	}
	takeTime(ctx)
	value, err := fromWire(req.GetPayload(), v.states[name].Payload)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("state %s: %w", name, err))
	}
	reply, err := h.ask(ctx, func(r flow.Request) flow.Event {
		return flow.SetState{State: name, Value: value, From: r}
	})
	if err != nil {
		return nil, err
	}
	return &controlv1.SetStateResponse{Name: string(name), Changed: reply.Outcome == flow.Done}, nil
}

// RemoveState implements the service.
func (h *handler) RemoveState(ctx context.Context, req *controlv1.RemoveStateRequest) (*controlv1.RemoveStateResponse, error) {
	name, err := h.view.Load().stateFor(callerOf(ctx), req.GetName())
	if err != nil {
		return nil, err
	}
	takeTime(ctx)
	var filter *cond.Guard
	if text := req.GetFilter(); text != "" {
		v, err := cond.ParseJSON([]byte(text))
		if err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("filter: %w", err))
		}
		filter = cond.SubsetGuard(cond.Target, v.Tree())
	}
	reply, err := h.ask(ctx, func(r flow.Request) flow.Event {
		return flow.RemoveState{State: name, Filter: filter, From: r}
	})
	if err != nil {
		return nil, err
	}
	return &controlv1.RemoveStateResponse{Name: string(name), Removed: uint32(reply.Count)}, nil
}

// Emit implements the service.
func (h *handler) Emit(ctx context.Context, req *controlv1.EmitRequest) (*controlv1.EmitResponse, error) {
	v := h.view.Load()
	name, err := v.signalFor(callerOf(ctx), req.GetName())
	if err != nil {
		return nil, err
	}
	takeTime(ctx)
	value, err := fromWire(req.GetPayload(), v.signals[name].Payload)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("signal %s: %w", name, err))
	}
	_, err = h.ask(ctx, func(r flow.Request) flow.Event {
		return flow.EmitSignal{Signal: name, Value: value, From: r}
	})
	if err != nil {
		return nil, err
	}
	return &controlv1.EmitResponse{Name: string(name)}, nil
}

// Shutdown implements the service.
func (h *handler) Shutdown(ctx context.Context, _ *controlv1.ShutdownRequest) (*controlv1.ShutdownResponse, error) {
	if err := h.onlyManagers(ctx, "end the daemon"); err != nil {
		return nil, err
	}
	h.shutdown("command by " + callerOf(ctx).String())
	return &controlv1.ShutdownResponse{}, nil
}

// ask sends one event in the caller's name; everything but success is an error.
func (h *handler) ask(ctx context.Context, event func(flow.Request) flow.Event) (flow.Reply, error) {
	reply, err := h.engine.Ask(ctx, callerOf(ctx).String(), event)
	switch {
	case err != nil:
		return flow.Reply{}, unavailable(err)
	case reply.Outcome == flow.Unknown:
		return flow.Reply{}, connect.NewError(connect.CodeNotFound, errors.New(reply.Message))
	case reply.Outcome == flow.Failed:
		return flow.Reply{}, connect.NewError(connect.CodeInvalidArgument, errors.New(reply.Message))
	}
	return reply, nil
}

func badName(err error) error {
	code := connect.CodeInvalidArgument
	if bad, ok := errors.AsType[*nameError](err); ok && bad.outcome == controlv1.Outcome_OUTCOME_UNKNOWN_UNIT {
		code = connect.CodeNotFound
	}
	return connect.NewError(code, err)
}

func unavailable(err error) error { return connect.NewError(connect.CodeUnavailable, err) }

func outcome(o flow.Outcome) controlv1.Outcome {
	switch o {
	case flow.Done:
		return controlv1.Outcome_OUTCOME_DONE
	case flow.Unchanged:
		return controlv1.Outcome_OUTCOME_UNCHANGED
	case flow.Unknown:
		return controlv1.Outcome_OUTCOME_UNKNOWN_UNIT
	case flow.Failed:
	}
	return controlv1.Outcome_OUTCOME_FAILED
}

// fromWire returns the payload of a request for a target of kind want.
func fromWire(p *controlv1.Payload, want cond.Kind) (cond.Value, error) {
	switch v := p.GetValue().(type) {
	case *controlv1.Payload_Text:
		return cond.ParseValue(cond.String, []byte(v.Text))
	case *controlv1.Payload_Data:
		return cond.BytesValue(v.Data), nil
	case *controlv1.Payload_Json:
		return cond.ParseJSON([]byte(v.Json))
	case *controlv1.Payload_Raw:
		value, err := cond.ParseValue(want, []byte(v.Raw))
		if err != nil && want == cond.JSON {
			err = fmt.Errorf("the payload is of kind json: %w", err)
		}
		return value, err
	}
	return cond.NoneValue(), nil
}

func toWire(v cond.Value) *controlv1.Payload {
	switch v.Kind() {
	case cond.String:
		return &controlv1.Payload{Value: &controlv1.Payload_Text{Text: v.Text()}}
	case cond.Bytes:
		return &controlv1.Payload{Value: &controlv1.Payload_Data{Data: v.Raw()}}
	case cond.JSON:
		return &controlv1.Payload{Value: &controlv1.Payload_Json{Json: v.Text()}}
	case cond.None:
	}
	return &controlv1.Payload{}
}
