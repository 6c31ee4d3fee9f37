package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// muchText is how much text is worth the millisecond that [useHugePages] takes: 250 units.
const muchText = 64 << 10

// hugePageRoom is what 1,500 units need. More is not asked for: of many huge pages a
// kernel has some to make first, and a virtual machine some to get from its host.
const hugePageRoom = 32 << 20

// useHugePages makes the kernel give the heap pages of 2 MiB, where it gives them to
// those who ask (transparent_hugepage/enabled is "madvise"): a page of 4 KiB is a page
// fault, and those are a quarter of the time of a compilation. The Go runtime does not
// ask (https://go.dev/doc/gc-guide#Linux_transparent_huge_pages), and forgets what is
// said about memory that it does not use yet. So room is taken, which touches none of
// it, and given back to the heap after asking. That needs a collection, which costs
// least while there is nothing to look at.
var useHugePages = sync.OnceFunc(func() {
	const setting = "/sys/kernel/mm/transparent_hugepage/enabled" // Documentation/admin-guide/mm/transhuge.rst
	text, err := os.ReadFile(setting)
	if err != nil || !bytes.Contains(text, []byte("[madvise]")) || memoryIsTuned() || atMost(usualRoom) < usualRoom {
		return
	}
	// The room must not set off a collection of its own.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	room := make([]byte, hugePageRoom)
	if unix.Madvise(room, unix.MADV_HUGEPAGE) == nil { // else all is as it was
		runtime.GC()
	}
})
