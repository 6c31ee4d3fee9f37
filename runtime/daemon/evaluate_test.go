package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/runtime/flow"
)

// evaluator runs programs without a daemon, and must leave nothing.
type evaluator struct {
	*evaluations

	answers chan flow.Event
	said    *logBuffer
	end     func()
}

func newEvaluator(t *testing.T) *evaluator {
	t.Helper()
	checkLeaks(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var tasks sync.WaitGroup
	e := &evaluator{answers: make(chan flow.Event, 100), said: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(e.said, nil))
	r := &runner{ctx: ctx, tasks: &tasks, log: log, printed: log}
	e.evaluations = newEvaluations(r, []string{"PATH=/bin:/usr/bin", "A=1"}, func(ev flow.Event) { e.answers <- ev })
	e.end = func() {
		cancel()
		tasks.Wait()
	}
	t.Cleanup(e.end)
	return e
}

func (e *evaluator) next(t *testing.T) flow.Evaluated {
	t.Helper()
	select {
	case ev := <-e.answers:
		answer, ok := ev.(flow.Evaluated)
		if !ok {
			t.Fatalf("the answer is a %T", ev)
		}
		return answer
	case <-time.After(limit):
		t.Fatal("no answer")
	}
	return flow.Evaluated{}
}

func TestEvaluate(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name    string
		exec    string
		script  string
		timeout time.Duration
		want    string
		reason  string
	}{
		{name: "what it prints", script: `printf 'a\n\0b %s' $A`, want: "a\n\x00b 1"},
		{name: "nothing", script: "true", want: ""},
		{name: "a failure", script: "echo x; exit 3", reason: "/bin/sh: exit status 3"},
		{name: "a signal", script: "kill -9 $$", reason: "/bin/sh: killed by SIGKILL"},
		{name: "as much as may be", script: fmt.Sprintf("head -c %d /dev/zero", mib), want: strings.Repeat("\x00", mib)},
		{name: "too much", script: "exec cat /dev/zero", reason: "/bin/sh: output: more than 1048576 bytes"},
		{name: "too long", script: "exec sleep 1000", timeout: time.Millisecond, reason: "/bin/sh: not done within 1ms, killed"},
		{name: "what it leaves is ended", script: "sleep 1000 & echo x", want: "x\n"},
		{name: "no such program", exec: "/nonexistent", reason: "evaluation: exec /nonexistent: no such file or directory"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEvaluator(t)
			f := flow.Evaluate{Eval: uint64(i + 1), Exec: "/bin/sh", Args: []string{"-c", tt.script}, Timeout: tt.timeout, Cause: "test"}
			if tt.exec != "" {
				f.Exec, f.Args = tt.exec, nil
			}
			e.submit(f)
			got := e.next(t)
			if got.Eval != f.Eval || string(got.Output) != tt.want || got.Reason != tt.reason {
				t.Errorf("answer %d: %d bytes, %q, want %d bytes, %q", got.Eval, len(got.Output), got.Reason, len(tt.want), tt.reason)
			}
			e.end()
			if text := e.said.String(); strings.Contains(text, "level=ERROR") {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}

// Standard error is for people.
func TestEvaluateLogsStandardError(t *testing.T) {
	e := newEvaluator(t)
	e.submit(flow.Evaluate{Eval: 1, Exec: "/bin/sh", Args: []string{"-c", "echo careful >&2; echo x"}, Cause: "state a@b"})
	if got := e.next(t); string(got.Output) != "x\n" {
		t.Errorf("answer %+v", got)
	}
	e.end()
	if text := e.said.String(); !strings.Contains(text, `msg=output evaluation="state a@b"`) || !strings.Contains(text, "line=careful") {
		t.Errorf("the log:\n%s", text)
	}
}

// No more run at a time than may, and each gets its answer.
func TestEvaluateAtMostSomeAtATime(t *testing.T) {
	e := newEvaluator(t)
	e.slots = make(chan struct{}, 2)
	file := t.TempDir() + "/running"
	const script = `echo + >> "$0"; echo - >> "$0"`
	const all = 12
	for n := range all {
		e.submit(flow.Evaluate{Eval: uint64(n), Exec: "/bin/sh", Args: []string{"-c", script, file}})
	}
	seen := map[uint64]bool{}
	for range all {
		seen[e.next(t).Eval] = true
	}
	if len(seen) != all {
		t.Errorf("%d answers, want %d", len(seen), all)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	running := 0
	for line := range strings.Lines(string(text)) {
		if running++; line == "-\n" {
			running -= 2
		}
		if running > 2 {
			t.Fatalf("%d run at a time, want 2 at most:\n%s", running, text)
		}
	}
}

// The end of the daemon ends them, and nobody waits for an answer.
func TestEvaluateEndsWithTheDaemon(t *testing.T) {
	e := newEvaluator(t)
	e.slots = make(chan struct{}, 1)
	for range 3 {
		e.submit(flow.Evaluate{Exec: "/bin/sh", Args: []string{"-c", "echo began >&2; exec sleep 1000"}})
	}
	deadline := time.After(limit)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(e.said.String(), "line=began") {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing began")
		}
	}
	e.end()
	if diff := cmp.Diff(0, strings.Count(e.said.String(), "level=ERROR")); diff != "" {
		t.Errorf("errors in the log:\n%s", e.said)
	}
}
