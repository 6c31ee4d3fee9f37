package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// TestS170Channel has the plugins that answer as if all was well and send
// something else. newHost proves that no descriptor is left.
func TestS170Channel(t *testing.T) {
	tests := []struct {
		name, play string
		want       string // the error of the bind; none when the right descriptor came too
		violation  string // in the log
	}{
		{"none", "sends-none", "answered with 1 bound sockets and sent 0 descriptors", "sent 0 descriptors"},
		{"two in one message", "sends-two", "sent 2 descriptors for 1 sockets", "sent 2 descriptors for 1 sockets"},
		{"two in two messages", "sends-twice", "sent 2 descriptors for 1 sockets", "sent 2 descriptors for 1 sockets"},
		{"another count than announced", "counts-wrong", "announced 1 descriptors and sent 2", "announced 1"},
		{"a frame without descriptors", "no-fds", "announced 1 descriptors and sent 0", "announced 1"},
		{"wrong first index", "wrong-first", "from number 5 on when number 0 was next", "from number 5"},
		{"wrong token", "wrong-token", "sent 0 descriptors: it sent 1 descriptors with a token that no call has", "a token that no call has"},
		{"short message", "short-frame", "sent 0 descriptors: it sent a bad descriptor frame: 20 bytes", "20 bytes, want 32"},
		{"long message", "long-frame", "sent 0 descriptors: it sent a bad descriptor frame: 33 bytes", "33 bytes, want 32"},
		{"truncated message", "huge-frame", "sent 0 descriptors: it sent a truncated message", "sent a truncated message"},
		{"empty message", "empty-frame", "sent 0 descriptors: it sent a bad descriptor frame: 0 bytes", "0 bytes, want 32"},
		{"descriptors with one byte", "empty-fds", "sent 0 descriptors: it sent a bad descriptor frame: 1 bytes", "1 bytes, want 32"}, // sendmsg of x/sys adds it
	}
	for _, tt := range tests {
		t.Run("S170 "+tt.name, func(t *testing.T) {
			h := newHost(t, nil)
			r := h.bind(tt.play)
			wantErr(t, r.Err, "transport "+tt.play+": plugin "+h.dir, tt.want)
			await(t, "violation in the log", h.log.has(tt.violation))
			if s := h.status(tt.play); s.Violations != 1 || s.LastError == "" || s.PID == 0 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

func TestS170WrongNumberOfResults(t *testing.T) {
	h := newHost(t, nil)
	h.install("too-many-results")
	for _, r := range h.bindAll("too-many-results", tcpEndpoint(), tcpEndpoint()) {
		wantErr(t, r.Err, "it answered with 3 results for 2 sockets")
	}
}

func TestS170UsedToken(t *testing.T) {
	h := newHost(t, nil)
	for range 2 {
		if r := h.bind("reuses-token"); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	await(t, "violation", h.log.has("a token that no call has, or has any more"))
}

func TestS170NothingWithinTheTimeLimit(t *testing.T) {
	h := newHost(t, func(o *Options) { o.BindTimeout = 100 * time.Millisecond })
	wantErr(t, h.bind("stuck").Err, "did not answer Bind within 101ms")
	await(t, "its end", h.processOf("stuck").done)
}

func TestS170LateDescriptor(t *testing.T) {
	h := newHost(t, nil)
	h.install("late")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Result, 1)
	go func() { done <- h.Bind(ctx, Transport{Name: "late"}, []Endpoint{tcpEndpoint()})[0] }()
	await(t, "the call", h.log.has("bind begins"))
	cancel()
	if r := <-done; !errors.Is(r.Err, context.Canceled) || r.FD >= 0 {
		t.Errorf("result %+v", r)
	}
	await(t, "the late descriptor", h.log.has("late descriptor sent"))
	if s := h.status("late"); s.Violations != 0 || s.PID == 0 {
		t.Errorf("a call that its caller gave up is held against the plugin: %+v", s)
	}
}

func TestS170ViolationsKill(t *testing.T) {
	for _, play := range []string{"wrong-token", "floods-channel", "floods-call"} {
		t.Run(play, func(t *testing.T) {
			h := newHost(t, nil)
			h.bind(play)
			first := h.processOf(play)
			for i := 1; i < maxViolations && play == "wrong-token"; i++ {
				h.bind(play)
			}
			await(t, "its end", first.exited)
			wantErr(t, first.reason(), fmt.Sprintf("broke the descriptor protocol %d times, the last time: ", maxViolations))
			if s := h.status(play); s.Violations != maxViolations || s.Launches != 1 {
				t.Errorf("status: %+v", s)
			}
			h.bind(play)
			if s := h.status(play); s.Launches != 2 {
				t.Errorf("not started again: %+v", s)
			}
		})
	}
}

// TestS170HostIsOutOfDescriptors blames the host and not the plugin.
func TestS170HostIsOutOfDescriptors(t *testing.T) {
	h := newHost(t, nil)
	if r := h.bind("good"); r.Err != nil {
		t.Fatal(r.Err)
	}
	eps := make([]Endpoint, 60)
	for i := range eps {
		eps[i] = tcpEndpoint()
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	highest := must1(unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0))
	unix.Close(highest)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(highest) + 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	results := h.Bind(t.Context(), Transport{Name: "good"}, eps)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		var be *BindError
		if !errors.As(r.Err, &be) || !be.Temporary() || !errors.Is(r.Err, unix.EMFILE) {
			t.Fatalf("result %+v", r)
		}
		wantErr(t, r.Err, "bind 127.0.0.1:0: rindrun has too many open files (raise its LimitNOFILE)")
	}
	if s := h.status("good"); s.Violations != 0 {
		t.Errorf("held against the plugin: %+v", s)
	}
	if r := h.bindAll("good", eps...)[59]; r.Err != nil {
		t.Errorf("not as good as before: %v", r.Err)
	}
}

// testChannel is a channel whose other end the test plays.
type testChannel struct {
	*channel

	plugin int
	errs   []error
}

func newTestChannel(t *testing.T) *testChannel {
	t.Helper()
	host, plugin, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(host, true); err != nil {
		t.Fatal(err)
	}
	c := &testChannel{plugin: plugin}
	if c.channel, err = newChannel(host, func(err error, _ bool) { c.errs = append(c.errs, err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.close()
		unix.Close(plugin)
	})
	return c
}

func (c *testChannel) send(t *testing.T, msg []byte, fds ...int) {
	t.Helper()
	if err := fdpass.Send(c.plugin, msg, unix.MSG_DONTWAIT, fds...); err != nil {
		t.Fatal(err)
	}
}

// TestChannelTakeReadsTheQueue proves that take needs no reader: what was sent
// before it is there.
func TestChannelTakeReadsTheQueue(t *testing.T) {
	c := newTestChannel(t)
	a, b := c.open(3), c.open(1)
	c.send(t, wire.Frame{Count: 2, Token: a}.Bytes(), 0, 1)
	c.send(t, wire.Frame{Count: 1, Token: b}.Bytes(), 0)
	c.send(t, wire.Frame{Count: 1, Token: a, First: 2}.Bytes(), 2)
	fds, err := c.take(a, 3)
	if err != nil || len(fds) != 3 {
		t.Fatalf("take: %v, %v", fds, err)
	}
	fdpass.Close(fds...)
	if fds, err = c.take(b, 1); err != nil || len(fds) != 1 {
		t.Fatalf("take: %v, %v", fds, err)
	}
	fdpass.Close(fds...)
	if len(c.errs) != 0 {
		t.Errorf("violations: %v", c.errs)
	}
}

func TestChannelEnds(t *testing.T) {
	t.Run("by the plugin", func(t *testing.T) {
		c := newTestChannel(t)
		token := c.open(1)
		c.send(t, wire.Frame{Count: 1, Token: token}.Bytes(), 0)
		if err := unix.Shutdown(c.plugin, unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if err := c.run(); !errors.Is(err, errChannelEnded) {
			t.Errorf("run: %v", err)
		}
		fds, err := c.take(token, 1) // it came before the end
		if err != nil {
			t.Errorf("take: %v", err)
		}
		fdpass.Close(fds...)
		if _, err := c.take(c.open(1), 1); !errors.Is(err, errChannelEnded) {
			t.Errorf("take after the end: %v", err)
		}
	})
	t.Run("by the host", func(t *testing.T) {
		c := newTestChannel(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.run()
		}()
		c.close()
		await(t, "run", done)
	})
	t.Run("by violations", func(t *testing.T) {
		c := newTestChannel(t)
		for range 2 * maxViolations {
			c.send(t, []byte("x"), 0)
		}
		wantErr(t, c.run(), "broke the descriptor protocol 3 times")
		if len(c.errs) != maxViolations {
			t.Errorf("violations: %v", c.errs)
		}
	})
}

// FuzzChannel sends any message, with any number of descriptors.
func FuzzChannel(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(wire.Frame{Count: 1}.Bytes(), 1)
	f.Add(wire.Frame{Count: 64, First: 7}.Bytes(), fdpass.Max)
	f.Add([]byte(strings.Repeat("x", 100)), 2)
	f.Fuzz(func(t *testing.T, msg []byte, count int) {
		if count < 0 || count > fdpass.Max || len(msg) > 1<<16 {
			t.Skip()
		}
		before := countFDs(t)
		c := newTestChannel(t)
		token := c.open(2)
		if len(msg) >= 24 && msg[5]%2 == 0 {
			copy(msg[8:], token[:])
		}
		c.send(t, msg, make([]int, count)...)
		fds, err := c.take(token, 1)
		if err == nil && len(fds) != 1 {
			t.Errorf("%d descriptors and no error", len(fds))
		}
		fdpass.Close(fds...)
		c.close()
		unix.Close(c.plugin)
		c.plugin = -1
		if after := countFDs(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

func countFDs(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
