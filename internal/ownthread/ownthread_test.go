package ownthread

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What is made on the thread is the user's, and nothing else in the process is.
func TestAs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may be other users")
	}
	dir, err := os.MkdirTemp("", "rind") //nolint:usetesting // the directories above t.TempDir are private
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	tid := 0
	err = As(4001, 4002, []uint32{4003}, func() error {
		tid = unix.Gettid()
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(unix.Fchown(fd, -1, 4003), unix.Close(fd)) // as a member of the group may
	})
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Uid != 4001 || st.Gid != 4003 {
		t.Errorf("the file belongs to %d:%d, want 4001:4003", st.Uid, st.Gid)
	}
	if tid == unix.Getpid() {
		t.Error("it was the first thread of the process")
	}
	Run(func() {
		if uid := unix.Geteuid(); uid != 0 {
			t.Errorf("another thread is user %d, want 0", uid)
		}
	})
}

// Who has become somebody cannot become somebody else.
func TestBecomeIsForGood(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may be other users")
	}
	err := As(4001, 4002, nil, func() error { return Become(4004, 4004, nil) })
	if e, ok := errors.AsType[*os.SyscallError](err); !ok || e.Syscall != "setgroups" || !errors.Is(err, unix.EPERM) {
		t.Errorf("Become: %v, want that setgroups is not permitted", err)
	}
}
