package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/runtime/flow"
)

// timerNames has the names of timers in scripts.
var timerNames = map[flow.TimerKind]string{
	flow.TimerReopen: "reopen", flow.TimerResume: "resume", flow.TimerWindow: "window",
	flow.TimerRestart: "restart", flow.TimerForgive: "forgive", flow.TimerStopGrace: "stop-grace",
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
	case flow.Serve:
		return "serve " + string(f.Socket)
	case flow.Spawn:
		return fmt.Sprintf("spawn %s %v", processText(f.Process), f.Sockets)
	case flow.Kill:
		if f.Signal == "SIGKILL" {
			return "kill -KILL " + processText(f.Process)
		}
		return "kill -TERM " + processText(f.Process)
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
		text := fmt.Sprintf("%s %s: %s -> %s (%s)", f.Kind, f.Name, f.From, f.To, f.Cause)
		if f.Failure {
			text += " !"
		}
		return text
	case flow.Report:
		return fmt.Sprintf("report %s: %s: %s", f.Message, f.Name, f.Detail)
	case flow.Exit:
		return "exit"
	}
	return fmt.Sprintf("%#v", f)
}

func processText(id flow.ProcessID) string {
	return fmt.Sprintf("%s[%d]#%d", id.Service, id.Run, id.Incarnation)
}

func timerText(id flow.TimerID) string {
	text := timerNames[id.Kind] + " " + string(id.Name)
	if id.Kind == flow.TimerRestart {
		text += fmt.Sprintf("[%d]", id.Run)
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
		fmt.Fprintf(&b, "service %s %s %v starts=%d reason=%q error=%q\n", s.Def.Name, s.State, s.PIDs, s.Starts, s.Reason, s.LastError)
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
