package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// groups returns where control groups may be made, or skips the test.
func groups(t *testing.T) *Cgroups {
	t.Helper()
	c, err := OpenCgroups()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.String()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", c, err)
		}
	})
	return c
}

func newGroup(t *testing.T, c *Cgroups, name string) *Cgroup {
	t.Helper()
	g, err := c.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// startPrinting starts a service and returns it with the first line that it
// prints.
func startPrinting(t *testing.T, w way, spec *Spec) (p *Process, line string) {
	t.Helper()
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec.Stdout = fdOf(t, wr)
	p, err = w.start(spec)
	wr.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, firstLine(t, r)
}

// A process that made a session of its own, and groups below, end with the rest.
func TestGroupHoldsEverything(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			c := groups(t)
			g := newGroup(t, c, "app/sub@test")
			spec := shell(`mkdir "$0/inner" && setsid sh -c 'echo 0 > "$0/inner/cgroup.procs"; echo $$; exec sleep 1000' "$0" & wait`)
			spec.Args = append(spec.Args, g.String())
			spec.Cgroup = g
			p, line := startPrinting(t, w, spec)
			stray, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			pidfd, err := unix.PidfdOpen(stray, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pidfd)
			if !p.Owns(pidfd) {
				t.Error("a process in a session of its own does not count as the service's")
			}
			if self, err := unix.PidfdOpen(os.Getpid(), 0); err != nil || p.Owns(self) {
				t.Errorf("the test belongs to the service, %v", err)
			} else {
				unix.Close(self)
			}
			if err := p.SignalGroup(unix.SIGKILL); err != nil {
				t.Error(err)
			}
			if err := g.Wait(within(t)); err != nil {
				t.Error(err)
			}
			if exit, err := p.Wait(t.Context()); err != nil || exit.Signal != unix.SIGKILL {
				t.Errorf("the service ended with %v, %v", exit, err)
			}
			if !readable(pidfd) {
				t.Error("the stray process lives")
			}
			closeProcess(t, p)
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Other signals reach strays too, and each process once.
func TestSignalGroupReachesStrays(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			g := newGroup(t, groups(t), "app@test")
			said := filepath.Join(t.TempDir(), "said")
			spec := shell(`trap 'echo main >> "$0"; told=1' USR1
setsid sh -c 'trap "echo stray >> \"$0\"; exit" USR1; echo ready; while :; do sleep 0.01; done' "$0" &
until [ "$told" ]; do sleep 0.01; done; wait`)
			spec.Args = append(spec.Args, said)
			spec.Cgroup, spec.Stderr = g, Null
			p, _ := startPrinting(t, w, spec)
			if err := p.SignalGroup(unix.SIGUSR1); err != nil {
				t.Error(err)
			}
			if exit, err := p.Wait(within(t)); err != nil || exit.Signal != 0 {
				t.Errorf("the service ended with %v, %v", exit, err)
			}
			closeProcess(t, p)
			if err := g.Wait(within(t)); err != nil {
				t.Error(err)
			}
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
			text, err := os.ReadFile(said)
			if err != nil || strings.Count(string(text), "main") != 1 || strings.Count(string(text), "stray") != 1 {
				t.Errorf("%q, %v: want main and stray, once each", text, err)
			}
		})
	}
}

func TestGroupWaitEndsWithContext(t *testing.T) {
	checkLeaks(t)
	g := newGroup(t, groups(t), "app@test")
	spec := shell("echo here; exec sleep 1000")
	spec.Cgroup = g
	p, _ := startPrinting(t, ways[1], spec)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v, want the deadline", err)
	}
	if err := p.SignalGroup(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := g.Wait(within(t)); err != nil {
		t.Error(err)
	}
	closeProcess(t, p)
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

func TestGroupDir(t *testing.T) {
	const line = "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 none rw,nsdelegate\n"
	tests := []struct {
		name, mounts, group, want string
	}{
		{"the root", line, "/", "/sys/fs/cgroup"},
		{"a service", line, "/system.slice/rindrun.service", "/sys/fs/cgroup/system.slice/rindrun.service"},
		{"a mount of a part", "1 2 0:30 /a /mnt/c\\040d rw - cgroup2 none rw\n", "/a/b", "/mnt/c d/b"},
		{"a mount of another part", "1 2 0:30 /a /mnt rw - cgroup2 none rw\n", "/ab", ""},
		{"the other version", "1 2 0:30 / /sys/fs/cgroup rw - cgroup none rw\n", "/", ""},
		{"both versions", "1 2 0:30 / /sys/fs/cgroup/cpu rw - cgroup none rw\n" + line, "/x", "/sys/fs/cgroup/x"},
		{"optional fields", "1 2 0:30 / /c rw shared:4 master:1 - cgroup2 none rw\n", "/x", "/c/x"},
		{"nonsense", "x\n1 - cgroup2\n", "/x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := groupDir(tt.mounts, tt.group); got != tt.want || ok != (tt.want != "") {
				t.Errorf("groupDir(%q) = %q, %t, want %q", tt.group, got, ok, tt.want)
			}
		})
	}
}

// Where there is none, the error says why.
func TestNoGroups(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mount := "1 2 0:30 / " + dir + " rw - cgroup2 none rw\n"
	tests := []struct {
		name, cgroup, mounts, systemd, want string
	}{
		{"version 1 only", "4:memory:/x\n", mount, "/nonexistent", "no group of version 2"},
		{"outside the namespace", "0::/../x\n", mount, "/nonexistent", "no group of version 2"},
		{"not mounted", "0::/\n", "", "/nonexistent", "/ is in no cgroup2 mount"},
		{"not delegated", "0::/\n", mount, dir, dir + " is not delegated: set Delegate=yes in the unit of rindrun"},
		{"no cgroup.kill", "0::/\n", mount, "/nonexistent", "cgroup.kill: no such file or directory: needs Linux 5.14"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write("cgroup", tt.cgroup)
			write("mountinfo", tt.mounts)
			_, err := openCgroups(dir, tt.systemd)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, daemonGroup+"*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// What a daemon that was killed has left is removed, what another one uses is not,
// whatever its number says.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	self := "rindrun-" + strconv.Itoa(os.Getpid()) + "-0" // the number was used before
	for _, name := range []string{"rindrun-4194305-2/rind-a-1", "rindrun-1-1/rind-b-1", self, "other"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	alive, err := claim(dir, "/")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(dir, "rindrun-4194305-2") // a live pid of another namespace
	fd, err := lockDir(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	checkLeft := func(want ...string) {
		t.Helper()
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if want = append(want, filepath.Join(dir, "other"), elsewhere); !slices.Equal(slices.Sorted(slices.Values(want)), left) {
			t.Errorf("left %v, want %v", left, want)
		}
	}
	sweep(dir)
	checkLeft(alive.String())
	if err := alive.Close(); err != nil {
		t.Error(err)
	}
	checkLeft()
}

// A name that is taken is no reason to do without groups.
func TestClaim(t *testing.T) {
	dir := t.TempDir()
	next := lastDaemon.Load() + 1
	taken := filepath.Join(dir, "rindrun-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatUint(next, 10))
	if err := os.Mkdir(taken, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := claim(dir, "/own")
	if err != nil {
		t.Fatal(err)
	}
	if c.String() == taken || c.path != "/own/"+filepath.Base(c.String()) {
		t.Errorf("claimed %s, %s", c, c.path)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := claim(filepath.Join(dir, "none"), "/"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("claim where nothing is = %v", err)
	}
}

// Without control groups a process belongs to a service by its session, or by
// its ancestors.
func TestOwnsWithoutGroup(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.check(t)
			p, line := startPrinting(t, w, shell(`setsid sh -c 'sleep 1000 & echo $$ $!; wait' & wait`))
			var others []int // pidfds
			for _, field := range append(strings.Fields(line), strconv.Itoa(p.PID())) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				pidfd, err := unix.PidfdOpen(pid, 0)
				if err != nil {
					t.Fatal(err)
				}
				if !p.Owns(pidfd) {
					t.Errorf("process %d does not count as the service's", pid)
				}
				if pid == p.PID() {
					unix.Close(pidfd)
					continue
				}
				others = append(others, pidfd)
			}
			// Only now: a process whose parent is gone is nobody's.
			for _, pidfd := range others {
				_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
				unix.Close(pidfd)
			}
			self, err := unix.PidfdOpen(os.Getpid(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(self)
			if p.Owns(self) {
				t.Error("the test belongs to its service")
			}
			if _, err := p.Wait(within(t)); err != nil {
				t.Error(err)
			}
			own, err := unix.PidfdOpen(p.PID(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(own)
			closeProcess(t, p)
			if p.Owns(own) {
				t.Error("a process that was reaped belongs to somebody")
			}
		})
	}
}

// The new main process of a service is watched until its end, and no longer.
func TestAdopt(t *testing.T) {
	checkLeaks(t)
	owner, pidfd := grandchild(t, ways[1], "sleep 1000 & echo $!; wait")
	p, err := Adopt(pidfd)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pidfd)
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	exit, err := p.Wait(within(t))
	// How it ended is known if its parent has reaped it by now, and the kernel tells.
	if err != nil || (exit != Exit{Signal: unix.SIGTERM} && exit != Exit{Unknown: true}) {
		t.Errorf("Wait = %v, %v", exit, err)
	}
	closeProcess(t, p)
	endGroup(t, owner)
	if _, err := Adopt(0); err == nil {
		t.Error("a descriptor that is no process was adopted")
	}
}
