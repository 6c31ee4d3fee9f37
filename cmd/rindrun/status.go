package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

func newStatusCommand() *cobra.Command {
	asJSON := false
	cmd := clientCommand("status [socket|service] [NAME…]", "show sockets, services, states and plugins", cobra.ArbitraryArgs,
		func(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string) error {
			resp, err := c.Status(ctx, &controlv1.StatusRequest{})
			if err != nil {
				return err
			}
			kind, names := unitArgs(args)
			unknown := narrow(resp, kind, names)
			if err := show(cmd.OutOrStdout(), resp, asJSON, len(names) > 0); err != nil {
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
		})
	cmd.Aliases = []string{"list"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// narrow keeps only the units of the kind, if there is one, with one of the
// names, full or unqualified, and returns the names that no unit has.
func narrow(resp *controlv1.StatusResponse, kind controlv1.UnitKind, names []string) (unknown []string) {
	if len(names) == 0 {
		return nil
	}
	seen := map[string]bool{}
	unwanted := func(of controlv1.UnitKind, full string) bool {
		if kind != controlv1.UnitKind_UNIT_KIND_UNSPECIFIED && kind != of {
			return true
		}
		_, last, _ := strings.Cut(full, "@")
		found := false
		for _, name := range names {
			if name == full || name == last {
				seen[name], found = true, true
			}
		}
		return !found
	}
	resp.Sockets = slices.DeleteFunc(resp.Sockets, func(s *controlv1.SocketStatus) bool {
		return unwanted(controlv1.UnitKind_UNIT_KIND_SOCKET, s.GetName())
	})
	resp.Services = slices.DeleteFunc(resp.Services, func(s *controlv1.ServiceStatus) bool {
		return unwanted(controlv1.UnitKind_UNIT_KIND_SERVICE, s.GetName())
	})
	resp.Timers = slices.DeleteFunc(resp.Timers, func(t *controlv1.TimerStatus) bool {
		return unwanted(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, t.GetName())
	})
	resp.States = slices.DeleteFunc(resp.States, func(s *controlv1.StateStatus) bool {
		return unwanted(controlv1.UnitKind_UNIT_KIND_UNSPECIFIED, s.GetName())
	})
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return seen[name] })
}

// show prints a status; brief leaves out what is not about single units.
func show(w io.Writer, resp *controlv1.StatusResponse, asJSON, brief bool) error {
	out := &printer{w: w}
	if asJSON {
		text, err := jsonText(resp)
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

func tables(w *printer, resp *controlv1.StatusResponse, brief bool) {
	if !brief {
		w.printf("rindrun %s, pid %d, plan %s\n", resp.GetVersion(), resp.GetPid(), resp.GetPlanDigest())
		storeLines(w, resp.GetStore())
	}
	section(w, len(resp.GetSockets()), "SOCKET\tSTATE\tTYPE\tADDRESS\tOWNER\tLIFECYCLE\tACCESSES\tACTIVATIONS\tREASON")
	for _, s := range resp.GetSockets() {
		address := s.GetListen()
		if len(s.GetAddresses()) > 0 {
			address = strings.Join(s.GetAddresses(), ",")
		}
		w.printf("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.GetName(), s.GetState(), s.GetType(), printable(address),
			orDash(s.GetOwner()), s.GetLifecycle(), s.GetAccesses(), s.GetActivations(), reason(s.GetReason(), s.GetLastError()))
	}
	denials(w, resp.GetSockets())
	optionNotes(w, resp.GetSockets())
	section(w, len(resp.GetServices()), "SERVICE\tSTATE\tPIDS\tSTARTS\tREASON")
	for _, s := range resp.GetServices() {
		w.printf("%s\t%s\t%s\t%d\t%s\n", s.GetName(), s.GetState(), pidList(s.GetPids()), s.GetStarts(), condition(s))
		for _, in := range s.GetInstances() {
			w.printf("%s[%s]\t%s\t%s\t%d\t%s\n", s.GetName(), printable(in.GetInstance()), in.GetState(), pidList(in.GetPids()), in.GetStarts(), condition(in))
		}
	}
	section(w, len(resp.GetTimers()), "TIMER\tSTATE\tENDS\tREASON")
	for _, t := range resp.GetTimers() {
		w.printf("%s\t%s\t%d\t%s\n", t.GetName(), t.GetState(), t.GetEnds(), orDash(printable(t.GetReason())))
	}
	states(w, resp.GetStates())
	if !brief {
		section(w, len(resp.GetPlugins()), "PLUGIN\tPID\tLAUNCHES\tPATH\tLAST ERROR")
		for _, p := range resp.GetPlugins() {
			pid := "-"
			if p.GetPid() != 0 {
				pid = fmt.Sprint(p.GetPid())
			}
			w.printf("%s\t%s\t%d\t%s\t%s\n", p.GetName(), pid, p.GetLaunches(), printable(p.GetPath()), orDash(printable(p.GetLastError())))
		}
	}
}

// denials shows who was turned away, of the sockets that have turned somebody away.
func denials(w *printer, sockets []*controlv1.SocketStatus) {
	turned := slices.DeleteFunc(slices.Clone(sockets), func(s *controlv1.SocketStatus) bool {
		d := s.GetDenials()
		return d.GetPermission()+d.GetUnknown()+d.GetLimit() == 0
	})
	section(w, len(turned), "SOCKET\tDENIED\tUNKNOWN\tOVER LIMIT\tLAST UID")
	for _, s := range turned {
		d, last := s.GetDenials(), "-"
		if d.GetLastUid() >= 0 && d.GetPermission()+d.GetUnknown() > 0 {
			last = strconv.FormatInt(d.GetLastUid(), 10)
		}
		w.printf("%s\t%d\t%d\t%d\t%s\n", s.GetName(), d.GetPermission(), d.GetUnknown(), d.GetLimit(), last)
	}
}

// optionNotes shows what became of the transport options of sockets.
func optionNotes(w *printer, sockets []*controlv1.SocketStatus) {
	notes := 0
	for _, s := range sockets {
		notes += len(s.GetOptions())
	}
	section(w, notes, "SOCKET\tOPTIONS")
	for _, s := range sockets {
		for _, note := range s.GetOptions() {
			w.printf("%s\t%s\n", s.GetName(), printable(note))
		}
	}
}

func states(w *printer, list []*controlv1.StateStatus) {
	section(w, len(list), "STATE\tVALUE")
	for _, s := range list {
		if len(s.GetBranches()) == 0 {
			w.printf("%s\t%s\n", s.GetName(), "(only shown to who may set it)")
		}
		for i, b := range s.GetBranches() {
			text := payloadText(b)
			if i < len(s.GetFollows()) && s.GetFollows()[i] {
				text += " (follows)"
			}
			w.printf("%s\t%s\n", s.GetName(), text)
		}
	}
}

func pidList(pids []int32) string {
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = fmt.Sprint(pid)
	}
	return orDash(strings.Join(list, ","))
}

// condition is why a service is in its state, and what it says of itself.
func condition(s interface {
	GetReason() string
	GetLastError() string
	GetSaying() string
	GetStatus() string
},
) string {
	text := reason(s.GetReason(), s.GetLastError())
	if s.GetSaying() != "" {
		text += "; " + printable(s.GetSaying())
	}
	if s.GetStatus() != "" {
		text += "; says: " + shortened(printable(s.GetStatus()))
	}
	return text
}

// storeLines says what is wrong with the states on disk, if anything is.
func storeLines(w *printer, store *controlv1.StoreStatus) {
	if store.GetDamaged() != "" {
		w.printf("states were not restored: the file was damaged, and is kept as %s\n", printable(store.GetDamaged()))
	}
	if store.GetProblem() != "" {
		w.printf("%d branches of states are not saved: %s\n", store.GetUnsaved(), printable(store.GetProblem()))
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

// maxPayload is how much of a payload a table shows, in characters.
const maxPayload = 200

func payloadText(p *controlv1.Payload) string {
	switch v := p.GetValue().(type) {
	case *controlv1.Payload_Text:
		return shortened(printable(strconv.Quote(v.Text)))
	case *controlv1.Payload_Data:
		return fmt.Sprintf("%d bytes", len(v.Data))
	case *controlv1.Payload_Json:
		return shortened(printable(v.Json))
	}
	return "set"
}

func shortened(s string) string {
	if runes := []rune(s); len(runes) > maxPayload {
		return string(runes[:maxPayload]) + "…"
	}
	return s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
