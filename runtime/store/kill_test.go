package store

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rind-sockets/rind/plan"
)

// kills is how often the victim is killed, unless RIND_STORE_KILLS says it.
const kills = 200

// A process that writes as fast as it can is killed at any instant, again and
// again: every change that it was told is on disk is there, and no change is there
// by half.
func TestKilledAtAnyInstant(t *testing.T) {
	n := kills
	if text := os.Getenv("RIND_STORE_KILLS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, last := t.TempDir(), map[plan.Name]int{}
	total := 0
	for range n {
		killOnce(t, exe, dir, last)
		s := must(t, dir)
		if st := s.Status(); st.Damaged != "" {
			t.Fatalf("the file was damaged by a kill; it is kept as %s", st.Damaged)
		}
		total += compare(t, s, last)
		shut(t, s)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills, %d states compared; changes acknowledged: %v", n, total, last)
	if len(last) != victimWrites {
		t.Errorf("%d clients were ever answered, want all %d", len(last), victimWrites)
	}
}

// killOnce lets a victim run for a moment and notes what it was told.
func killOnce(t *testing.T, exe, dir string, last map[plan.Name]int) {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Some are killed while they still open the store.
	timer := time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	if err := readAcknowledged(bufio.NewReader(out), last); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	timer.Stop()
	if err == nil || complaints.Len() > 0 {
		t.Errorf("the victim ended by itself: %v\n%s", err, complaints.String())
	}
}

// compare checks what is on disk against what was acknowledged.
func compare(t *testing.T, s *Store, last map[plan.Name]int) int {
	t.Helper()
	branches, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[plan.Name][]int{}
	for _, b := range branches {
		n, err := counted(b)
		if err != nil {
			t.Fatal(err)
		}
		counts[b.State] = append(counts[b.State], n)
		if want := victimChange(b.State, n)[b.Branch[0]-'0'].Value; !b.Value.Equal(*want) {
			t.Errorf("%s %s: %q", b.State, b.Branch, b.Value.Text())
		}
	}
	for state, ns := range counts {
		if len(ns) != 3 || ns[0] != ns[1] || ns[1] != ns[2] {
			t.Errorf("%s: a change is there by half: %v", state, ns)
		}
		// One more may be on disk whose answer the kill was faster than.
		if ns[0] < last[state] || ns[0] > last[state]+1 {
			t.Errorf("%s: %d is on disk, %d was acknowledged", state, ns[0], last[state])
		}
		last[state] = ns[0]
	}
	for state := range last {
		if counts[state] == nil {
			t.Errorf("%s: %d was acknowledged, nothing is on disk", state, last[state])
		}
	}
	return len(counts)
}
