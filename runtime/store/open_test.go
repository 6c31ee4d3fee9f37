package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

func TestDirectoryIsMade(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := must(t, dir)
	for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, file(dir): 0o600, filepath.Join(dir, lockName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
	if got := s.Status().Path; got != file(dir) {
		t.Errorf("the status names %s, want %s", got, file(dir))
	}
}

// The mode of a directory that is there already is the administrator's.
func TestDirectoryStaysAsItIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	must(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v (%v), want 0700", info.Mode(), err)
	}
}

func TestInUse(t *testing.T) {
	t.Run("by another process", func(t *testing.T) {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), victimEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}()
		if _, err := out.Read(make([]byte, 1)); err != nil { // it has acknowledged something
			t.Fatal(err)
		}
		_, err = Open(Options{Dir: dir})
		if want := fmt.Sprintf("state directory: %s is in use by another rindrun (pid %d): stop it, or choose another directory", dir, cmd.Process.Pid); err == nil || err.Error() != want {
			t.Errorf("Open while another process has it:\n%v, want\n%s", err, want)
		}
	})
	t.Run("by a tool", func(t *testing.T) {
		dir := t.TempDir()
		shut(t, must(t, dir))
		db, err := bbolt.Open(file(dir), fileMode, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		want := fmt.Sprintf("state directory: %s is in use by another process (pid %d): stop it first", file(dir), os.Getpid())
		if _, err := Open(Options{Dir: dir}); err == nil || err.Error() != want {
			t.Errorf("Open while a tool has it: %v, want\n%s", err, want)
		}
	})
	t.Run("and then no more", func(t *testing.T) {
		dir := t.TempDir()
		shut(t, must(t, dir))
		must(t, dir)
	})
}

func TestCannotBeOpened(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) string // returns the directory to open
		want    string
	}{
		{"a file in place of the directory", func(t *testing.T, dir string) string {
			t.Helper()
			path := filepath.Join(dir, "f")
			write(t, path, nil)
			return path
		}, "is no directory"},
		{"below a file", func(t *testing.T, dir string) string {
			t.Helper()
			path := filepath.Join(dir, "f")
			write(t, path, nil)
			return filepath.Join(path, "s")
		}, "not a directory"},
		{"a directory in place of the file", func(t *testing.T, dir string) string {
			t.Helper()
			if err := os.Mkdir(file(dir), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is no regular file"},
		{"a link in place of the lock", func(t *testing.T, dir string) string {
			t.Helper()
			if err := os.Symlink("/dev/null", filepath.Join(dir, lockName)); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "symbolic links"},
		{"read-only", func(t *testing.T, dir string) string {
			t.Helper()
			mount(t, dir, syscall.MS_RDONLY, "")
			return filepath.Join(dir, "s")
		}, "read-only file system"},
		{"read-only, and there", func(t *testing.T, dir string) string {
			t.Helper()
			mount(t, dir, syscall.MS_RDONLY, "")
			return dir
		}, "read-only file system"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.prepare(t, t.TempDir())
			s, err := Open(Options{Dir: dir})
			if err == nil {
				shut(t, s)
				t.Fatal("it was opened")
			}
			if text := err.Error(); !strings.Contains(text, tt.want) || !strings.HasPrefix(text, "state directory: ") || !strings.Contains(text, dir) {
				t.Errorf("error %q, want the path and %q", text, tt.want)
			}
		})
	}
}

// mount mounts an empty file system in memory on dir until the end of the test.
func mount(t *testing.T, dir string, flags uintptr, data string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, data); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// On a full disk a change is refused, kept, and written as soon as it can be.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, 0, "size=512k")
	saved := make(chan struct{})
	logged := &logBuffer{await: "states are saved again", seen: saved}
	s, err := Open(Options{Dir: dir, Log: logged.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	commit(t, s, set("a@x", "", "before"))
	fill := filepath.Join(dir, "fill")
	write(t, fill, nil)
	f, err := os.OpenFile(fill, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	large := strings.Repeat("large", 20_000)
	err = s.Commit(set("a@x", "", "after"), set("b@y", "", large))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), file(dir)) {
		t.Errorf("commit on a full disk: %v", err)
	}
	if err := s.Commit(set("c@z", "", "more")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("another commit on a full disk: %v", err)
	}
	if st := s.Status(); st.Unsaved != 3 || !errors.Is(st.Trouble, syscall.ENOSPC) {
		t.Errorf("status %+v, want 3 unsaved branches and the reason", st)
	}
	expect(t, s, "a@x[]=before")
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	<-saved // without anybody's doing
	if st := s.Status(); st.Unsaved != 0 || st.Trouble != nil {
		t.Errorf("status %+v, want no trouble", st)
	}
	expect(t, s, "a@x[]=after", "b@y[]="+large, "c@z[]=more")
	shut(t, s)
	expect(t, must(t, dir), "a@x[]=after", "b@y[]="+large, "c@z[]=more")
	if n := strings.Count(logged.String(), "states cannot be saved"); n != 1 {
		t.Errorf("the log complains %d times, want once:\n%s", n, logged)
	}
}

// What is not on disk at the end is lost, and Close says so.
func TestClosedOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, 0, "size=64k")
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(set("b@y", "", strings.Repeat("large", 100_000))); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("commit on a full disk: %v", err)
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "1 unsaved") {
		t.Errorf("close: %v", err)
	}
	expect(t, must(t, dir))
}

// Whatever somebody does to the file of a running store, nothing is acknowledged
// that is not on disk, and the process goes on.
func TestFileIsTamperedWith(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(path string) error
		want   string
	}{
		{"removed", os.Remove, "no such file"},
		{"replaced", func(path string) error {
			content, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".tmp", content, fileMode), os.Rename(path+".tmp", path))
		}, "another file"},
		{"cut off", func(path string) error { return os.Truncate(path, 4096) }, "cut"},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }, "cut"},
		{"overwritten", func(path string) error {
			content, err := os.ReadFile(path)
			for i := 2 * os.Getpagesize(); i < len(content); i++ {
				content[i] = 0xff
			}
			f, ferr := os.OpenFile(path, os.O_WRONLY, 0)
			if err := errors.Join(err, ferr); err != nil {
				return err
			}
			_, err = f.WriteAt(content, 0)
			return errors.Join(err, f.Close())
		}, "cannot be read any more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			commit(t, s, set("a@x", "", "before"))
			if err := tt.tamper(file(dir)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				err := s.Commit(set("a@x", "", "after"))
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "restart rindrun") || !strings.Contains(err.Error(), file(dir)) {
					t.Errorf("commit: %v, want the path, %q and a remedy", err, tt.want)
				}
			}
			if st := s.Status(); st.Trouble == nil || st.Unsaved != 1 {
				t.Errorf("status %+v, want trouble", st)
			}
			if err := s.Close(t.Context()); err == nil {
				t.Error("close says that everything is fine")
			}
			// The lock is free, whatever became of the file.
			again, err := Open(Options{Dir: dir})
			if err != nil {
				if tt.name == "overwritten" && strings.Contains(err.Error(), "in use") {
					return // bbolt has it open, as long as this process lives
				}
				t.Fatal(err)
			}
			shut(t, again)
		})
	}
}

// What is mapped and not there any more is an error and not the end of the process.
func TestFaultIsAnError(t *testing.T) {
	dir, _ := filled(t)
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(t.Context()); err != nil { // it has nothing to write
			t.Error(err)
		}
	}()
	if err := os.Truncate(file(dir), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Load(); !errors.Is(err, errFaulted) || !strings.Contains(err.Error(), file(dir)) {
			t.Errorf("Load of a file that was emptied: %v", err)
		}
	}
}

// The pages of a failed transaction's end are written again before the next.
func TestReseal(t *testing.T) {
	dir, want := filled(t)
	before, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := reseal(file(dir), os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the file is another")
	}
	expect(t, must(t, dir), want...)
}
