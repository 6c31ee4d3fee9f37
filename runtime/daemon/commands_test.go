package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/flow"
)

// shell runs the programs of triggers without a daemon. Its scripts run in a
// folder of their own, and write to the file "said" there.
type shell struct {
	*commands
	*bed

	log *logBuffer
}

// newShell returns a shell that runs n programs at a time.
func newShell(t *testing.T, n int) *shell {
	t.Helper()
	checkLeaks(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var tasks sync.WaitGroup
	buf := &logBuffer{}
	log := slog.New(slog.NewTextHandler(buf, nil))
	c := newCommands(&runner{ctx: ctx, tasks: &tasks, log: log, printed: log}, []string{"PATH=/bin:/usr/bin"})
	c.slots = make(chan struct{}, n)
	s := &shell{commands: c, bed: &bed{t: t, dir: t.TempDir()}, log: buf}
	t.Cleanup(func() {
		// A second time does nothing, and one that has not been ends what runs.
		ended, end := context.WithCancel(ctx)
		end()
		s.finish(ended)
		cancel()
		tasks.Wait()
		if t.Failed() {
			t.Logf("the log:\n%s", buf)
		}
	})
	return s
}

func (s *shell) script(text string) {
	s.submit(flow.RunCommand{Argv: []string{"/bin/sh", "-c", "cd " + s.dir + "; " + text}, Cause: "test"})
}

// said returns what the scripts have written.
func (s *shell) lines() []string {
	s.t.Helper()
	text, err := os.ReadFile(s.file("said"))
	must(s.t, err)
	return strings.Fields(string(text))
}

// gate makes a FIFO from which each script that waits for it reads a line.
func (s *shell) gate() *os.File {
	s.t.Helper()
	must(s.t, unix.Mkfifo(s.file("gate"), 0o600))
	f, err := os.OpenFile(s.file("gate"), os.O_RDWR, 0)
	must(s.t, err)
	s.t.Cleanup(func() { f.Close() })
	return f
}

func TestCommandsStartInOrder(t *testing.T) {
	s := newShell(t, 1)
	var want []string
	for i := range 20 {
		s.script(fmt.Sprintf("echo %d >>said", i))
		want = append(want, strconv.Itoa(i))
	}
	<-s.last
	s.finish(t.Context())
	if diff := cmp.Diff(want, s.lines()); diff != "" {
		t.Errorf("the order of the programs (-want +got):\n%s", diff)
	}
}

func TestCommandsWaitForASlot(t *testing.T) {
	s := newShell(t, 2)
	gate := s.gate()
	for range 3 {
		s.script("echo in >>said; read line <gate; echo out >>said")
	}
	s.awaitLines("in", 2)
	s.poll(func() bool { return strings.Contains(s.log.String(), "waits for others") }, s.log.String)
	select {
	case <-s.last:
		t.Error("the third program has had its turn although two run")
	default:
	}
	if got := len(s.lines()); got != 2 {
		t.Errorf("%d lines, want those of two programs", got)
	}
	_, err := gate.WriteString("go\n")
	must(t, err)
	<-s.last
	_, err = gate.WriteString("one\ntwo\n")
	must(t, err)
	s.finish(t.Context())
	if got := strings.Join(s.lines(), " "); strings.Count(got, "out") != 3 {
		t.Errorf("the programs said %s, want three to end by themselves", got)
	}
}

// A shutdown ends what runs, drops what waits, and lets the programs of on-stop
// do their work.
func TestCommandsDuringAShutdown(t *testing.T) {
	s := newShell(t, 1)
	s.gate()
	s.script("trap 'echo termed >>said; exit 3' TERM; echo in >>said; while :; do read line <gate; done")
	s.script("echo dropped >>said")
	s.awaitLines("in", 1)
	s.stopOthers()
	s.script("echo hook >>said")
	s.finish(t.Context())
	if diff := cmp.Diff([]string{"in", "termed", "hook"}, s.lines()); diff != "" {
		t.Errorf("the programs said (-want +got):\n%s", diff)
	}
	if log := s.log.String(); !strings.Contains(log, "exit status 3") || !strings.Contains(log, errEnding.Error()) {
		t.Errorf("the log does not say what became of the programs:\n%s", log)
	}
}

// What does not end in time is killed, with all of its group; so are the children
// that a program leaves behind.
func TestCommandsLeaveNothing(t *testing.T) {
	s := newShell(t, 4)
	s.script("sleep 1000 & echo $! >>said")
	<-s.last
	s.script("trap '' TERM; sleep 1000 & echo $! $$ >>said; wait")
	s.awaitText("said", func(text string) bool { return len(strings.Fields(text)) == 3 })
	s.stopOthers()
	grace, cancel := context.WithCancel(t.Context())
	cancel()
	s.finish(grace)
	for _, word := range s.lines() {
		pid, err := strconv.Atoi(word)
		must(t, err)
		awaitGone(t, pid)
	}
	if !strings.Contains(s.log.String(), "killed by SIGKILL") {
		t.Errorf("the log does not say that a program was killed:\n%s", s.log)
	}
}

func TestCommandThatCannotStart(t *testing.T) {
	s := newShell(t, 1)
	for range 3 { // a slot must not be lost
		s.submit(flow.RunCommand{Argv: []string{filepath.Join(s.dir, "nothing")}, Cause: "test"})
	}
	s.script("echo done >>said")
	s.finish(t.Context())
	if got := s.lines(); len(got) != 1 {
		t.Errorf("the program after those that failed said %v", got)
	}
	if log := s.log.String(); strings.Count(log, "no such file") != 3 {
		t.Errorf("the log does not name the failures:\n%s", log)
	}
}

func TestCommandEnvironment(t *testing.T) {
	s := newShell(t, 1)
	s.environ = append(s.environ, "KEPT=yes", "RIND_ACCESS_SOCKET=inherited")
	s.submit(flow.RunCommand{
		Argv:  []string{"/bin/sh", "-c", `echo "$KEPT $RIND_ACCESS_SOCKET $1" >>"$0"`, s.file("said"), "arg"},
		Env:   []string{"RIND_ACCESS_SOCKET=t@in"},
		Cause: "test",
	})
	s.finish(t.Context())
	if got := strings.Join(s.lines(), " "); got != "yes t@in arg" {
		t.Errorf("the program saw %q", got)
	}
}
