package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/loop"
)

// Watches at a time: each keeps a goroutine and a buffer for as long as its caller
// wants.
const (
	maxOwnWatches      = 32 // of uid 0 and the daemon's user
	maxStrangerWatches = 2  // of any other uid
	maxStrangersWatch  = 16 // of all of them
)

// watches counts the watches of each user.
type watches struct {
	mu        sync.Mutex
	of        map[uint32]int
	own       int
	strangers int
}

// begin counts a watch in, unless its user has enough; end counts it out.
func (w *watches) begin(uid uint32, own bool) (end func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all, most := &w.strangers, maxStrangersWatch
	if own {
		all, most = &w.own, maxOwnWatches
	}
	if *all >= most || !own && w.of[uid] >= maxStrangerWatches {
		return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("too many watches at a time: end some"))
	}
	if w.of == nil {
		w.of = map[uint32]int{}
	}
	*all++
	w.of[uid]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		*all--
		if w.of[uid]--; w.of[uid] == 0 {
			delete(w.of, uid)
		}
	}, nil
}

// Watch implements the service. It ends with the connection of the caller, or with
// the daemon.
func (h *handler) Watch(ctx context.Context, _ *controlv1.WatchRequest, out *connect.ServerStream[controlv1.WatchResponse]) error {
	return h.watch(ctx, out.Send)
}

// watch sends what happens until the caller has gone or the daemon ends. An error
// before the first message is a *connect.Error.
func (h *handler) watch(ctx context.Context, send func(*controlv1.WatchResponse) error) error {
	who := callerOf(ctx)
	end, err := h.watches.begin(who.countedAs(), h.view.Load().manages(who))
	if err != nil {
		return err
	}
	defer end()
	takeTime(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := h.engine.Watch(ctx)
	if err != nil {
		return unavailable(err)
	}
	if err := send(&controlv1.WatchResponse{}); err != nil {
		return err
	}
	for ev := range events {
		if err := send(h.told(who, ev)); err != nil {
			return err
		}
	}
	return nil
}

// told is what a caller is told of something that happened.
func (h *handler) told(who caller, ev loop.Announcement) *controlv1.WatchResponse {
	resp := &controlv1.WatchResponse{Lost: uint64(ev.Lost), UnixMicros: time.Now().UnixMicro()}
	if t := ev.Transition; t != nil {
		resp.Event = &controlv1.WatchResponse_Unit{Unit: &controlv1.UnitEvent{
			Kind: t.Kind, Name: string(t.Name), Instance: t.Instance, From: t.From, To: t.To, Cause: t.Cause, Failure: t.Failure,
		}}
		return resp
	}
	happened := &controlv1.FlowEvent{Name: string(ev.Name), Removed: ev.Removed, Cause: ev.Cause}
	if h.view.Load().mayRead(who, ev.Kind, ev.Name) {
		happened.Payload = toWire(ev.Value)
	}
	if ev.Kind == cond.Signal {
		resp.Event = &controlv1.WatchResponse_Signal{Signal: happened}
	} else {
		resp.Event = &controlv1.WatchResponse_State{State: happened}
	}
	return resp
}
