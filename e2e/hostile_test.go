package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// dialAs connects to the control socket as another user, whom the kernel names to the
// daemon.
func (b *bed) dialAs(uid, n int) []net.Conn {
	b.t.Helper()
	var conns []net.Conn
	err := client{uid: uint32(uid), gid: uint32(uid)}.do(func() error {
		for range n {
			c, err := (&net.Dialer{Timeout: patience}).Dial("unix", b.file("run/control.sock"))
			if err != nil {
				return err
			}
			conns = append(conns, c)
		}
		return nil
	})
	if err != nil {
		b.t.Fatalf("connect as user %d: %v", uid, err)
	}
	return conns
}

// closedByPeer reports whether the daemon has closed a connection, or answered and
// closed it, within a time.
func closedByPeer(c net.Conn, within time.Duration) bool {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return true
	}
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Whatever strangers do, they do it to themselves: the daemon does not keep more for
// them than it may, and answers others at once.
func TestS131S137HostileClients(t *testing.T) {
	t.Parallel()
	uid, err := strconv.Atoi(needUser(t, "nobody").Uid)
	if err != nil {
		t.Fatal(err)
	}
	b := run(t, watched)
	before := b.footprint()
	const most = 16 // connections of one stranger
	for _, tt := range []struct {
		name, text string
		conns      int
	}{
		{name: "says nothing", conns: 2000},
		{name: "half a request line", text: "POST /rind", conns: 100},
		{name: "headers without end", text: "POST / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 100), conns: 100},
		{name: "half a body", text: strings.TrimSuffix(post("Status", strings.Repeat(" ", 1000)+"{}"), "}"), conns: 100},
		{name: "headers too large", text: "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("b", 64<<10), conns: 100},
		{name: "a body that is too large", text: post("Status", strings.Repeat(" ", 1<<20)+"{}"), conns: 50},
		{name: "many calls and nobody who reads", text: strings.Repeat(post("Status", "{}"), 500), conns: 100},
		{name: "HTTP/2 and then nothing", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", conns: 100},
		{name: "HTTP/2 and then nonsense", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff", 4096), conns: 100},
	} {
		conns := b.dialAs(uid, tt.conns)
		for _, c := range conns {
			// The daemon may have closed it, or may not want to read all that.
			if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err == nil && tt.text != "" {
				_, _ = io.WriteString(c, tt.text)
			}
		}
		b.othersAreServed(tt.name)
		if now := b.awaitDescriptors(before.descriptors + most); now.memory > before.memory+64<<10 {
			t.Errorf("%s: the daemon's memory grew from %d to %d KiB", tt.name, before.memory, now.memory)
		}
		for _, c := range conns {
			c.Close()
		}
		b.awaitDescriptors(before.descriptors)
	}
	// Nobody stays for longer than a client may take.
	conns := b.dialAs(uid, most)
	for i, c := range conns {
		defer c.Close()
		if _, err := io.WriteString(c, []string{"", "POST /", strings.TrimSuffix(post("Status", "{}"), "}")}[i%3]); err != nil {
			t.Error(err)
		}
	}
	late := time.Now().Add(patience)
	for i, c := range conns {
		if !closedByPeer(c, time.Until(late)) {
			t.Errorf("connection %d is still open after %v", i, patience)
		}
	}
	b.awaitDescriptors(before.descriptors)
}

// othersAreServed checks that root and another stranger are answered at once.
func (b *bed) othersAreServed(meanwhile string) {
	b.t.Helper()
	begin := time.Now()
	b.do("status")
	b.do("emit", "note", "x")
	out, code := b.as("games", "", "status")
	if code != 0 || !strings.Contains(out, "w@spare") {
		b.t.Errorf("%s: another stranger: exit status %d\n%s", meanwhile, code, out)
	}
	if took := time.Since(begin); took > 5*time.Second {
		b.t.Errorf("%s: others waited %v", meanwhile, took)
	}
}

// hungUp reports whether the other end of a connection has closed it, though what it
// wrote before has not been read (POLLRDHUP, poll(2)).
func hungUp(t *testing.T, conn net.Conn) bool {
	t.Helper()
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		t.Fatalf("%T is no connection of a unix socket", conn)
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	gone := false
	if err := raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(fds, 0)
		gone = err == nil && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0
	}); err != nil {
		t.Fatal(err)
	}
	return gone
}

// Streams that are called off leave nothing behind, whoever's they were.
func TestS137CancelledStreams(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	b.do("status")
	before := b.footprint()
	for i := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := b.control.Watch(ctx, &controlv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 && !stream.Receive() {
			t.Fatalf("stream %d: %v", i, stream.Err())
		}
		cancel()
		_ = stream.Close() // it was called off
		if i%10 == 0 {
			b.do("emit", "note", fmt.Sprint(i))
		}
		// One that has just been called off still counts for a moment.
		b.eventually("there is room", func() bool { return b.footprint().descriptors < before.descriptors+20 })
	}
	b.awaitDescriptors(before.descriptors)
	b.checkSocket("w@spare", "listening")
}

// A watcher that reads no event is cut off: what it has missed it could not tell apart
// from nothing.
func TestS131WatcherThatNeverReads(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	b.do("emit", "note", "x")
	conn, err := b.dial("unix", b.file("run/control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: rindrun\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The answer begins when it watches.
	head := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200" {
		t.Fatalf("the answer begins with %q, %v", head, err)
	}
	before := b.footprint()
	note := &controlv1.EmitRequest{Name: "note", Payload: &controlv1.Payload{
		Value: &controlv1.Payload_Text{Text: strings.Repeat("x", 12<<10)},
	}}
	for range 200 { // more than the connection holds
		if _, err := b.control.Emit(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually("the watcher is cut off", func() bool { return hungUp(t, conn) })
	if now := b.footprint(); now.memory > before.memory+64<<10 {
		t.Errorf("the daemon's memory grew from %d to %d KiB", before.memory, now.memory)
	}
}
