package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// statOf returns the state and the parent of a process, from /proc/PID/stat.
func statOf(pid int) (state string, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	// The name is in parentheses and may have any characters.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}

// childrenOf returns the children of a process, and those of them that are
// zombies.
func childrenOf(t *testing.T, parent int) (all, zombies []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		state, of, ok := statOf(pid)
		if !ok || of != parent {
			continue
		}
		all = append(all, pid)
		if state == "Z" {
			zombies = append(zombies, pid)
		}
	}
	return all, zombies
}

// As the first process of a container rindrun reaps what falls to it, without
// taking away the exit of a service from the daemon, and a signal to it stops the
// daemon in order.
func TestFirstProcessOfAContainer(t *testing.T) {
	t.Parallel()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Getuid() != 0 {
		t.Skip("needs root and unshare of util-linux")
	}
	b := newBed(t, oneOwner("", `
# The orphan leaves the session and the group, tells that it is one and ends.
run = { exec = "sh", args = ["-c", "setsid sh -c 'echo $$ > $DIR/orphan; sleep 0.2; exit 7' & sleep 0.4; exit 3"] }
`))
	// Without control groups, in which an orphan would end with its service.
	b.within = []string{
		unshare, "--pid", "--fork", "--mount-proc", "--kill-child",
		"sh", "-c", `umount -R /sys/fs/cgroup 2>/dev/null; exec "$@"`, "sh",
	}
	b.compile()
	b.start()
	inits, _ := childrenOf(t, b.daemon.Process.Pid)
	if len(inits) != 1 {
		t.Fatalf("unshare has the children %v, want one", inits)
	}
	first := inits[0]
	if daemons, _ := childrenOf(t, first); len(daemons) != 1 {
		t.Errorf("the first process has the children %v, want the daemon", daemons)
	}
	b.do("start", "service", "web@app")
	b.await("the exit of the service", func(st *controlv1.StatusResponse) bool {
		return b.serviceOf(st, "web@app").GetLastError() == "exited with status 3"
	})
	b.eventually("there is an orphan", func() bool {
		_, err := os.Stat(b.file("orphan"))
		return err == nil
	})
	deadline := time.Now().Add(patience)
	for {
		all, zombies := childrenOf(t, first)
		if len(all) == 1 && len(zombies) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the first process still has the children %v, zombies %v", all, zombies)
		}
		<-time.After(10 * time.Millisecond)
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := b.wait(); code != 0 {
		t.Errorf("exit status after SIGTERM is %d, want 0", code)
	}
	if !strings.Contains(b.log.String(), "signal terminated") {
		t.Error("the daemon does not know of the signal")
	}
	b.checkNothingLeft()
}
