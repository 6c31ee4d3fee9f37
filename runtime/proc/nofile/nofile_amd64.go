package nofile

// Limit is a struct rlimit64 of prlimit(2).
type Limit struct{ Soft, Hard uint64 }

// prlimit reads RLIMIT_NOFILE of this process into l and returns 0 or a
// negative errno. It is in assembly because every package that could make the
// call would be initialized first, and with it syscall.
//
//go:noescape
func prlimit(l *Limit) int64

var original, known = read()

func read() (Limit, bool) {
	var l Limit
	r := prlimit(&l)
	return l, r == 0
}

// Original returns the limit that this process was started with, and whether
// the kernel told it.
func Original() (Limit, bool) { return original, known }
