package listen

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
)

// S139: a signal does not end the wait for room in the queue.
func TestS139SignalDuringConnect(t *testing.T) {
	keepsDescriptors(t)
	name := abstractName(t)
	fd := boundUnix(t, unix.SOCK_STREAM, name)
	must(t, Publish(fd, true, 1))
	to := &unix.SockaddrUnix{Name: name}
	full := 0
	for { // until nobody gets in
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		must(t, err)
		defer func() { _ = unix.Close(c) }()
		if err := unix.Connect(c, to); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		full++
	}

	thread, connected := make(chan int, 1), make(chan error, 1)
	go ownthread.Run(func() {
		thread <- unix.Gettid()
		c, err := connect(to, unix.SOCK_STREAM)
		if err == nil {
			err = unix.Close(c)
		}
		connected <- err
	})
	tid := <-thread
	for range 20 {
		awaitConnect(t, tid)
		must(t, unix.Tgkill(os.Getpid(), tid, unix.SIGURG))
	}
	for range full + 1 {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		must(t, err)
		must(t, unix.Close(c))
	}
	if err := <-connected; err != nil {
		t.Errorf("connect: %v, want success as soon as there is room", err)
	}
}

// awaitConnect waits until a thread waits in connect(2).
func awaitConnect(t *testing.T, tid int) {
	t.Helper()
	want := fmt.Sprintf("%d ", unix.SYS_CONNECT)
	late := time.After(10 * time.Second)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid))
		if err == nil && strings.HasPrefix(string(text), want) {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("thread %d does not wait in connect: %q, %v", tid, text, err)
		}
	}
}
