package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// S33: the queue of a socket that asks for nothing is at least 128 long.
func TestS33Backlog(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	must(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	for _, tt := range []struct {
		name    string
		backlog int
		want    int
	}{
		{name: "default", backlog: 0, want: min(DefaultBacklog, limit)},
		{name: "as asked", backlog: 128, want: 128},
		{name: "more than the kernel allows", backlog: limit + 1, want: limit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd := boundTCP(t, loopback())
			must(t, Publish(fd, true, tt.backlog))
			info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
			must(t, err)
			if got := int(info.Sacked); got != tt.want { // of a listening socket: its backlog
				t.Errorf("backlog %d, want %d", got, tt.want)
			}
		})
	}
	if DefaultBacklog < 128 {
		t.Errorf("DefaultBacklog = %d, want at least 128", DefaultBacklog)
	}
}

func TestPublish(t *testing.T) {
	keepsDescriptors(t)
	t.Run("seqpacket", func(t *testing.T) {
		fd := boundUnix(t, unix.SOCK_SEQPACKET, filepath.Join(t.TempDir(), "s"))
		must(t, Publish(fd, true, 0))
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on != 1 {
			t.Errorf("SO_ACCEPTCONN = %d, %v; want 1", on, err)
		}
	})
	t.Run("datagram sockets have nothing to publish", func(t *testing.T) {
		must(t, Publish(boundUDP(t, loopback()), false, 0))
	})
	t.Run("negative backlog", func(t *testing.T) {
		err := Publish(boundTCP(t, loopback()), true, -1)
		if want := "listen: backlog -1, want 0 for the default or more"; errText(err) != want {
			t.Errorf("Publish = %q, want %q", errText(err), want)
		}
	})
	t.Run("two bound to one address", func(t *testing.T) {
		first := boundTCP(t, loopback(), flag(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		sa, err := unix.Getsockname(first)
		must(t, err)
		second := boundTCP(t, sa, flag(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		must(t, Publish(first, true, 0))
		err = Publish(second, true, 0)
		want := "listen on 127.0.0.1:" + portOf(t, first) + ": address already in use"
		if !errors.Is(err, unix.EADDRINUSE) || err.Error() != want {
			t.Errorf("Publish = %q, want %q", errText(err), want)
		}
	})
	t.Run("a connected unix socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		server := boundUnix(t, unix.SOCK_STREAM, path)
		must(t, Publish(server, true, 0))
		fd := boundUnix(t, unix.SOCK_STREAM, path+"2")
		must(t, unix.Connect(fd, &unix.SockaddrUnix{Name: path}))
		if want, err := "listen on "+path+"2: invalid argument", Publish(fd, true, 0); errText(err) != want {
			t.Errorf("Publish = %q, want %q", errText(err), want)
		}
	})
	t.Run("no socket", func(t *testing.T) {
		if want, err := "listen on an unknown address: bad file descriptor", Publish(-1, true, 0); errText(err) != want {
			t.Errorf("Publish(-1) = %q, want %q", errText(err), want)
		}
	})
}
