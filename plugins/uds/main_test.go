package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transporttest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

func endpoint(address string, options ...string) *transportv1.Endpoint {
	ep := &transportv1.Endpoint{Id: "test@uds", Scheme: "uds", Address: address, Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		ep.Options[options[i]] = options[i+1]
	}
	return ep
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	regular, folder, link := in("regular"), in("folder"), in("link")
	if err := os.WriteFile(regular, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(regular, link); err != nil {
		t.Fatal(err)
	}

	transporttest.Run(t, transporttest.Plugin{
		Path:     transporttest.Build(t, "."),
		Manifest: manifest,
		Binds: []transporttest.Bind{
			{
				Name: "S25 stream", Endpoint: endpoint(in("stream")), Type: unix.SOCK_STREAM,
				Check: wantNode(in("stream"), 0o666, os.Getuid(), os.Getgid()),
			},
			{
				Name: "seqpacket", Endpoint: endpoint(in("seqpacket"), "kind", "seqpacket", "mode", "0600"), Type: unix.SOCK_SEQPACKET,
				Check: wantNode(in("seqpacket"), 0o600, os.Getuid(), os.Getgid()),
			},
			{
				Name: "S26 dgram", Endpoint: endpoint(in("dgram"), "kind", "dgram", "mode", "0660", "user", fmt.Sprint(os.Getuid()), "group", fmt.Sprint(os.Getgid())),
				Type:  unix.SOCK_DGRAM,
				Check: wantNode(in("dgram"), 0o660, os.Getuid(), os.Getgid()),
			},
			{
				Name: "S24 missing directories", Endpoint: endpoint(in("a/b/c/sock"), "dir-mode", "0750"), Type: unix.SOCK_STREAM,
				Check: wantDirs(0o750, in("a"), in("a/b"), in("a/b/c")),
			},
			{Name: "abstract", Endpoint: endpoint("@" + in("abstract")), Type: unix.SOCK_STREAM},
			{Name: "107 bytes", Endpoint: endpoint(pad(dir, 107)), Type: unix.SOCK_STREAM},
		},
		Many: func(i int) *transportv1.Endpoint { return endpoint(in(fmt.Sprintf("many%d", i))) },
		Options: map[string][]string{
			"user":      {fmt.Sprint(os.Getuid())},
			"group":     {fmt.Sprint(os.Getgid())},
			"dir-user":  {fmt.Sprint(os.Getuid())},
			"dir-group": {fmt.Sprint(os.Getgid())},
			"symlinks":  {fmt.Sprintf("[%q]", in("links/link"))},
		},
		Refusals: []transporttest.Refusal{
			{Name: "S28 regular file", Endpoint: endpoint(regular), Code: transport.AddressInUse},
			{Name: "S28 directory", Endpoint: endpoint(folder), Code: transport.AddressInUse},
			{Name: "S28 symbolic link", Endpoint: endpoint(link), Code: transport.AddressInUse},
			{Name: "below a file", Endpoint: endpoint(regular + "/sock"), Code: transport.InvalidAddress},
			{Name: "108 bytes", Endpoint: endpoint(pad(dir, 108)), Code: transport.InvalidAddress},
			{Name: "unknown user", Endpoint: endpoint(in("x"), "user", "no such user"), Code: transport.InvalidOption},
			{Name: "unknown group", Endpoint: endpoint(in("x"), "group", "no such group"), Code: transport.InvalidOption},
			{Name: "unknown kind", Endpoint: endpoint(in("x"), "kind", "raw"), Code: transport.InvalidOption},
			{Name: "mode of an abstract socket", Endpoint: endpoint("@x", "mode", "0600"), Code: transport.InvalidOption},
		},
	})

	if text, err := os.ReadFile(regular); err != nil || string(text) != "kept" {
		t.Errorf("the regular file has %q (%v)", text, err)
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(in("x")); err == nil {
		t.Error("a refused bind left a node")
	}
}

// pad returns a path below dir of that many bytes.
func pad(dir string, n int) string {
	path := dir + "/"
	for len(path) < n {
		path += "x"
	}
	return path
}

func wantNode(path string, mode fs.FileMode, uid, gid int) func(*testing.T, int) {
	return func(t *testing.T, _ int) {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if got := fs.FileMode(st.Mode & 0o7777); st.Mode&unix.S_IFMT != unix.S_IFSOCK || got != mode {
			t.Errorf("%s has mode %#o, want a socket with %#o", path, st.Mode, mode)
		}
		if int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
		}
	}
}

func wantDirs(mode fs.FileMode, dirs ...string) func(*testing.T, int) {
	return func(t *testing.T, _ int) {
		t.Helper()
		for _, dir := range dirs {
			fi, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode().Perm() != mode {
				t.Errorf("%s has mode %#o, want %#o", dir, fi.Mode().Perm(), mode)
			}
		}
	}
}
