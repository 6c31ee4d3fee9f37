package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const managed = `
-- ops.toml --
[[permission]]
name = "admins"
id = 2000
users = ["bin"]

[[permission]]
name = "leads"
id = 2001
groups = ["games"]

[[permission]]
name = "both"
id = 2002
links = ["admins", "leads"]

[[socket]]
name = "door"
type = "uds"
listen = "door.sock"
managed-by = ["admins"]

[[socket]]
name = "plain"
type = "uds"
listen = "plain.sock"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
managed-by = ["both"]

[[state]]
name = "mode"
payload = "string"
permissions = ["leads"]

[[socket]]
name = "shut"
type = "uds"
listen = "shut.sock"
start-on = ["mode"]

[[signal]]
name = "go"
payload = "none"
permissions = ["admins"]

[[socket]]
name = "gone"
type = "uds"
listen = "gone.sock"
start-on = [{ signal = "go" }]
`

// as runs a client of the daemon as a user, with one supplementary group.
func (b *bed) as(name, group string, args ...string) (out string, code int) {
	b.t.Helper()
	u := needUser(b.t, name)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		b.t.Fatal(err)
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: 65534}
	if group != "" {
		gid, err := strconv.ParseUint(needUser(b.t, group).Gid, 10, 32)
		if err != nil {
			b.t.Fatal(err)
		}
		cred.Groups = []uint32{uint32(gid)}
	}
	cmd := b.command(b.t.Context(), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func TestS119S121ManagedBy(t *testing.T) {
	t.Parallel()
	b := run(t, managed)
	for _, tt := range []struct {
		user, group, args string
		want              string // begins with "!" when it must fail
	}{
		{"bin", "", "stop door", "stopped"},
		{"bin", "", "start door", "started"},
		{"bin", "", "pause door", "paused"},
		{"bin", "", "resume door", "resumed"},
		{"bin", "", "stop plain", "!only uid 0 and the daemon's user (uid 0), and who holds rind@system-services, may start and stop socket ops@plain"},
		{"bin", "", "stop door plain", "!permission denied"}, // the one is stopped
		{"bin", "", "start door", "started"},
		{"bin", "", "start app", "started"},
		{"nobody", "games", "stop app", "stopped"},
		{"nobody", "games", "stop door", "!permission denied"},
		{"nobody", "games", "set-state mode x", "set"},
		{"nobody", "games", "emit go", "!permission denied"},
		{"bin", "", "set-state mode y", "!permission denied"},
		{"bin", "", "get-states", "(only shown to who may set it)"},
		{"nobody", "games", "get-states", `"x"`},
		{"bin", "", "emit go", "emitted"},
		{"bin", "", "reload", "!permission denied"},
		{"bin", "", "shutdown", "!permission denied"},
		{"nobody", "", "stop door", "!permission denied"},
		{"nobody", "", "stop nothing", "!permission denied"},
		{"bin", "", "stop nothing", "!no such"},
	} {
		out, code := b.as(tt.user, tt.group, strings.Fields(tt.args)...)
		want, fails := strings.CutPrefix(tt.want, "!")
		if (code != 0) != fails || !strings.Contains(out, want) {
			t.Errorf("%s in %q: rindrun %s: exit status %d, %q; want %q", tt.user, tt.group, tt.args, code, out, tt.want)
		}
	}
	for name, want := range map[string]string{"ops@door": "listening", "ops@plain": "listening", "ops@shut": "listening", "ops@gone": "listening"} {
		b.awaitSocket(name, want)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := run(t, managed)
	stream, err := b.control.Watch(t.Context(), &controlv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() || stream.Msg().GetEvent() != nil {
		t.Fatalf("the first message is %v, %v; want one without an event", stream.Msg(), stream.Err())
	}
	b.do("set-state", "mode", "day")
	b.do("emit", "go")
	var got []string
	for !slices.Contains(got, "signal ops@go") && stream.Receive() {
		switch ev := stream.Msg().GetEvent().(type) {
		case *controlv1.WatchResponse_Unit:
			got = append(got, ev.Unit.GetName()+" "+ev.Unit.GetTo())
		case *controlv1.WatchResponse_State:
			got = append(got, "state "+ev.State.GetName()+" "+ev.State.GetPayload().GetText())
		case *controlv1.WatchResponse_Signal:
			got = append(got, "signal "+ev.Signal.GetName())
		}
	}
	// The listener may be open before or after the signal.
	got = slices.DeleteFunc(got, func(s string) bool { return s == "ops@shut listening" })
	if diff := cmp.Diff([]string{"state ops@mode day", "ops@shut starting", "signal ops@go"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- a.toml --
[[service]]
name = "one"
run = { exec = "sh", args = ["-c", "echo first; echo second; exec sleep 1000"] }
`)
	b.do("start", "one")
	b.await("both lines are kept", func(*controlv1.StatusResponse) bool { return strings.Contains(b.do("logs"), "second") })
	if out := b.do("logs", "a@one", "--lines", "1"); strings.Contains(out, "first") || strings.Count(out, "\n") != 1 || !strings.Contains(out, "a@one[") {
		t.Errorf("the last line is %q", out)
	}
	b.refused("no such service", "logs", "two")
}

// documented has the units that the examples of docs/control.md are about.
const documented = `
-- web.toml --
[[socket]]
name = "http"
type = "uds"
listen = "http.sock"
owner = "app"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
-- ops.toml --
[[state]]
name = "mode"
payload = "string"

[[signal]]
name = "rotate"
payload = "none"
`

// TestCurl runs the examples of docs/control.md, which show what comes of them.
func TestCurl(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	page, err := os.ReadFile("../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	b := run(t, documented)
	examples := regexp.MustCompile(`(?m)^\$ (curl .*)\n(\{.*\})$`).FindAllStringSubmatch(string(page), -1)
	if len(examples) < 10 {
		t.Errorf("the page has %d examples, want at least 10", len(examples))
	}
	for _, example := range examples {
		command, want := strings.ReplaceAll(example[1], "/run/rind/control.sock", b.file("run/control.sock")), example[2]
		if diff := cmp.Diff(document(t, want), document(t, firstAnswer(t, command))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
}

// firstAnswer runs a command until it has written a line, or has ended: a stream goes
// on for as long as the daemon.
func firstAnswer(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && line == "" {
		t.Errorf("%s: %v", command, err)
	}
	cancel()
	_ = cmd.Wait() // it was killed, or has said what it has to say
	return line
}

func document(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}
