package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
)

// gated is a log handler that waits before each record.
type gated struct {
	slog.Handler

	entered, gate chan struct{}
}

func newGated(buf *logBuffer) gated {
	return gated{slog.NewTextHandler(buf, nil), make(chan struct{}, maxRelayed+10), make(chan struct{})}
}

func (g gated) Handle(ctx context.Context, r slog.Record) error {
	g.entered <- struct{}{}
	<-g.gate
	return g.Handler.Handle(ctx, r)
}

func (g gated) WithAttrs(attrs []slog.Attr) slog.Handler {
	g.Handler = g.Handler.WithAttrs(attrs)
	return g
}

// counts compares how often a log has each text.
func counts(t *testing.T, log string, want map[string]int) {
	t.Helper()
	for text, n := range want {
		if got := strings.Count(log, text); got != n {
			t.Errorf("the log has %q %d times, want %d", text, got, n)
		}
	}
}

// A log that nobody reads does not stop who logs; what is lost is counted.
func TestRelay(t *testing.T) {
	buf := &logBuffer{}
	g := newGated(buf)
	r := newRelay(g)
	log := slog.New(r).With(slog.String("with", "attr"))
	log.Info("first")
	<-g.entered // it is being written, and does not come to an end
	for range maxRelayed {
		log.Info("queued")
	}
	log.Info("lost")
	log.Debug("not even enabled")
	close(g.gate)
	log = slog.New(r).WithGroup("g")
	r.close()
	log.Info("after the end", slog.Int("n", 1))
	counts(t, buf.String(), map[string]int{
		"msg=first with=attr": 1, "msg=queued with=attr": maxRelayed, "msg=lost": 0, "records=1": 1, "enabled": 0, "after": 0,
	})
}

// What services print waits for the reader, and none of it is lost.
func TestRelayIsPatientWithServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := &logBuffer{}
		g := newGated(buf)
		r := newRelay(g)
		log := slog.New(r.patient()).With(slog.String("with", "attr"))
		const lines = 3 * maxPrinted
		printed := 0
		go func() {
			for range lines {
				log.Info("line")
				printed++
			}
		}()
		synctest.Wait()
		if want := maxPrinted + 1; printed != want {
			t.Errorf("%d lines were taken from the service, want %d", printed, want)
		}
		slog.New(r).Info("the daemon goes on")
		close(g.gate)
		synctest.Wait()
		r.close()
		counts(t, buf.String(), map[string]int{"msg=line with=attr": lines, "goes on": 1, "lost": 0})
	})
}

// The end waits for the reader of the log, but not for ever.
func TestRelayGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf := &logBuffer{}
		g := newGated(buf)
		r := newRelay(g)
		log, services := slog.New(r), slog.New(r.patient()).WithGroup("g")
		log.Info("first")
		<-g.entered
		for range maxRelayed + 1 { // one is lost
			log.Info("queued")
		}
		begin := time.Now()
		r.end()
		for range 2 * maxPrinted { // a service that prints on
			services.Info("line")
		}
		log.Info("last")
		r.close()
		if took := time.Since(begin); took != logGrace {
			t.Errorf("the end took %v, want %v", took, logGrace)
		}
		close(g.gate) // the stuck write comes to its end, and is the last one
		synctest.Wait()
		counts(t, buf.String(), map[string]int{"msg=first": 1, "msg=": 1})
	})
}

// A reader of the log that has stopped reading holds up services that print, and
// nothing else: neither requests nor the end.
func TestLogThatNobodyReads(t *testing.T) {
	b := newBed(t, &plan.Plan{
		Sockets: []plan.Socket{{ // so that there is a plugin, which has to end
			Name: "t@in", Type: "tcp", Listen: "127.0.0.1:0", Lifecycle: plan.Managed, Enabled: true, FDName: "in",
		}},
		Services: []plan.Service{{
			Name: "t@app",
			Run:  []plan.Command{{Exec: "/bin/sh", Args: []string{"-c", "while :; do echo " + strings.Repeat("a", 100) + "; done"}}},
		}},
	})
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() {
		r.Close() // the write that is stuck fails
		w.Close()
	})
	raw, err := w.SyscallConn()
	must(t, err)
	full := func() (full bool) {
		must(t, raw.Control(func(fd uintptr) {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0)
			full = n == 0 && err == nil
		}))
		return full
	}
	b.opts.Log = slog.New(slog.NewTextHandler(w, nil))
	b.start()
	b.startService("t@app")
	b.poll(full, func() string { return "the log is full" })
	for range 3 {
		b.reload <- struct{}{}
	}
	if got := b.status().GetServices()[0].GetState(); got != "active" {
		t.Errorf("the service is %s, want active", got)
	}
	begin := time.Now()
	b.cancel(errors.New("signal test"))
	b.wait()
	if took := time.Since(begin); took > 2*logGrace {
		t.Errorf("the end took %v: it waited for the reader", took)
	}
}
