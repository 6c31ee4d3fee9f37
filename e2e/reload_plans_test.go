package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inodeOf is the inode of the socket that listens on an IPv4 address, as the kernel
// has it.
func inodeOf(t *testing.T, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	ip := net.ParseIP(host).To4()
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || ip == nil {
		t.Fatalf("%s: no IPv4 address, or %v", addr, err)
	}
	const listens = "0A"
	local := strings.ToUpper(strconv.FormatUint(uint64(ip[3])<<24|uint64(ip[2])<<16|uint64(ip[1])<<8|uint64(ip[0]), 16))
	local = strings.Repeat("0", 8-len(local)) + local + ":" + strings.ToUpper(strconv.FormatUint(n+1<<16, 16))[1:]
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 9 && f[1] == local && f[3] == listens {
			return f[9]
		}
	}
	t.Fatalf("nobody listens on %s (%s)", addr, local)
	return ""
}

// buildPlan compiles units into a plan of its own, and returns its path.
func (b *bed) buildPlan(name, units string) string {
	b.t.Helper()
	kept, err := os.ReadFile(b.file("plan.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.rewrite(units)
	path := b.file(name)
	if err := os.Rename(b.file("plan.json"), path); err != nil {
		b.t.Fatal(err)
	}
	b.write("plan.json", string(kept))
	return path
}

// owned is the service of web@kept made to start by access.
func owned(units string) string {
	return strings.Replace(units, `owner = "app"`, "owner = \"app\"\nlifecycle = \"owned\"", 1)
}

// The listener is the same one, with the same queue: who waited before is served in
// the order of coming.
func TestS132QueueOverReloads(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	before := inodeOf(t, b.ip+":7001")
	var waiting []net.Conn
	for range 20 {
		c, err := b.dial("tcp", b.ip+":7001")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "id\n"); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, c)
	}
	other := b.buildPlan("other.json", reloadedTo)
	for range 3 {
		b.do("reload", other)
		b.do("reload")
	}
	b.do("reload", other)
	if now := inodeOf(t, b.ip+":7001"); now != before {
		t.Errorf("the listener was socket %s, and is %s", before, now)
	}
	b.do("start", "service", "app")
	for i, c := range waiting {
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "app2 ") {
			t.Fatalf("client %d of those that waited got %q, %v", i, answer, err)
		}
	}
}

// At no moment is there neither the old address nor the new one.
func TestS132NewBeforeOld(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	other := b.buildPlan("other.json", reloadedTo)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			// Which of them is there may change between two looks, so one of three.
			var errs []error
			for _, port := range []string{":7002", ":7003", ":7002"} {
				c, err := b.dial("tcp", b.ip+port)
				if err == nil {
					c.Close()
					errs = nil
					break
				}
				errs = append(errs, err)
			}
			if err := errors.Join(errs...); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 10 {
		b.do("reload", other)
		b.do("reload")
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("neither address answered: %v", err)
	}
}

// A reload that cannot bind is told so, and the old listener stays.
func TestReloadThatCannotBind(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	var lc net.ListenConfig
	rival, err := lc.Listen(t.Context(), "tcp", b.ip+":7003")
	if err != nil {
		t.Fatal(err)
	}
	defer rival.Close()
	other := b.buildPlan("other.json", reloadedTo)
	res := b.rindrun("reload", other)
	if res.code != 1 || !strings.Contains(res.stderr, "socket web@moved is still bound as before the reload: ") || !strings.Contains(res.stdout, " is loaded\n") {
		t.Errorf("exit status %d\n%s%s", res.code, res.stdout, res.stderr)
	}
	b.must("tcp", b.ip+":7002", "")
	if err := rival.Close(); err != nil {
		t.Fatal(err)
	}
	b.do("stop", "moved")
	b.do("start", "moved")
	b.must("tcp", b.ip+":7003", "")
}

// The answer comes when what is new is open and what is gone is closed.
func TestReloadAnswersAfterwards(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	other := b.buildPlan("other.json", reloadedTo)
	for range 5 {
		b.do("reload", other)
		b.checkSocket("web@added", "listening")
		if got := b.addr("web@moved"); got != b.ip+":7003" {
			t.Errorf("after the answer the socket is at %s", got)
		}
		if _, err := os.Lstat(b.file("sock/gone.sock")); !os.IsNotExist(err) {
			t.Errorf("after the answer the path of what is gone is still there: %v", err)
		}
		b.do("reload")
		b.checkSocket("web@gone", "listening")
	}
}

func TestS133ReloadThatNeedsAPlugin(t *testing.T) {
	t.Parallel()
	b := newBed(t, reloaded)
	some := b.file("some-plugins")
	if err := os.Mkdir(some, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rind-transport-tcp", "rind-transport-uds"} {
		if err := os.Symlink(filepath.Join(bin, name), filepath.Join(some, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.plugins = some
	b.compile()
	b.start()
	before := b.status().PlanDigest
	other := b.buildPlan("other.json", reloadedTo+"\n[[socket]]\nname = \"new\"\ntype = \"udp\"\nlisten = \"$IP:7009\"\n")
	b.refused("rind-transport-udp", "reload", "--dry-run", other)
	b.refused("rind-transport-udp", "reload", other)
	if now := b.status(); now.PlanDigest != before || len(now.Sockets) != 3 {
		t.Errorf("the plan is %s with %d sockets, before it was %s with 3", now.PlanDigest, len(now.Sockets), before)
	}
}

// A plan that is no file does not make the daemon wait.
func TestS133ReloadOfAPipe(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	if err := unix.Mkfifo(b.file("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.refused("it is no regular file", "reload", b.file("fifo"))
	b.refused("it is no regular file", "reload", "/dev/zero")
	b.refused("it is no regular file", "reload", b.dir)
	b.do("reload")
}

// Reloads that are asked for at once come one after the other.
func TestS133ReloadsAtOnce(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	other := b.buildPlan("other.json", reloadedTo)
	var all sync.WaitGroup
	for i := range 12 {
		plan := other
		if i%2 == 0 {
			plan = b.file("plan.json")
		}
		all.Go(func() {
			if res := b.rindrun("reload", plan); res.code != 0 {
				t.Errorf("reload %d: exit status %d\n%s", i, res.code, res.stderr)
			}
		})
	}
	all.Wait()
	b.do("reload", other)
	b.checkSocket("web@added", "listening")
	if n := len(b.status().Sockets); n != 4 {
		t.Errorf("there are %d sockets, want 4", n)
	}
}

// TestReloadNotifies shows what a service manager sees of Type=notify-reload.
func TestReloadNotifies(t *testing.T) {
	t.Parallel()
	b := run(t, reloaded)
	manager := newInbox(t, b.file("notify.sock"))
	other := b.buildPlan("other.json", reloadedTo)
	for _, tt := range []struct {
		name string
		ask  func()
	}{
		{"SIGHUP", func() { b.signal(syscall.SIGHUP) }},
		{"command", func() { b.do("reload", other) }},
		{"SIGHUP again", func() { b.signal(syscall.SIGHUP) }},
		{"SIGHUP and no plan", func() {
			b.write("plan.json", "{")
			b.signal(syscall.SIGHUP)
		}},
	} {
		before := monotonic(t)
		tt.ask()
		message, err := manager.next(b.exited)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		stamp, ok := strings.CutPrefix(string(message), "RELOADING=1\nMONOTONIC_USEC=")
		at, err := strconv.ParseInt(stamp, 10, 64)
		if !ok || err != nil || at < before || at > monotonic(t) {
			t.Errorf("%s: the first message is %q; want RELOADING=1 with a time from %d on", tt.name, message, before)
		}
		if message, err := manager.next(b.exited); err != nil || string(message) != "READY=1" {
			t.Errorf("%s: the second message is %q, %v; want READY=1", tt.name, message, err)
		}
	}
	// What changes nothing is no reload for the manager.
	b.do("reload", "--dry-run", other)
	b.refused("no such file", "reload", b.file("nothing.json"))
	select {
	case m := <-manager.got:
		t.Errorf("a message without a reload: %q", m)
	default:
	}
}

// monotonic is the time of CLOCK_MONOTONIC, in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / int64(time.Microsecond)
}

// A file that is written in steps, or replaced, is loaded when it is whole; one that is
// not changes nothing.
func TestReloadOfAFileThatChanges(t *testing.T) {
	t.Parallel()
	b := newBed(t, reloaded)
	b.compile()
	b.start("RIND_WATCH=1")
	other, err := os.ReadFile(b.buildPlan("other.json", reloadedTo))
	if err != nil {
		t.Fatal(err)
	}
	initial, err := os.ReadFile(b.file("plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	has := func(sockets int) func() bool {
		return func() bool { return len(b.status().Sockets) == sockets }
	}
	// Atomically.
	b.write("next.json", string(other))
	if err := os.Rename(b.file("next.json"), b.file("plan.json")); err != nil {
		t.Fatal(err)
	}
	b.eventually("a file that was renamed into place is loaded", has(4))
	// Half of it, which stays for longer than a writer would need.
	b.write("plan.json", string(initial[:len(initial)/2]))
	b.eventually("half a file is refused", func() bool { return strings.Contains(b.log.String(), "reload failed, the plan before goes on") })
	if !has(4)() {
		t.Error("half a file has changed something")
	}
	// The rest.
	f, err := os.OpenFile(b.file("plan.json"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(initial[len(initial)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b.eventually("the whole file is loaded", has(3))
	// Removed and made again.
	if err := os.Remove(b.file("plan.json")); err != nil {
		t.Fatal(err)
	}
	b.write("plan.json", string(other))
	b.eventually("a file that was removed and made again is loaded", has(4))
}

// A record of a run with reloads replays to the same effects.
func TestReplayOfReloads(t *testing.T) {
	t.Parallel()
	b := newBed(t, owned(reloaded))
	b.compile()
	b.start("RIND_RECORD=" + b.file("record"))
	other := b.buildPlan("other.json", owned(reloadedTo))
	b.must("tcp", b.ip+":7001", "id")
	b.do("reload", other)
	b.do("set-state", "web@up")
	b.must("tcp", b.ip+":7001", "id")
	b.do("stop", "service", "app")
	b.must("tcp", b.ip+":7001", "id")
	b.do("reload")
	b.stop(syscall.SIGTERM)
	if out := b.do("replay", b.file("plan.json"), b.file("record")); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("the replay says %q", out)
	}
	text, err := os.ReadFile(b.file("record"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"Reload"`); n != 2 {
		t.Errorf("the record has %d reloads, want 2", n)
	}
}
