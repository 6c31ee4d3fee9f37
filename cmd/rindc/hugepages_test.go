package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// TestUseHugePages looks at what the kernel says of the heap afterwards: "hg" is
// advice for huge pages (proc_pid_smaps(5)).
func TestUseHugePages(t *testing.T) {
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || !bytes.Contains(setting, []byte("[madvise]")) {
		t.Skipf("this kernel does not want to be asked for huge pages: %q, %v", setting, err)
	}
	if memoryIsTuned() || atMost(usualRoom) < usualRoom {
		t.Skip("GOGC or GOMEMLIMIT is set, or there is little memory")
	}
	before := debug.SetGCPercent(321)
	defer debug.SetGCPercent(before)
	useHugePages()
	if got := debug.SetGCPercent(321); got != 321 {
		t.Errorf("useHugePages leaves GOGC at %d, want 321", got)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && strings.Contains(flags+" ", " hg ") {
			return
		}
	}
	t.Errorf("no part of the memory has the flag hg:\n%s", maps)
}
