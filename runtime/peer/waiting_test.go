package peer

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Waiting shows who is in the queue without taking anybody, and the number of a
// client does not change while it waits.
func TestWaiting(t *testing.T) {
	tests := []struct{ name, network, address string }{
		{name: "tcp4", network: "tcp4", address: "127.0.0.1:0"},
		{name: "tcp4 wildcard", network: "tcp4", address: "0.0.0.0:0"},
		{name: "tcp6", network: "tcp6", address: "[::1]:0"},
		{name: "tcp dual stack", network: "tcp", address: ":0"},
		{name: "unix", network: "unix", address: filepath.Join(t.TempDir(), "s")},
		{name: "unix abstract", network: "unix", address: "@rind-waiting-test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lc net.ListenConfig
			lc.SetMultipathTCP(false)
			l, err := lc.Listen(t.Context(), tt.network, tt.address)
			if err != nil {
				t.Skipf("this machine cannot listen on %s: %v", tt.address, err)
			}
			defer l.Close()
			if got := waitingAt(t, l); len(got) != 0 {
				t.Fatalf("Waiting = %v before anybody came", got)
			}
			address := l.Addr().String()
			if tt.network == "tcp" {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					t.Fatal(err)
				}
				address = net.JoinHostPort("127.0.0.1", port)
			}
			var clients []net.Conn
			for range 3 {
				var d net.Dialer
				c, err := d.DialContext(t.Context(), tt.network, address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients = append(clients, c)
			}
			before := waitingAt(t, l)
			if len(before) != 3 {
				t.Fatalf("Waiting = %v, want 3 clients", before)
			}
			clients[2].Close() // it goes on waiting: nobody has accepted it
			if got := waitingAt(t, l); len(got) != 3 {
				t.Errorf("after a client gave up Waiting = %v, want 3 as before: %v", got, before)
			}
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			after := waitingAt(t, l)
			if len(after) != 2 {
				t.Fatalf("after one was accepted Waiting = %v, want 2", after)
			}
			for _, id := range after {
				if id != 0 && !slices.Contains(before, id) {
					t.Errorf("%d waits now and did not before: %v", id, before)
				}
			}
		})
	}
}

func TestWaitingRefusesWhatHasNoQueue(t *testing.T) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := waiting(conn); !errors.Is(err, ErrNoQueue) {
		t.Errorf("Waiting of a udp socket: %v, want ErrNoQueue", err)
	}
}

func waitingAt(t *testing.T, l any) []uint64 {
	t.Helper()
	got, err := waiting(l)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func waiting(l any) (got []uint64, err error) {
	conn, ok := l.(syscall.Conn)
	if !ok {
		return nil, errors.New("no descriptor")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) { got, err = Waiting(int(fd)) })
	return got, errors.Join(err, cerr)
}
