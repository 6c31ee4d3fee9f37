package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

func newStatusCommand() *cobra.Command {
	asJSON := false
	cmd := clientCommand("status [NAME…]", "show sockets, services, states and plugins", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Status(ctx, &controlv1.StatusRequest{})
			if err != nil {
				return err
			}
			unknown := narrow(resp, args)
			if err := show(cmd.OutOrStdout(), resp, asJSON, len(args) > 0); err != nil {
				return err
			}
			bad := &printer{w: cmd.ErrOrStderr()}
			for _, name := range unknown {
				bad.printf("rindrun: no such unit: %s\n", name)
			}
			if len(unknown) > 0 {
				return &statusError{status: exitFailed}
			}
			return nil
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// narrow keeps only the units with one of the names, full or unqualified, and
// returns the names that no unit has.
func narrow(resp *controlv1.StatusResponse, names []string) (unknown []string) {
	if len(names) == 0 {
		return nil
	}
	seen := map[string]bool{}
	wanted := func(full string) bool {
		_, last, _ := strings.Cut(full, "@")
		for _, name := range names {
			if name == full || name == last {
				seen[name] = true
				return true
			}
		}
		return false
	}
	resp.Sockets = slices.DeleteFunc(resp.Sockets, func(s *controlv1.SocketStatus) bool { return !wanted(s.GetName()) })
	resp.Services = slices.DeleteFunc(resp.Services, func(s *controlv1.ServiceStatus) bool { return !wanted(s.GetName()) })
	resp.States = slices.DeleteFunc(resp.States, func(s *controlv1.StateStatus) bool { return !wanted(s.GetName()) })
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return seen[name] })
}

// show prints a status; brief leaves out what is not about single units.
func show(w io.Writer, resp *controlv1.StatusResponse, asJSON, brief bool) error {
	out := &printer{w: w}
	if asJSON {
		text, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true, EmitUnpopulated: true}.Marshal(resp)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
		return out.result()
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.w = table
	tables(out, resp, brief)
	if out.err == nil {
		out.err = table.Flush()
	}
	return out.result()
}

func tables(w *printer, resp *controlv1.StatusResponse, brief bool) {
	if !brief {
		w.printf("rindrun %s, pid %d, plan %s\n", resp.GetVersion(), resp.GetPid(), resp.GetPlanDigest())
	}
	section(w, len(resp.GetSockets()), "SOCKET\tSTATE\tTYPE\tADDRESS\tOWNER\tLIFECYCLE\tACCESSES\tACTIVATIONS\tREASON")
	for _, s := range resp.GetSockets() {
		address := s.GetListen()
		if len(s.GetAddresses()) > 0 {
			address = strings.Join(s.GetAddresses(), ",")
		}
		w.printf("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.GetName(), s.GetState(), s.GetType(), address,
			orDash(s.GetOwner()), s.GetLifecycle(), s.GetAccesses(), s.GetActivations(), reason(s.GetReason(), s.GetLastError()))
	}
	section(w, len(resp.GetServices()), "SERVICE\tSTATE\tPIDS\tSTARTS\tREASON")
	for _, s := range resp.GetServices() {
		pids := make([]string, len(s.GetPids()))
		for i, pid := range s.GetPids() {
			pids[i] = fmt.Sprint(pid)
		}
		w.printf("%s\t%s\t%s\t%d\t%s\n", s.GetName(), s.GetState(), orDash(strings.Join(pids, ",")),
			s.GetStarts(), reason(s.GetReason(), s.GetLastError()))
	}
	section(w, len(resp.GetStates()), "STATE\tVALUE")
	for _, s := range resp.GetStates() {
		for _, b := range s.GetBranches() {
			w.printf("%s\t%s\n", s.GetName(), payloadText(b))
		}
	}
	if !brief {
		section(w, len(resp.GetPlugins()), "PLUGIN\tPID\tLAUNCHES\tPATH\tLAST ERROR")
		for _, p := range resp.GetPlugins() {
			pid := "-"
			if p.GetPid() != 0 {
				pid = fmt.Sprint(p.GetPid())
			}
			w.printf("%s\t%s\t%d\t%s\t%s\n", p.GetName(), pid, p.GetLaunches(), p.GetPath(), orDash(printable(p.GetLastError())))
		}
	}
}

func section(w *printer, n int, header string) {
	if n > 0 {
		w.printf("\n%s\n", header)
	}
}

// reason adds the last error to why a unit is in its state, unless it is that.
func reason(why, lastError string) string {
	if lastError == "" || strings.Contains(why, lastError) {
		return orDash(printable(why))
	}
	return printable(why + " (last error: " + lastError + ")")
}

func payloadText(p *controlv1.Payload) string {
	switch v := p.GetValue().(type) {
	case *controlv1.Payload_Text:
		return printable(fmt.Sprintf("%q", v.Text))
	case *controlv1.Payload_Data:
		return fmt.Sprintf("%d bytes", len(v.Data))
	case *controlv1.Payload_Json:
		return printable(v.Json)
	}
	return "set"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable keeps a table in one piece whatever a service or plugin has said.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
