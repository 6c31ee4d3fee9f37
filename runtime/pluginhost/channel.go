package pluginhost

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// maxViolations is how often one process may break the descriptor protocol. With
// the last one its channel is closed.
const maxViolations = 3

// maxAbandoned is how many calls that were given up by their caller are
// remembered, so that what comes for them is not held against the plugin.
const maxAbandoned = 64

var (
	errChannelEnded = errors.New("it closed its descriptor channel")

	// errNoFDs is no fault of the plugin.
	errNoFDs = errors.New("this process has no room for more descriptors")
)

// channel is the host's end of a plugin's descriptor channel. Every descriptor
// that comes is either given to the one call whose token it carries, or closed.
//
// A goroutine, run, reads at all times, so that nothing piles up. A call that
// has its RPC answer reads too, in take: a plugin sends descriptors before it
// answers, so what is not in the queue then will never come. The mutex is held
// from the receipt of a message to its delivery, hence after take has read the
// queue empty, nothing is on its way through the other goroutine.
type channel struct {
	file *os.File
	raw  syscall.RawConn

	// violated is told of each violation, by the goroutine that read it and
	// without a lock. last says that the channel is closed because of it.
	violated func(err error, last bool)

	mu         sync.Mutex
	buf        [2 * wire.FrameSize]byte // longer than a frame, to see that a message is
	calls      map[wire.Token]*fdCall
	abandoned  map[wire.Token]int // messages that may still come for a call
	violations int
	last       error // violation
	ended      error // why nothing can come any more
}

// fdCall collects the descriptors of one RPC.
type fdCall struct {
	max    int // items of the RPC
	before int // violations before it
	fds    []int
	err    error // why the RPC fails
	rest   int   // messages that may still come when it has failed
}

// newChannel takes fd over, whatever it returns. The descriptor must be
// non-blocking.
func newChannel(fd int, violated func(err error, last bool)) (*channel, error) {
	file := os.NewFile(uintptr(fd), "plugin descriptor channel")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close() // the first error says more
		return nil, fmt.Errorf("descriptor channel: %w", err)
	}
	return &channel{
		file:      file,
		raw:       raw,
		violated:  violated,
		calls:     make(map[wire.Token]*fdCall),
		abandoned: make(map[wire.Token]int),
	}, nil
}

// open registers a call that may receive up to limit descriptors. It must be
// ended by take or cancel.
func (c *channel) open(limit int) wire.Token {
	var t wire.Token
	_, _ = rand.Read(t[:]) // never fails: crypto/rand
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[t] = &fdCall{max: limit, before: c.violations, rest: limit}
	return t
}

// take ends a call whose RPC was answered with want successes and returns its
// descriptors, which become the caller's. On an error they have been closed.
func (c *channel) take(t wire.Token, want int) ([]int, error) {
	// A closed file is an ended channel.
	_ = c.raw.Control(func(fd uintptr) { c.drain(int(fd)) })
	c.mu.Lock()
	call := c.calls[t]
	delete(c.calls, t)
	var found []breach
	if n := len(call.fds); call.err == nil && n != want {
		call.err = fmt.Errorf("it answered with %d bound sockets and sent %d descriptors", want, n)
		switch {
		case c.violations > call.before: // what it sent in their place was counted
			call.err = fmt.Errorf("%w: %w", call.err, c.last)
		case c.ended != nil:
			call.err = fmt.Errorf("%w: %w", call.err, c.ended)
		default:
			found = append(found, c.count(call.err))
		}
	}
	c.mu.Unlock()
	c.report(found...)
	if call.err != nil {
		fdpass.Close(call.fds...)
		return nil, call.err
	}
	return call.fds, nil
}

// cancel ends a call that has no answer and closes what came for it. With
// abandoned, it was the caller who gave up: what is still on its way is then no
// violation.
func (c *channel) cancel(t wire.Token, abandoned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.calls[t]
	delete(c.calls, t)
	fdpass.Close(call.fds...)
	if abandoned && len(c.abandoned) < maxAbandoned {
		c.abandoned[t] = call.rest
	}
}

// run reads until the channel ends and returns why it did.
func (c *channel) run() error {
	err := c.raw.Read(func(fd uintptr) bool { return c.drain(int(fd)) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = fmt.Errorf("descriptor channel: %w", err)
	}
	return c.ended
}

// close ends the channel; run returns. What is still in the queue is closed by
// the kernel.
func (c *channel) close() {
	c.mu.Lock()
	if c.ended == nil {
		c.ended = errChannelEnded
	}
	c.mu.Unlock()
	_ = c.file.Close() // nothing was written, nothing can be lost
}

// breach is a violation that has to be reported.
type breach struct {
	err  error
	last bool
}

func (c *channel) report(all ...breach) {
	for _, b := range all {
		c.violated(b.err, b.last)
	}
}

// drain delivers every message that is in the queue and reports whether the
// channel has ended. It ends however much the plugin sends: what is no use to a
// call is a violation, and those are few.
func (c *channel) drain(fd int) (ended bool) {
	var found []breach
	defer func() { c.report(found...) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ended == nil {
		n, fds, err := fdpass.Recv(fd, c.buf[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		truncated := errors.Is(err, fdpass.ErrTruncated)
		switch {
		case err != nil && !truncated:
			c.ended = fmt.Errorf("descriptor channel: %w", err)
		case n == 0 && len(fds) == 0 && hungUp(fd):
			c.ended = errChannelEnded
		default:
			if err := c.deliver(n, fds, truncated); err != nil {
				found = append(found, c.count(err))
			}
		}
	}
	return true
}

// count counts a violation, with the lock held.
func (c *channel) count(err error) breach {
	c.violations++
	c.last = err
	last := c.violations == maxViolations
	if last && c.ended == nil {
		c.ended = fmt.Errorf("it broke the descriptor protocol %d times, the last time: %w", c.violations, err)
	}
	return breach{err: err, last: last}
}

// deliver handles a message, with the lock held, and returns an error if it is a
// violation. Every descriptor has an owner when it returns. There are none when
// the message is truncated.
//
// Without a violation it returns only as often as there are items in the calls:
// that is what bounds drain.
func (c *channel) deliver(n int, fds []int, truncated bool) error {
	frame, err := wire.ParseFrame(c.buf[:n])
	if err != nil {
		fdpass.Close(fds...)
		if truncated {
			return fmt.Errorf("it sent a truncated message: %w", err)
		}
		return fmt.Errorf("it sent a %w", err)
	}
	call, open := c.calls[frame.Token]
	if !open {
		fdpass.Close(fds...)
		if rest := c.abandoned[frame.Token]; rest > 0 {
			c.abandoned[frame.Token] = rest - 1
			return nil
		}
		return fmt.Errorf("it sent %d descriptors with a token that no call has, or has any more", len(fds))
	}
	if call.err != nil {
		fdpass.Close(fds...)
		if call.rest--; call.rest < 0 {
			return fmt.Errorf("it sent more than %d messages for a call that had failed", call.max)
		}
		return nil
	}
	switch {
	case truncated:
		// The frame is whole and the buffer for descriptors is as large as can
		// be: it was this process that had no room for them.
		call.err = errNoFDs
		return nil
	case int(frame.Count) != len(fds):
		call.err = fmt.Errorf("it announced %d descriptors and sent %d", frame.Count, len(fds))
	case int64(frame.First) != int64(len(call.fds)):
		call.err = fmt.Errorf("it sent descriptors from number %d on when number %d was next", frame.First, len(call.fds))
	case len(call.fds)+len(fds) > call.max:
		call.err = fmt.Errorf("it sent %d descriptors for %d sockets", len(call.fds)+len(fds), call.max)
	default:
		call.fds = append(call.fds, fds...)
		return nil
	}
	fdpass.Close(fds...)
	return call.err
}

// hungUp tells the end of the channel from a message of no bytes.
func hungUp(sock int) bool {
	p := []unix.PollFd{{Fd: int32(sock), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p, 0)
		if !errors.Is(err, unix.EINTR) {
			return err != nil || n > 0
		}
	}
}
