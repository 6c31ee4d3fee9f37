package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// victimEnv makes the test binary write to the store in that directory until it
// is killed.
const victimEnv = "RIND_STORE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// logBuffer keeps what a store logs. It closes seen, if there is one, when it has
// a line with the text await.
type logBuffer struct {
	await string
	seen  chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen != nil && bytes.Contains(p, []byte(b.await)) {
		close(b.seen)
		b.seen = nil
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// must opens the store in dir until the end of the test, or until closed.
func must(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { shut(tb, s) })
	return s
}

// shut closes a store that has everything on disk. It may be called twice.
func shut(tb testing.TB, s *Store) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		tb.Errorf("close: %v", err)
	}
}

func set(state, branch, value string) Change {
	v := cond.StringValue(value)
	return Change{State: plan.Name(state), Branch: branch, Value: &v}
}

func gone(state, branch string) Change { return Change{State: plan.Name(state), Branch: branch} }

func commit(tb testing.TB, s *Store, changes ...Change) {
	tb.Helper()
	if err := s.Commit(changes...); err != nil {
		tb.Fatal(err)
	}
}

// list returns what is on disk, one line for each branch.
func list(tb testing.TB, s *Store) []string {
	tb.Helper()
	branches, err := s.Load()
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for _, b := range branches {
		if b.Err != nil {
			tb.Errorf("%s %s: %v", b.State, b.Branch, b.Err)
		}
		lines = append(lines, fmt.Sprintf("%s[%s]=%s", b.State, b.Branch, b.Value.Text()))
	}
	return lines
}

func expect(tb testing.TB, s *Store, want ...string) {
	tb.Helper()
	if diff := cmp.Diff(want, list(tb, s)); diff != "" {
		tb.Errorf("on disk (-want +got):\n%s", diff)
	}
}

// victimWrites is how many clients a victim has at a time.
const victimWrites = 8

// acknowledged is what a victim prints for each change that is on disk.
type acknowledged struct {
	Client, N int
}

// victim counts up one state per client, each change with a second branch that
// says the same, and prints what is acknowledged. It runs until it is killed.
func victim(dir string) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	have, err := s.Load()
	if err != nil {
		return err
	}
	next := map[plan.Name]int{}
	for _, b := range have {
		if next[b.State], err = counted(b); err != nil {
			return err
		}
	}
	out := json.NewEncoder(os.Stdout) // one write for each line
	var mu sync.Mutex
	failed := make(chan error)
	for client := range victimWrites {
		go func() {
			state := plan.Name(fmt.Sprintf("t@%d", client))
			for n := next[state] + 1; ; n++ {
				if err := s.Commit(victimChange(state, n)...); err != nil {
					failed <- err
					return
				}
				mu.Lock()
				err := out.Encode(acknowledged{client, n})
				mu.Unlock()
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// victimChange is the n-th change: three branches that say n. Their length varies,
// so that pages split and merge.
func victimChange(state plan.Name, n int) []Change {
	changes := make([]Change, 3)
	for i := range changes {
		v := cond.StringValue(fmt.Sprintf("%d %s", n, strings.Repeat("x", (n*37*(i+1))%1500)))
		changes[i] = Change{State: state, Branch: fmt.Sprint(i), Value: &v}
	}
	return changes
}

func counted(b Branch) (int, error) {
	if b.Err != nil {
		return 0, b.Err
	}
	var n int
	_, err := fmt.Sscanf(b.Value.Text(), "%d", &n)
	return n, err
}

// readAcknowledged returns the last change that each client was told is on disk.
// What the kill cut off within a line does not count.
func readAcknowledged(out *bufio.Reader, last map[plan.Name]int) error {
	for {
		line, err := out.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // the end of a killed process
		}
		var a acknowledged
		if err := json.Unmarshal(line, &a); err != nil {
			return fmt.Errorf("victim: %q: %w", line, err)
		}
		last[plan.Name(fmt.Sprintf("t@%d", a.Client))] = a.N
	}
}

var errTest = errors.New("end of the test")

func file(dir string) string { return filepath.Join(dir, fileName) }
