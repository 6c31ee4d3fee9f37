package proc

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWait(t *testing.T) {
	tests := []struct {
		name, script string
		want         Exit
		text         string
	}{
		{"success", "exit 0", Exit{}, "exit status 0"},
		{"status", "exit 42", Exit{Code: 42}, "exit status 42"},
		{"signal", "kill -TERM $$", Exit{Signal: unix.SIGTERM}, "killed by SIGTERM"},
		{"real-time signal", "kill -40 $$", Exit{Signal: 40}, "killed by signal 40"},
		{"status like a signal", "exit 137", Exit{Code: 137}, "exit status 137"},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					p := startScript(t, w, tt.script)
					for range 2 {
						got, err := p.Wait(t.Context())
						if err != nil || got != tt.want || got.String() != tt.text {
							t.Errorf("Wait = %v, %v, want %v, %q", got, err, tt.want, tt.text)
						}
					}
				})
			}
		})
	}
}

func TestExitString(t *testing.T) {
	if got := (Exit{Signal: unix.SIGSEGV, Core: true}).String(); got != "killed by SIGSEGV, core dumped" {
		t.Error(got)
	}
}

// startScript starts a shell that is killed with its whole group when the test
// ends.
func startScript(t *testing.T, w way, script string) *Process {
	t.Helper()
	p, err := w.start(&Spec{Exec: "/bin/sh", Args: []string{"-c", script}, Stdin: Null, Stdout: Null, Stderr: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endGroup(t, p) })
	return p
}

func endGroup(t *testing.T, p *Process) {
	t.Helper()
	if err := p.SignalGroup(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := p.Wait(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	closeProcess(t, p)
}

func TestWaitEndsWithContext(t *testing.T) {
	p := startScript(t, ways[1], "exec sleep 1000")
	cause := errors.New("no more time")
	ctx, cancel := context.WithCancelCause(t.Context())
	var waits sync.WaitGroup
	for range 3 { // one polls, the others wait for their turn
		waits.Go(func() {
			if _, err := p.Wait(ctx); !errors.Is(err, cause) {
				t.Errorf("Wait = %v, want %v", err, cause)
			}
		})
	}
	cancel(cause)
	waits.Wait()

	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v, want a deadline", err)
	}

	// None of that spoils a later Wait.
	waits.Go(func() {
		if exit, err := p.Wait(t.Context()); err != nil || exit.Signal != unix.SIGINT {
			t.Errorf("Wait = %v, %v, want SIGINT", exit, err)
		}
	})
	if err := p.Signal(unix.SIGINT); err != nil {
		t.Error(err)
	}
	waits.Wait()
}

func TestCloseEndsWait(t *testing.T) {
	p := startScript(t, ways[1], "exec sleep 1000")
	pidfd, err := unix.PidfdOpen(p.PID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	var waits sync.WaitGroup
	waits.Go(func() {
		if exit, err := p.Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Wait = %v, %v, want os.ErrClosed", exit, err)
		}
	})
	closeProcess(t, p)
	waits.Wait()
	closeProcess(t, p) // does nothing
	for name, err := range map[string]error{"Signal": p.Signal(unix.SIGTERM), "SignalGroup": p.SignalGroup(unix.SIGTERM)} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s = %v, want os.ErrClosed", name, err)
		}
	}
	// The process went on.
	if readable(pidfd) {
		t.Error("Close ended the process")
	}
	if err := kill(pidfd); err != nil {
		t.Error(err)
	}
}

// grandchild starts a service that starts another process, and returns a pidfd of
// that.
func grandchild(t *testing.T, w way, script string) (p *Process, pidfd int) {
	t.Helper()
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err = w.start(&Spec{Exec: "/bin/sh", Args: []string{"-c", script}, Stdin: Null, Stdout: fdOf(t, wr), Stderr: 2})
	wr.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endGroup(t, p) })
	pid, err := strconv.Atoi(firstLine(t, r))
	if err != nil {
		t.Fatal(err)
	}
	pidfd, err = unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p, pidfd
}

func TestSignalGroup(t *testing.T) {
	tests := []struct {
		name, script string
		wait         bool
	}{
		{"leader runs", "sleep 1000 & echo $!; wait", false},
		// The number of the group is kept by the zombie.
		{"leader has exited", "sleep 1000 & echo $!; exit 3", true},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					p, pidfd := grandchild(t, w, tt.script)
					defer unix.Close(pidfd)
					if tt.wait {
						if exit, err := p.Wait(t.Context()); err != nil || exit.Code != 3 {
							t.Fatalf("Wait = %v, %v", exit, err)
						}
					}
					if err := p.SignalGroup(unix.SIGKILL); err != nil {
						t.Fatal(err)
					}
					waitReadable(t, pidfd)
				})
			}
		})
	}
}

// waitReadable waits for a process to end, with the deadline of the test binary.
func waitReadable(t *testing.T, pidfd int) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// A process that is not a child of this one, as after a restart of the daemon:
// its end shows, its status if the kernel remembers it.
func TestWaitForAdopted(t *testing.T) {
	checkLeaks(t)
	owner, pidfd := grandchild(t, ways[1], "sleep 1000 & echo $!; wait")
	p, err := newProcess(0, pidfd, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeProcess(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if exit, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it runs, and Wait = %v, %v", exit, err)
	}
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	// Its parent knows, and so does everybody whom the kernel tells afterwards.
	exit, err := p.Wait(t.Context())
	if err != nil || (exit.String() != "exit unknown" && exit != Exit{Signal: unix.SIGTERM}) {
		t.Errorf("Wait = %v, %v, want unknown or SIGTERM", exit, err)
	}
	if _, err := owner.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Signal(unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal = %v, want os.ErrProcessDone", err)
	}
}

// Of waiting, signalling and closing at once, each does its own or says that it
// is too late.
func TestConcurrentUse(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			p := startScript(t, w, "exec sleep 1000")
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					exit, err := p.Wait(t.Context())
					if err == nil && exit.Signal != unix.SIGTERM || err != nil && !errors.Is(err, os.ErrClosed) {
						t.Errorf("Wait = %v, %v", exit, err)
					}
				})
				for _, send := range []func(syscall.Signal) error{p.Signal, p.SignalGroup} {
					all.Go(func() {
						if err := send(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrClosed) {
							t.Error(err)
						}
					})
				}
			}
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			closeProcess(t, p)
			all.Wait()
		})
	}
}
