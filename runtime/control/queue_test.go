package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// One user waits for itself, and not for ever; others have their turns meanwhile, and
// nothing is kept of whoever has gone.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		var mine []func()
		for range maxAskingOne {
			leave, ok := q.enter(t.Context(), 7)
			if !ok {
				t.Fatal("no turn while there is room")
			}
			mine = append(mine, leave)
		}
		ctx, cancel := context.WithCancel(t.Context())
		entered := make(chan bool, 1)
		go func() {
			_, ok := q.enter(ctx, 7)
			entered <- ok
		}()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("one user has more turns than it may have")
		default:
		}
		other, ok := q.enter(t.Context(), 8)
		if !ok {
			t.Fatal("another user has no turn")
		}
		cancel()
		if <-entered {
			t.Error("a call that was called off has a turn")
		}
		for _, leave := range append(mine, other) {
			leave()
			leave() // once is enough
		}
		if len(q.lanes) != 0 || len(q.all) != 0 {
			t.Errorf("%d lanes and %d turns are left", len(q.lanes), len(q.all))
		}
	})
}

// All users together have no more than all of the queue.
func TestQueueOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		var leaves []func()
		for uid := range uint32(maxAsking) {
			leave, _ := q.enter(t.Context(), uid)
			leaves = append(leaves, leave)
		}
		ctx, cancel := context.WithCancel(t.Context())
		entered := make(chan bool, 1)
		go func() {
			_, ok := q.enter(ctx, maxAsking)
			entered <- ok
		}()
		synctest.Wait()
		cancel()
		if <-entered {
			t.Error("there are more turns than the queue has")
		}
		for _, leave := range leaves {
			leave()
		}
		if len(q.lanes) != 0 {
			t.Errorf("%d lanes are left", len(q.lanes))
		}
	})
}

func TestReadAhead(t *testing.T) {
	tests := []struct {
		name, in  string
		wantLimit bool
	}{
		{name: "nothing"},
		{name: "a question", in: "{}"},
		{name: "as much as may be", in: strings.Repeat("x", maxQuestion)},
		{name: "more", in: strings.Repeat("x", maxQuestion+1), wantLimit: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.in))
			body := r.Body
			read := readAhead(httptest.NewRecorder(), r)
			if r.Body != body {
				t.Error("the server's request has another body")
			}
			got, err := io.ReadAll(read.Body)
			_, limit := errors.AsType[*http.MaxBytesError](err)
			if limit != tt.wantLimit || !limit && (err != nil || string(got) != tt.in) {
				t.Errorf("read %d of %d bytes, %v", len(got), len(tt.in), err)
			}
		})
	}
}
