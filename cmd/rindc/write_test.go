package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteFile(t *testing.T) {
	read := func(t *testing.T, name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	alone := func(t *testing.T, dir string, files int) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != files {
			t.Errorf("the directory has %v, want %d files (%v)", entries, files, err)
		}
	}
	t.Run("a new file", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "a")
		if err := writeFile(name, []byte("new")); err != nil || read(t, name) != "new" {
			t.Errorf("content %q, error %v", read(t, name), err)
		}
		alone(t, filepath.Dir(name), 1)
	})
	t.Run("mode and owner stay", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "a")
		put(t, name, "old")
		if err := os.Chmod(name, 0o604); err != nil {
			t.Fatal(err)
		}
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid, gid = 1234, 2345
			if err := os.Chown(name, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(name, []byte("new")); err != nil || read(t, name) != "new" {
			t.Fatalf("content %q, error %v", read(t, name), err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || info.Mode() != 0o604 || int(stat.Uid) != uid || int(stat.Gid) != gid {
			t.Errorf("mode %v, owner %+v, want 0604 and %d:%d", info.Mode(), stat, uid, gid)
		}
		alone(t, filepath.Dir(name), 1)
	})
	t.Run("a link stays a link", func(t *testing.T) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "a"), "old")
		if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(filepath.Join(dir, "link"), []byte("new")); err != nil {
			t.Fatal(err)
		}
		if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "a" || read(t, filepath.Join(dir, "a")) != "new" {
			t.Errorf("link to %q (%v), content %q", target, err, read(t, filepath.Join(dir, "a")))
		}
	})
	t.Run("nothing is left after an error", func(t *testing.T) {
		dir := t.TempDir()
		if err := writeFile(filepath.Join(dir, "no", "a"), []byte("new")); !os.IsNotExist(err) {
			t.Errorf("error %v", err)
		}
		alone(t, dir, 0)
	})
}
