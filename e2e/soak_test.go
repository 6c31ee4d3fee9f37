package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// soakFor is how long TestSoak goes on: make soak DURATION=60s.
var soakFor = flag.Duration("soak", 4*time.Second, "how long TestSoak puts a daemon under load")

// footprint is what a daemon uses.
type footprint struct {
	descriptors int
	memory      int // resident, in KiB
}

func (b *bed) footprint() footprint {
	b.t.Helper()
	pid := b.daemon.Process.Pid
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		b.t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	memory, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.t.Fatal(err)
	}
	return footprint{len(fds), memory}
}

// awaitDescriptors waits until a daemon has no more descriptors than before, which
// it closes a moment after their use.
func (b *bed) awaitDescriptors(most int) footprint {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		f := b.footprint()
		if f.descriptors <= most {
			return f
		}
		if time.Now().After(deadline) {
			b.t.Errorf("the daemon has %d descriptors, at first it had %d", f.descriptors, most)
			return f
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestS138 does 10,000 cycles of start, access and stop.
func TestS138CyclesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	const sockets, cycles = 20, 500
	var units strings.Builder
	units.WriteString("\n-- web.toml --\n")
	for i := range sockets {
		fmt.Fprintf(&units, "[[socket]]\nname = \"s%d\"\ntype = %q\nlisten = %q\nenabled = false\ntrigger = [{ signal = \"seen\" }]\n",
			i, []string{"tcp", "uds"}[i%2], []string{"$IP:" + strconv.Itoa(7100+i), "s" + strconv.Itoa(i)}[i%2])
	}
	units.WriteString("[[signal]]\nname = \"seen\"\npayload = \"none\"\n")
	b := newBed(t, units.String())
	b.asShipped()
	b.compile()
	b.start()
	cycle := func(i int) error {
		name := []string{fmt.Sprintf("web@s%d", i)}
		started, err := b.control.Start(t.Context(), &controlv1.StartRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: name})
		if err != nil {
			return err
		}
		network, addr := "tcp", b.ip+":"+strconv.Itoa(7100+i)
		if i%2 == 1 {
			network, addr = "unix", b.file("sock/s"+strconv.Itoa(i))
		}
		c, err := net.DialTimeout(network, addr, patience)
		if err != nil {
			return fmt.Errorf("after %v: %w", started, err)
		}
		c.Close()
		_, err = b.control.Stop(t.Context(), &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: name})
		return err
	}
	rounds := func(n int) {
		var all sync.WaitGroup
		for i := range sockets {
			all.Go(func() {
				for range n {
					if err := cycle(i); err != nil {
						t.Errorf("socket %d: %v", i, err)
						return
					}
				}
			})
		}
		all.Wait()
	}
	rounds(20) // the plugins run, and everything has been used once
	before := b.footprint()
	rounds(cycles)
	after := b.awaitDescriptors(before.descriptors)
	t.Logf("%d cycles: %+v before, %+v after", sockets*cycles, before, after)
	if after.memory > before.memory+16<<10 {
		t.Errorf("the daemon's memory grew from %d to %d KiB", before.memory, after.memory)
	}
}

const soakUnits = `
-- web.toml --
[[socket]]
name = "tcp"
type = "tcp"
listen = "$IP:7001"
owner = "exits"
lifecycle = "owned"

[[socket]]
name = "udp"
type = "udp"
listen = "$IP:7001"
owner = "exits-udp"
lifecycle = "owned"

[[socket]]
name = "uds"
type = "uds"
listen = "web.sock"
owner = "exits"
lifecycle = "owned"

[[socket]]
name = "crashing"
type = "tcp"
listen = "$IP:7002"
owner = "crashes"

[[socket]]
name = "other"
type = "tcp"
listen = "$IP:7003"
enabled = false
trigger = [{ signal = "seen" }]

[[service]]
name = "exits"
run = { exec = "$PROBE", args = ["-id", "exits", "-requests", "50"] }

[[service]]
name = "exits-udp"
run = { exec = "$PROBE", args = ["-id", "exits-udp", "-requests", "50"] }

[[service]]
name = "crashes"
run = { exec = "$PROBE", args = ["-id", "crashes", "-requests", "50", "-code", "1"] }
restart = { max_retries = 1000000000, backoff = "10ms", max-backoff = "100ms" }

[[state]]
name = "level"
payload = "string"

[[signal]]
name = "seen"
payload = "none"
`

// TestSoak mixes what happens in production, and worse, for as long as asked: load on
// every transport, owners that end and crash, plugins that are killed, states that
// change, sockets that come and go, and clients of the control and metrics sockets
// that misbehave, plans that replace each other, and sockets that are paused. No
// connection may be lost, and no descriptor or memory either.
func TestSoak(t *testing.T) {
	b := newBed(t, soakUnits)
	b.asShipped()
	b.compile()
	// The sockets with load are the same in both plans; one moves, and one comes and goes.
	moved := strings.Replace(soakUnits, "$IP:7003", "$IP:7004", 1) + `
[[socket]]
name = "new"
type = "uds"
listen = "new.sock"
owner = "exits"
`
	plans := []string{b.buildPlan("other.json", strings.TrimPrefix(moved, "\n-- web.toml --\n")), b.file("plan.json")}
	b.start("RIND_METRICS_LISTEN=unix:"+b.file("run/metrics.sock"), "RIND_LOG_LEVEL=warn")
	b.do("start", "service", "web@crashes")
	targets := []target{
		{"tcp", b.ip + ":7001"}, {"unix", b.file("sock/web.sock")}, {"udp", b.ip + ":7001"}, {"tcp", b.ip + ":7002"},
	}
	var requests, lost atomic.Uint64
	round := func(d time.Duration) {
		end := time.Now().Add(d)
		ctx, cancel := context.WithDeadline(t.Context(), end)
		defer cancel()
		var all sync.WaitGroup
		for c := range 8 {
			all.Go(func() {
				for i := 0; time.Now().Before(end); i++ {
					to := targets[(c+i)%len(targets)]
					text := fmt.Sprintf("%d-%d", c, i)
					requests.Add(1)
					if got, err := b.ask(to.network, to.addr, "echo "+text); err != nil || got != text {
						lost.Add(1)
						t.Errorf("client %d, request %d over %s %s: answer %q, %v", c, i, to.network, to.addr, got, err)
					}
				}
			})
		}
		all.Go(func() { b.disturb(ctx, plans) })
		all.Go(func() { b.abuse(ctx) })
		all.Wait()
	}
	round(*soakFor / 4) // warm
	before := b.footprint()
	round(*soakFor * 3 / 4)
	// A process of an owner, and a client, may be between two states at each look.
	const slack = 24
	after := b.awaitDescriptors(before.descriptors + slack)
	t.Logf("soak: %v, %d requests, %d lost; before %+v, after %+v", *soakFor, requests.Load(), lost.Load(), before, after)
	if after.memory > before.memory+64<<10 {
		t.Errorf("the daemon's memory grew from %d to %d KiB", before.memory, after.memory)
	}
	if requests.Load() < 100 {
		t.Errorf("%d requests prove little", requests.Load())
	}
}

// disturb does what operators and accidents do.
func (b *bed) disturb(ctx context.Context, plans []string) {
	other := []string{"web@other"}
	loaded := []string{"web@tcp", "web@uds", "web@udp", "web@crashing"}
	for i := 0; ctx.Err() == nil; i++ {
		_, err := b.control.SetState(ctx, &controlv1.SetStateRequest{Name: "web@level", Payload: &controlv1.Payload{
			Value: &controlv1.Payload_Text{Text: strconv.Itoa(i)},
		}})
		if err == nil {
			_, err = b.control.Start(ctx, &controlv1.StartRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: other})
		}
		if err == nil && i%10 == 0 {
			// At times the plugin has been killed by now, and the next start needs it.
			var st *controlv1.StatusResponse
			if st, err = b.control.Status(ctx, &controlv1.StatusRequest{}); err == nil {
				for _, p := range st.Plugins {
					if p.Pid != 0 {
						_ = syscall.Kill(int(p.Pid), syscall.SIGKILL) // it may be gone
					}
				}
			}
		}
		if err == nil && i%7 == 3 {
			_, err = b.control.Reload(ctx, &controlv1.ReloadRequest{Path: plans[i/7%len(plans)]})
		}
		if err == nil && i%4 == 1 {
			_, err = b.control.Pause(ctx, &controlv1.PauseRequest{Names: loaded})
		}
		if err == nil && i%4 == 1 {
			_, err = b.control.Resume(ctx, &controlv1.ResumeRequest{Names: loaded})
		}
		if err == nil {
			_, err = b.control.Stop(ctx, &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: other})
		}
		if err != nil && ctx.Err() == nil {
			b.t.Errorf("control: %v", err)
			return
		}
	}
}

// abuse does what no client should do, with one connection at a time: the operator
// above has the same uid, and each uid has its share of connections.
func (b *bed) abuse(ctx context.Context) {
	garbage := []string{"", "\x00\x01\x02", "GET /metrics HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}
	for i := 0; ctx.Err() == nil; i++ {
		path := b.file([]string{"run/control.sock", "run/metrics.sock"}[i%2])
		c, err := net.DialTimeout("unix", path, patience)
		if err != nil {
			if !errors.Is(err, syscall.EAGAIN) { // its queue is full, as it may be
				b.t.Errorf("dial %s: %v", path, err)
				return
			}
			continue
		}
		// Whatever becomes of it: it may be turned away, answered or left alone.
		_, _ = c.Write([]byte(garbage[i%len(garbage)]))
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = c.Read(make([]byte, 4096))
		c.Close()
	}
}
