package flow_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// timerNames has the names of timers in scripts.
var timerNames = map[flow.TimerKind]string{
	flow.TimerReopen: "reopen", flow.TimerResume: "resume", flow.TimerWindow: "window",
	flow.TimerRestart: "restart", flow.TimerForgive: "forgive", flow.TimerStopGrace: "stop-grace",
	flow.TimerReady: "ready", flow.TimerWatchdog: "watchdog", flow.TimerUnit: "timer",
}

func timerKind(tb testing.TB, name string) flow.TimerKind {
	tb.Helper()
	for k, n := range timerNames {
		if n == name {
			return k
		}
	}
	tb.Fatalf("unknown timer %q", name)
	return 0
}

var outcomeNames = map[flow.Outcome]string{
	flow.Done: "done", flow.Unchanged: "unchanged", flow.Failed: "failed", flow.Unknown: "unknown",
}

// effectText is one effect as scripts show it.
func effectText(f flow.Effect) string {
	switch f := f.(type) {
	case flow.OpenSocket:
		return "open " + string(f.Socket)
	case flow.CloseSocket:
		return "close " + string(f.Socket)
	case flow.Watch:
		if f.EachArrival {
			return "watch each arrival " + string(f.Socket)
		}
		return "watch " + string(f.Socket)
	case flow.Unwatch:
		return "unwatch " + string(f.Socket)
	case flow.Inspect:
		return "inspect " + string(f.Socket)
	case flow.Screen:
		return "screen " + string(f.Socket)
	case flow.Serve:
		return "serve " + string(f.Socket)
	case flow.Accept:
		return fmt.Sprintf("accept %s at most %d", f.Socket, f.Most)
	case flow.Dismiss:
		return fmt.Sprintf("dismiss %d", f.Connection)
	case flow.Flush:
		return "flush " + string(f.Socket)
	case flow.Spawn:
		return spawnText(f)
	case flow.Kill:
		return fmt.Sprintf("kill -%s %s", strings.TrimPrefix(f.Signal, "SIG"), processText(f.Process))
	case flow.Persist:
		if f.Value == nil {
			return strings.TrimSpace(fmt.Sprintf("forget %s %s", f.State, f.Branch))
		}
		return strings.TrimSpace(fmt.Sprintf("persist %s %s", f.State, f.Value.Raw()))
	case flow.Announce:
		return announceText(f)
	case flow.Evaluate:
		return fmt.Sprintf("evaluate %d %q %q within %v (%s)", f.Eval, f.Exec, f.Args, f.Timeout, f.Cause)
	case flow.RunCommand:
		return fmt.Sprintf("run %q %q (%s)", f.Argv, f.Env, f.Cause)
	case flow.ArmTimer:
		return fmt.Sprintf("arm %s %v", timerText(f.Timer), f.D)
	case flow.CancelTimer:
		return "cancel " + timerText(f.Timer)
	case flow.Reply:
		text := fmt.Sprintf("reply %d %s: %s", f.Request, outcomeNames[f.Outcome], f.Message)
		if f.Count > 0 {
			text += fmt.Sprintf(" (%d)", f.Count)
		}
		return text
	case flow.Transition:
		text := fmt.Sprintf("%s %s%s: %s -> %s (%s)", f.Kind, f.Name, instanceText(f.Instance), f.From, f.To, f.Cause)
		if f.Failure {
			text += " !"
		}
		return text
	case flow.Report:
		return fmt.Sprintf("report %s: %s: %s", f.Message, f.Name, f.Detail)
	case flow.Exit:
		return "exit"
	case flow.TakePlan:
		if len(f.Later) > 0 {
			return fmt.Sprintf("take plan, later %v", f.Later)
		}
		return "take plan"
	case flow.TakeService:
		return fmt.Sprintf("take service %s", f.Service)
	}
	return fmt.Sprintf("%#v", f)
}

func announceText(f flow.Announce) string {
	text := "announce signal "
	if f.Kind == cond.State {
		text = "announce state "
	}
	text += string(f.Name)
	if f.Removed {
		text += " without"
	}
	if f.Value.Kind() != cond.None {
		text += " " + string(f.Value.Raw())
	}
	return fmt.Sprintf("%s (%s)", text, f.Cause)
}

func processText(id flow.ProcessID) string {
	return fmt.Sprintf("%s%s[%d]#%d", id.Service, instanceText(id.Instance), id.Run, id.Incarnation)
}

func instanceText(name string) string {
	if name == "" {
		return ""
	}
	if text := strconv.Quote(name); strings.Contains(text, `\x`) {
		return "/" + text
	}
	return "/" + name
}

// spawnText leaves out what is the same for most services of scripts.
func spawnText(f flow.Spawn) string {
	text := fmt.Sprintf("spawn %s %v", processText(f.Process), f.Sockets)
	if c := f.Command; c.Exec != "/bin/srv" || c.Args != nil || c.Env != nil || c.Variable != "" {
		text += fmt.Sprintf(" %q %v", append([]string{c.Exec}, c.Args...), c.Env)
	}
	if f.User != "" {
		text += " user=" + f.User
	}
	if f.Connection != 0 {
		text += fmt.Sprintf(" connection=%d", f.Connection)
	}
	if f.Env != nil {
		text += fmt.Sprintf(" %q", f.Env)
	}
	return text
}

func timerText(id flow.TimerID) string {
	text := timerNames[id.Kind] + " " + string(id.Name) + instanceText(id.Instance)
	if id.Kind == flow.TimerRestart || id.Kind == flow.TimerWatchdog {
		text += fmt.Sprintf("[%d]", id.Run)
	}
	return text
}

func instanceStatus(s flow.InstanceStatus) string {
	text := fmt.Sprintf("%s %v starts=%d reason=%q error=%q", s.State, s.PIDs, s.Starts, s.Reason, s.LastError)
	if s.Restarts > 0 {
		text += fmt.Sprintf(" restarts=%d", s.Restarts)
	}
	if len(s.WaitsFor) > 0 {
		text += fmt.Sprintf(" waits-for=%v", s.WaitsFor)
	}
	if s.Saying != "" || s.Status != "" {
		text += fmt.Sprintf(" says=%q status=%q", s.Saying, s.Status)
	}
	return text
}

// status is a snapshot as scripts show it.
func status(snap flow.Snapshot) string {
	var b strings.Builder
	for _, s := range snap.Sockets {
		line := fmt.Sprintf("socket %s %s %v", s.Def.Name, s.State, s.Addresses)
		line += fmt.Sprintf(" accesses=%d activations=%d reason=%q error=%q", s.Accesses, s.Activations, s.Reason, s.LastError)
		fmt.Fprintln(&b, line)
	}
	for _, s := range snap.Services {
		fmt.Fprintf(&b, "service %s %s\n", s.Def.Name, instanceStatus(s.InstanceStatus))
		for _, in := range s.Instances {
			fmt.Fprintf(&b, "  instance %s %s\n", in.Instance, instanceStatus(in))
		}
	}
	for _, s := range snap.Timers {
		fmt.Fprintf(&b, "timer %s %s ends=%d reason=%q\n", s.Def.Name, s.State, s.Ends, s.Reason)
	}
	for _, s := range snap.States {
		fmt.Fprintf(&b, "state %s", s.Name)
		for _, v := range s.Branches {
			fmt.Fprintf(&b, " %s", v.Text())
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
