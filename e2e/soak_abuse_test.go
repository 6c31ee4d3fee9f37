package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// losses counts the requests that got no right answer, by what they got.
type losses struct {
	mu sync.Mutex
	by map[string]int
}

func (l *losses) add(network string, err error) {
	cause := "another answer"
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		cause = errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		cause = "no answer in time"
	case err != nil:
		cause = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]int{}
	}
	l.by[network+": "+cause]++
}

func (l *losses) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) == 0 {
		return "0"
	}
	return fmt.Sprint(l.by)
}

// disturb does what operators and accidents do.
func (b *bed) disturb(ctx context.Context, plans []string) {
	other := []string{"web@other"}
	loaded := []string{"web@tcp", "web@uds", "web@udp", "web@crashing"}
	for i := 0; ctx.Err() == nil; i++ {
		_, err := b.control.SetState(ctx, &controlv1.SetStateRequest{Name: "web@level", Payload: &controlv1.Payload{
			Value: &controlv1.Payload_Text{Text: strconv.Itoa(i)},
		}})
		if err == nil {
			_, err = b.control.Start(ctx, &controlv1.StartRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: other})
		}
		if err == nil && i%10 == 0 {
			err = b.killPlugins(ctx)
		}
		if err == nil && i%7 == 3 {
			_, err = b.control.Reload(ctx, &controlv1.ReloadRequest{Path: plans[i/7%len(plans)]})
		}
		if err == nil && i%4 == 1 {
			err = b.pauseFor(ctx, time.Duration(i/4%3)*100*time.Millisecond, loaded)
		}
		if err == nil && i%2 == 0 {
			_, err = b.control.Grant(ctx, &controlv1.GrantRequest{Permission: "ops", User: "4001"})
		}
		if err == nil && i%2 == 1 {
			_, err = b.control.Revoke(ctx, &controlv1.RevokeRequest{Permission: "ops", User: "4001"})
		}
		if err == nil {
			_, err = b.control.Stop(ctx, &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: other})
		}
		if err != nil && ctx.Err() == nil {
			b.t.Errorf("control: %v", err)
			return
		}
	}
}

// killPlugins kills those that run. At times, the next start of a socket needs one.
func (b *bed) killPlugins(ctx context.Context) error {
	st, err := b.control.Status(ctx, &controlv1.StatusRequest{})
	if err != nil {
		return err
	}
	for _, p := range st.GetPlugins() {
		if p.GetPid() != 0 {
			_ = syscall.Kill(int(p.GetPid()), syscall.SIGKILL) // it may be gone
		}
	}
	return nil
}

// pauseFor pauses sockets for a while, in which clients come and wait, and resumes them
// whatever happens.
func (b *bed) pauseFor(ctx context.Context, d time.Duration, names []string) error {
	_, err := b.control.Pause(ctx, &controlv1.PauseRequest{Names: names})
	if d > 0 && err == nil {
		over := time.NewTimer(d)
		defer over.Stop()
		select {
		case <-over.C:
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, resumeErr := b.control.Resume(ctx, &controlv1.ResumeRequest{Names: names})
	return errors.Join(err, resumeErr)
}

// abuse does to the daemon's own sockets what no client should do, with one connection
// at a time: the operator above has the same uid, and each uid has its share of
// connections. Whatever becomes of it: it may be turned away, answered or left alone.
func (b *bed) abuse(ctx context.Context) {
	garbage := []string{"", "\x00\x01\x02", "GET /metrics HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}
	oversized := post("Emit", `{"name": "`+strings.Repeat("x", 8<<20)+`"}`)
	ways := []func(c *net.UnixConn, i int){
		func(c *net.UnixConn, i int) { _, _ = c.Write([]byte(garbage[i%len(garbage)])) },
		func(c *net.UnixConn, _ int) { _, _ = c.Write([]byte(oversized)) },
		func(c *net.UnixConn, _ int) { // half of a request, and half of a connection
			_, _ = c.Write([]byte(post("Status", "{}")[:20]))
			_ = c.CloseWrite()
		},
		func(c *net.UnixConn, _ int) { // a byte now and then
			every := time.NewTicker(5 * time.Millisecond)
			defer every.Stop()
			for _, one := range []byte(post("Status", "{}")[:40]) {
				<-every.C
				if _, err := c.Write([]byte{one}); err != nil {
					return
				}
			}
		},
	}
	for i := 0; ctx.Err() == nil; i++ {
		if i%5 == 4 {
			b.watchABit(ctx)
			continue
		}
		path := b.file([]string{"run/control.sock", "run/metrics.sock"}[i%2])
		c, err := net.DialTimeout("unix", path, patience)
		if err != nil {
			if !errors.Is(err, syscall.EAGAIN) { // its queue is full, as it may be
				b.t.Errorf("dial %s: %v", path, err)
				return
			}
			continue
		}
		_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if uc, ok := c.(*net.UnixConn); ok {
			ways[i/2%len(ways)](uc, i)
		}
		_, _ = c.Read(make([]byte, 4096))
		c.Close()
	}
}

// watchABit goes away in the middle of a stream of events.
func (b *bed) watchABit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := b.control.Watch(ctx, &controlv1.WatchRequest{})
	if err != nil {
		return // the end of the test, or too many connections
	}
	stream.Receive()
	cancel()
	_ = stream.Close()
}

// abuseSockets connects to sockets of the plan and says nothing, half closes, or resets:
// to one that no load is about, whose owner would have to wait for such a client. It may
// be closed at the moment, or somewhere else.
func (b *bed) abuseSockets(ctx context.Context) {
	next := time.NewTicker(time.Millisecond)
	defer next.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		<-next.C
		c, err := net.DialTimeout("tcp", b.ip+":"+strconv.Itoa(7003+i%2), patience)
		if err != nil {
			continue
		}
		tc, ok := c.(*net.TCPConn)
		switch {
		case ok && i%3 == 0:
			_ = tc.SetLinger(0)
		case ok && i%3 == 1:
			_ = tc.CloseWrite()
			_ = tc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = tc.Read(make([]byte, 16))
		default:
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, _ = c.Read(make([]byte, 16))
		}
		c.Close()
	}
}
