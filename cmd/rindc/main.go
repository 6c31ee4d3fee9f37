// Command rindc compiles unit files to a plan that rindrun runs.
package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// version is the version of this program, which is also that of its release.
const version = "0.1.0"

func main() {
	tuneMemory()
	os.Exit(run(os.Args[1:], env{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		color:  term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}))
}

// gcPercent lets the first garbage collection wait for 96 MiB (4 MiB for each
// hundred), which is some 5,000 units, and the next ones for 25 times what lives.
const gcPercent = 2400

// tuneMemory makes garbage collections rare until 850 MiB, or a quarter of the
// memory if that is less, are used: a compilation is short, and would spend a
// quarter of its time on them. None at all would be no faster, since pages that
// were never used cost as much. What the user has set stays.
func tuneMemory() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(850 << 20) // a soft limit: what is live may be more
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		limit = min(limit, int64(info.Totalram)*int64(info.Unit)/4)
	}
	// In a container, the memory of the machine says nothing.
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			limit = min(limit, n/4)
		}
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(limit)
}
