package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/control"
)

// completeTimeout bounds the question of a completion, or of a note: somebody waits.
const completeTimeout = time.Second

// offer chooses what a command line can go on with. args are the words before.
type offer func(n *controlv1.NamesResponse, args []string) []string

// completions are the commands whose arguments are names.
var completions = map[string]offer{
	"status":         everything,
	"start":          units,
	"stop":           units,
	"pause":          func(n *controlv1.NamesResponse, _ []string) []string { return n.GetSockets() },
	"resume":         func(n *controlv1.NamesResponse, _ []string) []string { return n.GetSockets() },
	"logs":           func(n *controlv1.NamesResponse, _ []string) []string { return n.GetServices() },
	"get-states":     func(n *controlv1.NamesResponse, _ []string) []string { return n.GetStates() },
	"set-state":      first((*controlv1.NamesResponse).GetStates),
	"remove-state":   first((*controlv1.NamesResponse).GetStates),
	"grant":          first((*controlv1.NamesResponse).GetPermissions),
	"revoke":         first((*controlv1.NamesResponse).GetPermissions),
	"emit":           first((*controlv1.NamesResponse).GetSignals),
	"explain-access": first((*controlv1.NamesResponse).GetSockets),
	"events":         func(n *controlv1.NamesResponse, _ []string) []string { return eventNames(n) },
}

// eventNames are the names that events are about.
func eventNames(n *controlv1.NamesResponse) []string {
	return slices.Concat(n.GetSockets(), n.GetServices(), n.GetTimers(), n.GetStates(), n.GetSignals())
}

// first offers names for the first argument only.
func first(names func(*controlv1.NamesResponse) []string) offer {
	return func(n *controlv1.NamesResponse, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return names(n)
	}
}

// units offers sockets and services, or of the kind that the first word is.
func units(n *controlv1.NamesResponse, args []string) []string {
	if len(args) > 0 {
		switch kindOf(args[0]) {
		case controlv1.UnitKind_UNIT_KIND_SOCKET:
			return n.GetSockets()
		case controlv1.UnitKind_UNIT_KIND_SERVICE:
			return n.GetServices()
		case controlv1.UnitKind_UNIT_KIND_UNSPECIFIED:
		}
		return slices.Concat(n.GetSockets(), n.GetServices())
	}
	return slices.Concat([]string{"socket", "service"}, n.GetSockets(), n.GetServices())
}

func everything(n *controlv1.NamesResponse, args []string) []string {
	names := units(n, args)
	if len(args) > 0 && kindOf(args[0]) != controlv1.UnitKind_UNIT_KIND_UNSPECIFIED {
		return names
	}
	return slices.Concat(names, n.GetTimers(), n.GetStates())
}

// completeAll lets the shell complete the names that the daemon has.
func completeAll(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		completeFlags(cmd)
		if of, ok := completions[cmd.Name()]; ok {
			cmd.ValidArgsFunction = completeNames(of)
			continue
		}
		switch cmd.Name() {
		case "run", "reload":
			cmd.ValidArgsFunction = completePlan
		case "shutdown":
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// flagValues are what flags can have; none: whatever it is, no file is called so.
var flagValues = map[string][]cobra.Completion{
	"log-format": {formatAuto, formatText, formatJSON, formatJournal},
	"log-level":  {"debug", "info", "warn", "error"},
	"user":       nil, "group": nil, "uid": nil, "lines": nil, "metrics-listen": nil,
}

// completeFlags completes the values of flags that are no files.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if values, ok := flagValues[f.Name]; ok {
			// The flag is there, and nobody else completes it, which is all that can fail.
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	})
}

func completePlan(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeNames asks the daemon. Without an answer nothing is offered, and nothing
// said: the prompt is no place for it.
func completeNames(of offer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		c := control.NewClient(controlFlag(cmd))
		resp, err := c.Names(ctx, &controlv1.NamesRequest{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := of(resp, args)
		if service, _, ok := strings.Cut(word, "["); ok {
			names = instancesOf(ctx, c, service, names)
		}
		return matching(names, word, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// instancesOf returns the instances of a service that a command takes, as they are
// named on the command line.
func instancesOf(ctx context.Context, c controlv1connect.ControlServiceClient, service string, taken []string) []string {
	resp, err := c.Status(ctx, &controlv1.StatusRequest{})
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range resp.GetServices() {
		if !isCalled(s.GetName(), service) || !slices.Contains(taken, s.GetName()) {
			continue
		}
		for _, in := range s.GetInstances() {
			names = append(names, s.GetName()+"["+in.GetInstance()+"]")
		}
	}
	return names
}

// matching returns the names that begin with what has been typed, or whose last part
// does, if that part is enough. Those that are on the command line already are left
// out.
func matching(names []string, typed string, args []string) []string {
	short := map[string]int{}
	for _, name := range names {
		_, last, _ := strings.Cut(name, "@")
		short[last]++
	}
	var out []string
	add := func(name string) {
		if strings.HasPrefix(name, typed) && !slices.Contains(args, name) && !slices.Contains(out, name) {
			out = append(out, printable(name))
		}
	}
	for _, name := range names {
		add(name)
		if _, last, ok := strings.Cut(name, "@"); ok && typed != "" && short[last] == 1 {
			add(last)
		}
	}
	return out
}
