package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// page is a status as text: tables with a line between them.
type page struct {
	w     *printer
	how   look
	begun bool
}

func (p *page) line(format string, args ...any) {
	p.w.printf(format, args...)
	p.begun = true
}

func (p *page) table(t *table) {
	if len(t.rows) == 0 {
		return
	}
	if p.begun {
		p.w.printf("\n")
	}
	t.print(p.w, p.how.screen)
	p.begun = true
}

// age is how long ago something was, to the precision that people want.
func (p *page) age(micros int64) string {
	if micros == 0 {
		return "-"
	}
	d := max(p.how.now.Sub(time.UnixMicro(micros)), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func tables(w *printer, resp *controlv1.StatusResponse, how look) {
	p := &page{w: w, how: how}
	if !how.brief {
		p.line("rindrun %s, pid %d, up %s, plan %s\n", resp.GetVersion(), resp.GetPid(), p.age(resp.GetSinceUnixMicros()), resp.GetPlanDigest())
		storeLines(p, resp.GetStore())
		trouble(p, resp)
	}
	p.table(socketTable(p, resp.GetSockets()))
	p.table(connectionTable(resp.GetSockets()))
	p.table(denialTable(resp.GetSockets()))
	p.table(optionTable(resp.GetSockets()))
	p.table(serviceTable(p, resp.GetServices()))
	p.table(timerTable(p, resp.GetTimers()))
	p.table(stateTable(resp.GetStates()))
	if !how.brief {
		p.table(grantTable(resp.GetGrants()))
		p.table(pluginTable(resp.GetPlugins()))
	}
}

// trouble counts what an operator has to look at.
func trouble(p *page, resp *controlv1.StatusResponse) {
	sockets, services := map[string]int{}, map[string]int{}
	for _, s := range resp.GetSockets() {
		sockets[s.GetState()]++
	}
	stumbling := 0 // others wait because they are told to
	for _, s := range resp.GetServices() {
		services[s.GetState()]++
		if s.GetState() == "waiting" && s.GetLastError() != "" {
			stumbling++
		}
	}
	var parts []string
	add := func(n int, one, what string) {
		if n > 1 {
			one += "s"
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s %s", n, one, what))
		}
	}
	add(sockets["failed"], "socket", "failed")
	add(services["failed"], "service", "failed")
	add(sockets["paused"], "socket", "paused")
	add(stumbling, "service", "waiting for another attempt")
	if len(parts) > 0 {
		var line strings.Builder
		painted(&line, cell{"attention: " + strings.Join(parts, ", "), bad}, p.how.screen.colour)
		p.line("%s\n", line.String())
	}
}

func stateCell(state string) cell { return cell{state, styleOf(state)} }

func socketTable(p *page, sockets []*controlv1.SocketStatus) *table {
	t := &table{header: []string{"SOCKET", "STATE", "SINCE", "TYPE", "ADDRESS", "OWNER", "LIFECYCLE", "ACCESSES", "ACTIVATIONS", "REASON"}, minor: []int{6, 8, 7, 3}}
	sorted := slices.SortedStableFunc(slices.Values(sockets), func(a, b *controlv1.SocketStatus) int {
		return cmp.Compare(urgency(a.GetState()), urgency(b.GetState()))
	})
	for _, s := range sorted {
		address := s.GetListen()
		if len(s.GetAddresses()) > 0 {
			address = strings.Join(s.GetAddresses(), ",")
		}
		row := cells(s.GetName(), "", p.age(s.GetSinceUnixMicros()), s.GetType(), printable(address), orDash(s.GetOwner()), s.GetLifecycle(),
			strconv.FormatUint(s.GetAccesses(), 10), strconv.FormatUint(s.GetActivations(), 10), reason(s.GetReason(), s.GetLastError()))
		row[1] = stateCell(s.GetState())
		t.rows = append(t.rows, row)
	}
	return t
}

// connectionTable shows the connections that live, of the sockets that have any.
func connectionTable(sockets []*controlv1.SocketStatus) *table {
	t := &table{header: []string{"SOCKET", "CONNECTIONS", "AT MOST"}}
	for _, s := range sockets {
		if s.GetConnections() > 0 {
			t.rows = append(t.rows, cells(s.GetName(), strconv.FormatUint(uint64(s.GetConnections()), 10), strconv.FormatUint(uint64(s.GetMaxConnections()), 10)))
		}
	}
	return t
}

// denialTable shows who was turned away, of the sockets that have turned somebody
// away.
func denialTable(sockets []*controlv1.SocketStatus) *table {
	t := &table{header: []string{"SOCKET", "DENIED", "UNKNOWN", "OVER LIMIT", "LAST UID"}}
	for _, s := range sockets {
		d, last := s.GetDenials(), "-"
		if d.GetPermission()+d.GetUnknown()+d.GetLimit() == 0 {
			continue
		}
		if d.GetLastUid() >= 0 && d.GetPermission()+d.GetUnknown() > 0 {
			last = strconv.FormatInt(d.GetLastUid(), 10)
		}
		t.rows = append(t.rows, cells(s.GetName(), strconv.FormatUint(d.GetPermission(), 10),
			strconv.FormatUint(d.GetUnknown(), 10), strconv.FormatUint(d.GetLimit(), 10), last))
	}
	return t
}

// optionTable shows what became of the transport options of sockets.
func optionTable(sockets []*controlv1.SocketStatus) *table {
	t := &table{header: []string{"SOCKET", "OPTIONS"}}
	for _, s := range sockets {
		for _, note := range s.GetOptions() {
			t.rows = append(t.rows, cells(s.GetName(), printable(note)))
		}
	}
	return t
}

func serviceTable(p *page, services []*controlv1.ServiceStatus) *table {
	t := &table{header: []string{"SERVICE", "STATE", "SINCE", "PIDS", "STARTS", "REASON"}, minor: []int{4}}
	sorted := slices.SortedStableFunc(slices.Values(services), func(a, b *controlv1.ServiceStatus) int {
		return cmp.Compare(urgency(a.GetState()), urgency(b.GetState()))
	})
	for _, s := range sorted {
		if !p.how.parts[s.GetName()] {
			t.rows = append(t.rows, serviceRow(p, s.GetName(), s))
		}
		for _, in := range s.GetInstances() {
			t.rows = append(t.rows, serviceRow(p, s.GetName()+"["+printable(in.GetInstance())+"]", in))
		}
	}
	return t
}

// serviceState is a service, or one instance of it.
type serviceState interface {
	says

	GetState() string
	GetSinceUnixMicros() int64
	GetPids() []int32
	GetStarts() uint64
}

func serviceRow(p *page, name string, s serviceState) []cell {
	row := cells(name, "", p.age(s.GetSinceUnixMicros()), pidList(s.GetPids()), strconv.FormatUint(s.GetStarts(), 10), condition(s))
	row[1] = stateCell(s.GetState())
	return row
}

func timerTable(p *page, timers []*controlv1.TimerStatus) *table {
	t := &table{header: []string{"TIMER", "STATE", "SINCE", "ENDS", "REASON"}}
	for _, one := range timers {
		row := cells(one.GetName(), "", p.age(one.GetSinceUnixMicros()), strconv.FormatUint(one.GetEnds(), 10), orDash(printable(one.GetReason())))
		row[1] = stateCell(one.GetState())
		t.rows = append(t.rows, row)
	}
	return t
}

func stateTable(list []*controlv1.StateStatus) *table {
	t := &table{header: []string{"STATE", "VALUE"}}
	for _, s := range list {
		if len(s.GetBranches()) == 0 {
			t.rows = append(t.rows, cells(s.GetName(), "(only shown to who may set it)"))
		}
		for i, b := range s.GetBranches() {
			text := payloadText(b)
			if i < len(s.GetFollows()) && s.GetFollows()[i] {
				text += " (follows)"
			}
			t.rows = append(t.rows, cells(s.GetName(), text))
		}
	}
	return t
}

func pluginTable(plugins []*controlv1.PluginStatus) *table {
	t := &table{header: []string{"PLUGIN", "PID", "LAUNCHES", "PATH", "LAST ERROR"}}
	for _, one := range plugins {
		pid := "-"
		if one.GetPid() != 0 {
			pid = strconv.Itoa(int(one.GetPid()))
		}
		t.rows = append(t.rows, cells(one.GetName(), pid, strconv.FormatUint(one.GetLaunches(), 10), printable(one.GetPath()), orDash(printable(one.GetLastError()))))
	}
	return t
}

func pidList(pids []int32) string {
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = fmt.Sprint(pid)
	}
	return orDash(strings.Join(list, ","))
}

// says is what a service has to say.
type says interface {
	GetReason() string
	GetLastError() string
	GetSaying() string
	GetStatus() string
}

// condition is why a service is in its state, and what it says of itself.
func condition(s says) string {
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
func storeLines(p *page, store *controlv1.StoreStatus) {
	if store.GetDamaged() != "" {
		p.line("states were not restored: the file was damaged, and is kept as %s\n", printable(store.GetDamaged()))
	}
	if store.GetProblem() != "" {
		p.line("%d branches of states are not saved: %s\n", store.GetUnsaved(), printable(store.GetProblem()))
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
