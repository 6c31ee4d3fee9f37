package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
)

// explainOptions are the flags of explain-access.
type explainOptions struct {
	uid                    int64
	user, planPath, socket string
	groups                 []string
	asJSON                 bool
}

func newExplainAccessCommand() *cobra.Command {
	o := explainOptions{uid: -1}
	var path string
	cmd := &cobra.Command{
		Use:   "explain-access SOCKET (--uid N | --user NAME)",
		Short: "say whether somebody may connect to a socket, and why",
		Long: `Say whether somebody may connect to a socket: which permission lets them in, by which
user, group or link, and what keeps others out. Groups are those that the user
databases know; --group adds one that a process has beyond them. The exit status is 0
if they may and 1 if not, or if there is no such user or socket.`,
		Example: `  rindrun explain-access web@http --user ann
  rindrun explain-access http --uid 1000 --group wheel --plan plan.json`,
		Args: counted(either(cobra.ExactArgs(1), "uid", "user")),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.socket = args[0]
			req, err := o.request()
			if err != nil {
				return err
			}
			var resp *controlv1.ExplainAccessResponse
			if o.planPath != "" {
				resp, err = explainFromPlan(o.planPath, req)
			} else {
				ctx, cancel := context.WithTimeoutCause(cmd.Context(), answerTimeout, errNoAnswer)
				defer cancel()
				resp, err = control.NewClient(path).ExplainAccess(ctx, req)
				err = explain(ctx, path, err)
			}
			if err != nil {
				return err
			}
			return o.show(cmd, resp, req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "control", controlPath(), "path of the daemon's control socket ($RIND_CONTROL)")
	f.Int64Var(&o.uid, "uid", -1, "ask about this user")
	f.StringVar(&o.user, "user", "", "ask about the user of that name")
	f.StringSliceVar(&o.groups, "group", nil, "a further group, by name or number")
	f.StringVar(&o.planPath, "plan", "", "ask this plan instead of a running daemon")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	cmd.MarkFlagsOneRequired("uid", "user")
	cmd.MarkFlagsMutuallyExclusive("uid", "user")
	cmd.MarkFlagsMutuallyExclusive("plan", "control")
	return cmd
}

// request looks up who is asked about.
func (o *explainOptions) request() (*controlv1.ExplainAccessRequest, error) {
	req := &controlv1.ExplainAccessRequest{Socket: o.socket}
	var u *user.User
	var err error
	if o.user != "" {
		u, err = user.Lookup(o.user)
		if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
			return nil, &statusError{exitFailed, fmt.Errorf("no such user: %s", o.user)}
		} else if err != nil {
			return nil, &statusError{exitInternal, fmt.Errorf("look up the user: %w", err)}
		}
	} else {
		if o.uid < 0 || o.uid >= math.MaxUint32 {
			return nil, &statusError{exitUsage, fmt.Errorf("uid %d: want 0 to %d", o.uid, uint32(math.MaxUint32-1))}
		}
		u, err = user.LookupId(strconv.FormatInt(o.uid, 10))
		if _, unknown := errors.AsType[user.UnknownUserIdError](err); unknown {
			u = &user.User{Uid: strconv.FormatInt(o.uid, 10)} // it has no name, and no groups but those of --group
		} else if err != nil {
			return nil, &statusError{exitInternal, fmt.Errorf("look up user %d: %w", o.uid, err)}
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, &statusError{exitInternal, fmt.Errorf("user %s has the id %q, which is no number", u.Username, u.Uid)}
	}
	req.Uid, req.User = uint32(uid), u.Username
	groups := o.groups
	if u.Username != "" {
		ids, err := u.GroupIds()
		if err != nil {
			return nil, &statusError{exitInternal, fmt.Errorf("groups of user %s: %w", u.Username, err)}
		}
		groups = append(groups, ids...)
	}
	for _, g := range groups {
		req.Groups = append(req.Groups, g)
		// A group has a number and a name, and a plan may have either.
		if found, err := user.LookupGroupId(g); err == nil {
			req.Groups = append(req.Groups, found.Name)
		} else if found, err := user.LookupGroup(g); err == nil {
			req.Groups = append(req.Groups, found.Gid)
		}
	}
	return req, nil
}

// explainFromPlan answers from a file, without a daemon.
func explainFromPlan(path string, req *controlv1.ExplainAccessRequest) (*controlv1.ExplainAccessResponse, error) {
	p, err := load(path)
	if err != nil {
		return nil, &statusError{exitInternal, err}
	}
	var found []*plan.Socket
	for i := range p.Sockets {
		if s := &p.Sockets[i]; string(s.Name) == req.GetSocket() || s.Name.Short() == req.GetSocket() {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, &statusError{exitFailed, fmt.Errorf("no such socket: %s", req.GetSocket())}
	case 1:
	default:
		return nil, &statusError{exitFailed, fmt.Errorf("%s is the name of %d sockets: write group@name", req.GetSocket(), len(found))}
	}
	x := p.Explain(found[0], plan.Peer{UID: req.GetUid(), User: req.GetUser(), Groups: req.GetGroups()}, false)
	return control.ToExplanation(found[0].Name, x), nil
}

func (o *explainOptions) show(cmd *cobra.Command, resp *controlv1.ExplainAccessResponse, req *controlv1.ExplainAccessRequest) error {
	out := &printer{w: cmd.OutOrStdout()}
	if o.asJSON {
		text, err := jsonText(resp)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
	} else {
		verdict := "may not"
		if resp.GetAllowed() {
			verdict = "may"
		}
		who := strings.TrimSpace(fmt.Sprintf("user %d %s", req.GetUid(), req.GetUser()))
		out.printf("%s %s connect to %s\n", printable(who), verdict, resp.GetSocket())
		for _, ground := range resp.GetGrounds() {
			out.printf("  because: %s\n", printable(ground))
		}
		out.printf("  enforced by: %s: %s\n", resp.GetEnforcement(), resp.GetDetail())
	}
	if err := out.result(); err != nil {
		return err
	}
	if !resp.GetAllowed() {
		return &statusError{status: exitFailed}
	}
	return nil
}
