package fdpass_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// pair returns a channel whose ends are closed with the test.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	a, b, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fdpass.Close(a, b) })
	return a, b
}

// copies returns n descriptors of one file, which are closed with the test.
func copies(t *testing.T, n int) []int {
	t.Helper()
	fds := make([]int, n)
	for i := range fds {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { fdpass.Close(fd) })
		fds[i] = fd
	}
	return fds
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestPair(t *testing.T) {
	a, b := pair(t)
	for _, fd := range []int{a, b} {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags are %#x (%v), want close-on-exec", flags, err)
		}
		typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil || typ != unix.SOCK_SEQPACKET {
			t.Errorf("socket type is %d (%v), want SOCK_SEQPACKET", typ, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		msg  string
		fds  int
	}{
		{"message alone", "hello", 0},
		{"one descriptor", "hello", 1},
		{"as many as there can be", "hello", fdpass.Max},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := pair(t)
			sent := copies(t, tt.fds)
			if err := fdpass.Send(a, []byte(tt.msg), unix.MSG_DONTWAIT, sent...); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, len(tt.msg))
			n, got, err := fdpass.Recv(b, buf, unix.MSG_DONTWAIT)
			if err != nil {
				t.Fatal(err)
			}
			defer fdpass.Close(got...)
			if string(buf[:n]) != tt.msg || len(got) != tt.fds {
				t.Fatalf("received %q with %d descriptors, want %q with %d", buf[:n], len(got), tt.msg, tt.fds)
			}
			for i, fd := range got {
				if inode(t, fd) != inode(t, sent[i]) {
					t.Errorf("descriptor %d is another file", i)
				}
				flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
				if err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor %d has flags %#x (%v), want close-on-exec", i, flags, err)
				}
			}
		})
	}
}

func TestSendTooMany(t *testing.T) {
	a, b := pair(t)
	if err := fdpass.Send(a, []byte("x"), unix.MSG_DONTWAIT, copies(t, fdpass.Max+1)...); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Send of %d descriptors: %v, want EINVAL", fdpass.Max+1, err)
	}
	if _, _, err := fdpass.Recv(b, make([]byte, 1), unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("Recv after a failed Send: %v, want EAGAIN", err)
	}
}

// TestTruncatedMessage sends a message that is longer than the buffer: the
// descriptors fit, and must be closed all the same.
func TestTruncatedMessage(t *testing.T) {
	a, b := pair(t)
	if err := fdpass.Send(a, []byte("too long"), unix.MSG_DONTWAIT, copies(t, 3)...); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	n, fds, err := fdpass.Recv(b, make([]byte, 3), unix.MSG_DONTWAIT)
	if !errors.Is(err, fdpass.ErrTruncated) || fds != nil {
		t.Errorf("Recv = %d, %v, %v, want ErrTruncated without descriptors", n, fds, err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before it were %d", after, before)
	}
}

// TestTruncatedDescriptors receives more descriptors than the process may open:
// the kernel installs some of them.
func TestTruncatedDescriptors(t *testing.T) {
	a, b := pair(t)
	if err := fdpass.Send(a, []byte("x"), unix.MSG_DONTWAIT, copies(t, 20)...); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	highest, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fdpass.Close(highest)

	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: uint64(highest) + 5, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	n, fds, recvErr := fdpass.Recv(b, make([]byte, 1), unix.MSG_DONTWAIT)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(recvErr, fdpass.ErrTruncated) || fds != nil {
		t.Errorf("Recv = %d, %v, %v, want ErrTruncated without descriptors", n, fds, recvErr)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before it were %d", after, before)
	}
}

func TestEnd(t *testing.T) {
	a, b := pair(t)
	if err := unix.Shutdown(a, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if n, fds, err := fdpass.Recv(b, make([]byte, 8), 0); n != 0 || fds != nil || err != nil {
		t.Errorf("Recv at the end = %d, %v, %v, want 0, nil, nil", n, fds, err)
	}
	if err := fdpass.Send(b, []byte("x"), 0); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Send to nobody: %v, want EPIPE and no signal", err)
	}
}

func TestWouldBlock(t *testing.T) {
	_, b := pair(t)
	if _, _, err := fdpass.Recv(b, make([]byte, 8), unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("Recv from an empty channel: %v, want EAGAIN", err)
	}
}

// TestCredentialsBesideRights receives a control message of another kind, which
// a hostile sender can always add.
func TestCredentialsBesideRights(t *testing.T) {
	a, b := pair(t)
	if err := unix.SetsockoptInt(b, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	sent := copies(t, 2)
	cred := &unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	oob := append(unix.UnixCredentials(cred), unix.UnixRights(sent...)...)
	if err := unix.Sendmsg(a, []byte("x"), oob, nil, unix.MSG_DONTWAIT); err != nil {
		t.Fatal(err)
	}
	_, got, err := fdpass.Recv(b, make([]byte, 1), unix.MSG_DONTWAIT)
	if err != nil {
		t.Fatal(err)
	}
	defer fdpass.Close(got...)
	if len(got) != len(sent) {
		t.Errorf("%d descriptors beside credentials, want %d", len(got), len(sent))
	}
}
