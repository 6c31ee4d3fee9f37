package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// target is a socket that clients use.
type target struct{ network, addr string }

// running is a load that clients put on sockets.
type running struct {
	t      *testing.T
	done   chan struct{} // closed once all clients have ended
	failed []error       // once done is closed
}

// load starts clients that each send so many requests, one after another, to
// the targets in turn. A request fails if its connection is refused, reset, or
// answered by anything but its own text.
func (b *bed) load(clients, requests int, targets ...target) *running {
	r := &running{t: b.t, done: make(chan struct{})}
	errs := make(chan error)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range requests {
				to := targets[(c+i)%len(targets)]
				text := fmt.Sprintf("%d-%d", c, i)
				if got, err := b.ask(to.network, to.addr, "echo "+text); err != nil || got != text {
					errs <- fmt.Errorf("client %d, request %d over %s: answer %q, %w", c, i, to.network, got, err)
				}
			}
		})
	}
	go func() {
		all.Wait()
		close(errs)
	}()
	go func() {
		defer close(r.done)
		for err := range errs {
			r.failed = append(r.failed, err)
		}
	}()
	return r
}

// over reports whether all clients have ended.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// wait waits for all clients and checks that no request failed.
func (r *running) wait() {
	r.t.Helper()
	<-r.done
	for i, err := range r.failed {
		if i == 5 {
			r.t.Errorf("and %d more failed requests", len(r.failed)-i)
			return
		}
		r.t.Error(err)
	}
}

func TestS81S82S87NothingIsLostWhenTheOwnerExits(t *testing.T) {
	t.Parallel()
	const clients, requests, each = 16, 100, 25
	for _, tt := range []struct{ kind, listen, options, network, addr string }{
		{"tcp", "$IP:7001", "", "tcp", "$IP:7001"},
		{"udp", "$IP:7001", "", "udp", "$IP:7001"},
		{"uds", "web.sock", "", "unix", "$DIR/sock/web.sock"},
		{"uds", "web.sock", `kind = "seqpacket"`, "unixpacket", "$DIR/sock/web.sock"},
		{"uds", "web.sock", `kind = "dgram"`, "unixgram", "$DIR/sock/web.sock"},
	} {
		t.Run(tt.network, func(t *testing.T) {
			t.Parallel()
			b := run(t, ownedIn(tt.kind, tt.listen, tt.options, fmt.Sprintf(`run = { exec = "$PROBE", args = ["-id", "app", "-requests", "%d"] }`, each)))
			b.load(clients, requests, target{tt.network, b.expand(tt.addr)}).wait()
			// Every process but the last has served its share and ended.
			st := b.await("the last owner has ended", func(st *controlv1.StatusResponse) bool {
				return b.serviceOf(st, "web@app").State == "inactive"
			})
			if got, want := b.serviceOf(st, "web@app").Starts, uint64(clients*requests/each); got != want {
				t.Errorf("the owner was started %d times, want %d", got, want)
			}
		})
	}
}

func TestS89NothingIsLostWhenTheOwnerIsRestarted(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner("", `run = { exec = "$PROBE", args = ["-id", "app", "-requests", "100", "-code", "1"] }
restart = true`))
	b.do("start", "service", "web@app")
	b.load(8, 50, target{"tcp", b.ip + ":7001"}).wait()
	b.do("stop", "service", "web@app")
	if got := b.service("web@app").Starts; got < 4 {
		t.Errorf("the owner was started %d times, want at least 4", got)
	}
}

func TestS152NothingIsLostWhenTheOperatorStopsTheOwner(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"

[[socket]]
name = "local"
type = "uds"
listen = "web.sock"
owner = "app"
lifecycle = "owned"`, `run = { exec = "$PROBE", args = ["-id", "app"] }`))
	const clients, requests = 16, 625
	load := b.load(clients, requests, target{"tcp", b.ip + ":7001"}, target{"unix", b.file("sock/web.sock")})
	stops := 0
	for ; !load.over(); stops++ {
		b.await("the owner runs", func(st *controlv1.StatusResponse) bool {
			return b.serviceOf(st, "web@app").State == "active" || load.over()
		})
		b.do("stop", "service", "web@app")
	}
	load.wait()
	if stops < 5 {
		t.Errorf("the owner was stopped %d times, which proves little", stops)
	}
}

func TestS143WaitingConnectionsCostNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, units string
		before      func(b *bed)
	}{
		{name: "managed", units: oneOwner("", probeService)},
		{name: "managed with trigger", units: oneOwner(`trigger = [{ script = "true" }]`, probeService)},
		{
			name:   "held by an owner that does not accept",
			units:  oneOwner(`lifecycle = "owned"`, neverAccepts),
			before: func(b *bed) { b.awaitService("web@app", "active") },
		},
		{
			name:  "owner that cannot start",
			units: oneOwner(`lifecycle = "owned"`, `run = { exec = "/nonexistent" }`),
			before: func(b *bed) {
				b.await("the failure is shown", func(st *controlv1.StatusResponse) bool {
					return b.serviceOf(st, "web@app").LastError != ""
				})
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, tt.units)
			for range 3 {
				conn, err := b.dial("tcp", b.ip+":7001")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			if tt.before != nil {
				tt.before(b)
			}
			// What the status asked for is over once the daemon is idle; from
			// then on there is nothing to do but an attempt now and then.
			const window = time.Second
			start := cpu(t, b.daemon.Process.Pid)
			<-time.After(window)
			if used := cpu(t, b.daemon.Process.Pid) - start; used > window/5 {
				t.Errorf("the daemon used %v of a processor within %v", used, window)
			}
		})
	}
}

// cpu returns the processor time that a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, f := range fields[11:13] { // utime and stime, in 1/100 s
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
