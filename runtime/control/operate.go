package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Pause implements the service.
func (h *handler) Pause(ctx context.Context, req *controlv1.PauseRequest) (*controlv1.PauseResponse, error) {
	results, err := h.each(ctx, controlv1.UnitKind_UNIT_KIND_SOCKET, req.GetNames(), func(u unit, r flow.Request) flow.Event {
		return flow.PauseSocket{Socket: u.name, From: r}
	}, nil)
	if err != nil {
		return nil, err
	}
	return &controlv1.PauseResponse{Results: results}, nil
}

// Resume implements the service.
func (h *handler) Resume(ctx context.Context, req *controlv1.ResumeRequest) (*controlv1.ResumeResponse, error) {
	results, err := h.each(ctx, controlv1.UnitKind_UNIT_KIND_SOCKET, req.GetNames(), func(u unit, r flow.Request) flow.Event {
		return flow.ResumeSocket{Socket: u.name, From: r}
	}, nil)
	if err != nil {
		return nil, err
	}
	return &controlv1.ResumeResponse{Results: results}, nil
}

// Logs implements the service.
func (h *handler) Logs(ctx context.Context, req *controlv1.LogsRequest) (*controlv1.LogsResponse, error) {
	v, who := h.view.Load(), callerOf(ctx)
	if !v.known(who) {
		return nil, v.errNothing(who)
	}
	if len(req.GetNames()) > maxNames {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%d names, want at most %d", len(req.GetNames()), maxNames))
	}
	var services []string
	for _, name := range req.GetNames() {
		u, err := v.names.unit(controlv1.UnitKind_UNIT_KIND_SERVICE, name)
		if err != nil {
			return nil, badName(err)
		}
		if err := v.mayOperate(who, u); err != nil {
			return nil, denied(err)
		}
		services = append(services, u.title())
	}
	if len(services) == 0 {
		for i := range v.plan.Services {
			u := unit{kind: controlv1.UnitKind_UNIT_KIND_SERVICE, name: v.plan.Services[i].Name}
			if v.mayOperate(who, u) == nil {
				services = append(services, u.title())
			}
		}
	}
	if h.logs == nil {
		return &controlv1.LogsResponse{}, nil
	}
	return &controlv1.LogsResponse{Lines: h.logs(services, int(req.GetLines()))}, nil
}

// Reload is a request for another plan.
type Reload struct {
	Path   string // absolute; empty: the file that the daemon was started with
	DryRun bool   // only say what would happen
	By     string // "uid 0"
}

// Reloaded is what came of it.
type Reloaded struct {
	Plan    *plan.Plan // the new one
	Changes string     // in words

	// Problems are what has not come about of it, although the plan has been taken
	// over, for people.
	Problems []string
}

// errNoReload is the answer of a server that has no plan file.
var errNoReload = errors.New("this daemon cannot load another plan")

// Reload implements the service. Whoever chooses the plan chooses what the daemon
// runs, with all its rights.
func (h *handler) Reload(ctx context.Context, req *controlv1.ReloadRequest) (*controlv1.ReloadResponse, error) {
	if err := h.onlyManagers(ctx, "load another plan"); err != nil {
		return nil, err
	}
	switch path := req.GetPath(); {
	case h.reload == nil:
		return nil, connect.NewError(connect.CodeUnimplemented, errNoReload)
	case path != "" && !filepath.IsAbs(path):
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("plan %s: want an absolute path", path))
	}
	takeTime(ctx)
	r, err := h.reload(ctx, Reload{Path: req.GetPath(), DryRun: req.GetDryRun(), By: callerOf(ctx).String()})
	switch {
	case err != nil && r.Plan != nil: // it counts all the same
		return nil, unavailable(err)
	case err != nil:
		return nil, connect.NewError(connect.CodeFailedPrecondition, err)
	}
	return &controlv1.ReloadResponse{PlanDigest: r.Plan.Digest, Changes: r.Changes, Applied: !req.GetDryRun(), Problems: r.Problems}, nil
}
