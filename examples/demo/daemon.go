package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// daemon is a running rindrun.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// start starts the daemon and returns once it says that it is ready. Its log
// goes to stderr.
func (d *demo) start(ctx context.Context, stderr io.Writer) (*daemon, error) {
	path := d.file("notify.sock")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	run := &daemon{cmd: d.rindrun(ctx, "run", d.file("plan.json")), done: make(chan struct{})}
	run.cmd.Env = append(run.cmd.Env, "NOTIFY_SOCKET="+path)
	run.cmd.Stderr = stderr
	// ^C on a terminal is for this process, which then ends the daemon once.
	run.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := run.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(run.done)
		run.err = run.cmd.Wait()
	}()
	if err := run.awaitReady(ready); err != nil {
		return nil, errors.Join(err, run.stop())
	}
	return run, nil
}

// awaitReady waits for the message of sd_notify(3).
func (r *daemon) awaitReady(conn *net.UnixConn) error {
	got := make(chan error, 1)
	go func() { // ends when the caller closes conn
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil || slices.Contains(strings.Split(string(buf[:n]), "\n"), "READY=1") {
				got <- err
				return
			}
		}
	}()
	select {
	case err := <-got:
		return err
	case <-r.done:
		return errors.New("rindrun ended before it was ready")
	case <-time.After(timeout):
		return fmt.Errorf("rindrun is not ready after %v", timeout)
	}
}

// stop asks the daemon to end, and returns how it did. It may have ended
// already.
func (r *daemon) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-r.done
	if r.err != nil {
		return fmt.Errorf("rindrun: %w", r.err)
	}
	return nil
}

// rindrun returns the program with folders of its own. The services of the
// quick start are found in PATH.
func (d *demo) rindrun(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program("rindrun"), args...)
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(d.bin, "examples")+":"+d.bin+":"+os.Getenv("PATH"),
		"RIND_RUNTIME_DIR="+d.file("run"),
		"RIND_STATE_DIR="+d.file("state"),
		"RIND_SOCKET_DIR="+d.file("sock"),
	)
	return cmd
}

func (d *demo) status(ctx context.Context) (*controlv1.StatusResponse, error) {
	out, err := d.rindrun(ctx, "status", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("rindrun status: %w", err)
	}
	st := &controlv1.StatusResponse{}
	return st, protojson.Unmarshal(out, st)
}
