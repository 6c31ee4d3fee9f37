package flow_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestScripts runs the scripts of testdata: a plan, then event after event with
// the effects that it has. The subtests are named after the statements of the
// specification that they show. After a wanted change: go test -rewrite.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Helper()
		s := &script{}
		datadriven.RunTest(t, path, s.run)
		s.end(t)
	})
}

// script is one engine and what its script needs to know of it.
type script struct {
	plan    *plan.Plan
	engine  *flow.Engine
	spawned map[string]flow.ProcessID // the last one of "service run"
	asked   map[uint64]int            // answers by request
}

// run carries out one command of a script and returns what it printed.
func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "plan":
		s.end(t)
		s.plan = parsePlan(t, d.Input)
		if err := s.plan.Validate(); err != nil && !d.HasArg("invalid") {
			d.Fatalf(t, "%v", err)
		}
		s.engine, s.spawned, s.asked = flow.New(s.plan, flow.Config{Announce: d.HasArg("announce")}), map[string]flow.ProcessID{}, map[uint64]int{}
		return ""
	case "status":
		return status(s.engine.Snapshot())
	case "repeat":
		return s.repeat(t, d)
	}
	if d.Cmd == "reload" {
		s.plan = parsePlan(t, d.Input)
		if err := s.plan.Validate(); err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	lines := s.step(t, event(t, s, d))
	if len(lines) == 0 {
		return "(nothing)\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

// repeat carries out the commands of its input n times and counts the effects.
func (s *script) repeat(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var n, count int
	d.ScanArgs(t, "n", &n)
	for range n {
		for line := range strings.Lines(d.Input) {
			var one datadriven.TestData
			var err error
			if one.Cmd, one.CmdArgs, err = datadriven.ParseLine(line); err != nil {
				d.Fatalf(t, "%v", err)
			}
			count += len(s.step(t, event(t, s, &one)))
		}
	}
	return fmt.Sprintf("%d effects\n", count)
}

func (s *script) step(t *testing.T, ev flow.Event) []string {
	t.Helper()
	var lines []string
	for _, f := range s.engine.Step(ev) {
		if f, ok := f.(flow.Spawn); ok {
			s.spawned[fmt.Sprint(f.Process.Service, instanceText(f.Process.Instance), " ", f.Process.Run)] = f.Process
		}
		if f, ok := f.(flow.Reply); ok {
			if n, ok := s.asked[f.Request]; !ok || n > 0 {
				t.Errorf("request %d is answered although %d answers were given before", f.Request, n)
			}
			s.asked[f.Request]++
		}
		lines = append(lines, effectText(f))
	}
	return lines
}

// end checks that nobody still waits for an answer.
func (s *script) end(t *testing.T) {
	t.Helper()
	for id, n := range s.asked {
		if n == 0 {
			t.Errorf("request %d was never answered", id)
		}
	}
	s.asked = nil
}

// arguments of one command of a script.
type arguments struct {
	t *testing.T
	d *datadriven.TestData
}

func (a arguments) at(i int) string {
	a.t.Helper()
	if i >= len(a.d.CmdArgs) {
		a.d.Fatalf(a.t, "%s: argument %d is missing", a.d.Cmd, i+1)
	}
	return a.d.CmdArgs[i].Key
}

func (a arguments) name() plan.Name { return plan.Name(a.at(0)) }

// instance returns the argument "w@srv/bob": an instance of a service.
func (a arguments) instance(i int) (plan.Name, string) {
	a.t.Helper()
	name, instance, _ := strings.Cut(a.at(i), "/")
	return plan.Name(name), instance
}

// text returns the argument key=(text) or key=text, "" if there is none.
func (a arguments) text(key string) string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == key {
			return strings.Join(arg.Vals, ", ")
		}
	}
	return ""
}

func (a arguments) number(key string, missing int) int {
	a.t.Helper()
	text := a.text(key)
	if text == "" {
		return missing
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		a.d.Fatalf(a.t, "%s: %v", key, err)
	}
	return n
}

// waiting returns who waits: "1.2" are two; without the key nothing is known.
func (a arguments) waiting() []uint64 {
	a.t.Helper()
	text := a.text("waiting")
	if text == "" {
		return nil
	}
	var list []uint64
	for item := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(item, 10, 64)
		if err != nil {
			a.d.Fatalf(a.t, "waiting: %v", err)
		}
		list = append(list, n)
	}
	return list
}

// rest returns the payload: the input, or the second argument.
func (a arguments) rest() string {
	if a.d.Input != "" || len(a.d.CmdArgs) < 2 || len(a.d.CmdArgs[1].Vals) > 0 {
		return a.d.Input
	}
	return a.d.CmdArgs[1].Key
}

// data returns what was sent; \0 and so on are bytes.
func (a arguments) data() []byte {
	a.t.Helper()
	text := a.text("data")
	if text == "" {
		return nil
	}
	data, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		a.d.Fatalf(a.t, "data: %v", err)
	}
	return []byte(data)
}

// from returns the request of a command: with id=N somebody waits for the answer.
func (s *script) from(a arguments) flow.Request {
	a.t.Helper()
	id := uint64(a.number("id", 0))
	if id == 0 {
		return flow.Request{}
	}
	if _, ok := s.asked[id]; ok {
		a.d.Fatalf(a.t, "request id %d is used twice", id)
	}
	s.asked[id] = 0
	return flow.Request{ID: id, By: "uid 0"}
}

// notice is what a process says of itself.
func (a arguments) notice() flow.Notice {
	a.t.Helper()
	says := a.d.HasArg
	return flow.Notice{
		Ready: says("ready"), Reloading: says("reloading"), Stopping: says("stopping"), Status: a.text("status"),
		MainPID: a.number("main-pid", 0), Alive: says("alive"), Failing: says("failing"),
		Watchdog: a.duration("watchdog"), Extend: a.duration("extend"),
	}
}

func (a arguments) duration(key string) time.Duration {
	a.t.Helper()
	if !a.d.HasArg(key) {
		return 0
	}
	d, err := time.ParseDuration(a.text(key))
	if err != nil {
		a.d.Fatalf(a.t, "%s: %v", key, err)
	}
	return d
}

func (s *script) process(a arguments) flow.ProcessID {
	a.t.Helper()
	id, ok := s.spawned[fmt.Sprint(a.name(), " ", a.number("run", 0))]
	if !ok {
		id.Service, id.Instance = a.instance(0)
		id.Run = a.number("run", 0)
	}
	id.Incarnation = uint64(a.number("incarnation", int(id.Incarnation)))
	return id
}

// event returns the event that a command of a script stands for.
func event(t *testing.T, s *script, d *datadriven.TestData) flow.Event {
	t.Helper()
	a := arguments{t: t, d: d}
	switch d.Cmd {
	case "boot":
		return flow.Boot{}
	case "reload":
		return flow.Reload{Plan: s.plan, From: s.from(a)}
	case "shutdown":
		return flow.Shutdown{Cause: "SIGTERM"}
	case "set-state":
		return flow.SetState{State: a.name(), Value: parsePayload(t, s.plan, a.name(), a.rest()), From: s.from(a)}
	case "remove-state":
		ev := flow.RemoveState{State: a.name(), From: s.from(a)}
		if d.Input != "" {
			ev.Filter = parseGuard(t, d.Input)
		}
		return ev
	case "emit":
		return flow.EmitSignal{Signal: a.name(), Value: parsePayload(t, s.plan, a.name(), a.rest()), From: s.from(a)}
	case "start-socket":
		return flow.StartSocket{Socket: a.name(), From: s.from(a)}
	case "pause-socket":
		return flow.PauseSocket{Socket: a.name(), From: s.from(a)}
	case "resume-socket":
		return flow.ResumeSocket{Socket: a.name(), From: s.from(a)}
	case "stop-socket":
		return flow.StopSocket{Socket: a.name(), From: s.from(a)}
	case "start-service":
		name, instance := a.instance(0)
		return flow.StartService{Service: name, Instance: instance, From: s.from(a)}
	case "stop-service":
		name, instance := a.instance(0)
		return flow.StopService{Service: name, Instance: instance, From: s.from(a)}
	case "opened":
		return flow.Opened{Socket: a.name(), Addresses: []string{"127.0.0.1:80"}}
	case "open-failed":
		return flow.OpenFailed{Socket: a.name(), Reason: a.text("reason"), Retry: d.HasArg("retry") || d.HasArg("absent"), Absent: d.HasArg("absent")}
	case "addresses-changed":
		return flow.AddressesChanged{}
	case "closed":
		return flow.Closed{Socket: a.name()}
	case "broken":
		return flow.Broken{Socket: a.name(), Reason: a.text("reason")}
	case "unreachable":
		return flow.Unreachable{Socket: a.name(), Reason: a.text("reason")}
	case "accessed":
		return flow.Accessed{Socket: a.name()}
	case "inspected":
		return flow.Inspected{Socket: a.name(), Waiting: a.waiting()}
	case "screened":
		return flow.Screened{Socket: a.name(), Admitted: a.number("admitted", 0), Reason: a.text("reason")}
	case "denied":
		return flow.Denied{Socket: a.name(), Access: flow.Access{UID: a.number("uid", -1), GID: -1, PID: -1}}
	case "arrived":
		return flow.Arrived{Socket: a.name(), Access: flow.Access{
			Local: a.text("local"), Remote: a.text("remote"),
			UID: a.number("uid", -1), GID: a.number("gid", -1), PID: a.number("pid", -1),
			Data: a.data(),
		}}
	case "connected":
		return flow.Connected{
			Socket: a.name(), Connection: uint64(a.number("number", 0)), Source: a.text("source"),
			Access: flow.Access{Remote: a.text("remote"), UID: -1, GID: -1, PID: -1},
		}
	case "flushed":
		return flow.Flushed{Socket: a.name()}
	case "served":
		return flow.Served{Socket: a.name(), Reason: a.text("reason")}
	case "started":
		return flow.ProcessStarted{Process: s.process(a), PID: a.number("pid", 100)}
	case "spawn-failed":
		return flow.ProcessFailed{Process: s.process(a), Reason: a.text("reason")}
	case "exited":
		return flow.ProcessExited{Process: s.process(a), Status: flow.ExitStatus{Code: a.number("code", 0), Signal: a.text("signal")}}
	case "evaluated":
		id, err := strconv.ParseUint(a.at(0), 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return flow.Evaluated{Eval: id, Output: []byte(d.Input + "\n"), Reason: a.text("reason")}
	case "fire":
		name, instance := a.instance(1)
		return flow.TimerFired{Timer: flow.TimerID{Kind: timerKind(t, a.at(0)), Name: name, Instance: instance, Run: a.number("run", 0)}}
	case "notified":
		return flow.Notified{Process: s.process(a), Notice: a.notice()}
	}
	d.Fatalf(t, "unknown command")
	return nil
}
