// Command compilebench says how fast rindc is, next to the TOML decoder alone on
// the same bytes and to systemd-analyze verify on equivalent units, in one run on
// one machine, and whether that is within the goals. `make bench-compiler` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rind-sockets/rind/compiler/workload"
)

func main() {
	rindc := flag.String("rindc", "bin/rindc", "the `program` to measure")
	runs := flag.Int("runs", 5, "how often each thing is measured at least; the fastest run counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *rindc, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "compilebench:", err)
		os.Exit(1)
	}
}

// sizes are how many units are compiled.
var sizes = []int{1_000, 10_000, 100_000}

const (
	// brokenSockets is how many sockets one of which has a mistake are checked.
	brokenSockets = 10_000

	// systemdUnits is how many units systemd-analyze gets: what it takes grows
	// faster than the square of their number.
	systemdUnits = 1_000
)

// run measures everything and writes it to w.
func run(ctx context.Context, w io.Writer, rindc string, runs int) (err error) {
	if runs < 1 {
		return fmt.Errorf("-runs is %d, want at least 1", runs)
	}
	if _, err := os.Stat(rindc); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	dir, err := os.MkdirTemp("", "compilebench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := bench{dir: dir, rindc: rindc, runs: runs}

	// The programs come first: what the kernel says of the memory of a child is
	// at least what this process had when it started it.
	programs := make([]usage, len(sizes))
	for i, n := range sizes {
		if programs[i], err = b.check(ctx, workload.Files(n), ""); err != nil {
			return err
		}
	}
	broken, err := b.check(ctx, workload.BrokenSockets(brokenSockets), "no socket is named")
	if err != nil {
		return err
	}
	systemd, skipped := b.systemd(ctx, systemdUnits)

	var out strings.Builder
	fmt.Fprintf(&out, "%d processors, %s, fastest of %d runs, or of those of two seconds\n\n", runtime.GOMAXPROCS(0), runtime.Version(), runs)
	fmt.Fprintf(&out, "%7s  %12s  %22s  %22s  %8s\n", "units", "TOML decoder", "compile and encode", "rindc check", "max RSS")
	for i, n := range sizes {
		in, err := b.inProcess(ctx, n)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%7d  %9.1f ms  %9.1f ms (%5.2f x)  %9.1f ms (%5.2f x)  %5.0f MB\n", n, ms(in.decode),
			ms(in.compile), ratio(in.compile, in.decode), ms(programs[i].wall), ratio(programs[i].wall, in.decode), programs[i].megabytes())
	}
	out.WriteString(`
x: times what the TOML decoder alone takes for the same bytes, with as many goroutines.
rindc check is the whole program: start, reading the files, compiling, the report.

`)
	if skipped == nil {
		fmt.Fprintf(&out, "systemd-analyze verify, %d equivalent units: %.1f ms, %.1f times rindc check\n\n", systemdUnits,
			ms(systemd.wall), ratio(systemd.wall, programs[0].wall))
	} else {
		fmt.Fprintf(&out, "systemd-analyze verify: not measured: %v\n\n", skipped)
	}
	report(&out, programs, broken)
	_, err = io.WriteString(w, out.String())
	return err
}

// goal is something to stay below.
type goal struct {
	what      string
	got, most float64
	format    string // of both
}

// report compares what was measured with the goals, which are for two processors.
func report(w *strings.Builder, programs []usage, broken usage) {
	for _, g := range []goal{
		{"check 1,000 units", ms(programs[0].wall), 25, "%.1f ms"},
		{"check 10,000 units", ms(programs[1].wall), 250, "%.1f ms"},
		{"check 100,000 units", ms(programs[2].wall), 3_000, "%.1f ms"},
		{"growth from 1,000 to 10,000", ratio(programs[1].wall, programs[0].wall), 12, "%.1f x"},
		{"growth from 10,000 to 100,000", ratio(programs[2].wall, programs[1].wall), 12, "%.1f x"},
		{"max RSS with 10,000 units", programs[1].megabytes(), 200, "%.0f MB"},
		{"check 10,000 sockets, one broken", ms(broken.wall), 300, "%.1f ms"},
	} {
		verdict := "met"
		if g.got > g.most {
			verdict = "missed"
		}
		fmt.Fprintf(w, "%-34s  %10s  goal %10s  %s\n", g.what, fmt.Sprintf(g.format, g.got), fmt.Sprintf(g.format, g.most), verdict)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// write writes files below a new directory and returns its name.
func (b *bench) write(files map[string]string) (string, error) {
	root, err := os.MkdirTemp(b.dir, "units-")
	if err != nil {
		return "", err
	}
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return root, nil
}
