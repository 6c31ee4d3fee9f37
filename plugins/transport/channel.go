package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// channel is the plugin's end of the inherited channel that carries
// descriptors. Its methods may be called from several goroutines.
type channel struct {
	file *os.File
	raw  syscall.RawConn
	turn chan struct{} // holds a value while somebody sends

	// most is the largest number of descriptors in one frame.
	most int
}

// openChannel takes the inherited descriptor whose number the host wrote into
// the environment. The first thing it does is to set close-on-exec: what the
// plugin starts must not hold the channel open.
func openChannel(number string) (*channel, error) {
	if number == "" {
		return nil, fmt.Errorf("%s is not set", wire.FDKey)
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is not the number of an inherited descriptor", wire.FDKey, clip(number))
	}
	unix.CloseOnExec(fd)
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d of %s: %w", fd, wire.FDKey, err)
	}
	if typ != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d of %s has socket type %d, want SOCK_SEQPACKET", fd, wire.FDKey, typ)
	}
	return newChannel(fd)
}

// newChannel takes fd, also when it fails.
func newChannel(fd int) (*channel, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		fdpass.Close(fd)
		return nil, fmt.Errorf("descriptor channel: %w", err)
	}
	file := os.NewFile(uintptr(fd), "descriptor channel")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("descriptor channel: %w", err)
	}
	most, err := descriptorsPerFrame()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &channel{file: file, raw: raw, turn: make(chan struct{}, 1), most: most}, nil
}

// descriptorsPerFrame leaves a process with few descriptors enough of them to
// bind one frame while it serves the host.
func descriptorsPerFrame() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read RLIMIT_NOFILE: %w", err)
	}
	const own = 32 // descriptors of the process itself
	if limit.Cur <= own+2 {
		return 1, nil
	}
	return int(min((limit.Cur-own)/2, wire.MaxFrameFDs)), nil
}

// send sends one frame. The descriptors stay the caller's. It waits for as long
// as the host does not read, but not longer than ctx.
func (c *channel) send(ctx context.Context, f wire.Frame, fds []int) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	msg := f.Bytes()
	for {
		err := c.write(ctx, msg, fds)
		if !errors.Is(err, unix.ETOOMANYREFS) {
			return err
		}
		// This user has more descriptors in flight than RLIMIT_NOFILE. Nothing
		// tells when the host has taken some.
		if err := pause(ctx, 200*time.Microsecond); err != nil {
			return err
		}
	}
}

func (c *channel) write(ctx context.Context, msg []byte, fds []int) error {
	// A deadline in the past wakes a Write that waits.
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.file.SetWriteDeadline(time.Unix(1, 0)) // it cannot fail on a polled file
	})
	defer func() {
		if !stop() {
			<-interrupted
			_ = c.file.SetWriteDeadline(time.Time{})
		}
	}()

	var sendErr error
	err := c.raw.Write(func(s uintptr) bool {
		sendErr = fdpass.Send(int(s), msg, unix.MSG_DONTWAIT, fds...)
		return !errors.Is(sendErr, unix.EAGAIN)
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	return sendErr
}

// wait returns when the channel has ended: with [io.EOF] when the host closed
// it or died. The host sends nothing, so what comes is thrown away.
func (c *channel) wait() error {
	buf := make([]byte, wire.FrameSize)
	for {
		var (
			n       int
			fds     []int
			recvErr error
		)
		err := c.raw.Read(func(s uintptr) bool {
			n, fds, recvErr = fdpass.Recv(int(s), buf, unix.MSG_DONTWAIT)
			return !errors.Is(recvErr, unix.EAGAIN)
		})
		fdpass.Close(fds...)
		switch {
		case err != nil:
			return err
		case errors.Is(recvErr, fdpass.ErrTruncated):
		case recvErr != nil:
			return recvErr
		case n == 0 && len(fds) == 0:
			return io.EOF
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d) //nolint:forbidigo // no loop owns the time of a plugin's process
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
