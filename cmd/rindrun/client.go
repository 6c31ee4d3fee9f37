package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/control"
)

// answerTimeout is for one call. An operation answers when it is done, which may
// take the stop timeout of several services; beyond that the daemon is stuck.
const answerTimeout = 90 * time.Second

var errNoAnswer = fmt.Errorf("no answer within %v", answerTimeout)

// clientCommand returns a command that talks to a running daemon.
func clientCommand(use, short string, args cobra.PositionalArgs, call func(context.Context, *cobra.Command, controlv1connect.ControlServiceClient, []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: counted(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := controlFlag(cmd)
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), answerTimeout, errNoAnswer)
			defer cancel()
			return explain(ctx, path, call(ctx, cmd, control.NewClient(path), args))
		},
	}
	addControlFlag(cmd)
	return cmd
}

func addControlFlag(cmd *cobra.Command) {
	cmd.Flags().String("control", controlPath(), "path of the daemon's control socket ($RIND_CONTROL)")
}

// controlFlag is the path of the control socket that a command was given.
func controlFlag(cmd *cobra.Command) string { return cmd.Flag("control").Value.String() }

// counted says how the arguments are wrong in the words of the command, and not in
// those of the library.
func counted(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return fmt.Errorf("wrong arguments, want: rindrun %s (rindrun %s --help has an example)", cmd.Use, cmd.Name())
		}
		return nil
	}
}

// either wants exactly one of two flags beside the arguments. The flags are marked for
// the completion, too, but what the library says of that names neither.
func either(args cobra.PositionalArgs, one, other string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if cmd.Flags().Changed(one) == cmd.Flags().Changed(other) {
			return fmt.Errorf("want one of --%s and --%s", one, other)
		}
		return args(cmd, given)
	}
}

// controlPath is where a daemon with the same environment has its socket.
func controlPath() string {
	dir := envOr("RIND_RUNTIME_DIR", defaultRuntimeDir())
	return envOr("RIND_CONTROL", filepath.Join(dir, "control.sock"))
}

// explain turns an error of a call into what the user can do about it.
func explain(ctx context.Context, path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*statusError](err); ok {
		return err
	}
	ce, ok := errors.AsType[*connect.Error](err)
	switch {
	case !ok:
		return &statusError{exitInternal, err}
	case connect.IsWireError(err) && ce.Code() != connect.CodeInternal && ce.Code() != connect.CodeUnavailable:
		return &statusError{exitFailed, errors.New(ce.Message())} // the daemon has answered
	case connect.IsWireError(err):
		return &statusError{exitInternal, errors.New(ce.Message())}
	}
	if path == "" {
		return &statusError{exitUsage, errors.New("--control is empty: want the path of the daemon's control socket")}
	}
	why := cmp.Or(context.Cause(ctx), ce.Unwrap())
	return &statusError{exitInternal, fmt.Errorf("no daemon answers at %s: is rindrun running, and --control or RIND_CONTROL right? (%w)", path, why)}
}

func newStartCommand() *cobra.Command {
	persist := false
	cmd := clientCommand("start [socket|service] NAME…", "start sockets or services", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			kind, names := unitArgs(args)
			resp, err := c.Start(ctx, &controlv1.StartRequest{Kind: kind, Names: names, Persist: persist})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
	cmd.Flags().BoolVarP(&persist, "persist", "p", false, "also start them with the daemon from now on, unless the start fails")
	cmd.Long = `Start sockets or services. A paused socket resumes at once, and one that waits for its
next attempt is opened now. The answer comes when the unit is open or active, or has
failed. A NAME is a full address or its last part; NAME[INSTANCE] is one instance of a
service. One that fails does not stop the rest, and makes the exit status 1.`
	cmd.Example = `  rindrun start http
  rindrun start service web@app
  rindrun start --persist socket web@http web@https`
	return cmd
}

func newStopCommand() *cobra.Command {
	persist := false
	cmd := clientCommand("stop [socket|service] NAME…", "stop sockets or services", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			kind, names := unitArgs(args)
			resp, err := c.Stop(ctx, &controlv1.StopRequest{Kind: kind, Names: names, Persist: persist})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
	cmd.Flags().BoolVarP(&persist, "persist", "p", false, "undo start --persist")
	cmd.Long = `Stop sockets or services. The answer comes when the socket is closed, or the service is
down. The owner of a stopped socket keeps running, and keeps its descriptor; a stopped
service is started again by the next access, unless its sockets are stopped, too.`
	cmd.Example = `  rindrun stop socket web@http
  rindrun stop service app
  rindrun stop 'dhcp[eth0]'`
	return cmd
}

// unitArgs takes an optional kind from the front. In front of other names a unit
// called "socket" or "service" is reached by its full name, or after its kind.
func unitArgs(args []string) (controlv1.UnitKind, []string) {
	if len(args) > 1 {
		if kind := kindOf(args[0]); kind != controlv1.UnitKind_UNIT_KIND_UNSPECIFIED {
			return kind, args[1:]
		}
	}
	return controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, args
}

func kindOf(word string) controlv1.UnitKind {
	switch word {
	case "socket":
		return controlv1.UnitKind_UNIT_KIND_SOCKET
	case "service":
		return controlv1.UnitKind_UNIT_KIND_SERVICE
	}
	return controlv1.UnitKind_UNIT_KIND_UNSPECIFIED
}

// printResults says what happened to each unit. Whatever is not as it was asked
// for makes the exit status 1.
func printResults(cmd *cobra.Command, results []*controlv1.UnitResult) error {
	out, bad := &printer{w: cmd.OutOrStdout()}, &printer{w: cmd.ErrOrStderr()}
	failed := false
	for _, r := range results {
		if o := r.GetOutcome(); o == controlv1.Outcome_OUTCOME_DONE || o == controlv1.Outcome_OUTCOME_UNCHANGED {
			out.printf("%s %s: %s\n", kindName(r.GetKind()), r.GetName(), printable(r.GetMessage()))
			continue
		}
		failed = true
		bad.printf("rindrun: %s: %s\n", printable(r.GetName()), printable(r.GetMessage()))
	}
	if err := out.result(); err != nil {
		return err
	}
	if failed {
		return &statusError{status: exitFailed}
	}
	return nil
}

// say prints what happened.
func say(cmd *cobra.Command, format string, args ...any) error {
	out := &printer{w: cmd.OutOrStdout()}
	out.printf(format, args...)
	return out.result()
}

func kindName(k controlv1.UnitKind) string {
	switch k {
	case controlv1.UnitKind_UNIT_KIND_SOCKET:
		return "socket"
	case controlv1.UnitKind_UNIT_KIND_SERVICE:
		return "service"
	case controlv1.UnitKind_UNIT_KIND_UNSPECIFIED:
	}
	return "unit"
}

func newSetStateCommand() *cobra.Command {
	cmd := clientCommand("set-state NAME [VALUE]", "set a state; VALUE is read as the state's payload kind", cobra.RangeArgs(1, 2),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.SetState(ctx, &controlv1.SetStateRequest{Name: args[0], Payload: rawPayload(args[1:])})
			if err != nil {
				return err
			}
			what := "unchanged"
			if resp.GetChanged() {
				what = "set"
			}
			return say(cmd, "state %s: %s\n", resp.GetName(), what)
		})
	cmd.Long = `Set a state, or the branch of it that the value belongs to. VALUE is read as the kind of
the state: text as it is, JSON as a document; a state of kind none has no VALUE. The
answer comes when it is on disk.`
	cmd.Example = `  rindrun set-state ops@maintenance
  rindrun set-state net@link '{"name": "eth0", "up": true}'`
	return cmd
}

func newRemoveStateCommand() *cobra.Command {
	cmd := clientCommand("remove-state NAME [FILTER]", "remove a state, or the branches that the JSON document FILTER is a subset of", cobra.RangeArgs(1, 2),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			req := &controlv1.RemoveStateRequest{Name: args[0]}
			if len(args) > 1 {
				// From a script whose variable is not set: everything is not what it means.
				if req.Filter = args[1]; req.Filter == "" {
					return &statusError{exitUsage, errors.New("FILTER is empty: leave it out to remove all branches")}
				}
			}
			resp, err := c.RemoveState(ctx, req)
			if err != nil {
				return err
			}
			return say(cmd, "state %s: %d removed\n", resp.GetName(), resp.GetRemoved())
		})
	cmd.Long = `Remove a state, or the branches of it that the JSON document FILTER is a subset of.
What is not set is not removed, and no failure.`
	cmd.Example = `  rindrun remove-state ops@maintenance
  rindrun remove-state net@link '{"name": "eth0"}'`
	return cmd
}

func newEmitCommand() *cobra.Command {
	cmd := clientCommand("emit NAME [VALUE]", "emit a signal; VALUE is read as the signal's payload kind", cobra.RangeArgs(1, 2),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Emit(ctx, &controlv1.EmitRequest{Name: args[0], Payload: rawPayload(args[1:])})
			if err != nil {
				return err
			}
			return say(cmd, "signal %s: emitted\n", resp.GetName())
		})
	cmd.Long = `Emit a signal. The answer comes when it has been delivered: what it starts may still be
on its way.`
	cmd.Example = `  rindrun emit ops@rotate
  rindrun emit deploy@done '{"version": "1.2.3"}'`
	return cmd
}

func rawPayload(args []string) *controlv1.Payload {
	if len(args) == 0 {
		return nil
	}
	return &controlv1.Payload{Value: &controlv1.Payload_Raw{Raw: args[0]}}
}

func newShutdownCommand() *cobra.Command {
	cmd := clientCommand("shutdown", "stop the daemon and everything that it started", cobra.NoArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, _ []string) error {
			if _, err := c.Shutdown(ctx, &controlv1.ShutdownRequest{}); err != nil {
				return err
			}
			return say(cmd, "shutting down\n")
		})
	cmd.Long = `Begin an orderly shutdown, as SIGTERM does. The answer comes at once; the daemon ends
when its services are down and its sockets closed.`
	cmd.Example = `  rindrun shutdown`
	return cmd
}
