package proc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestOutputLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"empty lines", []string{"\n\n"}, []string{"", ""}},
		{"one line in parts", []string{"a", "b", "\nc", "\n"}, []string{"ab", "c"}},
		{"unfinished line", []string{"a\nb"}, []string{"a", "b"}},
		{"bytes as they are", []string{"\x1b[31m\x00\xff\r\n"}, []string{"\x1b[31m\x00\xff\r"}},
		{"longest line", []string{long[1:] + "\n"}, []string{long[1:]}},
		{"line of the buffer's size", []string{long + "\n"}, []string{long, ""}},
		{"too long line", []string{long + long + "yz\na\n"}, []string{long, long, "yz", "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkLeaks(t)
			out, err := OpenOutput()
			if err != nil {
				t.Fatal(err)
			}
			w, err := unix.FcntlInt(uintptr(out.FD()), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.writes { // less than a pipe holds
				if _, err := unix.Write(w, []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			unix.Close(w)
			if diff := cmp.Diff(tt.want, collect(t.Context(), t, out)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func collect(ctx context.Context, t *testing.T, out *Output) (got []string) {
	t.Helper()
	if err := out.Run(ctx, func(line []byte) { got = append(got, string(line)) }); err != nil {
		t.Errorf("Run: %v", err)
	}
	return got
}

// A descendant keeps the pipe open. The end of the context ends Run, after what
// was printed, whether Run had begun or not.
func TestOutputEndsWithContext(t *testing.T) {
	checkLeaks(t)
	out, err := OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(&Spec{
		Exec: "/bin/sh", Args: []string{"-c", "echo one; sleep 1000 & printf two"},
		Stdin: Null, Stdout: out.FD(), Stderr: out.FD(),
	})
	if err != nil {
		t.Fatal(errors.Join(err, out.Close()))
	}
	defer endGroup(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	var got []string
	run.Go(func() { got = collect(ctx, t, out) })
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	run.Wait()
	if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
}

// A writer that never rests cannot keep Run.
func TestOutputEndsInFlood(t *testing.T) {
	checkLeaks(t)
	out, err := OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(&Spec{Exec: "yes", Stdin: Null, Stdout: out.FD(), Stderr: Null})
	if err != nil {
		t.Fatal(errors.Join(err, out.Close()))
	}
	defer endGroup(t, p)
	var once sync.Once
	flowing := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := out.Run(ctx, func([]byte) { once.Do(func() { close(flowing) }) }); err != nil {
			t.Error(err)
		}
	})
	<-flowing
	cancel()
	run.Wait()
	if exit, err := p.Wait(t.Context()); err != nil || exit.Signal != unix.SIGPIPE {
		t.Errorf("the writer ended with %v, %v", exit, err)
	}
}

func TestOutputWithoutRun(t *testing.T) {
	checkLeaks(t)
	out, err := OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := out.Run(t.Context(), func([]byte) {}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Run after Close = %v, want os.ErrClosed", err)
	}
}

func TestLogLines(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	LogLines(log, "app@web", 42)([]byte("red \x1b[31m"))
	want := `level=INFO msg="service output" service=app@web pid=42 line="red \x1b[31m"` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
