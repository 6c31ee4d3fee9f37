package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
	"github.com/rind-sockets/rind/runtime/peer"
)

const (
	// maxForwarded bounds the connections of one socket that are forwarded at a time.
	maxForwarded = 64

	// forwardTimeout is how long a forwarded connection may wait for room in the
	// queue, in seconds.
	forwardTimeout = 5

	// maxMessage is the largest message of a seqpacket socket that is forwarded
	// whole.
	maxMessage = 256 << 10
)

// Forwarder brings connections that were accepted back to the queue of their
// listener, each as a new connection that the same user and groups make, and copies
// what both sides say. The kernel has no way to put a connection back. Whoever
// accepts it sees the uid, the gid and the groups of the client, but the pid of this
// process; descriptors that the client sends along are lost.
//
// The zero Forwarder is ready to use.
type Forwarder struct {
	mu   sync.Mutex
	live map[uint64]struct{} // inodes of the sockets that it has connected

	// freed gets a value when a connection has ended; nil: nobody waits for that.
	freed chan struct{}

	ends sync.WaitGroup // Add only under mu
}

// Has reports whether a client that waits, by its number of [peer.Waiting], is one
// that the forwarder has connected.
func (f *Forwarder) Has(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.live[id]
	return ok
}

// Wait waits until nothing is forwarded any more. Whoever ends the context of all
// calls of Forward waits a moment at most.
func (f *Forwarder) Wait() { f.ends.Wait() }

// Forward connects as who to the address that fd was accepted from. When it returns,
// the new connection is in the queue; what comes is copied until both sides have
// closed or ctx ends. It takes over fd, and closes it in any case.
func (f *Forwarder) Forward(ctx context.Context, fd int, who peer.Cred) error {
	client, err := connOf(fd)
	if err != nil {
		return fmt.Errorf("forward a connection: %w", err)
	}
	out, err := f.connect(client, who)
	if err != nil {
		return errors.Join(fmt.Errorf("forward a connection of user %d: %w", who.UID, err), client.Close())
	}
	server, err := connOf(out.fd)
	if err != nil {
		f.forget(out.inode)
		return errors.Join(fmt.Errorf("forward a connection of user %d: %w", who.UID, err), client.Close())
	}
	go func() {
		defer f.forget(out.inode)
		exchange(ctx, client, server)
	}()
	return nil
}

// forwarded is a connection that connect has made and counted.
type forwarded struct {
	fd    int
	inode uint64
}

func (f *Forwarder) connect(client halfConn, who peer.Cred) (forwarded, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.live) >= maxForwarded {
		return forwarded{}, fmt.Errorf("%d connections are forwarded already", maxForwarded)
	}
	to, kind, err := addressOfConn(client)
	if err != nil {
		return forwarded{}, err
	}
	fd, err := connectAs(who, to, kind)
	if err != nil {
		return forwarded{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return forwarded{}, errors.Join(err, unix.Close(fd))
	}
	if f.live == nil {
		f.live = map[uint64]struct{}{}
	}
	f.live[st.Ino] = struct{}{}
	f.ends.Add(1)
	return forwarded{fd, st.Ino}, nil
}

func (f *Forwarder) forget(inode uint64) {
	f.mu.Lock()
	delete(f.live, inode)
	select {
	case f.freed <- struct{}{}:
	default: // nobody waits, or whoever waits will look anyway
	}
	f.mu.Unlock()
	f.ends.Done()
}

// addressOfConn returns where a client has connected to, and the type of its socket.
func addressOfConn(client halfConn) (to unix.Sockaddr, kind int, err error) {
	raw, err := client.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	cerr := raw.Control(func(fd uintptr) {
		if to, err = unix.Getsockname(int(fd)); err == nil {
			kind, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
		}
	})
	return to, kind, errors.Join(err, cerr)
}

// connectAs connects as another user.
func connectAs(who peer.Cred, to unix.Sockaddr, kind int) (fd int, err error) {
	ownthread.Run(func() {
		if err = become(who); err == nil {
			fd, err = connect(to, kind)
		}
	})
	return fd, err
}

// nobodysGroup stands for the group of a user that no database knows.
const nobodysGroup = 65534

// become makes the thread somebody else.
func become(who peer.Cred) error {
	if euid := os.Geteuid(); euid != 0 && uint32(euid) == who.UID {
		return nil // as which the groups cannot be changed, and are its own
	}
	gid := who.GID
	if gid == 1<<32-1 { // which would leave it as it is
		gid = nobodysGroup
	}
	return ownthread.Become(who.UID, gid, who.Groups)
}

func connect(to unix.Sockaddr, kind int) (int, error) {
	domain := unix.AF_UNIX
	switch to.(type) {
	case *unix.SockaddrInet4:
		domain = unix.AF_INET
	case *unix.SockaddrInet6:
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	timeout := unix.Timeval{Sec: forwardTimeout}
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout)
	if err == nil {
		err = connectUntil(fd, to, time.Now().Add(forwardTimeout*time.Second))
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("connect: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// connectUntil goes on when a signal interrupts the wait for room in the queue: with
// SO_SNDTIMEO the kernel does not do that itself (signal(7)).
func connectUntil(fd int, to unix.Sockaddr, late time.Time) error {
	for {
		switch err := unix.Connect(fd, to); {
		case errors.Is(err, unix.EISCONN): // since it was interrupted
			return nil
		case !errors.Is(err, unix.EINTR), time.Now().After(late):
			return err
		}
	}
}

// halfConn is a connection that can be closed in one direction.
type halfConn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SyscallConn() (syscall.RawConn, error)
}

// connOf makes fd a connection that a context can end, and closes fd.
func connOf(fd int) (halfConn, error) {
	f := os.NewFile(uintptr(fd), "connection")
	conn, err := net.FileConn(f) // a duplicate
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	half, ok := conn.(halfConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a connection of type %T", conn), conn.Close())
	}
	return half, nil
}

// exchange copies both ways until both sides have closed, and closes both.
func exchange(ctx context.Context, a, b halfConn) {
	stop := context.AfterFunc(ctx, func() {
		// It fails only when they are being closed anyway.
		_, _ = a.SetDeadline(longAgo), b.SetDeadline(longAgo)
	})
	defer stop()
	var ways sync.WaitGroup
	ways.Go(func() { pump(a, b) })
	ways.Go(func() { pump(b, a) })
	ways.Wait()
	_, _ = a.Close(), b.Close() // what was to be written has been
}

// pump copies one way. Whatever ends it, the one side sees an end of the stream and
// the other that nobody reads any more.
func pump(to, from halfConn) {
	// Messages keep their bounds only if each is read and written as a whole, which
	// the shorter ways of io.Copy do not promise.
	type reader struct{ io.Reader }
	type writer struct{ io.Writer }
	size := 32 << 10
	if from.LocalAddr().Network() == "unixpacket" {
		size = maxMessage
	}
	_, _ = io.CopyBuffer(writer{to}, reader{from}, make([]byte, size))
	_, _ = to.CloseWrite(), from.CloseRead()
}
