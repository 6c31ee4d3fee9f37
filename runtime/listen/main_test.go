package listen

import (
	"net"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is what a table row needs to build what it is about.
type fixture struct{ *testing.T }

// keepsDescriptors fails the test if it ends with another number of open
// descriptors than it began with.
func keepsDescriptors(tb testing.TB) {
	tb.Helper()
	// Go opens its poller with the first socket and keeps it.
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	c.Close()
	before := descriptors(tb)
	tb.Cleanup(func() {
		if after := descriptors(tb); after != before {
			tb.Errorf("%d descriptors are open, %d were before the test", after, before)
		}
	})
}

func descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(entries)
}

// owned returns fd and closes it with the test.
func owned(tb testing.TB, fd int, err error) int {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			tb.Errorf("close of a descriptor that is ours: %v", err)
		}
	})
	return fd
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// on runs f on a thread of its own that ends afterwards, so that f may change
// what belongs to a thread: its namespaces, its identity.
func on(tb testing.TB, f func() error) {
	tb.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- f()
	}()
	must(tb, <-done)
}

func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root")
	}
}

// loopback and friends are addresses with a port that the kernel chooses.
func loopback() unix.Sockaddr  { return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}} }
func wildcard4() unix.Sockaddr { return &unix.SockaddrInet4{} }
func wildcard6() unix.Sockaddr { return &unix.SockaddrInet6{} }
func loopback6() unix.Sockaddr { return &unix.SockaddrInet6{Addr: [16]byte{15: 1}} }

// A tweak is what a plugin does to a socket between socket(2) and bind(2).
type tweak func(fd int) error

func flag(level, opt, value int) tweak {
	return func(fd int) error { return unix.SetsockoptInt(fd, level, opt, value) }
}

func mode(perm uint32) tweak {
	return func(fd int) error { return unix.Fchmod(fd, perm) }
}

// bound plays the plugin: a socket that is bound and nothing else, blocking, so
// that Verify has something to do.
func bound(tb testing.TB, typ, protocol int, sa unix.Sockaddr, tweaks ...tweak) int {
	tb.Helper()
	domain := unix.AF_UNIX
	switch sa.(type) {
	case *unix.SockaddrInet4:
		domain = unix.AF_INET
	case *unix.SockaddrInet6:
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, typ, protocol)
	if domain == unix.AF_INET6 && err == unix.EAFNOSUPPORT {
		tb.Skip("no IPv6 here")
	}
	owned(tb, fd, err)
	for _, f := range tweaks {
		must(tb, f(fd))
	}
	must(tb, unix.Bind(fd, sa))
	return fd
}

func boundTCP(tb testing.TB, sa unix.Sockaddr, tweaks ...tweak) int {
	tb.Helper()
	return bound(tb, unix.SOCK_STREAM, unix.IPPROTO_TCP, sa, tweaks...)
}

func boundUDP(tb testing.TB, sa unix.Sockaddr, tweaks ...tweak) int {
	tb.Helper()
	return bound(tb, unix.SOCK_DGRAM, unix.IPPROTO_UDP, sa, tweaks...)
}

// boundUnix makes the node with mode 0666, whatever the umask is: so it is
// asked for unless a test says otherwise.
func boundUnix(tb testing.TB, typ int, name string, tweaks ...tweak) int {
	tb.Helper()
	old := unix.Umask(0)
	defer unix.Umask(old)
	return bound(tb, typ, 0, &unix.SockaddrUnix{Name: name}, append([]tweak{mode(0o666)}, tweaks...)...)
}

// listening returns a published socket and its facts.
func listening(tb testing.TB, w Want, fd int) (int, Facts) {
	tb.Helper()
	facts, err := Verify(fd, w)
	must(tb, err)
	must(tb, Publish(fd, facts.Stream, 0))
	return fd, facts
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
