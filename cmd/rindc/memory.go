package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A compilation is short, and would spend a quarter of its time on collections of
// garbage. None at all would be no faster, since pages that were never used cost as
// much.
const (
	// gcPercent lets the first collection wait for 48 MiB (4 MiB for each hundred),
	// which is some 2,500 units, and the next ones for 13 times what lives.
	gcPercent = 1200

	// usualRoom is where collections become frequent. What the largest text of one
	// file needs, hostile or not, stays below 1 GiB with it.
	usualRoom = 850 << 20
	usualText = 16 << 20

	// roomPerByte is 1 GiB for each such text.
	roomPerByte = 64
)

// tuneMemory makes collections rare until 850 MiB, or a quarter of the memory if that
// is less, are used. What the user has set stays.
func tuneMemory() {
	if !memoryIsTuned() {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(atMost(usualRoom))
	}
}

// makeRoom allows more memory for more text than one file can have.
func makeRoom(text int) {
	if text > usualText && !memoryIsTuned() {
		debug.SetMemoryLimit(atMost(int64(text) * roomPerByte))
	}
}

func memoryIsTuned() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }

// atMost returns limit, or a quarter of the memory that there is. It is a soft limit:
// what is live may be more.
func atMost(limit int64) int64 {
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
	return limit
}
