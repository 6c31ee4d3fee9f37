package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// awaitReason waits until a socket is in a state for a reason.
func (b *bed) awaitReason(name, state, reason string) *controlv1.SocketStatus {
	b.t.Helper()
	st := b.await(fmt.Sprintf("%s is %s because of %q", name, state, reason), func(st *controlv1.StatusResponse) bool {
		s := b.socketOf(st, name)
		return s.State == state && strings.Contains(s.Reason, reason)
	})
	return b.socketOf(st, name)
}

func TestS146NodeIsGone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, path string)
		want string
	}{
		{name: "deleted", want: "was deleted: bound anew", do: func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
		// To who looks only afterwards, it was deleted.
		{name: "renamed", want: "bound anew", do: func(t *testing.T, path string) {
			t.Helper()
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(path + ".away") })
		}},
		{name: "directory removed", want: "bound anew", do: func(t *testing.T, path string) {
			t.Helper()
			// Renamed first: the daemon makes it anew faster than it can be emptied.
			dir := filepath.Dir(path)
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir + ".away"); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "replaced by a dead socket", want: "was replaced by another socket: bound anew", do: func(t *testing.T, path string) {
			t.Helper()
			l := listenUnix(t, path+".new")
			l.SetUnlinkOnClose(false)
			l.Close()
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, oneUnixSocket)
			path := b.file("sock/api.sock")
			tt.do(t, path)
			b.awaitReason("app@api", "listening", tt.want)
			if got := b.must("unix", path, "echo hello"); got != "hello" {
				t.Errorf("answer %q, want hello", got)
			}
			if tt.name == "renamed" {
				os.Remove(path + ".away")
			}
			b.logs(0, "socket bound anew")
		})
	}
}

func TestS145S146SomethingElseIsThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		put   func(t *testing.T, path string) // and leaves it alone
		want  string
		check func(t *testing.T, path string)
	}{
		{
			name: "file", want: "a regular file",
			put: func(t *testing.T, path string) {
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
			name: "live socket", want: fmt.Sprintf("a live socket of another process is there (stop that process or choose another path): held by %s", myself()),
			put: func(t *testing.T, path string) {
				t.Helper()
				untouched(t, listenUnix(t, path))
			},
			check: func(t *testing.T, path string) {
				t.Helper()
				if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
					t.Errorf("the live socket's node is %v, %v", info, err)
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := run(t, oneUnixSocket)
			path := b.file("sock/api.sock")
			tt.put(t, b.file("put"))
			if err := os.Rename(b.file("put"), path); err != nil {
				t.Fatal(err)
			}
			s := b.awaitSocket("app@api", "failed")
			if !strings.Contains(s.LastError, path) || !strings.Contains(s.LastError, tt.want) {
				t.Errorf("the error is %q, want %s and %q", s.LastError, path, tt.want)
			}
			tt.check(t, path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			b.do("start", "socket", "app@api")
			if got := b.must("unix", path, "echo hello"); got != "hello" {
				t.Errorf("answer %q, want hello", got)
			}
		})
	}
}

func TestS146OwnerHasTheListener(t *testing.T) {
	t.Parallel()
	b := run(t, oneUnixSocket)
	path := b.file("sock/api.sock")
	b.must("unix", path, "echo hello")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b.awaitReason("app@api", "held", "nobody can connect until its owner app@app is down")
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("something is at the path while the owner runs: %v", err)
	}
	b.do("stop", "service", "app@app")
	b.awaitReason("app@api", "listening", "was deleted: bound anew")
	if got := b.must("unix", path, "echo hello"); got != "hello" {
		t.Errorf("answer %q, want hello", got)
	}
}

// What waits in the listener that nobody can reach is served.
func TestS146WhatWaitsIsKept(t *testing.T) {
	t.Parallel()
	b := run(t, strings.Replace(oneUnixSocket, `lifecycle = "owned"`, `lifecycle = "managed"`, 1))
	path := b.file("sock/api.sock")
	var waiting []net.Conn
	for i := range 100 { // more than are forwarded at a time
		conn, err := b.dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "echo %d\n", i); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, conn)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b.awaitReason("app@api", "listening", "was deleted: bound anew")
	b.do("start", "service", "app@app")
	for i, conn := range waiting {
		var got int
		if _, err := fmt.Fscan(conn, &got); err != nil || got != i {
			t.Fatalf("client %d gets %d, %v", i, got, err)
		}
		conn.Close() // makes room for the next
	}
}

// Those that nobody owns are served where they wait.
func TestS146WhatWaitsWithoutOwner(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- app.toml --
[[socket]]
name = "api"
type = "uds"
listen = "api.sock"
trigger = [{ state = "seen", payload = { from = "access:data" } }]

[[state]]
name = "seen"
payload = "bytes"
`)
	path := b.file("sock/api.sock")
	b.do("pause", "app@api")
	conn, err := b.dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b.awaitReason("app@api", "paused", "was deleted: bound anew")
	if _, err := fmt.Fprint(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	b.awaitState("app@seen", "hello")
}

func TestS146HundredDeletions(t *testing.T) {
	t.Parallel()
	b := run(t, oneUnixSocket)
	path := b.file("sock/api.sock")
	deletions := 0
	anew := func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		deletions++
		b.eventually("a new node", func() bool {
			return strings.Count(b.log.String(), `"problem":"socket bound anew"`) == deletions
		})
	}
	anew()
	before := b.footprint()
	for range 100 {
		anew()
	}
	b.awaitDescriptors(before.descriptors)
}
