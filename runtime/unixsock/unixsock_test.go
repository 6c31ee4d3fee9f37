package unixsock

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, path string) *Listener {
	t.Helper()
	l, err := Listen(t.Context(), path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs.ModeSocket|0o666 {
		t.Errorf("mode %v, want that of a socket for everybody", got)
	}
	if _, err := Listen(t.Context(), path, 0o666); !errors.Is(err, ErrInUse) {
		t.Errorf("Listen where somebody listens: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("closing removes the node: %v", err)
	}
	if err := os.Link(path, path+".old"); err != nil { // so that its number is not free
		t.Fatal(err)
	}
	second := listen(t, path) // what is stale is replaced
	if err := first.Remove(); err != nil {
		t.Errorf("Remove of the first: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first has removed the node of the second: %v", err)
	}
	for range 2 { // also when it is gone
		if err := second.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestListenElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path, 0o666); !errors.Is(err, ErrNotSocket) {
		t.Errorf("Listen on a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if _, err := Listen(t.Context(), filepath.Join(path, "below"), 0o666); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Listen below a file: %v", err)
	}
}

// What was stale a moment ago may be somebody's now.
func TestRemoveIfSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := listen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	stale, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil { // so that its number is not free
		t.Fatal(err)
	}
	listen(t, path)
	if err := removeIfSame(path, stale); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of somebody else was removed: %v", err)
	}
}
