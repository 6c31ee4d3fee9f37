package loop

import (
	"sync"

	"github.com/rind-sockets/rind/runtime/flow"
)

// maxRequests bounds the requests from outside that wait in the inbox. Events
// from inside are never refused: they are answers to effects, so there are
// never more of them than things in progress.
const maxRequests = 1024

// entry is one message to the loop: an event, a request, a look, the answer of the
// store, or the begin or end of a subscription.
type entry struct {
	event   flow.Event
	make    func() flow.Event // in place of event
	discard func()            // in place of make, at the end; may be nil

	by     string
	ask    func(flow.Request) flow.Event
	answer chan<- answer

	look chan<- flow.Snapshot

	save    uint64 // the answer of the store to it
	saveErr error

	watch, unwatch *watcher
}

// answer is what becomes of a request.
type answer struct {
	reply flow.Reply
	err   error
}

// refuse tells whoever sent the entry that its turn will not come.
func (en entry) refuse() {
	if en.discard != nil {
		en.discard()
	}
	if en.answer != nil {
		close(en.answer)
	}
	if en.look != nil {
		close(en.look)
	}
	if en.watch != nil {
		close(en.watch.to)
	}
}

// inbox is the queue in front of the loop, in order of arrival.
type inbox struct {
	wake chan struct{} // has a token while entries wait

	mu      sync.Mutex
	entries []entry
	outside int  // requests among them
	full    bool // too much waits for the disk
	closed  bool
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds an entry and reports whether somebody will read it.
func (in *inbox) put(en entry) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	in.add(en)
	return true
}

// submit adds a request, unless too many wait.
func (in *inbox) submit(en entry) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.closed:
		return ErrClosed
	case in.full || in.outside >= maxRequests:
		return ErrBusy
	}
	in.outside++
	in.add(en)
	return nil
}

// limit says whether requests are to be refused.
func (in *inbox) limit(full bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.full = full
}

func (in *inbox) add(en entry) {
	in.entries = append(in.entries, en)
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take returns everything that waits.
func (in *inbox) take() []entry {
	in.mu.Lock()
	defer in.mu.Unlock()
	taken := in.entries
	in.entries, in.outside = nil, 0
	return taken
}

// close returns everything that waits and refuses what comes later.
func (in *inbox) close() []entry {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	taken := in.entries
	in.entries = nil
	return taken
}
