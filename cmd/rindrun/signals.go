package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// signals are the requests that come as signals.
type signals struct {
	ctx       context.Context // ends with the first request to end
	impatient chan struct{}   // gets a value when there is another one
	reload    chan struct{}   // gets a value for SIGHUP

	cancel context.CancelCauseFunc
	got    chan os.Signal
	pipe   chan os.Signal
	over   chan struct{} // closed by stop
	ended  chan struct{}
}

// notifySignals begins to take signals, until stop.
//
// SIGPIPE is one of them because the Go runtime ends a program whose standard
// error has lost its reader: a log that nobody reads is no reason to leave
// services alone.
func notifySignals(parent context.Context) *signals {
	s := &signals{
		impatient: make(chan struct{}, 1), reload: make(chan struct{}, 1),
		got:  make(chan os.Signal, 4),
		pipe: make(chan os.Signal, 1), // read by nobody: the write fails, that is enough
		over: make(chan struct{}), ended: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(parent)
	signal.Notify(s.got, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	signal.Notify(s.pipe, syscall.SIGPIPE)
	go s.run()
	return s
}

// stop ends the taking of signals, and ctx.
func (s *signals) stop() {
	signal.Stop(s.got)
	signal.Stop(s.pipe)
	close(s.over)
	<-s.ended
	s.cancel(nil)
}

// run waits for nothing but signals: neither for who hears of them nor for the
// log.
func (s *signals) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.over:
			return
		case sig := <-s.got:
			switch {
			case sig == syscall.SIGHUP:
				pass(s.reload)
			case s.ctx.Err() == nil:
				s.cancel(fmt.Errorf("signal %v", sig))
			default:
				pass(s.impatient)
			}
		}
	}
}

// pass passes a request on, unless one waits already.
func pass(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
