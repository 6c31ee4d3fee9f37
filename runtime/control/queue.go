package control

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// queue is where those wait who may only ask. One user cannot have all of it.
type queue struct {
	all chan struct{}

	mu    sync.Mutex
	lanes map[uint32]*lane
}

// lane is the part of a queue that one user has, for as long as somebody is in it.
type lane struct {
	turns chan struct{}
	users int // who are in it or wait for it; under the queue's mu
}

func newQueue() *queue {
	return &queue{all: make(chan struct{}, maxAsking), lanes: map[uint32]*lane{}}
}

// enter waits for the turn of a call. The caller has to call leave if it is ok, once
// or more; else ctx has ended.
func (q *queue) enter(ctx context.Context, uid uint32) (leave func(), ok bool) {
	l := q.lane(uid)
	select {
	case l.turns <- struct{}{}:
	case <-ctx.Done():
		q.drop(uid, l)
		return nil, false
	}
	select {
	case q.all <- struct{}{}:
	case <-ctx.Done():
		<-l.turns
		q.drop(uid, l)
		return nil, false
	}
	return sync.OnceFunc(func() {
		<-q.all
		<-l.turns
		q.drop(uid, l)
	}), true
}

func (q *queue) lane(uid uint32) *lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[uid]
	if l == nil {
		l = &lane{turns: make(chan struct{}, maxAskingOne)}
		q.lanes[uid] = l
	}
	l.users++
	return l
}

func (q *queue) drop(uid uint32, l *lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(q.lanes, uid)
	}
}

// readAhead returns a request whose body has been read, before the call has its turn:
// others do not wait for whoever sends it slowly. What is wrong with it is found by
// whoever reads it. The request of the server stays as it is, since the server looks at
// its body to know whether the connection can have another request.
func readAhead(w http.ResponseWriter, r *http.Request) *http.Request {
	body := http.MaxBytesReader(w, r.Body, maxQuestion)
	text, err := io.ReadAll(body)
	if err == nil {
		err = io.EOF
	}
	read := r.WithContext(r.Context())
	read.Body = &question{text: bytes.NewReader(text), end: err, Closer: body}
	return read
}

// question is a body that has been read, and how it ended.
type question struct {
	io.Closer

	text *bytes.Reader
	end  error
}

// Read implements [io.Reader].
func (q *question) Read(p []byte) (int, error) {
	n, err := q.text.Read(p)
	if err != nil {
		err = q.end
	}
	return n, err
}
