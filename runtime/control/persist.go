package control

import (
	"context"
	"errors"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// keeper makes the result of an operation last, or not last any more, and adds to
// the result what became of that.
type keeper func(ctx context.Context, u unit, result *controlv1.UnitResult)

// errInstance refuses to make a single instance persistent: it comes and goes with
// its branch or its start.
var errInstance = errors.New("an instance cannot be persistent, only its service")

// keep returns k if a request asks for it.
func keep(asked bool, k keeper) keeper {
	if !asked {
		return nil
	}
	return k
}

// persist makes a unit that was started, or was active already, start with the
// daemon from now on.
func (h *handler) persist(ctx context.Context, u unit, result *controlv1.UnitResult) {
	if u.instance != "" {
		kept(result, flow.Reply{}, errInstance, "", "not persistent")
		return
	}
	reply, err := h.ask(ctx, func(r flow.Request) flow.Event {
		return flow.SetState{State: flow.ActiveState, Value: cond.StringValue(h.view.Load().names.active(u)), From: r}
	})
	kept(result, reply, err, "persistent", "not persistent")
}

// forget makes a unit not start because of that any more.
func (h *handler) forget(ctx context.Context, u unit, result *controlv1.UnitResult) {
	if u.instance != "" {
		kept(result, flow.Reply{}, errInstance, "", "nothing is forgotten")
		return
	}
	name := h.view.Load().names.active(u)
	filter := &cond.Guard{Pred: &cond.Pred{Root: cond.Target, Op: cond.OpEqual, Lit: name}}
	reply, err := h.ask(ctx, func(r flow.Request) flow.Event {
		return flow.RemoveState{State: flow.ActiveState, Filter: filter, From: r}
	})
	kept(result, reply, err, "not persistent any more", "still persistent")
}

// kept adds to a result what is so from now on, or what is so still because it
// could not be changed.
func kept(result *controlv1.UnitResult, reply flow.Reply, err error, now, still string) {
	switch {
	case err != nil:
		result.Outcome = controlv1.Outcome_OUTCOME_FAILED
		result.Message = "failed: " + result.Message + ", but " + still + ": " + err.Error()
	case reply.Outcome == flow.Done:
		result.Outcome = controlv1.Outcome_OUTCOME_DONE
		result.Message += ", " + now
	}
}

// active returns the name of a unit in rind@active. Where a socket and a service
// have the same name, it says which one is meant.
func (d *directory) active(u unit) string {
	name := string(u.name)
	if _, err := d.unit(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, name); err != nil {
		return kindName(u.kind) + " " + name
	}
	return name
}
