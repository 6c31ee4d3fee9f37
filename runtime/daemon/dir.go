package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// dirMode lets ordinary users reach the control socket.
	dirMode = 0o755

	// maxLockTries bounds how often the lock may be removed, by a daemon that
	// ends, between our open and our lock.
	maxLockTries = 100
)

// dirLock is the right to use a runtime directory, which one daemon has at a time.
// It ends with the process, whatever happens.
type dirLock struct{ file *os.File }

// lockDir makes the directory if need be and takes its lock.
func lockDir(dir string) (*dirLock, error) {
	lock, err := lockIn(dir)
	if err != nil {
		return nil, fmt.Errorf("runtime directory: %w (--runtime-dir chooses another one)", err)
	}
	return lock, nil
}

func lockIn(dir string) (*dirLock, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	for range maxLockTries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if locked {
			return &dirLock{f}, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("lock %s: it is removed again and again", path)
}

// makeDir makes a directory that is not there, with the mode that it is to have
// whatever the umask is.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return os.Chmod(dir, dirMode)
}

// tryLock reports whether f is locked and still the file that others will open:
// a daemon that ends removes its lock, and a lock on a file that is nowhere keeps
// nobody out.
func tryLock(f *os.File) (bool, error) {
	if err := flock(f); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, fmt.Errorf("%s is in use by another rindrun%s: stop it first", filepath.Dir(f.Name()), holder(f))
		}
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	ours, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(f.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !os.SameFile(ours, there):
		return false, nil
	}
	if err := f.Truncate(0); err != nil {
		return false, err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	return err == nil, err
}

// flock takes an exclusive lock without waiting. It uses SyscallConn and not Fd,
// which would make the file blocking.
func flock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lerr error
	err = raw.Control(func(fd uintptr) { lerr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return cmp.Or(err, lerr)
}

// holder is the process id in a lock that somebody else has, for people: " (pid
// 12)", or nothing when it is just being written.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// release gives the directory to whoever wants it next. The file goes first: who
// has it open already will find out, see tryLock.
func (l *dirLock) release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}
