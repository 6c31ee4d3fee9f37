package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/control"
)

func newStatusCommand() *cobra.Command {
	asJSON, watch := false, false
	cmd := clientCommand("status [socket|service] [NAME…]", "show sockets, services, timers, states and plugins", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			return lookOnce(ctx, cmd, c, args, asJSON)
		})
	cmd.Aliases = []string{"list"}
	cmd.Long = `Show what the daemon has: sockets, services, timers, states that are set, plugins.
With NAMEs those only; NAME[INSTANCE] is one instance of a service; "socket" or
"service" alone is all of that kind. What has failed comes first, then what is paused
or waits. SINCE is how long a unit has been in its state, "-" since the start.`
	cmd.Example = `  rindrun status
  rindrun status socket web@http
  rindrun status 'dhcp[eth0]'
  rindrun status --json | jq -r '.sockets[] | select(.state == "failed") | .name'
  rindrun status --watch`
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; with --watch a document on one line whenever something has changed")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever something changes, until it is interrupted or the daemon ends")
	once := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !watch {
			return once(cmd, args)
		}
		path := controlFlag(cmd)
		return explain(cmd.Context(), path, watchStatus(cmd.Context(), cmd, control.NewClient(path), args, asJSON))
	}
	return cmd
}

// lookOnce prints the status of the units that the arguments name.
func lookOnce(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string, asJSON bool) error {
	resp, err := c.Status(ctx, &controlv1.StatusRequest{})
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	parts, unknown := narrow(resp, args)
	if err := show(w, resp, look{json: asJSON, brief: len(args) > 0, parts: parts, screen: screenOf(w), now: time.Now()}); err != nil {
		return err
	}
	bad := &printer{w: cmd.ErrOrStderr()}
	for _, name := range unknown {
		bad.printf("rindrun: no such unit: %s\n", printable(name))
	}
	if len(unknown) > 0 {
		return &statusError{status: exitFailed}
	}
	return nil
}

// narrow keeps only the units that the arguments name, if they name some. It returns
// the services of which only instances are wanted, and the names that no unit has. A
// kind alone is all of that kind, unless a unit is called so.
func narrow(resp *controlv1.StatusResponse, args []string) (parts map[string]bool, unknown []string) {
	kind, names := unitArgs(args)
	if len(names) == 0 {
		return nil, nil
	}
	if of := kindOf(names[0]); len(args) == 1 && of != controlv1.UnitKind_UNIT_KIND_UNSPECIFIED && !named(resp, names[0]) {
		kind, names = of, nil
	}
	w := newWanted(kind, names)
	resp.Sockets = slices.DeleteFunc(resp.Sockets, func(s *controlv1.SocketStatus) bool {
		return !w.has(controlv1.UnitKind_UNIT_KIND_SOCKET, s.GetName())
	})
	resp.Services = slices.DeleteFunc(resp.Services, func(s *controlv1.ServiceStatus) bool { return !w.hasService(s) })
	resp.Timers = slices.DeleteFunc(resp.Timers, func(t *controlv1.TimerStatus) bool {
		return !w.has(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, t.GetName())
	})
	resp.States = slices.DeleteFunc(resp.States, func(s *controlv1.StateStatus) bool {
		return !w.has(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, s.GetName())
	})
	return w.parts, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return w.seen[name] })
}

// named reports whether a socket, service, timer or state has a name.
func named(resp *controlv1.StatusResponse, name string) bool {
	return slices.ContainsFunc(resp.GetSockets(), func(s *controlv1.SocketStatus) bool { return isCalled(s.GetName(), name) }) ||
		slices.ContainsFunc(resp.GetServices(), func(s *controlv1.ServiceStatus) bool { return isCalled(s.GetName(), name) }) ||
		slices.ContainsFunc(resp.GetTimers(), func(t *controlv1.TimerStatus) bool { return isCalled(t.GetName(), name) }) ||
		slices.ContainsFunc(resp.GetStates(), func(s *controlv1.StateStatus) bool { return isCalled(s.GetName(), name) })
}

// isCalled reports whether a unit has a name, its full one or the last part of it.
func isCalled(full, name string) bool {
	_, last, _ := strings.Cut(full, "@")
	return name == full || name == last
}

// wanted are the units that somebody has named.
type wanted struct {
	kind  controlv1.UnitKind // unspecified: any
	names []string           // none: all of the kind
	seen  map[string]bool    // those that are the name of a unit
	parts map[string]bool    // services of which only instances are wanted
}

func newWanted(kind controlv1.UnitKind, names []string) *wanted {
	return &wanted{kind: kind, names: names, seen: map[string]bool{}, parts: map[string]bool{}}
}

func (w *wanted) has(of controlv1.UnitKind, full string) bool {
	if w.kind != controlv1.UnitKind_UNIT_KIND_UNSPECIFIED && w.kind != of {
		return false
	}
	found := len(w.names) == 0
	for _, name := range w.names {
		if isCalled(full, name) {
			w.seen[name], found = true, true
		}
	}
	return found
}

// hasService is has for a service, of which single instances may be wanted. It keeps
// only these then.
func (w *wanted) hasService(s *controlv1.ServiceStatus) bool {
	if w.has(controlv1.UnitKind_UNIT_KIND_SERVICE, s.GetName()) {
		return true
	}
	if w.kind == controlv1.UnitKind_UNIT_KIND_SOCKET {
		return false
	}
	instances := slices.DeleteFunc(s.GetInstances(), func(in *controlv1.InstanceStatus) bool {
		found := false
		for _, name := range w.names {
			of, instance, ok := strings.Cut(name, "[")
			if ok && isCalled(s.GetName(), of) && instance == in.GetInstance()+"]" {
				w.seen[name], found = true, true
			}
		}
		return !found
	})
	s.Instances, w.parts[s.GetName()] = instances, true
	return len(instances) > 0
}

// look is how a status is shown.
type look struct {
	json   bool
	brief  bool            // without what is not about single units
	parts  map[string]bool // services without a line for all instances taken together
	screen screen
	now    time.Time
}

func show(w io.Writer, resp *controlv1.StatusResponse, how look) error {
	out := &printer{w: w}
	if how.json {
		text, err := jsonText(resp)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
		return out.result()
	}
	tables(out, resp, how)
	return out.result()
}

// jsonLine is compacted, because protojson varies its spaces on purpose.
func jsonLine(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// jsonText is indented anew, for the same reason.
func jsonText(resp proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(resp)
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return nil, err
	}
	return indented.Bytes(), nil
}
