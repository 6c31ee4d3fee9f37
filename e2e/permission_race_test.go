package e2e

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// polled is what a client got that has tried to connect again and again.
type polled struct {
	connected, refused, notThere, forbidden int
	other                                   []error
}

// poll connects until the context ends, and one that may until it has connected so
// many times; started is closed with the first attempt.
func poll(ctx context.Context, c client, path string, enough int, started func()) (p polled) {
	for ctx.Err() == nil && p.connected < enough {
		_, err := connectAs(c, path, "")
		started()
		switch {
		case err == nil, errors.Is(err, unix.ECONNRESET):
			p.connected++
		case errors.Is(err, unix.ECONNREFUSED):
			p.refused++
		case errors.Is(err, unix.ENOENT):
			p.notThere++
		case errors.Is(err, unix.EACCES):
			p.forbidden++
		default:
			p.other = append(p.other, err)
		}
	}
	return p
}

// Both poll from before the start: nobody gets in who may not, and nobody is told so
// who may.
func TestS144PolledFromBeforeTheStart(t *testing.T) {
	needRoot(t)
	for range 3 {
		b := newBed(t, operators+bell("bell.sock", `"operators"`))
		b.compile()
		path := b.file("sock/bell.sock")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var clients, started sync.WaitGroup
		var may, mayNot polled
		started.Add(2)
		clients.Go(func() {
			may = poll(ctx, client{uid: 4001, gid: 9000}, path, 100, sync.OnceFunc(started.Done))
			cancel()
		})
		clients.Go(func() {
			mayNot = poll(ctx, client{uid: 4003, gid: 9000}, path, 1, sync.OnceFunc(started.Done))
		})
		started.Wait()
		b.start()
		clients.Wait()
		cancel()
		if may.connected != 100 || may.forbidden != 0 || len(may.other) != 0 {
			t.Errorf("who may: %+v, want 100 connections and no EACCES", may)
		}
		if mayNot.connected != 0 || mayNot.forbidden == 0 || len(mayNot.other) != 0 {
			t.Errorf("who may not: %+v, want no connection and some EACCES", mayNot)
		}
		t.Logf("who may: %+v; who may not: %+v", may, mayNot)
		b.do("shutdown")
		b.wait()
	}
}
