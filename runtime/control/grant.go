package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
)

// Grant is a request to change who holds a permission, for one user or one group.
type Grant struct {
	Permission  plan.Name // one that there is
	User, Group string    // name or number; one of them is ""
	Revoke      bool
	By          string // "uid 0"
}

// Granted is what came of it.
type Granted struct {
	Holder  string // "user ann (4001)"
	Changed bool
	Message string // for people
	Lasting bool   // it is on disk; else it ends with the daemon

	// Problems are sockets that do not follow, for people, and that it is not on disk.
	Problems []string
}

// errNoGrants is the answer of a server that cannot change who holds a permission.
var errNoGrants = errors.New("this daemon cannot grant permissions")

// Grant implements the service.
func (h *handler) Grant(ctx context.Context, req *controlv1.GrantRequest) (*controlv1.GrantResponse, error) {
	result, err := h.changeGrant(ctx, req.GetPermission(), Grant{User: req.GetUser(), Group: req.GetGroup()})
	if err != nil {
		return nil, err
	}
	return &controlv1.GrantResponse{Result: result}, nil
}

// Revoke implements the service.
func (h *handler) Revoke(ctx context.Context, req *controlv1.RevokeRequest) (*controlv1.RevokeResponse, error) {
	result, err := h.changeGrant(ctx, req.GetPermission(), Grant{User: req.GetUser(), Group: req.GetGroup(), Revoke: true})
	if err != nil {
		return nil, err
	}
	return &controlv1.RevokeResponse{Result: result}, nil
}

// changeGrant is for managers alone: who holds a permission cannot pass it on.
func (h *handler) changeGrant(ctx context.Context, permission string, g Grant) (*controlv1.GrantResult, error) {
	if err := h.onlyManagers(ctx, "grant and revoke permissions"); err != nil {
		return nil, err
	}
	switch {
	case h.grant == nil:
		return nil, connect.NewError(connect.CodeUnimplemented, errNoGrants)
	case (g.User == "") == (g.Group == ""):
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("want a user or a group, and one of them"))
	}
	name, err := h.view.Load().permissionNamed(permission)
	if err != nil {
		return nil, badName(err)
	}
	takeTime(ctx)
	g.Permission, g.By = name, callerOf(ctx).String()
	out, err := h.grant(ctx, g)
	if err != nil {
		return nil, connect.NewError(connect.CodeFailedPrecondition, err)
	}
	return &controlv1.GrantResult{
		Permission: string(name), Holder: out.Holder, Changed: out.Changed, Message: out.Message,
		Lasting: out.Lasting, Problems: out.Problems,
	}, nil
}

// permissionNamed finds a permission by name or id.
func (v *view) permissionNamed(name string) (plan.Name, error) {
	all := v.plan.AllPermissions()
	if id, err := strconv.ParseUint(name, 10, 16); err == nil {
		if i := slices.IndexFunc(all, func(q plan.Permission) bool { return uint64(q.ID) == id }); i >= 0 {
			return all[i].Name, nil
		}
	}
	ns := names{}
	for i := range all {
		ns.add(all[i].Name)
	}
	full, err := one(ns, "permission", name)
	const everybody = "any"
	if err != nil && (name == everybody || name == plan.BuiltinGroup+"@"+everybody) {
		return "", &nameError{
			controlv1.Outcome_OUTCOME_FAILED,
			fmt.Sprintf("everybody holds the permission %s, which cannot be granted or revoked", name),
		}
	}
	return full, err
}

// grants lists what was changed at run time about who holds the permissions.
func (v *view) grants() []*controlv1.GrantStatus {
	var list []*controlv1.GrantStatus
	for i := range v.plan.Permissions {
		q := &v.plan.Permissions[i]
		add := func(user, revoked bool, ids []uint32) {
			for _, id := range ids {
				status := &controlv1.GrantStatus{Permission: string(q.Name), Revoked: revoked}
				if user {
					status.Uid = &id
				} else {
					status.Gid = &id
				}
				list = append(list, status)
			}
		}
		add(true, false, q.Grant.Users)
		add(false, false, q.Grant.Groups)
		add(true, true, q.Grant.NotUsers)
		add(false, true, q.Grant.NotGroups)
	}
	return list
}
