package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstProcess is the number of the first process of a container, which every
// process of it falls to whose parent has ended.
const firstProcess = 1

// forwarded are the signals that mean something to the daemon.
var forwarded = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// superviseAsInit is what the first process of a container does: the daemon is a
// child of it, to which it forwards signals, and it reaps whatever falls to it
// until the daemon has ended. It returns how the daemon has ended.
//
// So no exit that the daemon waits for can be stolen: the children of the daemon
// are not children of the process that reaps everything.
func superviseAsInit(ctx context.Context) error {
	got := make(chan os.Signal, 4)
	signal.Notify(got, forwarded...)
	defer signal.Stop(got)
	// A group of its own: ^C of a terminal reaches this process, which forwards it,
	// and not the daemon a second time, which would not be patient any more.
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return &statusError{exitInternal, fmt.Errorf("start the daemon: %w", err)}
	}
	forwarding, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		forward(forwarding, got, child)
	}()
	status, err := reapUntil(child)
	stop()
	<-ended
	switch {
	case err != nil:
		return &statusError{exitInternal, fmt.Errorf("wait for the daemon: %w", err)}
	case status == 0:
		return nil
	}
	return &statusError{status: status}
}

// forward passes signals on until ctx ends.
func forward(ctx context.Context, got <-chan os.Signal, child int) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-got:
			if sig, ok := s.(syscall.Signal); ok {
				_ = unix.Kill(child, sig) // it may have ended, which reapUntil sees
			}
		}
	}
}

// reapUntil reaps every child until one of them has ended, and returns its exit
// status as a shell would.
func reapUntil(child int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case pid != child:
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		default:
			return ws.ExitStatus(), nil
		}
	}
}
