package proc

import (
	"context"
	"fmt"
	"sync"
	"syscall"
)

// underWay are the starts between clone and exec. The descriptor table is the
// process's, so this is too.
var underWay = struct {
	sync.Mutex
	starts map[chan struct{}]struct{}
}{starts: map[chan struct{}]struct{}{}}

// begin registers a start; the caller calls the result when it is over.
func begin() (end func()) {
	over := make(chan struct{})
	underWay.Lock()
	defer underWay.Unlock()
	underWay.starts[over] = struct{}{}
	return func() {
		underWay.Lock()
		defer underWay.Unlock()
		delete(underWay.starts, over)
		close(over)
	}
}

// Settle returns when no process that was being started as it was called is left
// between clone and exec. Until its exec such a process holds a copy of every
// descriptor of the daemon, so only after Settle is a descriptor that was closed
// before it really closed, and its port free. Starts that begin later do not
// matter, and are not held up. It fails when ctx ends.
func Settle(ctx context.Context) error {
	underWay.Lock()
	starts := make([]chan struct{}, 0, len(underWay.starts))
	for over := range underWay.starts {
		starts = append(starts, over)
	}
	underWay.Unlock()
	for _, over := range starts {
		select {
		case <-over:
		case <-ctx.Done():
			return fmt.Errorf("wait for processes that are being started: %w", context.Cause(ctx))
		}
	}
	// Everybody else who forks in a Go program holds this lock until the exec.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return nil
}
