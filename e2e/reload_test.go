package e2e

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// reloading is a plan with a socket that stays, one that is at a port, a service that
// reports with an id, and more.
func reloading(port, id, more string) string {
	return fmt.Sprintf(`
[[state]]
name = "up"
payload = "none"

[[socket]]
name = "kept"
type = "tcp"
listen = "$IP:7001"
owner = "app"

[[socket]]
name = "moved"
type = "tcp"
listen = "$IP:%s"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", %q, "-report", "$REPORT"] }
%s`, port, id, more)
}

var reloaded = "\n-- web.toml --" + reloading("7002", "app", `
[[socket]]
name = "gone"
type = "uds"
listen = "gone.sock"
on-stop = [{ exec = "$PROBE", args = ["-id", "bye", "-report", "$REPORT", "-quit"] }]
`)

// reloadedTo replaces the file of reloaded.
var reloadedTo = reloading("7003", "app2", `
[[socket]]
name = "added"
type = "uds"
listen = "added.sock"

[[socket]]
name = "waits"
type = "uds"
listen = "waits.sock"
start-on = ["up"]
`)

// rewrite replaces the unit file of the bed and its plan, as rindc build does.
func (b *bed) rewrite(units string) {
	b.t.Helper()
	b.write("units/web.toml", b.expand(units))
	b.compile()
}

func TestS52S132Reload(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	// A client waits in the queue of a socket that nobody serves yet.
	client, err := b.dial("tcp", b.ip+":7001")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "id\n"); err != nil {
		t.Fatal(err)
	}
	b.rewrite(reloadedTo)
	before := b.status()
	out := b.do("reload", "--dry-run")
	for _, want := range []string{"rebound  web@moved", "started  web@added: uds added.sock", "stopped  web@gone"} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not say %q:\n%s", want, out)
		}
	}
	if now := b.status(); now.PlanDigest != before.PlanDigest || len(now.Sockets) != 3 {
		t.Errorf("a dry run has changed the plan to %s with %d sockets", now.PlanDigest, len(now.Sockets))
	}
	out = b.do("reload")
	b.await("the sockets are those of the new plan", func(st *controlv1.StatusResponse) bool {
		return len(st.Sockets) == 4 && b.socketOf(st, "web@added").State == "listening" &&
			strings.HasSuffix(strings.Join(b.socketOf(st, "web@moved").Addresses, ""), ":7003")
	})
	if digest := b.status().PlanDigest; digest == before.PlanDigest || !strings.Contains(out, digest) {
		t.Errorf("the plan is %s, before it was %s; the answer: %s", digest, before.PlanDigest, out)
	}
	b.nextReport("bye") // on-stop of what is gone
	if _, err := os.Lstat(b.file("sock/gone.sock")); !os.IsNotExist(err) {
		t.Errorf("the path of a removed socket: %v", err)
	}
	if _, err := b.ask("tcp", b.ip+":7002", ""); err == nil {
		t.Error("the old address still answers")
	}
	b.must("tcp", b.ip+":7003", "")
	// S52: the condition of a socket that was added works.
	b.checkSocket("web@waits", "inactive")
	b.do("set-state", "web@up")
	b.awaitSocket("web@waits", "listening")
	// The client that has waited is served, by the service as it is defined now.
	b.do("start", "service", "web@app")
	b.nextReport("app2")
	answer, err := io.ReadAll(client)
	if err != nil || !strings.HasPrefix(string(answer), "app2 ") {
		t.Errorf("who waited during the reload got %q, %v", answer, err)
	}
}

func TestS132ReloadKeepsRunningServices(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	b.do("start", "service", "web@app")
	pid := b.nextReport("app").PID
	b.rewrite(reloadedTo)
	b.do("reload")
	if got, want := b.must("tcp", b.ip+":7001", "id"), "app "+strconv.Itoa(pid); got != want {
		t.Errorf("after the reload %q answers, want %q", got, want)
	}
	b.checkSocket("web@kept", "held")
	b.do("stop", "service", "web@app")
	b.do("start", "service", "web@app")
	if got := b.must("tcp", b.ip+":7001", "id"); !strings.HasPrefix(got, "app2 ") {
		t.Errorf("after its restart %q answers, want the new definition", got)
	}
}

func TestS133ReloadOfABadPlan(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	before := b.status()
	first, err := os.ReadFile(b.file("plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.rewrite(reloadedTo)
	good, err := os.ReadFile(b.file("plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"cut short", string(good[:len(good)/2]), "edited by hand or truncated"},
		{"edited", strings.Replace(string(good), ":7003", ":7004", 1), "edited by hand"},
		{"no plan", "[[socket]]", "not a plan"},
	} {
		b.write("plan.json", tt.text)
		b.refused(tt.want, "reload")
		b.refused(tt.want, "reload", "--dry-run")
		if now := b.status(); now.PlanDigest != before.PlanDigest || b.socketOf(now, "web@gone").State != "listening" {
			t.Errorf("%s: the plan is %s, before it was %s", tt.name, now.PlanDigest, before.PlanDigest)
		}
	}
	b.refused("no such file", "reload", b.file("nothing.json"))
	// Two in a row, the first by its path.
	b.write("other.json", string(good))
	b.do("reload", b.file("other.json"))
	b.do("reload", b.file("other.json"))
	b.awaitSocket("web@added", "listening")
	// Without a path it is the file that the daemon was started with.
	b.write("plan.json", string(first))
	b.do("reload")
	if digest := b.status().PlanDigest; digest != before.PlanDigest {
		t.Errorf("back to the first plan: %s, want %s", digest, before.PlanDigest)
	}
	b.awaitSocket("web@gone", "listening")
	b.await("the socket that was added is gone", func(st *controlv1.StatusResponse) bool { return len(st.Sockets) == 3 })
}

// TestReloadBySignal shows what a service manager sees of Type=notify-reload.
func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	manager := newInbox(t, b.file("notify.sock"))
	b.rewrite(reloadedTo)
	b.signal(syscall.SIGHUP)
	for i, want := range []string{"RELOADING=1\nMONOTONIC_USEC=", "READY=1"} {
		message, err := manager.next(b.exited)
		if err != nil || !strings.HasPrefix(string(message), want) {
			t.Fatalf("message %d is %q, %v; want %q", i, message, err, want)
		}
	}
	b.awaitSocket("web@added", "listening")
}

func TestReloadWhenTheFileChanges(t *testing.T) {
	t.Parallel()
	b := newBed(t, reloaded)
	b.compile()
	b.start("RIND_WATCH=1")
	b.rewrite(reloadedTo)
	b.await("the file has been loaded", func(st *controlv1.StatusResponse) bool { return len(st.Sockets) == 4 })
}

// TestS132ReloadUnderLoad shows that nobody is turned away from a socket that stays.
func TestS132ReloadUnderLoad(t *testing.T) {
	t.Parallel()
	b := run(t, strings.Replace(reloaded, `owner = "app"`, "owner = \"app\"\nlifecycle = \"owned\"", 1))
	first := filepath.Join(b.dir, "first.json")
	if err := os.Rename(b.file("plan.json"), first); err != nil {
		t.Fatal(err)
	}
	b.rewrite(strings.Replace(reloadedTo, `owner = "app"`, "owner = \"app\"\nlifecycle = \"owned\"", 1))
	const clients = 4
	failed := make(chan string, clients)
	end := make(chan struct{})
	var served atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if answer, err := b.ask("tcp", b.ip+":7001", "id"); err != nil || !strings.HasPrefix(answer, "app") {
					failed <- fmt.Sprintf("%q, %v", answer, err)
					return
				}
				served.Add(1)
			}
		})
	}
	deadline := time.Now().Add(patience)
	for i := range 20 {
		plan := first
		if i%2 == 0 {
			plan = b.file("plan.json")
		}
		b.do("reload", plan)
		if i%5 == 4 {
			b.do("stop", "service", "web@app")
		}
		if time.Now().After(deadline) {
			t.Fatal("20 reloads take too long")
		}
	}
	close(end)
	all.Wait()
	close(failed)
	for what := range failed {
		t.Errorf("a client was lost, after %d that were not: %s", served.Load(), what)
	}
	if served.Load() == 0 {
		t.Error("no client was served")
	}
}
