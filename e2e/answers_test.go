package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const answering = `
-- web.toml --
[[socket]]
name = "free"
type = "tcp"
listen = "$IP:7001"
enabled = false

[[socket]]
name = "taken"
type = "tcp"
listen = "$IP:7002"
enabled = false

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }

[[service]]
name = "broken"
run = { exec = "$DIR/nothing" }
`

// The answer is what has really happened, and so is the exit status.
func TestS123AnswersSayWhatHappened(t *testing.T) {
	t.Parallel()
	b := run(t, answering)
	free, taken := b.ip+":7001", hold(t, "tcp", b.ip+":7002")
	inUse := "rindrun: web@taken: failed: socket web@taken: bind " + taken + ": address already in use: held by " + myself()
	for _, tt := range []struct {
		args     string
		says     string // on standard output
		complain string // on standard error; empty: the command succeeds
		open     bool   // the address of web@free takes connections then
	}{
		{args: "start socket free", says: "socket web@free: started", open: true},
		{args: "start free", says: "socket web@free: already active", open: true},
		{args: "stop free", says: "socket web@free: stopped"},
		{args: "stop socket free", says: "socket web@free: already inactive"},
		{args: "start taken", complain: inUse},
		{args: "start socket nobody", complain: "rindrun: nobody: no such socket: nobody"},
		{args: "start service free", complain: "rindrun: free: no such service: free"},
		{
			args: "start free taken nobody", open: true,
			says: "socket web@free: started", complain: inUse + "\nrindrun: nobody: no such socket or service: nobody",
		},
		{args: "stop free", says: "socket web@free: stopped"},
		{args: "start service app", says: "service web@app: started"},
		{args: "start app", says: "service web@app: already active"},
		{args: "stop app", says: "service web@app: stopped"},
		{args: "start broken", complain: "rindrun: web@broken: failed: service web@broken: exec " + b.file("nothing") + ": no such file or directory"},
	} {
		res := b.rindrun(strings.Fields(tt.args)...)
		want := 0
		if tt.complain != "" {
			want = 1
		}
		says, complain := strings.TrimSuffix(res.stdout, "\n"), strings.TrimSuffix(res.stderr, "\n")
		if res.code != want || says != tt.says || complain != tt.complain {
			t.Errorf("rindrun %s: exit status %d, want %d\n%s\n%s\nwant:\n%s\n%s", tt.args, res.code, want, says, complain, tt.says, tt.complain)
		}
		conn, err := b.dial("tcp", free)
		if (err == nil) != tt.open {
			t.Errorf("after rindrun %s a client gets %v, want a connection: %t", tt.args, err, tt.open)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// The status says of each socket what it is and why, and what it has seen. A name that
// nothing has is an error.
func TestS130StatusSaysWhy(t *testing.T) {
	t.Parallel()
	b := run(t, answering+`
[[socket]]
name = "busy"
type = "tcp"
listen = "$IP:7003"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "rests"
type = "uds"
listen = "rests.sock"

[[socket]]
name = "bell"
type = "uds"
listen = "bell.sock"
trigger = [{ exec = "$PROBE", args = ["-id", "rung", "-report", "$REPORT", "-quit"] }]
`)
	taken := hold(t, "tcp", b.ip+":7002")
	b.must("tcp", b.ip+":7003", "id")
	b.awaitService("web@app", "active")
	for range 2 {
		conn, err := b.dial("unix", b.file("sock/bell.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		conn.Close()
		b.nextReport("rung")
	}
	b.do("pause", "rests")
	b.refused("in use", "start", "taken")
	inUse := "bind " + taken + ": address already in use"
	for _, tt := range []struct {
		name, state, reason, lastError string
		accesses, activations          uint64
	}{
		{name: "web@busy", state: "held", reason: "owner web@app starts", accesses: 1, activations: 1},
		{name: "web@rests", state: "paused", reason: fmt.Sprintf("command by uid %d", os.Getuid())},
		{name: "web@taken", state: "failed", reason: inUse, lastError: inUse},
		{name: "web@bell", state: "listening", accesses: 2},
		{name: "web@free", state: "inactive"},
	} {
		s := b.socket(tt.name)
		if s.State != tt.state || !strings.Contains(s.Reason, tt.reason) || !strings.Contains(s.LastError, tt.lastError) || (s.LastError == "") != (tt.lastError == "") ||
			s.Accesses != tt.accesses || s.Activations != tt.activations {
			t.Errorf("the status of %s is %v, want %+v", tt.name, s, tt)
		}
		// A person is told the same.
		text := b.do("status", tt.name)
		for _, want := range []string{tt.name + "  " + tt.state, tt.reason, tt.lastError} {
			if !strings.Contains(text, want) {
				t.Errorf("rindrun status %s does not say %q:\n%s", tt.name, want, text)
			}
		}
	}
	for _, args := range []string{"status nobody", "status socket app", "status --json nobody", "status busy nobody"} {
		res := b.rindrun(strings.Fields(args)...)
		if res.code != 1 || !strings.HasPrefix(res.stderr, "rindrun: no such ") || strings.Count(res.stderr, "\n") != 1 {
			t.Errorf("rindrun %s: exit status %d, want 1 and one line on standard error\n%s%s", args, res.code, res.stdout, res.stderr)
		}
	}
}

// A held socket that is stopped is the owner's alone, and once there is no owner,
// nobody's: its address is free at once.
func TestS95StoppingAHeldSocket(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "udp"
type = "udp"
listen = "$IP:7001"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "path"
type = "uds"
listen = "$DIR/path.sock"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "abstract"
type = "uds"
listen = "@$DIR/abstract"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app", "-report", "$REPORT"] }
`)
	sockets := []struct{ name, network, addr string }{
		{"web@tcp", "tcp", b.ip + ":7001"},
		{"web@udp", "udp", b.ip + ":7001"},
		{"web@path", "unix", b.file("path.sock")},
		{"web@abstract", "unix", "@" + b.file("abstract")},
	}
	isFree := func(name, network, addr string) {
		t.Helper()
		var c io.Closer
		var err error
		if network == "udp" {
			c, err = net.ListenPacket(network, addr)
		} else {
			c, err = net.Listen(network, addr)
		}
		if err != nil {
			t.Errorf("%s is stopped and has no owner, and its address is not free: %v", name, err)
			return
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	b.must("tcp", b.ip+":7001", "id")
	owner := b.nextReport("app")
	for i, s := range sockets {
		fd, ok := owner.Find(3 + i)
		if !ok {
			t.Fatalf("the owner has no descriptor %d", 3+i)
		}
		b.awaitSocket(s.name, "held")
		if !socketsOf(t, b.daemon.Process.Pid)[fd.Link] {
			t.Errorf("the daemon has no copy of %s, %s, while it is held", s.name, fd.Link)
		}
		b.do("stop", "socket", s.name)
		b.checkSocket(s.name, "inactive")
		if socketsOf(t, b.daemon.Process.Pid)[fd.Link] {
			t.Errorf("the daemon still has a copy of %s, %s, which is stopped", s.name, fd.Link)
		}
		if s.network == "unix" && !strings.HasPrefix(s.addr, "@") {
			if _, err := os.Lstat(s.addr); !os.IsNotExist(err) {
				t.Errorf("the path of %s is still there: %v", s.name, err)
			}
			continue // nobody can reach the owner there
		}
		if got := b.must(s.network, s.addr, "echo mine"); got != "mine" {
			t.Errorf("the owner answers %q over %s, want mine", got, s.name)
		}
	}
	b.do("stop", "service", "web@app")
	for _, s := range sockets {
		isFree(s.name, s.network, s.addr)
	}
	// Nor does a socket that is stopped while its owner is down keep anything.
	for _, s := range sockets {
		b.do("start", "socket", s.name)
		b.do("stop", "socket", s.name)
		isFree(s.name, s.network, s.addr)
	}
	b.await("all are inactive", func(st *controlv1.StatusResponse) bool {
		for _, s := range st.Sockets {
			if s.State != "inactive" {
				return false
			}
		}
		return true
	})
}
