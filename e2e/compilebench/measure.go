package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/workload"
)

const (
	// limit is how long one run of a program may take.
	limit = 2 * time.Minute

	// least is how long everything is measured: a few runs of some milliseconds say
	// more of what else the machine does.
	least = 2 * time.Second
)

type bench struct {
	dir   string // for everything that is written
	rindc string
	runs  int
}

// usage is what a program took.
type usage struct {
	wall time.Duration
	rss  int64 // KiB, the most in any run
}

func (u usage) megabytes() float64 { return float64(u.rss) * 1024 / 1e6 }

// check measures rindc check on unit files. finding is part of what it has to
// report; without it, there has to be nothing wrong.
func (b *bench) check(ctx context.Context, files []workload.File, finding string) (usage, error) {
	texts := make(map[string]string, len(files))
	for _, f := range files {
		texts[f.Group+".toml"] = f.Text
	}
	root, err := b.write(texts)
	if err != nil {
		return usage{}, err
	}
	return b.program(ctx, func(err error, out string) error {
		switch {
		case finding == "" && err != nil:
			return fmt.Errorf("rindc check: %w:\n%.1000s", err, out)
		case !strings.Contains(out, finding):
			return fmt.Errorf("rindc check does not say %q, but:\n%.1000s", finding, out)
		}
		return nil
	}, nil, b.rindc, "check", root)
}

// systemd measures systemd-analyze verify on n units.
func (b *bench) systemd(ctx context.Context, n int) (usage, error) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return usage{}, err
	}
	units := workload.Systemd(n)
	texts := make(map[string]string, len(units))
	for _, u := range units {
		texts[u.Name] = u.Text
	}
	root, err := b.write(texts)
	if err != nil {
		return usage{}, err
	}
	args := []string{"verify", "--man=no", "--generators=no"}
	for _, u := range units {
		args = append(args, filepath.Join(root, u.Name))
	}
	return b.program(ctx, func(err error, out string) error {
		if err != nil {
			return fmt.Errorf("%w: %.200q", err, out)
		}
		return nil
	}, []string{"SYSTEMD_UNIT_PATH=" + root + ":"}, program, args...)
}

// program runs a program several times. judge gets how it ended and what it said,
// and returns an error when that is not what is to be measured.
func (b *bench) program(ctx context.Context, judge func(err error, out string) error, env []string, name string, args ...string) (usage, error) {
	var best usage
	for start, n := time.Now(), 0; b.more(start, n); n++ {
		wall, rss, err := once(ctx, judge, env, name, args...)
		if err != nil {
			return usage{}, err
		}
		if best.wall == 0 || wall < best.wall {
			best.wall = wall
		}
		best.rss = max(best.rss, rss)
	}
	return best, nil
}

func once(parent context.Context, judge func(err error, out string) error, env []string, name string, args ...string) (wall time.Duration, rss int64, err error) {
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = &out, &out
	start := time.Now()
	err = c.Run()
	wall = time.Since(start)
	if ctx.Err() != nil {
		return 0, 0, fmt.Errorf("%s took more than %s: %w", name, limit, context.Cause(ctx))
	}
	if err := judge(err, out.String()); err != nil {
		return 0, 0, err
	}
	used, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("the system does not say what a process used")
	}
	return wall, used.Maxrss, nil
}

// inProcess is how long the parts take in this process.
type inProcess struct {
	decode  time.Duration // BurntSushi/toml alone
	compile time.Duration // from the text of the files to that of the plan
}

// inProcess measures n units.
func (b *bench) inProcess(ctx context.Context, n int) (inProcess, error) {
	var inputs []compiler.Input
	for _, f := range workload.Files(n) {
		inputs = append(inputs, compiler.Input{Name: f.Group + ".toml", Group: f.Group, Text: []byte(f.Text)})
	}
	decode, err := b.fastest(ctx, func() error { return decodeAll(inputs) })
	if err != nil {
		return inProcess{}, err
	}
	compile, err := b.fastest(ctx, func() error {
		res := compiler.Compile(inputs, compiler.Options{Compiler: "compilebench"})
		if res.Plan == nil || res.Units != n {
			return fmt.Errorf("%d of %d units compiled, with %d errors", res.Units, n, res.Diags.Errors())
		}
		_, err := res.Plan.Encode()
		return err
	})
	return inProcess{decode: decode, compile: compile}, err
}

// more reports whether something is to be measured again that has been n times since
// start.
func (b *bench) more(start time.Time, n int) bool { return n < b.runs || time.Since(start) < least }

// fastest returns how long the fastest run of f takes, each on a clean heap.
func (b *bench) fastest(ctx context.Context, f func() error) (time.Duration, error) {
	var best time.Duration
	for start, n := time.Now(), 0; b.more(start, n); n++ {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		runtime.GC()
		began := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		if d := time.Since(began); best == 0 || d < best {
			best = d
		}
	}
	return best, nil
}

// decodeAll decodes the files as the compiler does, and does nothing else.
func decodeAll(inputs []compiler.Input) error {
	errs := make([]error, len(inputs))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(inputs); i = int(next.Add(1)) - 1 {
				var values map[string]any
				_, errs[i] = toml.Decode(string(inputs[i].Text), &values)
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}
