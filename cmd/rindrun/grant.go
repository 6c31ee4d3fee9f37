package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

// grantFlags say whom a grant is about.
type grantFlags struct {
	user, group string
	asJSON      bool
}

func (g *grantFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.user, "user", "", "name or number of a user")
	f.StringVar(&g.group, "group", "", "name or number of a group")
	f.BoolVar(&g.asJSON, "json", false, "print JSON")
	cmd.MarkFlagsOneRequired("user", "group")
	cmd.MarkFlagsMutuallyExclusive("user", "group")
}

func newGrantCommand() *cobra.Command {
	var g grantFlags
	cmd := clientCommand("grant PERMISSION (--user NAME | --group NAME)", "give a permission to a user or group, at once", either(cobra.ExactArgs(1), "user", "group"),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Grant(ctx, &controlv1.GrantRequest{Permission: args[0], User: g.user, Group: g.group})
			if err != nil {
				return err
			}
			return tellGrant(cmd, resp.GetResult(), g.asJSON)
		})
	cmd.Long = `Give a permission to a user or group from now on. Open sockets, and what the holders may
start, set and emit, follow before the answer comes. It lasts beyond the daemon, and
beyond reloads of plans that have the permission, until revoke.`
	cmd.Example = `  rindrun grant operators --user ann
  rindrun grant rind@system-services --group wheel
  rindrun status --json | jq .grants`
	g.add(cmd)
	return cmd
}

func newRevokeCommand() *cobra.Command {
	var g grantFlags
	cmd := clientCommand("revoke PERMISSION (--user NAME | --group NAME)", "take a permission from a user or group, at once", either(cobra.ExactArgs(1), "user", "group"),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Revoke(ctx, &controlv1.RevokeRequest{Permission: args[0], User: g.user, Group: g.group})
			if err != nil {
				return err
			}
			return tellGrant(cmd, resp.GetResult(), g.asJSON)
		})
	cmd.Long = `Take a permission from a user, who does not hold it from then on by the plan, a group or
a link either, until grant; or from a group. Connections that are there already stay.
User 0 holds every permission.`
	cmd.Example = `  rindrun revoke operators --user ann
  rindrun revoke operators --group wheel`
	g.add(cmd)
	return cmd
}

// tellGrant says what came of a grant or revoke. What does not follow makes the exit
// status 1.
func tellGrant(cmd *cobra.Command, r *controlv1.GrantResult, asJSON bool) error {
	out := &printer{w: cmd.OutOrStdout()}
	if asJSON {
		text, err := jsonText(r)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
	} else {
		until := ""
		if r.GetChanged() && !r.GetLasting() {
			until = ", until the daemon ends"
		}
		out.printf("permission %s, %s: %s%s\n", r.GetPermission(), printable(r.GetHolder()), printable(r.GetMessage()), until)
	}
	bad := &printer{w: cmd.ErrOrStderr()}
	for _, text := range r.GetProblems() {
		bad.printf("rindrun: %s\n", printable(text))
	}
	if err := out.result(); err != nil || len(r.GetProblems()) == 0 {
		return err
	}
	return &statusError{status: exitFailed}
}

// grantTable shows what differs from the plan in who holds its permissions.
func grantTable(grants []*controlv1.GrantStatus) *table {
	t := &table{header: []string{"PERMISSION", "GRANTED TO", "REVOKED FROM"}}
	type lists struct{ granted, revoked []string }
	of := map[string]*lists{}
	var order []string
	for _, g := range grants {
		l := of[g.GetPermission()]
		if l == nil {
			l = &lists{}
			of[g.GetPermission()] = l
			order = append(order, g.GetPermission())
		}
		who := accountTitle(g)
		if g.GetRevoked() {
			l.revoked = append(l.revoked, who)
		} else {
			l.granted = append(l.granted, who)
		}
	}
	for _, name := range order {
		l := of[name]
		t.rows = append(t.rows, cells(name, orDash(strings.Join(l.granted, ", ")), orDash(strings.Join(l.revoked, ", "))))
	}
	return t
}

// accountTitle names a user or group by number, as the daemon keeps it.
func accountTitle(g *controlv1.GrantStatus) string {
	if g.Uid != nil {
		return fmt.Sprintf("user %d", g.GetUid())
	}
	return fmt.Sprintf("group %d", g.GetGid())
}
