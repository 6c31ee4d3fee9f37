package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const durable = `
-- web.toml --
[[socket]]
name = "kept"
type = "uds"
listen = "kept.sock"
start-on = ["lasting"]

[[socket]]
name = "brief"
type = "uds"
listen = "brief.sock"
start-on = ["_passing"]

[[socket]]
name = "net"
type = "uds"
listen = "net.sock"
start-on = ["rind@online"]

[[state]]
name = "lasting"
payload = "string"

[[state]]
name = "_passing"
payload = "string"

[[state]]
name = "user"
payload = "json"

[[state]]
name = "raw"
payload = "bytes"

[[state]]
name = "flag"
payload = "none"
`

// states returns every state that is set, with its branches, one line each.
func (b *bed) states() []string {
	b.t.Helper()
	var lines []string
	for _, st := range b.status().States {
		for _, p := range st.Branches {
			lines = append(lines, st.Name+" "+p.GetText()+p.GetJson()+string(p.GetData()))
		}
	}
	return lines
}

// kill ends the daemon without any warning and waits until it is gone. Its plugins
// end by themselves.
func (b *bed) kill() {
	b.t.Helper()
	b.signal(syscall.SIGKILL)
	b.wait()
}

func TestS54StatesSurviveAKill(t *testing.T) {
	t.Parallel()
	b := run(t, durable)
	for _, args := range [][]string{
		{"set-state", "lasting", "täxt <&>"},
		{"set-state", "_passing", "x"},
		{"set-state", "rind@online"},
		{"set-state", "user", `{"id":"z","n":1.0}`},
		{"set-state", "user", `{"id":"a","n":2}`},
		{"set-state", "user", `{"id":"gone"}`},
		{"set-state", "user", `{"id":"z","more":[1]}`},
		{"remove-state", "user", `{"id":"gone"}`},
		{"set-state", "raw", "bytes"},
		{"set-state", "flag"},
	} {
		b.do(args...)
	}
	for _, socket := range []string{"web@kept", "web@brief", "web@net"} {
		b.awaitSocket(socket, "listening")
	}
	b.kill()
	b.start()
	want := []string{"web@flag ", "web@lasting täxt <&>", "web@raw bytes", `web@user {"id":"z","more":[1],"n":1.0}`, `web@user {"id":"a","n":2}`}
	if diff := cmp.Diff(want, b.states()); diff != "" {
		t.Errorf("states after the kill (-want +got):\n%s", diff)
	}
	// A restored state is a level. What is not restored opens nothing.
	b.checkSocket("web@kept", "listening")
	b.checkSocket("web@brief", "inactive")
	b.checkSocket("web@net", "inactive")
	// It is what it was, so it is no change.
	if out := b.do("set-state", "lasting", "täxt <&>"); !strings.Contains(out, "unchanged") {
		t.Errorf("the state is set to what it is: %s", out)
	}
	b.do("remove-state", "user")
	b.kill()
	b.start()
	if got := b.states(); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "web@user") }) {
		t.Errorf("a removed state is back: %v", got)
	}
	b.do("start", "brief", "net") // else the paths that the kills left are still there
	b.stop(syscall.SIGTERM)
}

// Clients set states as fast as they can while the daemon is killed: whoever got an
// answer finds the state after the restart.
func TestAcknowledgedStatesAreThere(t *testing.T) {
	t.Parallel()
	b := run(t, durable)
	acknowledged := map[int]int{}
	for round := range 3 {
		var mu sync.Mutex
		var clients sync.WaitGroup
		begun := make(chan struct{}, 1)
		for client := range 8 {
			clients.Go(func() {
				for n := round*1_000_000 + 1; ; n++ {
					_, err := b.control.SetState(t.Context(), &controlv1.SetStateRequest{Name: "web@user", Payload: &controlv1.Payload{
						Value: &controlv1.Payload_Json{Json: fmt.Sprintf(`{"id":%d,"n":%d}`, client, n)},
					}})
					if err != nil {
						return // it was killed
					}
					mu.Lock()
					acknowledged[client] = n
					enough := n > round*1_000_000+20
					mu.Unlock()
					if enough {
						select {
						case begun <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		select {
		case <-begun:
		case <-time.After(patience):
			t.Error("no client was answered often enough")
		}
		b.kill()
		clients.Wait()
		b.start()
		there := map[int]int{}
		for _, line := range b.states() {
			var client, n int
			if _, err := fmt.Sscanf(line, `web@user {"id":%d,"n":%d}`, &client, &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			there[client] = n
		}
		for client, n := range acknowledged {
			if there[client] < n || there[client] > n+1 { // the kill may have been faster than the answer
				t.Errorf("round %d: client %d was told that %d is set, and finds %d", round, client, n, there[client])
			}
		}
	}
}

func TestDamagedStatesAreKeptAside(t *testing.T) {
	t.Parallel()
	b := run(t, durable)
	b.do("set-state", "lasting", "x")
	b.stop(syscall.SIGTERM)
	b.write("state/states.db", "this is no database")
	b.start()
	if got := b.states(); len(got) != 0 {
		t.Errorf("states out of nothing: %v", got)
	}
	kept, err := filepath.Glob(b.file("state/states.db.damaged-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept aside: %v %v", kept, err)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != "this is no database" {
		t.Errorf("kept aside: %q %v", text, err)
	}
	if out := b.do("status"); !strings.Contains(out, kept[0]) {
		t.Errorf("the status does not name %s:\n%s", kept[0], out)
	}
	b.logs(0, kept[0])
}

// A state that the plan has no place for stays on disk.
func TestStatesOfAnotherPlan(t *testing.T) {
	t.Parallel()
	b := run(t, durable)
	b.do("set-state", "lasting", "x")
	b.do("set-state", "user", `{"id":1,"name":"a"}`)
	b.do("set-state", "user", `{"id":2,"name":"b"}`)
	b.do("set-state", "raw", "y")
	b.stop(syscall.SIGTERM)
	b.write("units/web.toml", `
[[state]]
name = "user"
payload = "json"
branch = ["name"]

[[state]]
name = "raw"
payload = "string"
`)
	b.compile()
	b.start()
	if got := b.states(); len(got) != 0 {
		t.Errorf("restored: %v, want nothing", got)
	}
	b.stop(syscall.SIGTERM) // what it logs is all there then
	for state, why := range map[string]string{
		"web@lasting": "the plan has no such state",
		"web@user":    "its branch keys are others in this plan",
		"web@raw":     "the payload is bytes, want string",
	} {
		lines := 0
		for line := range strings.Lines(b.log.String()) {
			if strings.Contains(line, "state not restored") && strings.Contains(line, state) && strings.Contains(line, why) {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("the log says %d times that %s is not restored because %s, want once", lines, state, why)
		}
	}
	b.write("units/web.toml", strings.TrimPrefix(durable, "\n-- web.toml --\n"))
	b.compile()
	b.start()
	want := []string{"web@lasting x", "web@raw y", `web@user {"id":1,"name":"a"}`, `web@user {"id":2,"name":"b"}`}
	if diff := cmp.Diff(want, b.states()); diff != "" {
		t.Errorf("states with the first plan again (-want +got):\n%s", diff)
	}
}

// On a full disk a client is told that its state is not saved, and everything else
// goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := newBed(t, durable)
	dir := b.file("state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	b.compile()
	b.start()
	b.do("set-state", "raw", "before")
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	large := strings.Repeat("x", 60_000)
	res := b.rindrun("set-state", "lasting", large)
	if res.code == 0 || !strings.Contains(res.stderr, "not saved") || !strings.Contains(res.stderr, "no space left on device") {
		t.Errorf("set-state on a full disk: exit status %d, %s", res.code, res.stderr)
	}
	b.awaitSocket("web@kept", "listening") // all the same
	if res := b.rindrun("set-state", "lasting", large); res.code == 0 {
		t.Errorf("the same once more is acknowledged: %s", res.stdout)
	}
	if out := b.do("status"); !strings.Contains(out, "not saved") {
		t.Errorf("the status says nothing of it:\n%s", out)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	b.await("the state is saved", func(st *controlv1.StatusResponse) bool { return st.Store.GetProblem() == "" })
	b.kill()
	b.start()
	if got := b.states(); !slices.Contains(got, "web@lasting "+large) {
		t.Errorf("the state is lost; there are %d", len(got))
	}
	b.stop(syscall.SIGTERM)
}

func TestStateDirectoryOfAnother(t *testing.T) {
	t.Parallel()
	b := run(t, durable)
	second := newBed(t, durable)
	second.compile()
	cmd := second.command(t.Context(), "run", second.file("plan.json"))
	cmd.Args = append(cmd.Args, "--state-dir", b.file("state"))
	out, err := cmd.CombinedOutput()
	want := fmt.Sprintf("%s is in use by another rindrun (pid %d)", b.file("state"), b.daemon.Process.Pid)
	if err == nil || cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), want) {
		t.Errorf("a second daemon: %v\n%s\nwant %q", err, out, want)
	}
}
