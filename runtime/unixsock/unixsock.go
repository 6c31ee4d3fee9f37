// Package unixsock listens on the stream sockets that the daemon has for itself. It
// replaces what nobody listens on any more, and never touches what is somebody else's.
package unixsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// What may be at a path already.
var (
	ErrNotSocket = errors.New("it is not a socket")
	ErrInUse     = errors.New("somebody listens there")
)

// Listener is a socket with a path. Closing it leaves its node, for [Listener.Remove].
type Listener struct {
	*net.UnixListener

	path string
	node os.FileInfo
}

// Listen binds a path with a mode. A socket on which nobody listens, as connect(2) says,
// is replaced; the error is [ErrNotSocket] or [ErrInUse] if something else is there.
func Listen(ctx context.Context, path string, mode fs.FileMode) (*Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T is no unix listener", l), l.Close())
	}
	ul.SetUnlinkOnClose(false) // it would remove whatever is at the path by then
	out := &Listener{UnixListener: ul, path: path}
	if out.node, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, ul.Close())
	}
	if err = os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, ul.Close(), out.Remove())
	}
	return out, nil
}

// Remove removes the socket from the file system, if it is still the one that was bound.
func (l *Listener) Remove() error { return removeIfSame(l.path, l.node) }

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s: %w", path, ErrNotSocket)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("%s: %w", path, ErrInUse), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return removeIfSame(path, info)
}

// removeIfSame removes what was at path before, and leaves alone what somebody
// else has put there since.
func removeIfSame(path string, before os.FileInfo) error {
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// A new node may have the number of one that is gone, but is newer.
	if !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()) {
		return nil
	}
	return os.Remove(path)
}
