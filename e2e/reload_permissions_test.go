package e2e

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A reload that changes who holds a permission changes it in place: who waits goes on
// waiting at the same listener.
func TestS107S132ReloadOfPermissions(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := run(t, grantUnits)
	b.awaitSocket("ops@path", "listening")
	b.awaitSocket("ops@bell", "listening")
	b.lets(plain(4001), true)
	b.lets(plain(4003), false)
	b.do("stop", "service", "app")
	b.awaitSocket("ops@path", "listening")
	b.do("pause", "path")
	waiting := b.connected(plain(4005), b.file("sock/path.sock"))
	node := nodeOf(t, b.file("sock/path.sock"))

	_, units, _ := strings.Cut(grantUnits, "-- ops.toml --\n")
	b.write("units/ops.toml", b.expand(strings.Replace(units, `users = ["4001"]`, `users = ["4003"]`, 1)))
	b.compile()
	if out := b.do("reload", "--dry-run"); strings.Contains(out, "rebound") {
		t.Errorf("the dry run says that something is bound anew:\n%s", out)
	}
	b.do("reload")
	if now := nodeOf(t, b.file("sock/path.sock")); now != node {
		t.Errorf("the path was node %d and is %d", node, now)
	}
	b.do("resume", "path")
	if answer := b.over(waiting, "echo still"); answer != "still" {
		t.Errorf("who waited during the reload got %q", answer)
	}
	b.lets(plain(4003), true)
	b.lets(plain(4001), false)
	b.explains(plain(4001), 1, "neither the user nor a group holds ops@operators")
}

// nodeOf returns the inode number of a path.
func nodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}
