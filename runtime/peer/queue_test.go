package peer

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestQueues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}, {"unix", path},
	} {
		t.Run(tt.network, func(t *testing.T) {
			var lc net.ListenConfig
			lc.SetMultipathTCP(false) // the kernel does not list such listeners as tcp
			l, err := lc.Listen(t.Context(), tt.network, tt.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			cookie := cookieOf(t, l)
			for want := range uint32(3) {
				queues, err := Queues()
				if err != nil {
					t.Fatal(err)
				}
				got := queues[cookie]
				if got != (Queue{Listening: true, Length: want}) {
					t.Errorf("with %d connections waiting: %+v", want, got)
				}
				c, err := net.Dial(tt.network, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
		})
	}
}

func TestQueuesOfDatagrams(t *testing.T) {
	for _, tt := range []struct{ network, address string }{
		{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}, {"unixgram", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(tt.network, func(t *testing.T) {
			c, err := net.ListenPacket(tt.network, tt.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			cookie := cookieOf(t, c)
			client, err := net.Dial(tt.network, c.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for _, sent := range []bool{false, true} {
				if sent {
					if _, err := client.Write([]byte("hello")); err != nil {
						t.Fatal(err)
					}
				}
				queues, err := Queues()
				if err != nil {
					t.Fatal(err)
				}
				got, found := queues[cookie]
				if !found || got.Listening || (got.Length > 0) != sent {
					t.Errorf("something sent: %v; queue %+v, found %v", sent, got, found)
				}
			}
		})
	}
}

func cookieOf(t *testing.T, socket any) (cookie uint64) {
	t.Helper()
	c, ok := socket.(syscall.Conn)
	if !ok {
		t.Fatalf("%T has no descriptor", socket)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		cookie, optErr = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	}); err != nil || optErr != nil {
		t.Fatal(err, optErr)
	}
	return cookie
}
