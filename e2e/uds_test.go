package e2e

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const unixSockets = `
-- app.toml --
[[socket]]
name = "absolute"
type = "uds"
listen = "$DIR/abs/a.sock"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "relative"
type = "uds"
listen = "deep/er/r.sock"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "abstract"
type = "uds"
listen = "@$DIR/abstract"
owner = "app"
lifecycle = "owned"

[[socket]]
name = "datagrams"
type = "uds"
listen = "d.sock"
options = { kind = "dgram" }
owner = "app"
lifecycle = "owned"

[[socket]]
name = "packets"
type = "uds"
listen = "p.sock"
options = { kind = "seqpacket" }
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	b := run(t, unixSockets)
	for _, tt := range []struct{ name, network, path string }{
		{"S23 absolute path", "unix", b.file("abs/a.sock")},
		{"S24 relative path, parents made", "unix", b.file("sock/deep/er/r.sock")},
		{"abstract name", "unix", "@" + b.file("abstract")},
		{"datagrams", "unixgram", b.file("sock/d.sock")},
		{"sequenced packets", "unixpacket", b.file("sock/p.sock")},
	} {
		if got := b.must(tt.network, tt.path, "echo hello"); got != "hello" {
			t.Errorf("%s: answer %q, want hello", tt.name, got)
		}
		if strings.HasPrefix(tt.path, "@") {
			continue
		}
		info, err := os.Lstat(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != os.ModeSocket|0o666 {
			t.Errorf("%s: S25 mode is %v, want a socket with 0666", tt.name, got)
		}
	}
}

func TestS26ModeAndOwnerOfThePath(t *testing.T) {
	t.Parallel()
	nobody := needUser(t, "nobody")
	b := run(t, `
-- app.toml --
[[socket]]
name = "private"
type = "uds"
listen = "p.sock"
options = { mode = "0600", user = "nobody", group = "`+nobody.Gid+`" }
`)
	info, err := os.Lstat(b.file("sock/p.sock"))
	if err != nil {
		t.Fatal(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no stat")
	}
	got := fmt.Sprintf("%v %d:%d", info.Mode().Perm(), st.Uid, st.Gid)
	if want := fmt.Sprintf("-rw------- %s:%s", nobody.Uid, nobody.Gid); got != want {
		t.Errorf("the path has %s, want %s", got, want)
	}
}

// needUser returns a user; tests that change users run as root only.
func needUser(t *testing.T, name string) *user.User {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may give files and processes to other users")
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const oneUnixSocket = `
-- app.toml --
[[socket]]
name = "api"
type = "uds"
listen = "api.sock"
owner = "app"
lifecycle = "owned"

[[service]]
name = "app"
run = { exec = "$PROBE", args = ["-id", "app"] }
`

func TestS27StalePathIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBed(t, oneUnixSocket)
	b.compile()
	// What a server that was killed leaves: a node that nobody listens on.
	path := b.file("sock/api.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l := listenUnix(t, path)
	l.SetUnlinkOnClose(false)
	l.Close()
	b.start()
	if got := b.must("unix", path, "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}
}

func listenUnix(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestS28S31WhatIsAtThePathIsLeftAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		make  func(t *testing.T, path string)
		check func(t *testing.T, path string)
	}{
		{
			name: "file",
			make: func(t *testing.T, path string) {
				t.Helper()
				if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			check: func(t *testing.T, path string) {
				t.Helper()
				if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
					t.Errorf("the file has %q, %v", got, err)
				}
			},
		},
		{
			name: "directory",
			make: func(t *testing.T, path string) {
				t.Helper()
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			check: func(t *testing.T, path string) {
				t.Helper()
				if info, err := os.Lstat(path); err != nil || !info.IsDir() {
					t.Errorf("the directory is %v, %v", info, err)
				}
			},
		},
		{
			name: "symbolic link",
			make: func(t *testing.T, path string) {
				t.Helper()
				if err := os.Symlink("nowhere", path); err != nil {
					t.Fatal(err)
				}
			},
			check: func(t *testing.T, path string) {
				t.Helper()
				if got, err := os.Readlink(path); err != nil || got != "nowhere" {
					t.Errorf("the link leads to %q, %v", got, err)
				}
				if _, err := os.Lstat(filepath.Join(filepath.Dir(path), "nowhere")); !os.IsNotExist(err) {
					t.Errorf("something was made where the link leads: %v", err)
				}
			},
		},
		{
			name: "live socket",
			make: func(t *testing.T, path string) {
				t.Helper()
				listenUnix(t, path)
			},
			check: func(t *testing.T, path string) {
				t.Helper()
				conn, err := net.Dial("unix", path)
				if err != nil {
					t.Errorf("the live socket: %v", err)
					return
				}
				conn.Close()
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, oneUnixSocket)
			b.compile()
			path := b.file("sock/api.sock")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			tt.make(t, path)
			b.start()
			s := b.awaitSocket("app@api", "failed")
			if !strings.Contains(s.LastError, path) {
				t.Errorf("S28 the error %q does not name %s", s.LastError, path)
			}
			b.refused("failed", "start", "socket", "app@api")
			tt.check(t, path)

			// S31: once the cause is gone, start succeeds.
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			b.do("start", "socket", "app@api")
			if got := b.must("unix", path, "echo hello"); got != "hello" {
				t.Errorf("answer %q, want hello", got)
			}
		})
	}
}
