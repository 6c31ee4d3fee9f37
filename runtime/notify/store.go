package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Store keeps descriptors that services give away to get them back at their
// next start (FDSTORE=1 of sd_notify(3)). It closes those whose other end is gone.
// Its methods may be called concurrently.
type Store struct {
	limit int
	file  *os.File // an epoll instance, itself in the poller of the runtime
	conn  syscall.RawConn

	mu   sync.Mutex         // not held while anything is closed, which may take time
	kept map[string][]*kept // by owner, in the order in which they came
	byFD map[int]*kept      // those that are watched
}

type kept struct {
	owner, name string
	fd          int
}

// A Copy is a duplicate of a kept descriptor. It is closed by who has it.
type Copy struct {
	FD   int
	Name string
}

// defaultName is what systemd calls a descriptor without FDNAME.
const defaultName = "stored"

// NewStore returns an empty store, which keeps up to limit descriptors of each
// owner.
func NewStore(limit int) (*Store, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("descriptor store: epoll: %w", err)
	}
	// Without the flag the poller does not take it.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("descriptor store: %w", err), unix.Close(fd))
	}
	s := &Store{limit: limit, file: os.NewFile(uintptr(fd), "descriptor store"), kept: map[string][]*kept{}, byFD: map[int]*kept{}}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("descriptor store: %w", err), s.file.Close())
	}
	return s, nil
}

// Run closes descriptors whose other end is gone, until ctx ends. gone, which may
// be nil, is told about each.
func (s *Store) Run(ctx context.Context, gone func(owner, name string)) error {
	defer expire(ctx, s.file)()
	for {
		var found []*kept
		var waitErr error
		err := s.conn.Read(func(fd uintptr) bool {
			found, waitErr = s.hangups(int(fd))
			return len(found) > 0 || waitErr != nil
		})
		for _, k := range found {
			Discard(k.fd)
			if gone != nil {
				gone(k.owner, k.name)
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil || waitErr != nil:
			return fmt.Errorf("descriptor store: %w", errors.Join(err, waitErr))
		}
	}
}

// hangups takes out what has no other end any more. The lock is held over both: the
// number of a descriptor must not pass to another one in between.
func (s *Store) hangups(epoll int) ([]*kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events [16]unix.EpollEvent
	n, err := unix.EpollWait(epoll, events[:], 0)
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			err = nil // the poller asks again
		}
		return nil, err
	}
	var found []*kept
	for _, ev := range events[:n] {
		if k := s.byFD[int(ev.Fd)]; k != nil {
			s.drop(k)
			found = append(found, k)
		}
	}
	return found, nil
}

// Add takes over descriptors of an owner. Those that it has already are closed;
// so are those above the limit, of which the error tells. A poll of false keeps
// them when their other end is gone.
func (s *Store) Add(owner, name string, fds []int, poll bool) error {
	if name == "" {
		name = defaultName
	}
	var rest []int
	defer func() { discardAll(rest) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	over := 0
	for _, fd := range fds {
		switch {
		case s.has(owner, fd):
			rest = append(rest, fd)
		case len(s.kept[owner]) >= s.limit:
			over++
			rest = append(rest, fd)
		default:
			if err := s.keep(&kept{owner, name, fd}, poll); err != nil {
				errs = append(errs, err)
				rest = append(rest, fd)
			}
		}
	}
	if over > 0 {
		errs = append(errs, fmt.Errorf("descriptor store: %d more than the %d that are kept of a service", over, s.limit))
	}
	return errors.Join(errs...)
}

// keep watches only what has another end. Of other files there is nothing to wait
// for, and a file system in user space could make even the question last.
func (s *Store) keep(k *kept, poll bool) error {
	if poll && (isSocket(k.fd) || isPipe(k.fd)) {
		// No event is asked for: hang-up and error always come.
		if err := s.control(unix.EPOLL_CTL_ADD, k.fd); err != nil {
			return fmt.Errorf("descriptor store: watch %q: %w", k.name, err)
		}
		s.byFD[k.fd] = k
	}
	s.kept[k.owner] = append(s.kept[k.owner], k)
	return nil
}

// control changes what is watched.
func (s *Store) control(op, fd int) error {
	var opErr error
	err := s.conn.Control(func(epoll uintptr) {
		opErr = unix.EpollCtl(int(epoll), op, fd, &unix.EpollEvent{Fd: int32(fd)})
	})
	return errors.Join(err, opErr)
}

// has says whether the owner has the same open file already.
func (s *Store) has(owner string, fd int) bool {
	return slices.ContainsFunc(s.kept[owner], func(k *kept) bool { return sameFile(k.fd, fd) })
}

// sameFile compares open file descriptions. A kernel that cannot tell (before 6.10
// and without kcmp) makes them different: then one is kept twice.
func sameFile(a, b int) bool {
	same, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_QUERY, b)
	if err == nil {
		return same == 1
	}
	const kcmpFile = 0 // KCMP_FILE of linux/kcmp.h
	pid := uintptr(os.Getpid())
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	return errno == 0 && r == 0
}

// Remove closes the descriptors of an owner with that name.
func (s *Store) Remove(owner, name string) (removed int) {
	var closing []int
	defer func() {
		for _, fd := range closing { // not Discard: the owner may go on using its socket
			_ = unix.Close(fd)
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range slices.Clone(s.kept[owner]) {
		if k.name == name {
			s.drop(k)
			closing = append(closing, k.fd)
			removed++
		}
	}
	return removed
}

// drop takes out one descriptor, for the caller to close. It is taken out of epoll,
// too: with a copy of it elsewhere it would stay in, under a number that means
// another one.
func (s *Store) drop(k *kept) {
	if s.byFD[k.fd] == k {
		_ = s.control(unix.EPOLL_CTL_DEL, k.fd) // it is in
		delete(s.byFD, k.fd)
	}
	s.kept[k.owner] = slices.DeleteFunc(s.kept[k.owner], func(other *kept) bool { return other == k })
	if len(s.kept[k.owner]) == 0 {
		delete(s.kept, k.owner)
	}
}

// Copies returns duplicates of what is kept of an owner, in the order in which it
// came.
func (s *Store) Copies(owner string) ([]Copy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var copies []Copy
	for _, k := range s.kept[owner] {
		fd, err := unix.FcntlInt(uintptr(k.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			for _, c := range copies {
				_ = unix.Close(c.FD)
			}
			return nil, fmt.Errorf("duplicate stored descriptor %q: %w", k.name, err)
		}
		copies = append(copies, Copy{fd, k.name})
	}
	return copies, nil
}

// Close closes everything. It is called once, when Run has returned.
func (s *Store) Close() error {
	var closing []int
	defer func() { discardAll(closing) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.kept {
		for _, k := range slices.Clone(list) {
			s.drop(k)
			closing = append(closing, k.fd)
		}
	}
	return s.file.Close()
}

// Discard closes a descriptor that came from somebody else and is of no use,
// without lingering as they may have told it to (SO_LINGER of socket(7)). A file
// system may still take its time: not a call for an event loop.
func Discard(fd int) {
	// It fails where there is no socket and so nothing to linger for.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	_ = unix.Close(fd)
}

func discardAll(fds []int) {
	for _, fd := range fds {
		Discard(fd)
	}
}

func isSocket(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil
}

func isPipe(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	return err == nil
}

// expire makes reads of file fail with os.ErrDeadlineExceeded once ctx ends. The
// caller calls release when it has read.
func expire(ctx context.Context, file *os.File) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// The only possible error is that the file is closed, which ends reads too.
		_ = file.SetReadDeadline(past)
	})
	return func() {
		if !stop() {
			<-done
			_ = file.SetReadDeadline(time.Time{})
		}
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
