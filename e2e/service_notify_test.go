package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// speaker is a service that is told over its socket what to say.
func speaker(keys string) string {
	return oneOwner(`lifecycle = "owned"`, probeService+"\n"+keys)
}

// say has the service say something, and returns once it has been carried out.
func (b *bed) say(text string) {
	b.t.Helper()
	if got := b.must("tcp", b.ip+":7001", "notify "+text); got != "said" {
		b.t.Fatalf("notify %s: %s", text, got)
	}
}

// starting asks for a start that is not done before the service says so, and
// returns what its process says of itself.
func (b *bed) starting() *Report {
	b.t.Helper()
	cmd := b.command(b.t.Context(), "start", "service", "web@app")
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = cmd.Wait() }) // what it says is in the status, too
	return b.nextReport("app")
}

func TestS159ReadyWhenItSaysSo(t *testing.T) {
	t.Parallel()
	b := run(t, speaker(`ready = "notify"`))
	r := b.starting()
	if r.Env["NOTIFY_SOCKET"] == "" || r.Env["FDSTORE"] == "" {
		t.Errorf("NOTIFY_SOCKET=%q FDSTORE=%q", r.Env["NOTIFY_SOCKET"], r.Env["FDSTORE"])
	}
	if got := b.service("web@app").State; got != "starting" {
		t.Errorf("the service is %s before it is ready", got)
	}
	b.say("STATUS=loading")
	if got := b.service("web@app").State; got != "starting" {
		t.Errorf("the service is %s after a status", got)
	}
	b.say("READY=1|STATUS=ready to serve")
	if got := b.service("web@app").State; got != "active" {
		t.Errorf("the service is %s although it is ready", got)
	}
	checkInheritance(t, r, "http")
}

// A child of the service speaks for it, somebody else does not.
func TestS159WhoMaySpeak(t *testing.T) {
	t.Parallel()
	b := run(t, speaker(`ready = "notify"`))
	r := b.starting()
	cmd := exec.CommandContext(t.Context(), program("probe"), "-notify", "READY=1", "-quit")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+r.Env["NOTIFY_SOCKET"])
	if out, err := cmd.CombinedOutput(); err == nil {
		// A message that is dropped has its descriptors closed: the barrier opens.
		t.Logf("the intruder: %s", out)
	}
	b.await("the log tells of the intruder", func(*controlv1.StatusResponse) bool {
		return strings.Contains(b.log.String(), "does not belong to the service")
	})
	if got := b.service("web@app").State; got != "starting" {
		t.Errorf("the service is %s after somebody else said that it is ready", got)
	}
	if got := b.must("tcp", b.ip+":7001", "child READY=1"); got != "said" {
		t.Fatal(got)
	}
	if got := b.service("web@app").State; got != "active" {
		t.Errorf("the service is %s after a child said that it is ready", got)
	}
}

func TestS159SystemdNotify(t *testing.T) {
	t.Parallel()
	need(t, "systemd-notify")
	b := run(t, settings(`run = { exec = "sh", args = ["-c", "systemd-notify --ready --status=up && exec sleep 1000"] }
ready = "notify"
`))
	b.do("start", "service", "web@app")
	if got := b.service("web@app").State; got != "active" {
		t.Errorf("the service is %s", got)
	}
}

// A service that goes into the background lives on in the process that it names.
func TestS159MainPID(t *testing.T) {
	t.Parallel()
	need(t, "systemd-notify")
	b := run(t, settings(`run = { exec = "sh", args = ["-c", '''
sleep 1000 &
echo $! > $DIR/main.new; mv $DIR/main.new $DIR/main
systemd-notify --ready MAINPID=$!
exit 0
'''] }
ready = "notify"
`))
	b.do("start", "service", "web@app")
	text, err := os.ReadFile(b.file("main"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.service("web@app").State; got != "active" || !alive(t, pid) {
		t.Errorf("the service is %s, its main process runs: %t", got, alive(t, pid))
	}
	b.do("stop", "service", "web@app")
	if alive(t, pid) {
		t.Error("the main process outlives its service")
	}
}

func TestS159Watchdog(t *testing.T) {
	t.Parallel()
	b := run(t, speaker(`watchdog = { interval = "200ms", grace = "100ms", action = "restart" }`))
	b.must("tcp", b.ip+":7001", "id")
	first := b.nextReport("app")
	if first.Env["WATCHDOG_USEC"] != "200000" || first.Env["WATCHDOG_PID"] != strconv.Itoa(first.PID) {
		t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q of process %d", first.Env["WATCHDOG_USEC"], first.Env["WATCHDOG_PID"], first.PID)
	}
	second := b.nextReport("app") // it says nothing
	if second.PID == first.PID {
		t.Error("the same process reports again")
	}
	b.awaitService("web@app", "active")
	// At once with a trigger, whatever the interval is.
	b.must("tcp", b.ip+":7001", "notify WATCHDOG_USEC=3600000000")
	b.must("tcp", b.ip+":7001", "notify WATCHDOG=trigger")
	if third := b.nextReport("app"); third.PID == second.PID {
		t.Error("the same process reports again")
	}
}

func TestServiceStopSignalAndTimeout(t *testing.T) {
	t.Parallel()
	b := run(t, settings(`run = { exec = "sh", args = ["-c", "trap 'echo usr1 >> $DIR/said' USR1; trap 'echo term >> $DIR/said' TERM; echo began > $DIR/began; while :; do sleep 0.02; done"] }
stop = { signal = "SIGUSR1", timeout = "100ms" }
`))
	b.do("start", "service", "web@app")
	b.await("it has begun", func(*controlv1.StatusResponse) bool {
		_, err := os.Stat(b.file("began"))
		return err == nil
	})
	b.do("stop", "service", "web@app")
	text, err := os.ReadFile(b.file("said"))
	if err != nil || string(text) != "usr1\n" {
		t.Errorf("the service got %q, %v, want SIGUSR1 alone", text, err)
	}
}

// What a service stores comes back with its sockets, at the next start.
func TestS159DescriptorStore(t *testing.T) {
	t.Parallel()
	b := run(t, speaker(`ready = "notify"`))
	b.starting()
	b.say("READY=1")
	for _, name := range []string{"one", "two"} {
		if got := b.must("tcp", b.ip+":7001", "store "+name); got != "said" {
			t.Fatal(got)
		}
	}
	b.do("stop", "service", "web@app")
	r := b.starting()
	var got []string
	for _, fd := range r.FDs {
		if fd.N >= 4 {
			got = append(got, fd.Link)
		}
	}
	want := []string{"/memfd:one (deleted)", "/memfd:two (deleted)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("descriptors from 4 on (-want +got):\n%s", diff)
	}
	if r.Env["LISTEN_FDS"] != "3" || r.Env["LISTEN_FDNAMES"] != "http:one:two" || r.Env["RIND_SOCKET_NAMES"] != "http" {
		t.Errorf("LISTEN_FDS=%s LISTEN_FDNAMES=%s RIND_SOCKET_NAMES=%s", r.Env["LISTEN_FDS"], r.Env["LISTEN_FDNAMES"], r.Env["RIND_SOCKET_NAMES"])
	}
	b.say("FDSTOREREMOVE=1|FDNAME=one")
	b.say("READY=1")
	b.do("stop", "service", "web@app")
	if r := b.starting(); r.Env["LISTEN_FDNAMES"] != "http:two" {
		t.Errorf("LISTEN_FDNAMES=%s after one was removed", r.Env["LISTEN_FDNAMES"])
	}
}
