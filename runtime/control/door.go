package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/unixsock"
)

// Connections at a time. Everybody may connect, so nobody may have so many that
// the daemon has no descriptors left for its work, or that root cannot stop it.
const (
	maxOwn       = 64  // of uid 0, and of the daemon's user
	maxStranger  = 16  // of any other uid
	maxStrangers = 128 // of all of them
)

// door is the listener of a control socket. It knows who comes in and turns away
// who has too many connections already.
type door struct {
	*unixsock.Listener

	own uint32 // the daemon's user

	mu        sync.Mutex
	inside    map[uint32]int // connections by uid
	strangers int
}

// openDoor binds path with a mode that lets everybody connect.
func openDoor(ctx context.Context, path string) (*door, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path %s has %d bytes, at most %d fit into a socket address: choose a shorter --runtime-dir or --control", path, len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, err
	}
	l, err := unixsock.Listen(ctx, path, socketMode)
	switch {
	case errors.Is(err, unixsock.ErrNotSocket):
		return nil, fmt.Errorf("%s is not a socket: remove it or choose another path with --control", path)
	case errors.Is(err, unixsock.ErrInUse):
		return nil, fmt.Errorf("%s answers: another rindrun is running, stop it or choose another path with --control", path)
	case err != nil:
		return nil, err
	}
	return &door{Listener: l, own: uint32(os.Getuid()), inside: map[uint32]int{}}, nil
}

// Accept implements [net.Listener].
func (d *door) Accept() (net.Conn, error) {
	for {
		uc, err := d.AcceptUnix()
		if err != nil {
			return nil, err
		}
		c := &conn{UnixConn: uc, caller: callerAt(uc), door: d, patience: writeTimeout}
		if d.admit(c.caller.countedAs()) {
			return c, nil
		}
		uc.Close()
	}
}

// admit counts a connection in, unless its user has enough.
func (d *door) admit(uid uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case uid == 0 || uid == d.own:
		if d.inside[uid] >= maxOwn {
			return false
		}
	case d.inside[uid] >= maxStranger || d.strangers >= maxStrangers:
		return false
	default:
		d.strangers++
	}
	d.inside[uid]++
	return true
}

func (d *door) leave(uid uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if uid != 0 && uid != d.own {
		d.strangers--
	}
	if d.inside[uid]--; d.inside[uid] == 0 {
		delete(d.inside, uid)
	}
}

// conn is a connection that somebody has through a door. A peer that does not
// read is not waited for long.
type conn struct {
	*net.UnixConn

	caller   caller
	door     *door
	left     sync.Once
	patience time.Duration // writeTimeout, shorter in tests
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.UnixConn.Write(p)
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.left.Do(func() { c.door.leave(c.caller.countedAs()) })
	return c.UnixConn.Close()
}

func callerAt(uc *net.UnixConn) caller {
	raw, err := uc.SyscallConn()
	if err != nil {
		return caller{err: err}
	}
	var c caller
	if err := raw.Control(func(fd uintptr) { c.cred, c.err = peer.Of(int(fd)) }); err != nil {
		c.err = err
	}
	return c
}
