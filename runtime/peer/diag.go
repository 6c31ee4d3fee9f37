package peer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errAnswer is wrapped by every error about bytes that do not make sense.
var errAnswer = errors.New("malformed sock_diag answer")

// errStop is what a visitor returns when it has seen enough.
var errStop = errors.New("stop")

const (
	// maxAnswers bounds the work of one question: messages read, wanted or not.
	maxAnswers = 1 << 18

	// answerTimeout is how long the kernel may keep silent, in seconds. It
	// produces its answer while it is being read, so this is never reached
	// unless something is broken.
	answerTimeout = 2
)

var native = binary.NativeEndian

// ask sends one sock_diag(7) request and calls visit with the body of every
// answer, until the kernel says that there are no more or visit returns
// errStop. The body is only valid during the call.
func ask(request []byte, flags uint16, visit func(body []byte) error) error {
	return askAs(unix.SOCK_DIAG_BY_FAMILY, request, flags, visit)
}

// askAs is ask for a request of another type.
func askAs(kind uint16, request []byte, flags uint16, visit func(body []byte) error) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("sock_diag: socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written that could be lost
	timeout := unix.Timeval{Sec: answerTimeout}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return fmt.Errorf("sock_diag: SO_RCVTIMEO: %w", err)
	}

	message := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(request))
	native.PutUint32(message[0:], uint32(unix.SizeofNlMsghdr+len(request)))
	native.PutUint16(message[4:], kind)
	native.PutUint16(message[6:], unix.NLM_F_REQUEST|flags)
	message = append(message, request...)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("sock_diag: send: %w", err)
	}

	seen := 0
	counted := func(body []byte) error {
		if seen++; seen > maxAnswers {
			return fmt.Errorf("more than %d sockets, giving up", maxAnswers)
		}
		return visit(body)
	}
	buf := make([]byte, 32<<10) // the kernel fills at most this much of a larger one
	for {
		n, err := receive(fd, buf)
		if err != nil {
			return fmt.Errorf("sock_diag: receive: %w", err)
		}
		done, err := parse(buf[:n], counted)
		switch {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return fmt.Errorf("sock_diag: %w", err)
		case done:
			return nil
		}
	}
}

// receive reads one netlink datagram. Only the kernel can send to a socket that
// has joined no group and told nobody its port, but root could: its messages
// are skipped.
func receive(fd int, buf []byte) (int, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(fd, buf, nil, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case flags&unix.MSG_TRUNC != 0:
			return 0, fmt.Errorf("%w: longer than %d bytes", errAnswer, len(buf))
		}
		if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
			return n, nil
		}
	}
}

// parse reads the netlink messages of one datagram and calls visit with the
// body of each that is about a socket. It reports whether the answer is
// complete.
func parse(b []byte, visit func(body []byte) error) (done bool, err error) {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return false, fmt.Errorf("%w: %d bytes, want a header of %d", errAnswer, len(b), unix.SizeofNlMsghdr)
		}
		size := native.Uint32(b)
		if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(b)) {
			return false, fmt.Errorf("%w: a message of %d bytes in %d", errAnswer, size, len(b))
		}
		kind, flags, body := native.Uint16(b[4:]), native.Uint16(b[6:]), b[unix.SizeofNlMsghdr:size]
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return true, result(kind, body)
		case unix.NLMSG_OVERRUN:
			return false, fmt.Errorf("%w: overrun", errAnswer)
		case unix.SOCK_DIAG_BY_FAMILY:
			if err := visit(body); err != nil {
				return false, err
			}
			// The answer to a question about one socket is one message, and
			// no end follows it.
			done = flags&unix.NLM_F_MULTI == 0
		}
		b = b[min(align(int(size)), len(b)):]
	}
	return done, nil
}

// result reads the status at the end of an answer. Old kernels end a dump
// without one.
func result(kind uint16, body []byte) error {
	if len(body) < 4 {
		if kind == unix.NLMSG_DONE {
			return nil
		}
		return fmt.Errorf("%w: an error of %d bytes", errAnswer, len(body))
	}
	if code := int32(native.Uint32(body)); code < 0 {
		return unix.Errno(-int64(code))
	}
	return nil
}

// attributes calls visit with every attribute in b.
func attributes(b []byte, visit func(kind uint16, value []byte)) error {
	const header, kindMask = 4, 0x3fff // the two high bits are flags
	for len(b) >= header {
		size := int(native.Uint16(b))
		if size < header || size > len(b) {
			return fmt.Errorf("%w: an attribute of %d bytes in %d", errAnswer, size, len(b))
		}
		visit(native.Uint16(b[2:])&kindMask, b[header:size])
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// align rounds up to NLMSG_ALIGNTO.
func align(n int) int { return (n + 3) &^ 3 }
