// Command demo shows the quick start at work: it compiles the units, runs the
// plan with folders of its own, accesses each socket once, and prints what
// happened. With -stay it leaves the daemon in the foreground until ^C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// timeout bounds the whole demo, which takes a second.
const timeout = time.Minute

func main() {
	var d demo
	flag.StringVar(&d.bin, "bin", "bin", "folder with the programs")
	flag.StringVar(&d.units, "units", "examples/quickstart", "folder with the unit files")
	flag.BoolVar(&d.stay, "stay", false, "run in the foreground until ^C")
	flag.Parse()
	if err := d.run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run. Its folder is gone when run returns.
type demo struct {
	bin, units string
	stay       bool

	dir string
}

func (d *demo) run() (err error) {
	if d.bin, err = filepath.Abs(d.bin); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "rind-demo"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()

	heading("compile %s", d.units)
	say("$ rindc build %s -o plan.json", d.units)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, d.program("rindc"), "build", d.units, "-o", d.file("plan.json")).CombinedOutput()
	fmt.Print(string(out))
	if err != nil {
		return fmt.Errorf("rindc build: %w", err)
	}
	if d.stay {
		return d.foreground()
	}
	return d.transcript(ctx)
}

func (d *demo) program(name string) string { return filepath.Join(d.bin, name) }
func (d *demo) file(name string) string    { return filepath.Join(d.dir, name) }

// foreground runs the daemon until somebody presses ^C.
func (d *demo) foreground() error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)

	heading("run the plan until ^C")
	run, err := d.start(context.Background(), os.Stderr)
	if err != nil {
		return err
	}
	say("\nin another shell:\n")
	say("  curl telnet://127.0.0.1:7007    # a line in; the line, and who answered, out")
	say("  export RIND_RUNTIME_DIR=%s", d.file("run"))
	say("  %s status", d.program("rindrun"))
	say("  %s stop service echo@tcp-echo    # the socket stays; the next access starts it again\n", d.program("rindrun"))
	select {
	case <-run.done:
	case <-interrupted:
	}
	return run.stop()
}

func heading(format string, args ...any) { fmt.Printf("\n== "+format+"\n\n", args...) }

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
