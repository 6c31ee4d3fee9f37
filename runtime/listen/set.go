package listen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ID names one listening socket in a [Set]. The caller chooses it and should
// never use one twice: then an event that was under way when its socket was
// removed cannot be taken for one of the socket that followed.
type ID uint64

// Event says that an armed socket wants attention. After [Set.Arm] the socket is
// then not armed any more, after [Set.ArmEach] it still is.
type Event struct {
	ID ID

	// Hangup says that somebody who has the socket called shutdown(2) on it. It
	// cannot be watched again as it is: a tcp socket revives with [Publish], any
	// other must be bound anew.
	Hangup bool

	// Error says that an error waits in the socket, for whoever accepts or
	// receives next.
	Error bool
}

// Set watches listening sockets without accepting from them.
//
// It has an epoll instance of its own because Go's is edge-triggered: it would
// never report again a connection that waits since before the last owner exited.
// Here Arm is level-triggered and one-shot. That instance is itself watched by Go's poller,
// so that waiting costs no thread, and no wake-up while nothing happens.
//
// Run calls deliver on its own goroutine; every other method may be called from
// any goroutine, usually the loop's. Nothing is delivered for a socket that is
// not armed, with one exception that no order of calls can avoid: an event that
// Run has just taken may reach deliver while Disarm, Remove or a second Arm is
// being called. The receiver must treat an event of a socket that it does not
// watch as noise.
//
// The descriptors remain the caller's. Remove one before it is closed.
type Set struct {
	epoll *os.File
	raw   syscall.RawConn // of epoll

	mu      sync.Mutex
	closed  bool
	watched map[ID]*watch
	armed   map[uint64]*watch // by token
	last    uint64            // token
}

// watch is one socket of a Set.
type watch struct {
	id         ID
	fd         int
	registered bool // with epoll: armed, or fired and not armed since

	// token is what epoll gives back with an event. Every Arm draws a new one,
	// so that what epoll reported of an earlier one, or of another socket with
	// the same descriptor number, finds nobody. 0 means not armed.
	token uint64
	each  bool // the token outlives its events
}

// maxEvents is how many events one system call takes.
const maxEvents = 128

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// NewSet returns an empty set. It starts nothing; Close frees its descriptor.
func NewSet() (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	// os.NewFile gives a descriptor to Go's poller only if it does not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("set O_NONBLOCK: %w", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "epoll")
	raw, err := f.SyscallConn()
	if err == nil {
		err = f.SetReadDeadline(time.Time{}) // fails unless the poller has it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch epoll: %w", err), f.Close())
	}
	return &Set{epoll: f, raw: raw, watched: map[ID]*watch{}, armed: map[uint64]*watch{}}, nil
}

// Close ends Run and frees the set's descriptor. The watched descriptors stay
// open.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.epoll.Close()
}

// Add makes the set know a socket. It is not armed.
func (s *Set) Add(id ID, fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.watched[id]; ok {
		return fmt.Errorf("watch listener %d: it is watched already", id)
	}
	s.watched[id] = &watch{id: id, fd: fd}
	return nil
}

// Arm makes the set report the socket once: at once if a connection or datagram
// waits, else as soon as one comes. Arming an armed socket is the same as arming
// it for the first time.
func (s *Set) Arm(id ID) error { return s.arm(id, false) }

// ArmEach makes the set report the socket at once if a connection or datagram
// waits, and then whenever another one comes, until Disarm or Arm: for a queue
// that waits for somebody while every arrival matters. What waits is no reason
// to report again. Arrivals that come together may be one event.
func (s *Set) ArmEach(id ID) error { return s.arm(id, true) }

func (s *Set) arm(id ID, each bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.watched[id]
	if !ok {
		return fmt.Errorf("arm listener %d: it is not watched", id)
	}
	op := unix.EPOLL_CTL_ADD
	if w.registered {
		op = unix.EPOLL_CTL_MOD // looks at the socket again, unlike a mere wait
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT}
	if each {
		event.Events = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	}
	s.last++
	setToken(&event, s.last)
	if err := s.control(op, w.fd, &event); err != nil {
		return fmt.Errorf("arm listener %d: %w", id, err)
	}
	w.registered, w.each = true, each
	delete(s.armed, w.token)
	w.token = s.last
	s.armed[w.token] = w
	return nil
}

// Disarm makes the set silent about the socket until the next Arm.
func (s *Set) Disarm(id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.watched[id]
	if !ok {
		return fmt.Errorf("disarm listener %d: it is not watched", id)
	}
	return s.disarm(w)
}

// Remove makes the set forget the socket. Call it before the descriptor is
// closed: epoll would go on watching the socket as long as an owner has it open.
func (s *Set) Remove(id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.watched[id]
	if !ok {
		return fmt.Errorf("remove listener %d: it is not watched", id)
	}
	delete(s.watched, id)
	return s.disarm(w)
}

// disarm takes the socket out of epoll. An empty mask would not do: epoll adds
// hang-ups and errors to every mask.
func (s *Set) disarm(w *watch) error {
	delete(s.armed, w.token)
	w.token = 0
	if !w.registered {
		return nil
	}
	w.registered = false
	if err := s.control(unix.EPOLL_CTL_DEL, w.fd, nil); err != nil {
		return fmt.Errorf("disarm listener %d: %w", w.id, err)
	}
	return nil
}

// control calls epoll_ctl(2) while nobody can close the epoll descriptor.
func (s *Set) control(op, fd int, event *unix.EpollEvent) error {
	var cerr error
	err := s.raw.Control(func(epfd uintptr) {
		cerr = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epfd), op, fd, event))
	})
	if err != nil {
		return err
	}
	return cerr
}

// Run calls deliver for every event, one at a time, until ctx ends or the set is
// closed; then it returns nil, and nothing that it started is left. It must be
// called once. deliver must not wait for anything that waits for Run.
func (s *Set) Run(ctx context.Context, deliver func(Event)) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		// It fails only when the set is closed, which ends Run as well.
		_ = s.epoll.SetReadDeadline(longAgo)
	})
	defer func() {
		if !stop() {
			<-woken
		}
	}()
	events := make([]unix.EpollEvent, maxEvents)
	for {
		n, err := s.wait(events)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil && s.isClosed():
			return nil
		case err != nil:
			return fmt.Errorf("wait for listeners: %w", err)
		}
		for i := range events[:n] {
			if e, ok := s.take(&events[i]); ok && ctx.Err() == nil {
				deliver(e)
			}
		}
	}
}

// isClosed exists because a raw connection does not say os.ErrClosed.
func (s *Set) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// wait fills events with what is ready, waiting in Go's poller when nothing is.
// That poller is edge-triggered, so it is asked to wait only after epoll has
// said that nothing is left.
func (s *Set) wait(events []unix.EpollEvent) (n int, err error) {
	var werr error
	err = s.raw.Read(func(epfd uintptr) bool {
		n, werr = epollNow(int(epfd), events)
		return n > 0 || werr != nil
	})
	if err != nil {
		return 0, err
	}
	return n, werr
}

// epollNow returns what is ready without waiting.
func epollNow(epfd int, events []unix.EpollEvent) (int, error) {
	for {
		n, err := unix.EpollWait(epfd, events, 0)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), os.NewSyscallError("epoll_wait", err)
		}
	}
}

// take turns an event of epoll into one for the caller; false when its socket
// has been disarmed, removed or armed anew since.
func (s *Set) take(event *unix.EpollEvent) (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := tokenOf(event)
	w, ok := s.armed[token]
	if !ok {
		return Event{}, false
	}
	if !w.each {
		delete(s.armed, token)
		w.token = 0
	}
	return Event{
		ID:     w.id,
		Hangup: event.Events&(unix.EPOLLHUP|unix.EPOLLRDHUP) != 0,
		Error:  event.Events&unix.EPOLLERR != 0,
	}, true
}

// setToken stores a token in the 64 bits of an event that are the caller's.
func setToken(event *unix.EpollEvent, token uint64) {
	event.Fd, event.Pad = int32(uint32(token)), int32(uint32(token>>32))
}

func tokenOf(event *unix.EpollEvent) uint64 {
	return uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
}
