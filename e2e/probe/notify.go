package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// patience is how long the daemon may take to carry out a message.
const patience = 10 * time.Second

func said(err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return "said"
}

// notify sends a message as programs written for systemd do, and waits until it
// has been carried out.
func notify(text string) error {
	sent, err := daemon.SdNotify(false, strings.ReplaceAll(text, "|", "\n"))
	switch {
	case err != nil:
		return err
	case !sent:
		return errors.New("there is no NOTIFY_SOCKET")
	}
	return barrier()
}

// notifyFromChild sends a message from a process of its own.
func notifyFromChild(text string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, self, "-notify", text, "-quit").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// store gives away a file in memory, to get it back at the next start.
func store(name string) error {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	defer unix.Close(fd)
	if err := send("FDSTORE=1\nFDNAME="+name, fd); err != nil {
		return err
	}
	return barrier()
}

// barrier is sd_notify_barrier(3).
func barrier() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	if err := errors.Join(send("BARRIER=1", pipe[1]), unix.Close(pipe[1])); err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(pipe[0])}} // a hang-up always shows
	for {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return fmt.Errorf("the barrier has not opened within %v", patience)
		default:
			return nil
		}
	}
}

func send(text string, fd int) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(s)
	if err := unix.Sendmsg(s, []byte(text), unix.UnixRights(fd), &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}, 0); err != nil {
		return fmt.Errorf("send to NOTIFY_SOCKET: %w", err)
	}
	return nil
}

// restrictions reads what the kernel says of this process.
func restrictions() (status, limits map[string]string, err error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, nil, err
	}
	status, limits = map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		status[key] = strings.Join(strings.Fields(value), " ")
	}
	if text, err = os.ReadFile("/proc/self/limits"); err != nil {
		return nil, nil, err
	}
	const column = 26 // of the soft limit
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line[min(column, len(line)):]); len(f) >= 2 {
			limits[strings.TrimSpace(line[:column])] = f[0] + " " + f[1]
		}
	}
	return status, limits, nil
}
