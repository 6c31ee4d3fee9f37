package proc

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// bare returns a script that begins a session and then does what steps adds.
func bare(t *testing.T, steps func(s *script)) *script {
	t.Helper()
	skipWithoutClone(t)
	checkLeaks(t)
	s := &script{image: newImage()}
	s.session()
	steps(s)
	return s
}

func (s *script) exec(path string, argv []string, env []arg) {
	s.add("exec", path, unix.SYS_EXECVE, s.image.text(path), s.image.list(s.image.texts(argv)), s.image.list(env))
}

// Without a filter, a refusal can only be a mistake in the call, which would hide
// behind the launcher.
func TestCloneIsNotRefused(t *testing.T) {
	filter, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil || filter != 0 {
		t.Skipf("seccomp mode %d, %v: a filter may refuse clone3", filter, err)
	}
	_, err = way{via: startClone}.start(&Spec{Exec: "/nonexistent", Stdin: Null, Stdout: Null, Stderr: Null})
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("start = %v, want ENOENT of exec", err)
	}
}

// What the assembly formats, a shell repeats.
func TestAssemblyFormat(t *testing.T) {
	values := []uint64{0, 9, 10, 4095, 4096, 1<<32 + 7, math.MaxUint64 - 4095, math.MaxUint64}
	out, err := OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	s := bare(t, func(s *script) {
		var env []arg
		for i, v := range values {
			kv, digits := s.image.textAndRoom("V"+string(rune('A'+i))+"=", maxUint64Text)
			s.add("format", "", callFormat, num(v), digits)
			env = append(env, kv)
		}
		s.add("dup", "", unix.SYS_DUP3, num(out.FD()), num(1), num(0))
		s.exec("/bin/sh", []string{"sh", "-c", "echo $VA $VB $VC $VD $VE $VF $VG $VH"}, env)
	})
	p, err := s.clone(&job{}, startTimeout)
	if err != nil {
		t.Fatal(errors.Join(err, out.Close()))
	}
	defer endGroup(t, p)
	want := []string{"0 9 10 4095 4096 4294967303 18446744073709547520 18446744073709551615"}
	if diff := cmp.Diff(want, collect(t.Context(), t, out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Before exec, the new process is stopped, killed or dumps core: an error that
// says where, and nothing is left.
func TestCloneThatDoesNotArrive(t *testing.T) {
	sendSelf := func(s *script, sig unix.Signal) {
		get := s.add("getpid", "", unix.SYS_GETPID)
		s.feed(get, s.add("signal", "itself", unix.SYS_KILL, arg{}, num(int(sig))))
	}
	tests := []struct {
		name  string
		steps func(s *script)
		want  string
	}{
		{"waits", func(s *script) { s.add("pause", "", unix.SYS_PAUSE) }, "pause: not done within 50ms, killed"},
		{"stopped", func(s *script) { sendSelf(s, unix.SIGSTOP) }, "not done within 50ms, killed"},
		{"killed", func(s *script) { sendSelf(s, unix.SIGKILL) }, "killed before it was done"},
		{"fails", func(s *script) { s.add("close", "it", unix.SYS_CLOSE, num(987)) }, "close it: bad file descriptor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := bare(t, tt.steps)
			s.exec("/bin/true", []string{"true"}, nil)
			p, err := s.clone(&job{}, 50*time.Millisecond)
			if err == nil {
				endGroup(t, p)
				t.Fatal("it started")
			}
			if !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}
