package peer

import (
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/ownthread"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keepsDescriptors fails the test if it ends with another number of open
// descriptors than it began with.
func keepsDescriptors(t *testing.T) {
	t.Helper()
	// Go opens its poller with the first socket and keeps it.
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	before := descriptors(t)
	t.Cleanup(func() {
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, %d were before the test", after, before)
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// socket opens a socket that is closed with the test.
func socket(t *testing.T, domain, typ, protocol int) int {
	t.Helper()
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func bind(t *testing.T, fd int, sa unix.Sockaddr) {
	t.Helper()
	if err := unix.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T, fd int) {
	t.Helper()
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
}

// asUser runs f on a thread of its own that has dropped its identity for good.
func asUser(t *testing.T, uid, gid uint32, groups []uint32, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	if err := ownthread.As(uid, gid, groups, f); err != nil {
		t.Fatal(err)
	}
}
