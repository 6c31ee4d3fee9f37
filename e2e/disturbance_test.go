package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// interrupt sends signals that mean nothing to every thread of a process, again and again
// until stop is closed: whatever a thread waits for, the kernel ends the wait with EINTR.
// It returns how many it has sent.
func interrupt(pid int, stop <-chan struct{}) (sent int, err error) {
	again := time.NewTicker(time.Millisecond) // the rest has to get on, too
	defer again.Stop()
	for {
		threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
		if err != nil {
			return sent, err
		}
		for _, thread := range threads {
			tid, err := strconv.Atoi(thread.Name())
			if err != nil {
				return sent, err
			}
			for _, sig := range []unix.Signal{unix.SIGURG, unix.SIGWINCH, unix.SIGCHLD, unix.SIGIO} {
				if err := unix.Tgkill(pid, tid, sig); err != nil && !errors.Is(err, unix.ESRCH) { // a thread may have ended
					return sent, err
				}
				sent++
			}
		}
		// These interrupt even what the handlers above would restart (signal(7)).
		if err := errors.Join(unix.Kill(pid, unix.SIGSTOP), unix.Kill(pid, unix.SIGCONT)); err != nil {
			return sent, err
		}
		select {
		case <-stop:
			return sent, nil
		case <-again.C:
		}
	}
}

// While signals interrupt the daemon and its plugins in whatever they wait for, no
// access is missed, no owner is taken for one that has ended, no exit is missed, and
// sockets come and go.
func TestS139SignalsDuringTheWait(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- web.toml --
[[socket]]
name = "in"
type = "tcp"
listen = "$IP:7001"
owner = "exits"
lifecycle = "owned"

[[socket]]
name = "log"
type = "udp"
listen = "$IP:7001"
owner = "exits"
lifecycle = "owned"

[[socket]]
name = "bell"
type = "uds"
listen = "bell.sock"
trigger = [{ signal = "rung" }]

[[socket]]
name = "comes"
type = "uds"
listen = "comes.sock"
enabled = false

[[service]]
name = "exits"
run = { exec = "$PROBE", args = ["-id", "exits", "-requests", "10"] }

[[service]]
name = "stays"
run = { exec = "$PROBE", args = ["-id", "stays", "-report", "$REPORT"] }

[[signal]]
name = "rung"
payload = "none"
`)
	b.do("start", "service", "web@stays")
	stays := b.nextReport("stays")
	victims := []int{b.daemon.Process.Pid}
	for _, p := range b.status().Plugins {
		if p.Pid != 0 {
			victims = append(victims, int(p.Pid))
		}
	}
	if len(victims) < 4 {
		t.Fatalf("the daemon and its plugins are the processes %v, want four", victims)
	}
	stop := make(chan struct{})
	failed := make(chan error, len(victims))
	var sent atomic.Int64
	for _, pid := range victims {
		go func() {
			n, err := interrupt(pid, stop)
			sent.Add(int64(n))
			failed <- err
		}()
	}
	const clients, requests, rings = 4, 25, 50
	load := b.load(clients, requests, target{"tcp", b.ip + ":7001"}, target{"udp", b.ip + ":7001"})
	for range rings {
		b.must("unix", b.file("sock/bell.sock"), "")
	}
	for range 5 {
		b.do("start", "socket", "web@comes")
		b.do("stop", "socket", "web@comes")
	}
	load.wait()
	close(stop)
	for range victims {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d signals were sent", sent.Load())

	st := b.awaitService("web@exits", "inactive")
	if want := uint64(clients * requests / 10); st.Starts != want || st.LastError != "" {
		t.Errorf("the owner was started %d times (%s), want %d", st.Starts, st.LastError, want)
	}
	if s := b.socket("web@bell"); s.Accesses != rings || s.LastError != "" {
		t.Errorf("the socket without owner has seen %d accesses (%s), want %d", s.Accesses, s.LastError, rings)
	}
	if s := b.service("web@stays"); s.State != "active" || s.Starts != 1 || !alive(t, stays.PID) {
		t.Errorf("the service that goes on is %s after %d starts", s.State, s.Starts)
	}
	for _, p := range b.status().Plugins {
		if p.Launches != 1 {
			t.Errorf("plugin %s was started %d times, want once", p.Name, p.Launches)
		}
	}
	b.checkSocket("web@comes", "inactive")
	if log := b.log.String(); strings.Contains(log, unix.EINTR.Error()) {
		t.Errorf("the log has %q", unix.EINTR.Error())
	}
}

// An owner that shuts the listener down that all copies share has its own clients turned
// away, and nobody else's: the next activation works.
func TestS150OwnerThatShutsTheListenerDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, listen, options, network, addr string }{
		{"tcp", "$IP:7001", "", "tcp", "$IP:7001"},
		{"uds", "web.sock", "", "unix", "$DIR/sock/web.sock"},
		{"uds", "web.sock", `kind = "seqpacket"`, "unixpacket", "$DIR/sock/web.sock"},
		{"uds", "@$DIR/web", "", "unix", "@$DIR/web"},
	} {
		t.Run(tt.network+" "+tt.listen, func(t *testing.T) {
			t.Parallel()
			b := run(t, ownedIn(tt.kind, tt.listen, tt.options, probeService))
			addr := b.expand(tt.addr)
			for range 3 {
				if got := b.must(tt.network, addr, "shutdown 3"); got != "down" {
					t.Fatalf("the owner answers %q, want down", got)
				}
				owner := b.nextReport("app")
				// Its own look at what waits fails from now on, which ends it.
				b.eventually("the owner has ended", func() bool { return !alive(t, owner.PID) })
				b.awaitReason("web@in", "listening", "bound anew: a process that has the socket shut it down")
				if got := b.must(tt.network, addr, "echo again"); got != "again" {
					t.Errorf("the next owner answers %q, want again", got)
				}
				if next := b.nextReport("app"); next.PID == owner.PID {
					t.Error("there is no next owner")
				}
				b.must(tt.network, addr, "exit 0")
				b.awaitSocket("web@in", "listening")
			}
		})
	}
}
