package notify

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// storeOf returns a store that watches, and what is gone from it; it must leave
// no descriptor.
func storeOf(t *testing.T, limitOf int) (*Store, <-chan string) {
	t.Helper()
	before := descriptors(t)
	s, err := NewStore(limitOf)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan string, 16)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func(owner, name string) { gone <- owner + " " + name }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, %d were before", after, before)
		}
	})
	return s, gone
}

func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

func add(t *testing.T, s *Store, owner, name string, poll bool, fds ...int) {
	t.Helper()
	if err := s.Add(owner, name, fds, poll); err != nil {
		t.Fatal(err)
	}
}

// names returns the names of what is kept, and checks that the copies are good.
func names(t *testing.T, s *Store, owner string) []string {
	t.Helper()
	copies, err := s.Copies(owner)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range copies {
		list = append(list, c.Name)
		if flags, err := unix.FcntlInt(uintptr(c.FD), unix.F_GETFD, 0); err != nil || flags != unix.FD_CLOEXEC {
			t.Errorf("the copy of %s has flags %d, %v", c.Name, flags, err)
		}
		unix.Close(c.FD)
	}
	return list
}

func TestS159Store(t *testing.T) {
	s, gone := storeOf(t, 3)
	a, far := pair(t)
	b, farB := pair(t)
	add(t, s, "app", "a", true, a)
	add(t, s, "app", "", true, b)
	add(t, s, "other", "a", true, dup(t, a))
	if diff := cmp.Diff([]string{"a", "stored"}, names(t, s, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	add(t, s, "app", "again", true, dup(t, a))
	if diff := cmp.Diff([]string{"a", "stored"}, names(t, s, "app")); diff != "" {
		t.Errorf("the same file again (-want +got):\n%s", diff)
	}

	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, farC := pair(t)
	err = s.Add("app", "more", []int{null, c}, true)
	if err == nil || !strings.Contains(err.Error(), "1 more than the 3") {
		t.Errorf("above the limit: %v", err)
	}
	unix.Close(farC)

	if n := s.Remove("app", "a"); n != 1 {
		t.Errorf("%d removed, want 1", n)
	}
	unix.Close(far)
	if got := next(t, gone); got != "other a" {
		t.Errorf("gone: %q, want that of the other service", got)
	}
	unix.Close(farB)
	if got := next(t, gone); got != "app stored" {
		t.Errorf("gone: %q", got)
	}
	if diff := cmp.Diff([]string{"more"}, names(t, s, "app")); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}
	if n := s.Remove("nobody", "a"); n != 0 || names(t, s, "nobody") != nil {
		t.Errorf("%d removed of a service that has nothing", n)
	}
}

// With FDPOLL=0 a descriptor stays when its other end is gone, and files are
// nothing to wait for.
func TestS159StoreWithoutPoll(t *testing.T) {
	s, gone := storeOf(t, 9)
	a, farA := pair(t)
	b, farB := pair(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.Open(file.Name(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, "app", "stays", false, a)
	add(t, s, "app", "goes", true, b)
	add(t, s, "app", "file", true, fd)
	unix.Close(farA)
	unix.Close(farB)
	if got := next(t, gone); got != "app goes" {
		t.Errorf("gone: %q", got)
	}
	if diff := cmp.Diff([]string{"stays", "file"}, names(t, s, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func next(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case s := <-from:
		return s
	case <-time.After(limit):
		t.Fatal("nothing happened")
	}
	return ""
}
