package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/control"
)

func newPauseCommand() *cobra.Command {
	return clientCommand("pause NAME…", "leave open sockets to the kernel's queue until resume or start", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Pause(ctx, &controlv1.PauseRequest{Names: args})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
}

func newResumeCommand() *cobra.Command {
	return clientCommand("resume NAME…", "let paused sockets listen again", cobra.MinimumNArgs(1),
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Resume(ctx, &controlv1.ResumeRequest{Names: args})
			if err != nil {
				return err
			}
			return printResults(cmd, resp.GetResults())
		})
}

func newGetStatesCommand() *cobra.Command {
	asJSON := false
	cmd := clientCommand("get-states [NAME…]", "show the states that are set", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Status(ctx, &controlv1.StatusRequest{})
			if err != nil {
				return err
			}
			resp.Sockets, resp.Services, resp.Timers = nil, nil, nil
			narrow(resp, controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, args) // one that is not set is no error
			return show(cmd.OutOrStdout(), &controlv1.StatusResponse{States: resp.GetStates()}, asJSON, true)
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newLogsCommand() *cobra.Command {
	lines := uint32(0)
	cmd := clientCommand("logs [NAME…]", "show the last lines that services have printed", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Logs(ctx, &controlv1.LogsRequest{Names: args, Lines: lines})
			if err != nil {
				return err
			}
			out := &printer{w: cmd.OutOrStdout()}
			for _, l := range resp.GetLines() {
				when := time.UnixMicro(l.GetUnixMicros()).Format("2006-01-02 15:04:05.000")
				out.printf("%s %s[%d] %s\n", when, printable(l.GetService()), l.GetPid(), printable(string(l.GetText())))
			}
			return out.result()
		})
	cmd.Long = `Show the last lines that services have printed, those of all that you may manage
without a NAME. 1000 lines of each are kept, and 256 KiB; the log of the daemon has
them all.`
	cmd.Flags().Uint32VarP(&lines, "lines", "n", 50, "at most so many lines of each service; 0: all that are kept")
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
			return out.result()
		})
	cmd.Long = `Replace the plan that the daemon runs. Sockets that are the same keep their listener
and what waits in it, services keep running; what is gone is stopped, what is new
starts if it would start with the plan. What happens to each unit is printed. A plan
that cannot be applied changes nothing.`
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would happen")
	return cmd
}

func newEventsCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "events [NAME…]",
		Short: "show what happens from now on, until it is interrupted",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return explain(ctx, path, watchEvents(ctx, cmd, control.NewClient(path), args, asJSON))
		},
	}
	cmd.Flags().StringVar(&path, "control", controlPath(), "path of the daemon's control socket ($RIND_CONTROL)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document for each, on a line of its own")
	return cmd
}

// watchEvents prints what happens until the daemon ends, which is no error.
func watchEvents(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, names []string, asJSON bool) error {
	stream, err := c.Watch(ctx, &controlv1.WatchRequest{})
	if err != nil {
		return err
	}
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
	_, short, _ := strings.Cut(name, "@")
	if len(names) > 0 && !slices.Contains(names, name) && !slices.Contains(names, short) {
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

// releaseDate is what the manual pages bear: not today, for the same pages from the
// same source.
var releaseDate = time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC)

// newManCommand writes the manual pages; packages run it when they are built.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "write a manual page for each command into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Date: &releaseDate, Source: "rindrun " + version, Manual: "Rind sockets"}
			if err := writeManual(root, header, args[0]); err != nil {
				return &statusError{exitInternal, fmt.Errorf("manual pages: %w", err)}
			}
			return nil
		},
	}
}

func writeManual(root *cobra.Command, header *doc.GenManHeader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return doc.GenManTree(root, header, dir)
}
