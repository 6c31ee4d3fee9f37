package e2e

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
[[permission]]
name = "ops"
id = 2000
users = ["$UID"]

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
permissions = ["ops"]
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
// change, sockets that come and go, and clients of all kinds of sockets that misbehave,
// plans that replace each other, permissions that are granted and revoked, and sockets
// that are paused. No connection may be lost, and no descriptor or memory either.
func TestSoak(t *testing.T) {
	units := strings.ReplaceAll(soakUnits, "$UID", strconv.Itoa(os.Getuid()))
	b := newBed(t, units)
	b.asShipped()
	b.compile()
	// The sockets with load are the same in both plans; one moves, and one comes and goes.
	moved := strings.Replace(units, "$IP:7003", "$IP:7004", 1) + `
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
	var requests atomic.Uint64
	var lost losses
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
						lost.add(to.network, err)
						t.Errorf("client %d, request %d over %s %s: answer %q, %v", c, i, to.network, to.addr, got, err)
					}
				}
			})
		}
		all.Go(func() { b.disturb(ctx, plans) })
		all.Go(func() { b.abuse(ctx) })
		all.Go(func() { b.abuseSockets(ctx) })
		all.Wait()
	}
	round(*soakFor / 4) // warm
	before := b.footprint()
	round(*soakFor * 3 / 4)
	// A process of an owner, and a client, may be between two states at each look.
	const slack = 24
	after := b.awaitDescriptors(before.descriptors + slack)
	t.Logf("soak: %v, %d requests, lost: %v; before %+v, after %+v", *soakFor, requests.Load(), &lost, before, after)
	if after.memory > before.memory+64<<10 {
		t.Errorf("the daemon's memory grew from %d to %d KiB", before.memory, after.memory)
	}
	if requests.Load() < 100 {
		t.Errorf("%d requests prove little", requests.Load())
	}
}
