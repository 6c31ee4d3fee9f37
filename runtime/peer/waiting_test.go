package peer

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

// The first datagram keeps its number while it waits, the next one has another,
// also when it says the same; and the socket is left as it was.
func TestWaitingDatagrams(t *testing.T) {
	tests := []struct{ name, network, address string }{
		{name: "udp", network: "udp4", address: "127.0.0.1:0"},
		{name: "unix", network: "unixgram", address: filepath.Join(t.TempDir(), "s")},
	}
	for _, tt := range tests {
		for _, option := range []int{0, unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS} {
			t.Run(fmt.Sprintf("%s, option %d", tt.name, option), func(t *testing.T) {
				var lc net.ListenConfig
				address := tt.address
				if tt.network == "unixgram" {
					address += strconv.Itoa(option)
				}
				conn, err := lc.ListenPacket(t.Context(), tt.network, address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				setOption(t, conn, option)
				if got := waitingAt(t, conn); len(got) != 0 {
					t.Fatalf("Waiting = %v before anything came", got)
				}
				var d net.Dialer
				client, err := d.DialContext(t.Context(), tt.network, conn.LocalAddr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				for range 2 {
					if _, err := client.Write([]byte("same")); err != nil {
						t.Fatal(err)
					}
				}
				first := waitingAt(t, conn)
				if again := waitingAt(t, conn); len(first) != 1 || !slices.Equal(first, again) {
					t.Fatalf("two looks at one datagram: %v and %v", first, again)
				}
				buf := make([]byte, 16)
				if n, _, err := conn.ReadFrom(buf); err != nil || string(buf[:n]) != "same" {
					t.Fatalf("the datagram is %q, %v after the looks", buf[:n], err)
				}
				if second := waitingAt(t, conn); len(second) != 1 || slices.Equal(first, second) {
					t.Errorf("the next datagram is %v, the one before was %v", second, first)
				}
				for _, o := range []int{unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS} {
					if on := optionOf(t, conn, o); (on != 0) != (o == option) {
						t.Errorf("option %d is %d after the looks", o, on)
					}
				}
			})
		}
	}
}

func setOption(t *testing.T, conn any, option int) {
	t.Helper()
	if option == 0 {
		return
	}
	control(t, conn, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1) })
}

func optionOf(t *testing.T, conn any, option int) (on int) {
	t.Helper()
	control(t, conn, func(fd int) (err error) {
		on, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		return err
	})
	return on
}

func control(t *testing.T, conn any, f func(fd int) error) {
	t.Helper()
	sc, ok := conn.(syscall.Conn)
	if !ok {
		t.Fatalf("%T has no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil || ferr != nil {
		t.Fatal(err, ferr)
	}
}

func TestWaitingRefusesWhatHasNoQueue(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := Waiting(fd); !errors.Is(err, ErrNoQueue) {
		t.Errorf("Waiting of a socket that does not listen: %v, want ErrNoQueue", err)
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
