package transporttest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// batch checks many binds: in one call, in many calls, and in calls that end
// early.
func (k *kit) batch(t *testing.T) {
	if k.Many == nil {
		t.Skip("skipped: the plugin under test has no Many")
	}
	if slices.Contains(k.manifest.Features, "batch") {
		k.each(t, []check{
			{"43 a batch of 600", k.batchOf600},
			{"44 only what succeeds has a descriptor", k.partialFailure},
			{"44b all or nothing", k.allOrNothing},
			{"48 a thousand binds leave nothing behind", k.leavesNothing},
		})
		t.Run("45 64 descriptors are enough", k.fewDescriptors)
	} else {
		t.Run("43 to 45 and 48", func(t *testing.T) { t.Skip(`skipped: the manifest does not list the feature "batch"`) })
	}
	k.each(t, []check{
		{"41 a cancelled bind leaves nothing, 46 a slow host loses nothing", k.slowHost},
		{"42 an answered bind has sent everything", k.deadlines},
		{"47 64 binds at once", k.parallel},
	})
}

func (k *kit) items(n int) []*transportv1.BindRequest {
	items := make([]*transportv1.BindRequest, n)
	for i := range items {
		items[i] = &transportv1.BindRequest{Endpoint: k.Many(i), Backlog: 128}
	}
	return items
}

// runBatch reads the channel while the call runs, as a host must: only so many
// descriptors may be on their way.
func (s *session) runBatch(t *testing.T, req *transportv1.BindBatchRequest) ([]*transportv1.BindResult, []int) {
	t.Helper()
	token := newToken()
	req.Token = token[:]
	type answer struct {
		resp *transportv1.BindBatchResponse
		err  error
	}
	answers := make(chan answer, 1)
	ctx := callContext(t)
	go func() {
		resp, err := s.BindBatch(ctx, req)
		answers <- answer{resp, err}
	}()
	var early []message
	for {
		select {
		case a := <-answers:
			if a.err != nil {
				t.Fatalf("BindBatch: %v", a.err)
			}
			if len(a.resp.GetResults()) != len(req.GetItems()) {
				t.Fatalf("BindBatch: %d results, want %d", len(a.resp.GetResults()), len(req.GetItems()))
			}
			return a.resp.GetResults(), inOrder(t, token, append(early, s.receive(t)...))
		default:
			s.waitReadable(t)
			early = append(early, s.receive(t)...)
		}
	}
}

// waitReadable returns when there is something in the channel, or after a while.
func (s *session) waitReadable(t *testing.T) {
	t.Helper()
	const milliseconds = 20
	fds := []unix.PollFd{{Fd: int32(s.channel), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, milliseconds); err != nil && !errors.Is(err, unix.EINTR) {
		t.Fatalf("poll: %v", err)
	}
}

// mustMatch compares the OK results with the descriptors, in order.
func mustMatch(t *testing.T, results []*transportv1.BindResult, fds []int) {
	t.Helper()
	for i, r := range results {
		if r.GetError() != nil {
			continue
		}
		if len(fds) == 0 {
			t.Fatalf("item %d is OK and has no descriptor", i)
		}
		if names := spellings(t, fds[0]); len(names) > 0 && !slices.Contains(names, r.GetBoundAddress()) {
			t.Fatalf("item %d is bound to %q, its descriptor to %q", i, r.GetBoundAddress(), names)
		}
		fds = fds[1:]
	}
	if len(fds) > 0 {
		t.Fatalf("%d descriptors too many", len(fds))
	}
}

func (k *kit) batchOf600(s *session) {
	t := s.t
	results, fds := s.runBatch(t, &transportv1.BindBatchRequest{Items: k.items(600)})
	for i, r := range results {
		if e := r.GetError(); e != nil {
			t.Fatalf("item %d: %s: %s", i, e.GetCode(), e.GetMessage())
		}
	}
	mustMatch(t, results, fds)
}

// spoil makes every third item one that cannot be bound.
func spoil(items []*transportv1.BindRequest) {
	for i := 1; i < len(items); i += 3 {
		items[i].Endpoint = proto.CloneOf(items[i].Endpoint)
		items[i].Endpoint.Scheme = "nosuch"
	}
}

func (k *kit) partialFailure(s *session) {
	t := s.t
	items := k.items(200)
	spoil(items)
	results, fds := s.runBatch(t, &transportv1.BindBatchRequest{Items: items})
	for i, r := range results {
		if bad := i%3 == 1; bad != (r.GetError() != nil) {
			t.Fatalf("item %d: error %v, want one: %t", i, r.GetError(), bad)
		}
	}
	mustMatch(t, results, fds)
}

func (k *kit) allOrNothing(s *session) {
	t := s.t
	s.describe(t) // connects
	before := s.openSockets(t)
	items := k.items(100)
	items[90].Endpoint = &transportv1.Endpoint{Scheme: "nosuch"}
	results, fds := s.runBatch(t, &transportv1.BindBatchRequest{Items: items, AllOrNothing: true})
	for i, r := range results {
		if r.GetError() == nil {
			t.Fatalf("item %d is OK", i)
		}
	}
	if got := results[90].GetError().GetCode(); got != transport.Unsupported {
		t.Errorf("the item to blame has %s, want %s", got, transport.Unsupported)
	}
	if len(fds) > 0 {
		t.Errorf("%d descriptors were sent", len(fds))
	}
	if after := s.openSockets(t); after > before {
		t.Errorf("the plugin has %d sockets, before it had %d", after, before)
	}
	results, fds = s.runBatch(t, &transportv1.BindBatchRequest{Items: k.items(100), AllOrNothing: true})
	mustMatch(t, results, fds)
	if len(fds) != 100 {
		t.Errorf("100 good items got %d descriptors", len(fds))
	}
}

func (k *kit) leavesNothing(s *session) {
	t := s.t
	s.runBatch(t, &transportv1.BindBatchRequest{Items: k.items(100)})
	before := len(s.openFiles(t))
	for range 10 {
		token := newToken()
		if _, err := s.BindBatch(callContext(t), &transportv1.BindBatchRequest{Token: token[:], Items: k.items(100)}); err != nil {
			t.Fatal(err)
		}
		s.drain(t)
	}
	if after := len(s.openFiles(t)); after > before {
		t.Errorf("the plugin has %d open files, before it had %d", after, before)
	}
}

// drain closes what is in the channel and counts it.
func (s *session) drain(t *testing.T) map[wire.Token]int {
	t.Helper()
	counts := map[wire.Token]int{}
	buf := make([]byte, wire.FrameSize)
	for {
		n, fds, err := fdpass.Recv(s.channel, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return counts
		}
		if err != nil {
			t.Fatalf("channel: %v", err)
		}
		fdpass.Close(fds...)
		f, err := wire.ParseFrame(buf[:n])
		if err != nil {
			t.Fatalf("channel: %v", err)
		}
		counts[f.Token] += len(fds)
	}
}

// fewDescriptors starts the plugin with a small RLIMIT_NOFILE.
func (k *kit) fewDescriptors(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("skipped: no shell to set the limit with: %v", err)
	}
	s := k.startAs(t, sh, "-c", `ulimit -n 64; exec "$0"`, k.Path)
	results, fds := s.runBatch(t, &transportv1.BindBatchRequest{Items: k.items(200)})
	for i, r := range results {
		if e := r.GetError(); e != nil && e.GetCode() != transport.ResourceExhausted {
			t.Errorf("item %d: %s: %s, want success or %s", i, e.GetCode(), e.GetMessage(), transport.ResourceExhausted)
		}
	}
	mustMatch(t, results, fds)
}

// slowHost does not read the channel until the plugin cannot write any more.
// What was cancelled meanwhile must leave no socket in the plugin; what was
// answered must have its descriptor in the channel.
func (k *kit) slowHost(s *session) {
	t := s.t
	s.mustBind(t, k.Many(0))
	before := s.openSockets(t)
	answered := map[wire.Token]bool{}
	var stuck error
	for i := 0; stuck == nil; i++ {
		if i > 100_000 {
			t.Fatal("the channel never fills")
		}
		token := newToken()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		resp, err := s.Bind(ctx, &transportv1.BindRequest{Token: token[:], Endpoint: k.Many(i + 1)})
		cancel()
		if e := resp.GetResult().GetError(); e != nil {
			t.Fatalf("bind %d with a full channel: %s: %s", i, e.GetCode(), e.GetMessage())
		}
		if stuck = err; err == nil {
			answered[token] = true
		}
	}
	counts := s.drain(t)
	for token := range answered {
		if counts[token] != 1 {
			t.Fatalf("an answered bind has %d descriptors in the channel, want 1", counts[token])
		}
	}
	// The plugin answers again, and undoes the bind that failed. That one may
	// still have got through, as the channel is free now: a host closes it.
	ctx := callContext(t)
	for after := s.openSockets(t); after > before; after = s.openSockets(t) {
		token := newToken()
		if _, err := s.Bind(ctx, &transportv1.BindRequest{Token: token[:], Endpoint: k.Many(1)}); err != nil {
			t.Fatalf("after a cancelled bind the plugin has %d sockets, before it had %d; Bind: %v", after, before, err)
		}
		s.drain(t)
	}
}

// deadlines lets calls fail at any point of their way.
func (k *kit) deadlines(s *session) {
	t := s.t
	for i := range 200 {
		token := newToken()
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		resp, err := s.Bind(ctx, &transportv1.BindRequest{Token: token[:], Endpoint: k.Many(i)})
		cancel()
		got := s.drain(t)[token]
		if err == nil && resp.GetResult().GetError() == nil && got != 1 {
			t.Fatalf("an answered bind has sent %d descriptors, want 1", got)
		}
	}
}

func (k *kit) parallel(s *session) {
	t := s.t
	const n = 64
	tokens := make([]wire.Token, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	ctx := callContext(t)
	for i := range n {
		tokens[i] = newToken()
		wg.Go(func() {
			resp, err := s.Bind(ctx, &transportv1.BindRequest{Token: tokens[i][:], Endpoint: k.Many(i)})
			if e := resp.GetResult().GetError(); err == nil && e != nil {
				err = fmt.Errorf("%s: %s", e.GetCode(), e.GetMessage())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	counts := s.drain(t)
	for i, err := range errs {
		if err != nil {
			t.Errorf("bind %d: %v", i, err)
		}
		if counts[tokens[i]] != 1 {
			t.Errorf("bind %d has %d descriptors, want 1", i, counts[tokens[i]])
		}
	}
}
