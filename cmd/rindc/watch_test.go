package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	goodUnit = "[[service]]\nname = \"web\"\nrun.exec = \"web\"\n"
	badUnit  = "[[service]]\nname = \"web\"\n"
)

// watched is a running rindc check --watch.
type watched struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of both outputs
}

func startWatch(t *testing.T, dir string, args ...string) *watched {
	t.Helper()
	w := &watched{t: t, cmd: exec.Command("rindc", append([]string{"check", "--watch"}, args...)...), lines: make(chan string, 1000)}
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd.Dir, w.cmd.Stdout, w.cmd.Stderr = dir, out, out
	if err := errors.Join(w.cmd.Start(), out.Close()); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.lines)
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if w.cmd.ProcessState == nil {
			_ = w.cmd.Process.Kill()
			_ = w.cmd.Wait()
		}
	})
	return w
}

// expect reads lines up to one that has the text, and returns those before it.
func (w *watched) expect(text string) (before []string) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-w.lines:
			switch {
			case !ok:
				w.t.Fatalf("the program ended before it said %q, after %q", text, before)
			case strings.Contains(line, text):
				return before
			}
			before = append(before, line)
		case <-deadline:
			w.t.Fatalf("no line with %q, after %q", text, before)
		}
	}
}

// end interrupts the program and returns its exit status.
func (w *watched) end(sig os.Signal) int {
	w.t.Helper()
	if err := w.cmd.Process.Signal(sig); err != nil {
		w.t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { _ = w.cmd.Process.Kill() })
	defer late.Stop()
	if err := w.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.t.Fatal(err)
	}
	return w.cmd.ProcessState.ExitCode()
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	units := filepath.Join(dir, "units")
	web := filepath.Join(units, "web.toml")
	put(t, web, goodUnit)
	w := startWatch(t, dir, "units")
	w.expect("ok: 1 unit in 1 file")

	put(t, web, badUnit)
	w.expect("checking again: units/web.toml has changed")
	w.expect("[K1008]")

	// As editors do it: a new file takes the place of the old one.
	put(t, filepath.Join(units, ".web.toml.swp"), goodUnit)
	if err := os.Rename(filepath.Join(units, ".web.toml.swp"), web); err != nil {
		t.Fatal(err)
	}
	w.expect("checking again: units/web.toml has changed")
	w.expect("ok: 1 unit in 1 file")

	// A new directory, and a file in it that is there before it is watched.
	put(t, filepath.Join(units, "net", "lan", "dns.toml"), strings.Replace(goodUnit, "web", "dns", 1))
	w.expect("units/net/lan/dns.toml is new")
	w.expect("ok: 2 units in 2 files")
	put(t, filepath.Join(units, "net", "lan", "dns.toml"), badUnit)
	w.expect("units/net/lan/dns.toml has changed")
	w.expect("[K1008]")

	// All of it goes away and comes back.
	if err := os.Rename(units, filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	w.expect("rindc: stat units: no such file or directory")
	if err := os.Rename(filepath.Join(dir, "elsewhere"), units); err != nil {
		t.Fatal(err)
	}
	w.expect("units/net/lan/dns.toml is new, units/web.toml is new")
	w.expect("[K1008]")
	if status := w.end(os.Interrupt); status != statusInvalid {
		t.Errorf("exit status %d, want that of the last check, %d", status, statusInvalid)
	}
}

func TestWatchLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "real", "web.unit"), badUnit)
	put(t, filepath.Join(dir, "units", "README"), "")
	if err := os.Symlink("../real/web.unit", filepath.Join(dir, "units", "web.toml")); err != nil {
		t.Fatal(err)
	}
	w := startWatch(t, dir, "--format", "short", "units")
	w.expect("[K1008]")
	put(t, filepath.Join(dir, "real", "web.unit"), goodUnit)
	w.expect("units/web.toml has changed")
	w.expect("ok: 1 unit in 1 file")

	// What has no part in the result is not worth a line.
	put(t, filepath.Join(dir, "units", "README"), "changed")
	put(t, filepath.Join(dir, "units", "api.toml"), strings.Replace(goodUnit, "web", "api", 1))
	if before := w.expect("checking again: units/api.toml is new"); len(before) > 1 {
		t.Errorf("a file that is no unit file is checked again: %q", before)
	}
	w.expect("ok: 2 units in 2 files")
	if status := w.end(syscall.SIGTERM); status != statusOK {
		t.Errorf("exit status %d, want that of the last check, %d", status, statusOK)
	}
}
