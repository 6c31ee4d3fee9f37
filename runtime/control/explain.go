package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
)

// maxGroups bounds the groups of one question: NGROUPS_MAX, each with name and number.
const maxGroups = 2 * 65536

// NotGuarded begins the note of a socket's status that says that the kernel does not
// enforce its permissions.
const NotGuarded = "permissions are checked on access, not by the kernel"

// ExplainAccess implements the service. Whoever may not do everything may ask about
// themselves.
func (h *handler) ExplainAccess(ctx context.Context, req *controlv1.ExplainAccessRequest) (*controlv1.ExplainAccessResponse, error) {
	v, who := h.view.Load(), callerOf(ctx)
	if who.err != nil || who.cred.UID != req.GetUid() {
		if err := h.onlyManagers(ctx, "ask about the access of others"); err != nil {
			return nil, err
		}
	}
	if len(req.GetGroups()) > maxGroups {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%d groups, want at most %d", len(req.GetGroups()), maxGroups))
	}
	u, err := v.names.unit(controlv1.UnitKind_UNIT_KIND_SOCKET, req.GetSocket())
	if err != nil {
		return nil, badName(err)
	}
	snap, err := h.engine.Snapshot(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	unguarded := false
	for _, s := range snap.Sockets {
		unguarded = unguarded || s.Def.Name == u.name && slices.ContainsFunc(s.Options, func(note string) bool {
			return strings.HasPrefix(note, NotGuarded)
		})
	}
	return ToExplanation(u.name, v.plan.Explain(v.sockets[u.name], plan.Peer{
		UID: req.GetUid(), User: req.GetUser(), Groups: req.GetGroups(),
	}, unguarded)), nil
}

// ToExplanation is an explanation as it goes over the wire.
func ToExplanation(socket plan.Name, x plan.Explanation) *controlv1.ExplainAccessResponse {
	return &controlv1.ExplainAccessResponse{
		Socket: string(socket), Allowed: x.Allowed, Grounds: x.Grounds, Enforcement: x.Enforcement, Detail: x.Detail,
	}
}
