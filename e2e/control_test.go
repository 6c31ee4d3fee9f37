package e2e

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const namesakes = `
-- a.toml --
[[socket]]
name = "twin"
type = "uds"
listen = "a.sock"
owner = "twin"

[[service]]
name = "twin"
run = { exec = "$PROBE", args = ["-id", "twin"] }

[[socket]]
name = "only"
type = "uds"
listen = "only.sock"

[[state]]
name = "count"
payload = "json"

[[state]]
name = "none"
payload = "none"
-- b.toml --
[[socket]]
name = "other"
type = "uds"
listen = "other.sock"

[[state]]
name = "count"
payload = "string"
-- c.toml --
[[socket]]
name = "other"
type = "uds"
listen = "other2.sock"
`

func TestS15S122S124S125NamesOfUnits(t *testing.T) {
	t.Parallel()
	b := run(t, namesakes)
	tests := []struct {
		args string
		want string // in the answer; begins with "!" when it must fail
	}{
		{"stop only", "stopped"},
		{"start only", "started"},
		{"start a@only", "already active"},
		{"stop socket only", "stopped"},
		{"stop socket only", "already inactive"},
		{"start socket a@only", "started"},
		{"start a@twin", "!ambiguous"},
		{"start twin", "!ambiguous: it may be socket a@twin or service a@twin"},
		{"stop twin", "!ambiguous: it may be socket a@twin or service a@twin"},
		{"stop a@twin", "!ambiguous"},
		{"start service twin", "started"},
		{"stop socket a@twin", "stopped"},
		{"stop service a@twin", "stopped"},
		{"start other", "!ambiguous"},
		{"stop b@other", "stopped"},
		{"start nobody", "!no such"},
		{"start service only", "!no such service"},
		{"start a@nobody", "!no such"},
		{"stop socket nobody", "!no such socket"},
		{"start b@other nobody", "!no such"}, // S123: one of several
		{"start b@other", "already active"},
		{"set-state count x", "!ambiguous"},
		{`set-state a@count {"id":`, "!json"},
		{`set-state a@count {"n":1}`, "!id"},
		{`set-state a@count {"id":1}`, "set"},
		{`set-state a@count {"id":1}`, "unchanged"},
		{"set-state none text", "!none"},
		{"set-state none", "set"},
		{"set-state nobody", "!no such state"},
		{"remove-state a@count", "1 removed"},
		{"remove-state a@count", "0 removed"},
		{"emit nobody", "!no such signal"},
		{"status nobody", "!no such"}, // S130
	}
	for _, tt := range tests {
		res := b.rindrun(strings.Fields(tt.args)...)
		want, fails := strings.CutPrefix(tt.want, "!")
		if (res.code != 0) != fails || !strings.Contains(res.stdout+res.stderr, want) {
			t.Errorf("rindrun %s: exit status %d, %q; want %q", tt.args, res.code, res.stdout+res.stderr, tt.want)
		}
	}
	// Nobody made a second listener.
	if got := len(b.status().Sockets); got != 4 {
		t.Errorf("the status has %d sockets, want 4", got)
	}
}

func TestS129Status(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	out := b.do("status")
	for _, want := range []string{"web@http", "listening", "tcp", b.ip + ":7001", "web@app", "owned"} {
		if !strings.Contains(out, want) {
			t.Errorf("the status has no %q:\n%s", want, out)
		}
	}
	if out := b.do("status", "web@http"); !strings.Contains(out, "web@http") {
		t.Errorf("the status of web@http:\n%s", out)
	}
	st := &controlv1.StatusResponse{}
	if err := protojson.Unmarshal([]byte(b.do("status", "--json")), st); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.status(), st, protocmp.Transform(), protocmp.IgnoreFields(st, "open_descriptors")); diff != "" {
		t.Errorf("rindrun status --json (-want +got):\n%s", diff)
	}
}

func TestS117S120S121WhoMayChangeThings(t *testing.T) {
	t.Parallel()
	nobody := needUser(t, "nobody")
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	b := run(t, switched(""))
	as := func(args ...string) (string, error) {
		cmd := b.command(t.Context(), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, args := range []string{
		"stop socket flow@s", "start flow@s", "set-state flow@up", "remove-state flow@up", "emit flow@go", "shutdown",
	} {
		if out, err := as(strings.Fields(args)...); err == nil || !strings.Contains(out, "permission denied") {
			t.Errorf("rindrun %s as nobody: %q, %v; want permission denied", args, out, err)
		}
	}
	if out, err := as("status"); err != nil || !strings.Contains(out, "flow@s") {
		t.Errorf("rindrun status as nobody: %q, %v", out, err)
	}
	// Nothing has changed, and root may do what nobody may not.
	st := b.status()
	if s := b.socketOf(st, "flow@s"); s.State != "listening" || len(st.States) != 0 {
		t.Errorf("the socket is %s, %d states are set", s.State, len(st.States))
	}
	b.do("stop", "socket", "flow@s")
}

func TestS131MalformedRequests(t *testing.T) {
	t.Parallel()
	b := run(t, switched(""))
	for _, tt := range []struct{ name, text string }{
		{"no HTTP", "hello\n\n"},
		{"no JSON", post("Start", "{")},
		{"unknown method", post("Frobnicate", "{}")},
		{"wrong kind", post("SetState", `{"name": "flow@up", "payload": {"json": "["}}`)},
		{"deep document", post("SetState", `{"name": "flow@doc", "payload": {"json": "`+strings.Repeat("[", 100_000)+`"}}`)},
		{"too large", post("Emit", `{"name": "`+strings.Repeat("x", 64<<20)+`"}`)},
		{"cut short", strings.TrimSuffix(post("Start", `{"names": ["flow@s"]}`), `"]}`)},
	} {
		if answer := b.callRaw(tt.text); strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%s: the answer is %q", tt.name, answer)
		}
		b.checkSocket("flow@s", "listening")
	}
}

// callRaw writes text to the control socket and returns what comes back.
func (b *bed) callRaw(text string) string {
	b.t.Helper()
	conn, err := b.dial("unix", b.file("run/control.sock"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	// The daemon may close before it has read everything: that is an answer.
	if _, err := io.WriteString(conn, text); err == nil {
		if uc, ok := conn.(*net.UnixConn); ok {
			_ = uc.CloseWrite()
		}
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// post is a call of the control interface as HTTP.
func post(method, body string) string {
	return fmt.Sprintf("POST /rind.control.v1.ControlService/%s HTTP/1.1\r\nHost: rindrun\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
}

func TestStatusOfAnInstance(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	b.do("set-state", "link", `{"name":"eth0"}`)
	b.do("set-state", "link", `{"name":"eth1"}`)
	b.await("both instances are active", func(st *controlv1.StatusResponse) bool {
		s := b.serviceOf(st, "w@many")
		return len(s.Instances) == 2 && s.Instances[0].State == "active" && s.Instances[1].State == "active"
	})
	for _, name := range []string{"many[eth0]", "w@many[eth0]"} {
		out := b.do("status", name)
		if !strings.Contains(out, "w@many[eth0]  active") || strings.Contains(out, "eth1") || strings.Count(out, "\n") != 2 {
			t.Errorf("the status of %s:\n%s", name, out)
		}
	}
	st := &controlv1.StatusResponse{}
	if err := protojson.Unmarshal([]byte(b.do("status", "--json", "service", "many[eth1]")), st); err != nil {
		t.Fatal(err)
	}
	if in := b.serviceOf(st, "w@many").Instances; len(st.Services) != 1 || len(in) != 1 || in[0].Instance != "eth1" || in[0].SinceUnixMicros == 0 {
		t.Errorf("the status of one instance is %v", st.Services)
	}
	b.refused("no such unit: many[eth7]", "status", "many[eth7]")
	b.refused("no such unit: many[eth0]", "status", "socket", "many[eth0]")
	if out := b.do("__complete", "stop", "many["); !strings.HasPrefix(out, "many[eth0]\nmany[eth1]\n:4\n") {
		t.Errorf("completions of an instance are %q", out)
	}
}

// The table is shown when something changes, with for how long it has been so.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	tables := b.follow("status", "--watch", "spare")
	defer tables.end()
	tables.until("w@spare  listening")
	b.do("pause", "spare")
	tables.until("w@spare  paused")
	documents := b.follow("status", "--watch", "--json", "socket", "spare")
	defer documents.end()
	documents.until(`"state":"paused"`)
	b.do("stop", "spare")
	tables.until("w@spare  inactive")
	line := documents.until(`"state":"inactive"`)
	st := &controlv1.StatusResponse{}
	if err := protojson.Unmarshal([]byte(line[len(line)-1]), st); err != nil {
		t.Fatal(err)
	}
	if now := b.socket("w@spare"); len(st.Sockets) != 1 || st.Sockets[0].SinceUnixMicros != now.SinceUnixMicros || now.SinceUnixMicros < st.SinceUnixMicros {
		t.Errorf("the watch says %v, the status %v", st.Sockets, now)
	}
}

// While a socket is paused, who comes waits and is served after.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService))
	b.do("pause", "web@http")
	b.do("pause", "http") // already so is no failure
	client, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "id\n"); err != nil {
		t.Fatal(err)
	}
	if out := b.do("status"); !strings.Contains(out, "\nattention: 1 socket paused\n") {
		t.Errorf("the status does not say that a socket is paused:\n%s", out)
	}
	if s := b.service("web@app"); s.State != "inactive" || s.Starts != 0 {
		t.Errorf("the owner of a paused socket is %s, started %d times", s.State, s.Starts)
	}
	b.do("resume", "http")
	if answer, err := io.ReadAll(client); err != nil || len(answer) == 0 {
		t.Errorf("who waited got %q, %v", answer, err)
	}
	b.refused("no such socket", "pause", "app")
}

// What a service prints cannot act on the terminal of whoever reads it.
func TestLogsOnATerminal(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	b.do("start", "talks")
	b.eventually("the line is kept", func() bool { return b.do("logs", "talks") != "" })
	if out := b.do("logs", "talks"); !strings.HasSuffix(out, "] red  [31m\n") || strings.Contains(out, "\x1b") {
		t.Errorf("the log is %q", out)
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	for _, tt := range []struct {
		name, args string
		want       int
	}{
		{"done", "start spare", 0},
		{"already so", "stop w@many", 0},
		{"no such unit", "start nobody", 1},
		{"one of several fails", "start spare nobody", 1},
		{"wrong payload", "set-state link text", 1},
		{"no such plan", "reload nothing.json", 1},
		{"nothing to remove", "remove-state mode", 0},
		{"not set", "get-states mode", 0},
		{"no such service", "logs nobody", 1},
		{"no name", "start", 2},
		{"no such flag", "status --frobnicate", 2},
		{"no daemon", "status --control nowhere.sock", 3},
		{"no daemon to watch", "status --watch --control nowhere.sock", 3},
		{"no daemon for events", "events --control nowhere.sock", 3},
	} {
		res := b.rindrun(strings.Fields(tt.args)...)
		if res.code != tt.want {
			t.Errorf("%s: rindrun %s: exit status %d, want %d\n%s%s", tt.name, tt.args, res.code, tt.want, res.stdout, res.stderr)
		}
		if tt.want != 0 && (!strings.HasPrefix(res.stderr, "rindrun: ") || strings.Count(res.stderr, "\n") != 1) {
			t.Errorf("%s: rindrun %s says %q, want one line", tt.name, tt.args, res.stderr)
		}
	}
}
