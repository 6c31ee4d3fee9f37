package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MaxFiles is how many descriptors one message can have: SCM_MAX_FD of the
	// kernel.
	MaxFiles = 253

	// Rate is how many messages a second a sender may send for long, and burst
	// how many at once.
	Rate  = 200
	burst = 200

	// maxPath is the room of a path in struct sockaddr_un, with its NUL.
	maxPath = 108

	// maxDrain bounds what [Socket.Drain] reads: more than any queue holds, whose
	// senders may go on.
	maxDrain = 1024
)

// A Received is one message and what came with it. Close closes the descriptors.
type Received struct {
	Message Message

	// Fault says what of the message could not be understood. The rest counts.
	Fault error

	// PIDFD is a pidfd of the sender, or -1 if the sender was gone before it could
	// be had, which kernels before 6.5 leave possible.
	PIDFD int

	// PID is the pid that the sender has or claims; good for logs only.
	PID int

	// Files came with the message. Who keeps one takes it out.
	Files []int
}

// Close closes every descriptor that came with the message.
func (r *Received) Close() {
	discardAll(r.Files)
	if r.PIDFD >= 0 {
		_ = unix.Close(r.PIDFD)
	}
	r.Files, r.PIDFD = nil, -1
}

// A DropError says that a message was dropped, and why.
type DropError struct{ Reason string }

func (e *DropError) Error() string { return "message dropped: " + e.Reason }

// A Socket receives the messages of one service. Its methods may be called
// concurrently, and one of them receives at a time.
type Socket struct {
	path string
	file *os.File
	conn syscall.RawConn
	turn chan struct{} // held by who receives

	buf []byte // of who receives
	oob []byte
}

// Listen makes a socket at path, which must not exist, for processes of user uid.
func Listen(path string, uid int) (*Socket, error) {
	if len(path) >= maxPath {
		return nil, fmt.Errorf("notification socket %s: %d bytes, at most %d fit into a socket address: choose a shorter --runtime-dir", path, len(path), maxPath-1)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("notification socket: %w", err)
	}
	if err := prepare(fd, path, uid); err != nil {
		return nil, fmt.Errorf("notification socket %s: %w", path, errors.Join(err, unix.Close(fd)))
	}
	s := &Socket{
		path: path, file: os.NewFile(uintptr(fd), path), turn: make(chan struct{}, 1),
		buf: make([]byte, MaxMessage+1), // one more, to see that there is more
		oob: make([]byte, unix.CmsgSpace(MaxFiles*4)+unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4)),
	}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("notification socket %s: %w", path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// prepare binds the socket. The mode of the node comes from that of the socket,
// so there is no moment at which anybody else could send.
func prepare(fd int, path string, uid int) error {
	for _, opt := range []struct {
		name  string
		value int
		older bool // a kernel may lack it
	}{
		{"SO_PASSCRED", unix.SO_PASSCRED, false},
		{"SO_PASSPIDFD", unix.SO_PASSPIDFD, true},
	} {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt.value, 1)
		if err != nil && (!opt.older || !errors.Is(err, unix.ENOPROTOOPT)) {
			return fmt.Errorf("%s: %w", opt.name, err)
		}
	}
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if uid == unix.Geteuid() {
		return nil
	}
	if err := unix.Lchown(path, uid, -1); err != nil {
		return errors.Join(fmt.Errorf("chown to user %d: %w", uid, err), unix.Unlink(path))
	}
	return nil
}

// Path is the value of NOTIFY_SOCKET.
func (s *Socket) Path() string { return s.path }

// Close removes the socket. It is called once, when nobody receives any more.
func (s *Socket) Close() error {
	err := os.Remove(s.path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.file.Close())
}

// Run hands every message to handle, until ctx ends. Those that are dropped come
// as an error. What handle leaves in a Received is closed. Run fails if the socket
// cannot be read. It may be called again.
func (s *Socket) Run(ctx context.Context, handle func(*Received, error)) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	defer expire(ctx, s.file)()
	pace := newPace(time.Now())
	for ctx.Err() == nil {
		r, err := s.receive(true)
		if err == nil || isDrop(err) {
			handle(r, err)
			closeReceived(r)
			if !pace.wait(ctx, time.Now()) {
				return nil
			}
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return fmt.Errorf("notification socket %s: %w", s.path, err)
	}
	return nil
}

// Drain hands over what waits at the moment, once Run has returned. It is for the
// end of a service: what a process has sent before its end is here by then.
func (s *Socket) Drain(handle func(*Received, error)) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	for range maxDrain {
		r, err := s.receive(false)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil && !isDrop(err):
			return fmt.Errorf("notification socket %s: %w", s.path, err)
		}
		handle(r, err)
		closeReceived(r)
	}
	return nil
}

func closeReceived(r *Received) {
	if r != nil {
		r.Close()
	}
}

func isDrop(err error) bool {
	_, ok := errors.AsType[*DropError](err)
	return ok
}

// receive reads one message. If there is none, it waits, or fails with EAGAIN.
func (s *Socket) receive(wait bool) (*Received, error) {
	var n, oobn, flags int
	var recvErr error
	read := func(fd uintptr) bool {
		for {
			n, oobn, flags, _, recvErr = unix.Recvmsg(int(fd), s.buf, s.oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			if !errors.Is(recvErr, unix.EINTR) {
				return !errors.Is(recvErr, unix.EAGAIN)
			}
		}
	}
	var err error
	if wait {
		err = s.conn.Read(read)
	} else {
		err = s.conn.Control(func(fd uintptr) { read(fd) })
	}
	if err == nil {
		err = recvErr
	}
	if err != nil {
		return nil, err
	}
	r, err := received(s.oob[:oobn])
	if err != nil {
		r.Close()
		return nil, &DropError{err.Error()}
	}
	if reason := cut(n, flags); reason != "" {
		r.Close()
		return nil, &DropError{reason}
	}
	r.Message, r.Fault = Parse(s.buf[:n])
	if errors.Is(r.Fault, ErrNUL) {
		r.Close()
		return nil, &DropError{r.Fault.Error()}
	}
	return r, nil
}

// cut says why a message is not whole, or "".
func cut(n, flags int) string {
	switch {
	case n > MaxMessage || flags&unix.MSG_TRUNC != 0:
		return fmt.Sprintf("longer than %d bytes", MaxMessage)
	case flags&unix.MSG_CTRUNC != 0:
		return "not all of its descriptors could be received"
	}
	return ""
}

// received takes over what came with a message, also if it fails.
func received(oob []byte) (*Received, error) {
	r := &Received{PIDFD: -1}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return r, fmt.Errorf("control data: %w", err)
	}
	var errs []error // the descriptors after an error have come, too
	for i := range messages {
		if messages[i].Header.Level == unix.SOL_SOCKET {
			errs = append(errs, r.take(&messages[i]))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	if r.PID <= 0 {
		return r, errors.New("the kernel does not say who sent it: the sender is in another pid namespace")
	}
	if r.PIDFD < 0 {
		// Whoever has the number now is asked whether it belongs to the service.
		if fd, err := unix.PidfdOpen(r.PID, 0); err == nil {
			r.PIDFD = fd
		}
	}
	return r, nil
}

// take takes over one part of the control data.
func (r *Received) take(m *unix.SocketControlMessage) error {
	switch m.Header.Type {
	case unix.SCM_RIGHTS:
		fds, err := unix.ParseUnixRights(m)
		if err != nil {
			return fmt.Errorf("descriptors: %w", err)
		}
		r.Files = append(r.Files, fds...)
	case unix.SCM_CREDENTIALS:
		cred, err := unix.ParseUnixCredentials(m)
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		r.PID = int(cred.Pid)
	case unix.SCM_PIDFD:
		if fd, ok := pidfdOf(m); ok {
			r.PIDFD = fd
		}
	}
	return nil
}

// pidfdOf reads an SCM_PIDFD message. Of a sender that has been reaped there may
// be none.
func pidfdOf(m *unix.SocketControlMessage) (int, bool) {
	if len(m.Data) != 4 {
		return -1, false
	}
	fds, err := unix.ParseUnixRights(&unix.SocketControlMessage{
		Header: unix.Cmsghdr{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}, Data: m.Data,
	})
	if err != nil || len(fds) != 1 || fds[0] < 0 {
		return -1, false
	}
	return fds[0], true
}

// pace limits how fast messages are taken. Who sends faster is kept waiting by
// the kernel.
type pace struct {
	left int // messages that may be taken at once
	at   time.Time
}

func newPace(now time.Time) pace { return pace{left: burst, at: now} }

// wait counts a message, and waits until the next one may be taken. It returns
// false when ctx ends.
func (p *pace) wait(ctx context.Context, now time.Time) bool {
	if gained := int(now.Sub(p.at) / (time.Second / Rate)); gained > 0 {
		p.left = min(p.left+gained, burst)
		p.at = now
	}
	p.left = max(p.left-1, 0)
	if p.left > 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(time.Second / Rate)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
