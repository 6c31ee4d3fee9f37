package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/control"
)

func newPauseCommand() *cobra.Command {
	cmd := clientCommand("pause NAME…", "leave open sockets to the kernel's queue until resume or start", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Pause(ctx, &controlv1.PauseRequest{Names: args})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
	cmd.Long = `Leave open sockets to the kernel: what comes waits in their queues, and starts nothing,
until they are resumed or started. While its owner runs, a socket is with the owner; the
pause counts when the owner has ended.`
	cmd.Example = `  rindrun pause web@http`
	return cmd
}

func newResumeCommand() *cobra.Command {
	cmd := clientCommand("resume NAME…", "let paused sockets listen again", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Resume(ctx, &controlv1.ResumeRequest{Names: args})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
	cmd.Long = `Let paused sockets listen again, whatever has paused them. What waits counts as an
access.`
	cmd.Example = `  rindrun resume web@http`
	return cmd
}

func newGetStatesCommand() *cobra.Command {
	asJSON := false
	cmd := clientCommand("get-states [NAME…]", "show the states that are set", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Status(ctx, &controlv1.StatusRequest{})
			if err != nil {
				return err
			}
			states := &controlv1.StatusResponse{States: resp.GetStates()}
			unset := missingStates(states, args)
			unknown := unknownNames(ctx, c, unset, (*controlv1.NamesResponse).GetStates)
			if err := show(cmd.OutOrStdout(), states, look{json: asJSON, brief: true, screen: screenOf(cmd.OutOrStdout())}); err != nil {
				return err
			}
			notes := &printer{w: cmd.ErrOrStderr()}
			if len(args) == 0 && len(states.GetStates()) == 0 && !asJSON {
				notes.printf("no state is set\n")
			}
			for _, name := range unset {
				if slices.Contains(unknown, name) {
					notes.printf("rindrun: no such state: %s\n", printable(name))
				} else {
					notes.printf("state %s is not set\n", printable(name))
				}
			}
			if len(unknown) > 0 {
				return &statusError{status: exitFailed}
			}
			return nil
		})
	cmd.Long = `Show the states that are set, with their branches; with NAMEs those only. One that is
not set is said on standard error, and is no failure; a name that no state has is one.
Who may not set a state does not see its payload.`
	cmd.Example = `  rindrun get-states
  rindrun get-states net@link --json | jq -r '.states[].branches[].json'`
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// missingStates keeps the states that are named, if some are, and returns the names of
// those that are not set.
func missingStates(resp *controlv1.StatusResponse, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	w := newWanted(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, args)
	resp.States = slices.DeleteFunc(resp.States, func(s *controlv1.StateStatus) bool {
		return !w.has(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, s.GetName())
	})
	return slices.DeleteFunc(slices.Clone(args), func(name string) bool { return w.seen[name] })
}

// unknownNames are those of some names that nothing of a plan has, as far as the daemon
// tells: only who is told of every permission is told of everything.
func unknownNames(ctx context.Context, c controlv1connect.ControlServiceClient, names []string, of func(*controlv1.NamesResponse) []string) []string {
	if len(names) == 0 {
		return nil
	}
	n, err := c.Names(ctx, &controlv1.NamesRequest{})
	if err != nil || len(n.GetPermissions()) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		name, _, _ = strings.Cut(name, "[") // of an instance
		return slices.ContainsFunc(of(n), func(full string) bool { return isCalled(full, name) })
	})
}

func newLogsCommand() *cobra.Command {
	lines, asJSON := uint32(0), false
	cmd := clientCommand("logs [NAME…]", "show the last lines that services have printed", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Logs(ctx, &controlv1.LogsRequest{Names: args, Lines: lines})
			if err != nil {
				return err
			}
			out := &printer{w: cmd.OutOrStdout()}
			for _, l := range resp.GetLines() {
				if asJSON {
					text, err := jsonLine(l)
					if err != nil {
						return &statusError{exitInternal, err}
					}
					out.printf("%s\n", text)
					continue
				}
				when := time.UnixMicro(l.GetUnixMicros()).Format("2006-01-02 15:04:05.000")
				out.printf("%s %s[%d] %s\n", when, printable(l.GetService()), l.GetPid(), printable(string(l.GetText())))
			}
			if len(resp.GetLines()) == 0 && !asJSON {
				(&printer{w: cmd.ErrOrStderr()}).printf("nothing was printed to the log\n")
			}
			return out.result()
		})
	cmd.Long = `Show the last lines that services have printed, those of all that you may manage
without a NAME. 1000 lines of each are kept, and 256 KiB; the log of the daemon has
them all.`
	cmd.Flags().Uint32VarP(&lines, "lines", "n", 50, "at most so many lines of each service; 0: all that are kept")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document for each line, the text of it in base64")
	cmd.Example = `  rindrun logs
  rindrun logs -n 200 web@app`
	return cmd
}

func newReloadCommand() *cobra.Command {
	dryRun := false
	cmd := clientCommand("reload [plan.json]", "replace the plan that runs; without an argument by what its file has now", cobra.MaximumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			req := &controlv1.ReloadRequest{DryRun: dryRun}
			if len(args) > 0 {
				var err error
				if req.Path, err = filepath.Abs(args[0]); err != nil {
					return &statusError{exitInternal, err}
				}
			}
			resp, err := c.Reload(ctx, req)
			if err != nil {
				return err
			}
			out := &printer{w: cmd.OutOrStdout()}
			for line := range strings.Lines(resp.GetChanges()) {
				out.printf("%s\n", printable(strings.TrimSuffix(line, "\n")))
			}
			if resp.GetApplied() {
				out.printf("plan %s is loaded\n", resp.GetPlanDigest())
			}
			bad := &printer{w: cmd.ErrOrStderr()}
			for _, text := range resp.GetProblems() {
				bad.printf("rindrun: %s\n", printable(text))
			}
			if err := out.result(); err != nil || len(resp.GetProblems()) == 0 {
				return err
			}
			return &statusError{status: exitFailed}
		})
	cmd.Long = `Replace the plan that the daemon runs. Sockets that are the same keep their listener
and what waits in it, services keep running; what is gone is stopped, what is new
starts if it would start with the plan. What happens to each unit is printed, and what
went wrong with a socket, which makes the exit status 1. A plan that cannot be applied
changes nothing.`
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would happen")
	cmd.Example = `  rindc build /etc/rind -o /run/rind/plan.json && rindrun reload --dry-run && rindrun reload
  rindrun reload /etc/rind/next.json`
	return cmd
}

func newEventsCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "events [NAME…]",
		Short: "show what happens from now on, until it is interrupted",
		Long: `Show what happens from now on, with its cause: units that go from one state to another,
states that are set and removed, signals. With NAMEs only what is about these; one that
nothing has is said on standard error, and waited for. It ends
when it is interrupted, or with the daemon. Who reads too slowly is told how many
events were lost.`,
		Example: `  rindrun events
  rindrun events web@http app
  rindrun events --json | jq -c 'select(.unit.failure)'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, path := cmd.Context(), controlFlag(cmd)
			return explain(ctx, path, watchEvents(ctx, cmd, control.NewClient(path), args, asJSON))
		},
	}
	addControlFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document for each, on a line of its own")
	return cmd
}

// watchEvents prints what happens until the daemon ends, which is no error.
func watchEvents(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, names []string, asJSON bool) error {
	stream, err := c.Watch(ctx, &controlv1.WatchRequest{})
	if err != nil {
		return err
	}
	bad := &printer{w: cmd.ErrOrStderr()}
	asked, cancel := context.WithTimeout(ctx, completeTimeout)
	for _, name := range unknownNames(asked, c, names, eventNames) {
		bad.printf("rindrun: nothing is called %s so far\n", printable(name)) // a reload may bring it
	}
	cancel()
	out := &printer{w: cmd.OutOrStdout()}
	for stream.Receive() && out.err == nil {
		if err := tellEvent(out, stream.Msg(), names, asJSON); err != nil {
			return errors.Join(err, stream.Close())
		}
	}
	err = stream.Err()
	_ = stream.Close() // the error of the stream is what counts
	if err != nil {
		return err
	}
	return out.result()
}

func tellEvent(out *printer, ev *controlv1.WatchResponse, names []string, asJSON bool) error {
	what, name, cause := eventText(ev)
	about := func(wanted string) bool {
		return isCalled(name, wanted) || ev.GetUnit().GetInstance() != "" && isCalled(name+"["+ev.GetUnit().GetInstance()+"]", wanted)
	}
	if len(names) > 0 && !slices.ContainsFunc(names, about) && ev.GetLost() == 0 {
		return nil
	}
	if ev.GetLost() > 0 && !asJSON {
		out.printf("… %d events were lost: they came faster than they were read\n", ev.GetLost())
	}
	switch {
	case what == "": // the watch has begun
	case asJSON:
		text, err := jsonLine(ev)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
	default:
		when := time.UnixMicro(ev.GetUnixMicros()).Format("15:04:05.000000")
		out.printf("%s %s (%s)\n", when, what, printable(cause))
	}
	return nil
}

// eventText is what happened, to what, and why.
func eventText(ev *controlv1.WatchResponse) (what, name, cause string) {
	switch e := ev.GetEvent().(type) {
	case *controlv1.WatchResponse_Unit:
		u := e.Unit
		title := u.GetName()
		if u.GetInstance() != "" {
			title += "[" + printable(u.GetInstance()) + "]"
		}
		return fmt.Sprintf("%s %s: %s → %s", u.GetKind(), title, u.GetFrom(), u.GetTo()), u.GetName(), u.GetCause()
	case *controlv1.WatchResponse_State:
		verb := "set"
		if e.State.GetRemoved() {
			verb = "removed"
		}
		return fmt.Sprintf("state %s: %s%s", e.State.GetName(), verb, shownPayload(e.State)), e.State.GetName(), e.State.GetCause()
	case *controlv1.WatchResponse_Signal:
		return fmt.Sprintf("signal %s%s", e.Signal.GetName(), shownPayload(e.Signal)), e.Signal.GetName(), e.Signal.GetCause()
	}
	return "", "", ""
}

func shownPayload(e *controlv1.FlowEvent) string {
	if e.GetPayload().GetValue() == nil {
		return "" // there is none, or it is not shown
	}
	return " " + payloadText(e.GetPayload())
}
