package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenChannel(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stream, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fdpass.Close(stream)
	plain := fmt.Sprint(fileNumber(t, file))
	tests := []struct{ name, number, want string }{
		{"absent", "", "RIND_PLUGIN_FD is not set"},
		{"not a number", "x", `RIND_PLUGIN_FD="x" is not the number of an inherited descriptor`},
		{"standard output", "1", `RIND_PLUGIN_FD="1" is not the number of an inherited descriptor`},
		{"not open", "999999", "descriptor 999999 of RIND_PLUGIN_FD: bad file descriptor"},
		{"a file", plain, "descriptor " + plain + " of RIND_PLUGIN_FD: socket operation on non-socket"},
		{
			"a stream", fmt.Sprint(stream),
			fmt.Sprintf("descriptor %d of RIND_PLUGIN_FD has socket type 1, want SOCK_SEQPACKET", stream),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := openChannel(tt.number); errText(err) != tt.want {
				t.Errorf("openChannel(%q) = %v, want %q", tt.number, err, tt.want)
			}
		})
	}
}

func fileNumber(t *testing.T, f *os.File) int {
	t.Helper()
	rc, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	if err := rc.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWait throws everything at the plugin's end that a host can.
func TestWait(t *testing.T) {
	host, theirs, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	ch, err := openChannel(fmt.Sprint(theirs))
	if err != nil {
		t.Fatal(err)
	}
	defer ch.file.Close()
	done := make(chan error, 1)
	go func() { done <- ch.wait() }()
	for _, msg := range []string{"short", string(make([]byte, 100))} {
		if err := fdpass.Send(host, []byte(msg), 0, host, host); err != nil {
			t.Fatal(err)
		}
	}
	fdpass.Close(host)
	select {
	case err := <-done:
		if !errors.Is(err, io.EOF) {
			t.Errorf("wait = %v, want EOF", err)
		}
	case <-t.Context().Done():
		t.Fatal("wait does not end with the host")
	}
	// The poller opens descriptors of its own, once for all.
	if after := openFiles(t); after > before+2 {
		t.Errorf("%d open files, before it were %d", after, before)
	}
}

func TestSendToNobody(t *testing.T) {
	host, theirs, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	ch, err := newChannel(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.file.Close()
	fdpass.Close(host)
	if err := ch.send(t.Context(), wire.Frame{Count: 1}, []int{theirs}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("send = %v, want EPIPE", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ch.turn <- struct{}{} // another send is under way
	if err := ch.send(ctx, wire.Frame{Count: 1}, []int{theirs}); !errors.Is(err, context.Canceled) {
		t.Errorf("send = %v, want Canceled", err)
	}
}

// TestSendWaits expects that a send into a full channel goes on as soon as the
// host reads.
func TestSendWaits(t *testing.T) {
	s, host, _ := newServer(t, udp)
	fill(t, s.channel)
	done := make(chan error, 1)
	go func() { done <- s.channel.send(t.Context(), wire.Frame{Count: 1, Token: token}, []int{host}) }()
	got := 0
	for {
		for _, f := range frames(t, host) {
			if f.Token == token {
				got++
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames(t, host) {
				if f.Token == token {
					got++
				}
			}
			if got != 1 {
				t.Errorf("the frame came %d times", got)
			}
			return
		default:
		}
	}
}

func TestDescriptorsPerFrame(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}()
	for _, tt := range []struct{ limit, want int }{{16, 1}, {34, 1}, {36, 2}, {64, 16}, {160, 64}, {1024, 64}} {
		few := unix.Rlimit{Cur: uint64(tt.limit), Max: old.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		if got, err := descriptorsPerFrame(); err != nil || got != tt.want {
			t.Errorf("with RLIMIT_NOFILE %d: %d, %v, want %d", tt.limit, got, err, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	if err := pause(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("pause = %v, want Canceled", err)
	}
}
