package proc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// S90: whatever fails, the error names it and nothing is left (check).
func TestS90FailedStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lost := write("lost", "#!/no/such/interpreter\n", 0o755)
	plain := write("plain", "text", 0o644)
	garbage := write("garbage", "\x7fELF garbage", 0o755)
	ok := func(change func(*Spec)) *Spec {
		s := &Spec{Exec: "/bin/true", Stdin: Null, Stdout: Null, Stderr: Null}
		change(s)
		return s
	}
	program := func(path string) *Spec { return ok(func(s *Spec) { s.Exec = path }) }
	file := func(f File) *Spec { return ok(func(s *Spec) { s.Files = []File{f} }) }
	tests := []struct {
		name string
		spec *Spec
		want string
		is   error
	}{
		{"no program", program("/no/such"), "exec /no/such: no such file or directory", unix.ENOENT},
		{"not in PATH", program("no-such"), "exec no-such: no such file or directory in PATH " + defaultPath, unix.ENOENT},
		{"relative", program("a/b"), `exec "a/b": must be an absolute path, or a bare name to search in PATH`, nil},
		{"empty", program(""), `exec "": must be an absolute path, or a bare name to search in PATH`, nil},
		{"directory", program(dir), "exec " + dir + ": permission denied (not a regular file)", unix.EACCES},
		{"not executable", program(plain), "exec " + plain + ": permission denied (not executable: chmod +x)", unix.EACCES},
		{
			"no interpreter", program(lost),
			"exec " + lost + ": no such file or directory (the file is there, but the interpreter it names is not)", unix.ENOENT,
		},
		{
			"no program format", program(garbage),
			"exec " + garbage + ": exec format error (neither a program of this machine nor a script that begins with #!)", unix.ENOEXEC,
		},
		{
			"too long", ok(func(s *Spec) { s.Args = []string{strings.Repeat("x", 200<<10)} }),
			"exec /bin/true: argument list too long (arguments and environment are too long)", unix.E2BIG,
		},
		{"no directory", ok(func(s *Spec) { s.Dir = "/no/such" }), "chdir /no/such: no such file or directory", unix.ENOENT},
		{"NUL", ok(func(s *Spec) { s.Args = []string{"a\x00b"} }), `"a\x00b": a program, directory, argument or variable cannot have a NUL byte`, nil},
		{
			"no user", ok(func(s *Spec) { s.Cred = &Credential{UID: noID, GID: 1} }),
			`user 4294967295, group 1: 4294967295 is no id: the kernel takes it for "do not change"`, nil,
		},
		{"closed descriptor", file(File{FD: 987, Name: "x"}), `descriptor 987 for socket "x": bad file descriptor`, unix.EBADF},
		{"no descriptor", file(File{FD: -1, Name: "x"}), `descriptor -1 for socket "x": bad file descriptor`, unix.EBADF},
		{"name with colon", file(File{FD: 2, Name: "a:b"}), `descriptor name "a:b": must be at most 255 printable ASCII characters without ':'`, nil},
		{"closed stdout", ok(func(s *Spec) { s.Stdout = 987 }), "descriptor 987 for stdout: bad file descriptor", unix.EBADF},
		{"bad stdin", ok(func(s *Spec) { s.Stdin = -2 }), "descriptor -2 for stdin: bad file descriptor", unix.EBADF},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					checkLeaks(t)
					p, err := w.start(tt.spec)
					if err == nil {
						endGroup(t, p)
						t.Fatal("it started")
					}
					if err.Error() != tt.want {
						t.Errorf("error\n\t%s, want\n\t%s", err, tt.want)
					}
					if tt.is != nil && !errors.Is(err, tt.is) {
						t.Errorf("%#v is no %v", err, tt.is)
					}
				})
			}
		})
	}
}

func TestS90FailedStartAsUser(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	nobody := &Credential{UID: 65534, GID: 65534}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			_, err := w.start(&Spec{Exec: "/bin/true", Dir: dir, Cred: nobody, Stdin: Null, Stdout: Null, Stderr: Null})
			if want := "chdir " + dir + ": permission denied"; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			_, err = w.start(&Spec{Exec: script, Cred: nobody, Stdin: Null, Stdout: Null, Stderr: Null})
			want := "exec " + script + ": permission denied (the user of the service must be able to execute it and to search the directories above it)"
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

func TestStartNamesTheService(t *testing.T) {
	checkLeaks(t)
	_, err := Start(&Spec{Name: "service web@app", Exec: "/no/such", Stdin: Null, Stdout: Null, Stderr: Null})
	if want := "service web@app: exec /no/such: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
