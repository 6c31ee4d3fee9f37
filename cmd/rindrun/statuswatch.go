package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

const (
	// redraw is how long changes gather before the status is shown again.
	redraw = 100 * time.Millisecond

	// tick is when a terminal shows again for how long units are in their states.
	tick = time.Second

	// farewell is how long a daemon that does not answer any more has to say that it ends.
	farewell = 2 * time.Second
)

// watchStatus shows the status whenever something has happened, until the daemon
// ends, which is no error.
func watchStatus(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string, asJSON bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Watch(ctx, &controlv1.WatchRequest{})
	if err != nil {
		return err
	}
	happened, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		for stream.Receive() {
			pass(happened)
		}
		ended <- stream.Err()
	}()
	err = redrawUntil(ctx, cmd, c, args, asJSON, happened, ended)
	cancel()
	_ = stream.Close() // what ended it is known
	return err
}

func redrawUntil(ctx context.Context, cmd *cobra.Command, c controlv1connect.ControlServiceClient, args []string, asJSON bool, happened <-chan struct{}, ended <-chan error) error {
	w := cmd.OutOrStdout()
	var ticks <-chan time.Time
	if screenOf(w).redraws && !asJSON {
		t := time.NewTicker(tick)
		defer t.Stop()
		ticks = t.C
	}
	var due <-chan time.Time
	for {
		select {
		case <-happened:
			if due == nil {
				due = time.After(redraw)
			}
			continue
		case <-due:
		case <-ticks:
		case err := <-ended:
			return err
		}
		due = nil
		resp, err := askStatus(ctx, c)
		if err != nil {
			// What happened last may be that the daemon ends: it closes its socket first.
			select {
			case end := <-ended:
				return end
			case <-time.After(farewell):
				return err
			}
		}
		if err := drawStatus(w, resp, args, asJSON); err != nil {
			return err
		}
	}
}

func askStatus(ctx context.Context, c controlv1connect.ControlServiceClient) (*controlv1.StatusResponse, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errNoAnswer)
	defer cancel()
	return c.Status(ctx, &controlv1.StatusRequest{})
}

// drawStatus shows the status once, on a terminal in place of what was shown before.
func drawStatus(w io.Writer, resp *controlv1.StatusResponse, args []string, asJSON bool) error {
	parts, unknown := narrow(resp, args) // what is not there may come with a reload
	out := &printer{w: w}
	if asJSON {
		text, err := jsonLine(resp)
		if err != nil {
			return &statusError{exitInternal, err}
		}
		out.printf("%s\n", text)
		return out.result()
	}
	var text strings.Builder
	on := screenOf(w)
	if err := show(&text, resp, look{brief: len(args) > 0, parts: parts, screen: on, now: time.Now()}); err != nil {
		return err
	}
	for _, name := range unknown {
		text.WriteString("no such unit: " + printable(name) + "\n")
	}
	shown := text.String() + "\n"
	if on.redraws {
		shown = on.redraw(text.String())
	}
	out.printf("%s", shown) // at once, so that nothing flickers
	return out.result()
}
