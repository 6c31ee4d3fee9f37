package proc

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A port whose last descriptor was closed while services were being started is
// free after Settle (S32).
func TestS32SettleFreesAPort(t *testing.T) {
	stop := make(chan struct{})
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, err := Start(&Spec{Name: "test", Exec: "/bin/true", Stdin: Null, Stdout: Null, Stderr: Null})
				if err != nil {
					t.Errorf("Start: %v", err)
					return
				}
				if _, err := p.Wait(t.Context()); err != nil {
					t.Errorf("Wait: %v", err)
				}
				if err := p.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		}()
	}
	address := unix.SockaddrInet4{Addr: [4]byte{127, 77, 66, 55}}
	for i := range 300 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(unix.Bind(fd, &address), unix.Listen(fd, 1)); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if in4, ok := name.(*unix.SockaddrInet4); ok {
			address.Port = in4.Port // the same one from the second round on
		}
		if err := unix.Close(fd); err != nil {
			t.Fatal(err)
		}
		if err := Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	for range 4 {
		<-done
	}
}

func TestSettleEndsWithContext(t *testing.T) {
	end := begin()
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Settle with a start under way: %v, want the end of its context", err)
	}
}
