package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitDescriptors leaves a daemon without a descriptor to spare, until undo.
func (b *bed) limitDescriptors() (undo func()) {
	b.t.Helper()
	pid := b.daemon.Process.Pid
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		b.t.Fatal(err)
	}
	used := map[uint64]bool{}
	for _, e := range entries {
		n, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		used[n] = true
	}
	lowest := uint64(0) // that is free: the next one would get it
	for used[lowest] {
		lowest++
	}
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		b.t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: lowest, Max: before.Max}, nil); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
			b.t.Error(err)
		}
	}
}

// reset connects and resets the connection before anybody can have accepted it.
func (b *bed) reset(addr string) {
	b.t.Helper()
	conn, err := b.dial("tcp", addr)
	if err != nil {
		b.t.Fatal(err)
	}
	stream, ok := conn.(*net.TCPConn)
	if !ok {
		b.t.Fatalf("a connection to %s is %T", addr, conn)
	}
	if err := stream.SetLinger(0); err != nil {
		b.t.Error(err)
	}
	if err := conn.Close(); err != nil {
		b.t.Error(err)
	}
}

// A daemon without a descriptor to spare waits, without being busy, and takes whoever
// waits when there is one again; clients who reset are nobody.
func TestS149DescriptorsRunOut(t *testing.T) {
	t.Parallel()
	b := newBed(t, accepting("tcp", "$IP:7001", "", "")+`
[[socket]]
name = "plain"
type = "tcp"
listen = "$IP:7002"
trigger = [{ signal = "seen" }]

[[signal]]
name = "seen"
payload = "none"
`)
	b.asShipped()
	b.compile()
	b.start()
	each, plain := b.ip+":7001", b.ip+":7002"
	greet(t, b.dialFrom("tcp", "", each)) // everything has been used once
	b.awaitProcesses("web@app", 1)
	undo := b.limitDescriptors()
	for range 20 {
		b.reset(each)
		b.reset(plain)
	}
	waiting, served := b.dialFrom("tcp", "", plain), b.dialFrom("tcp", "", each)
	const window = time.Second
	start := cpu(t, b.daemon.Process.Pid)
	<-time.After(window)
	if used := cpu(t, b.daemon.Process.Pid) - start; used > window/5 {
		t.Errorf("the daemon used %v of a processor within %v", used, window)
	}
	undo()
	greet(t, served)
	if err := waiting.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := waiting.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the socket without owner answers %d bytes, %v; want the end", n, err)
	}
	b.awaitSocket("web@in", "listening")
	b.awaitSocket("web@plain", "listening")
}
