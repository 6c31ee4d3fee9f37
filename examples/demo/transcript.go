package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// transcript runs the daemon in the background and shows each joint of the way
// from the plugin to the client's answer.
func (d *demo) transcript(ctx context.Context) (err error) {
	heading("run the plan")
	say("$ rindrun run plan.json &")
	log := &bytes.Buffer{}
	run, err := d.start(ctx, log)
	if err == nil {
		say("rindrun is ready, pid %d", run.cmd.Process.Pid)
		err = errors.Join(d.accesses(ctx), d.end(run))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "the log of rindrun:\n%s", log)
	}
	return err
}

// accesses shows what is there, uses each socket once, and shows it again.
func (d *demo) accesses(ctx context.Context) error {
	st, err := d.status(ctx)
	if err != nil {
		return err
	}
	heading("which plugin bound what; no service runs yet")
	for _, s := range st.Sockets {
		p := st.Plugins[slices.IndexFunc(st.Plugins, func(p *controlv1.PluginStatus) bool { return p.Name == s.Type })]
		say("%-24s pid %-7d bound %s %s for %s (%s)",
			filepath.Base(p.Path), p.Pid, s.Type, strings.Join(s.Addresses, " "), s.Name, s.State)
	}
	for _, s := range st.Sockets {
		if err := d.access(ctx, s); err != nil {
			return fmt.Errorf("access %s: %w", s.Name, err)
		}
	}
	heading("what rindrun says now")
	say("$ rindrun status")
	out, err := d.rindrun(ctx, "status").Output()
	fmt.Print(string(out))
	return err
}

// access sends one text to a socket and shows which service answered it.
func (d *demo) access(ctx context.Context, s *controlv1.SocketStatus) error {
	if len(s.Addresses) == 0 {
		return fmt.Errorf("it is %s: %s", s.State, s.LastError)
	}
	text := "hello over " + s.Type
	heading("access %s at %s", s.Name, s.Addresses[0])
	say("client sends %s", text)
	network := s.Type
	if network == "uds" {
		network = "unix"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, s.Addresses[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, text+"\n"); err != nil {
		return err
	}
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	pid, err := d.pidOf(ctx, s.Owner)
	if err != nil {
		return err
	}
	if err := showProcess(s.Owner, pid); err != nil {
		return err
	}
	say("client gets  %s", strings.TrimSuffix(string(answer[:n]), "\n"))
	return nil
}

// pidOf returns the process of a service that has answered already. The daemon
// may learn of its own success a moment after the client.
func (d *demo) pidOf(ctx context.Context, service string) (int, error) {
	for {
		st, err := d.status(ctx)
		if err != nil {
			return 0, err
		}
		for _, svc := range st.Services {
			if svc.Name == service && len(svc.Pids) > 0 {
				return int(svc.Pids[0]), nil
			}
		}
	}
}

// showProcess shows what a service inherited, as the kernel tells it.
func showProcess(name string, pid int) error {
	say("%s was started as pid %d with", name, pid)
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		return err
	}
	for pair := range strings.SplitSeq(string(environ), "\x00") {
		if strings.HasPrefix(pair, "LISTEN_") {
			say("    %s", pair)
		}
	}
	link, err := os.Readlink(filepath.Join(proc, "fd", "3"))
	if err != nil {
		return err
	}
	say("    descriptor 3 -> %s", link)
	return nil
}

// end stops the daemon and checks that it leaves nothing behind.
func (d *demo) end(run *daemon) error {
	heading("stop")
	say("$ kill -TERM %d", run.cmd.Process.Pid)
	if err := run.stop(); err != nil {
		return err
	}
	left, err := filepath.Glob(d.file("sock/*"))
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, " "))
	}
	say("rindrun has ended with status 0; services, sockets and plugins are gone")
	return nil
}
