// Package fdpass passes descriptors over unix sockets, and does nothing else.
// It rests on unix(7), SCM_RIGHTS.
package fdpass

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Max is the largest number of descriptors in one message: SCM_MAX_FD of the
// kernel.
const Max = 253

// ErrTruncated says that a message or its descriptors did not fit, or that the
// receiver is out of descriptors. Every descriptor that came was closed.
var ErrTruncated = errors.New("message or descriptors truncated")

// Pair returns the two ends of a SOCK_SEQPACKET channel, both close-on-exec and
// both the caller's to close.
func Pair() (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w", err)
	}
	return fds[0], fds[1], nil
}

// Send sends msg with copies of fds as one message. The descriptors stay open
// and remain the caller's. ETOOMANYREFS means that too many descriptors of this
// user are in flight; the caller may try again. flags are those of sendmsg(2).
func Send(sock int, msg []byte, flags int, fds ...int) error {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	for {
		n, err := unix.SendmsgN(sock, msg, oob, nil, flags|unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("sendmsg: %w", err)
		case n < len(msg):
			return fmt.Errorf("sendmsg: %w", ErrTruncated)
		}
		return nil
	}
}

// Recv receives one message into buf and returns its length and the descriptors
// that came with it, close-on-exec and the caller's to close. A length of 0
// without descriptors is the end of the channel. flags are those of recvmsg(2).
func Recv(sock int, buf []byte, flags int) (n int, fds []int, err error) {
	// The buffer is always for the most that one message can carry: a smaller
	// one is rounded up by alignment and would let in descriptors that nobody
	// looks at.
	oob := make([]byte, unix.CmsgSpace(Max*4))
	var oobn, got int
	for {
		n, oobn, got, _, err = unix.Recvmsg(sock, buf, oob, flags|unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("recvmsg: %w", err)
	}
	fds, err = rights(oob[:oobn])
	if err == nil && got&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = ErrTruncated
	}
	if err != nil {
		Close(fds...)
		return n, nil, fmt.Errorf("recvmsg: %w", err)
	}
	return n, fds, nil
}

// rights returns every descriptor in a control buffer, also when there is an
// error, so that the caller can close them.
func rights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range msgs {
		if msgs[i].Header.Level != unix.SOL_SOCKET || msgs[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		some, perr := unix.ParseUnixRights(&msgs[i])
		if perr != nil {
			err = perr
			continue
		}
		fds = append(fds, some...)
	}
	return fds, err
}

// Close closes every descriptor. An error of close(2) is of no use here: the
// descriptor is gone whatever it returns.
func Close(fds ...int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
