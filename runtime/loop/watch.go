package loop

import (
	"context"

	"github.com/rind-sockets/rind/runtime/flow"
)

// maxUnread is how many announcements wait for one watcher.
const maxUnread = 256

// Announcement is one announcement of the engine to a watcher, or a transition.
type Announcement struct {
	flow.Announce

	Transition *flow.Transition // if it is one; read-only

	Lost int // how many before it the watcher was too slow for
}

// watcher is one subscription. It belongs to the loop's goroutine, which alone
// sends and closes.
type watcher struct {
	to   chan Announcement
	lost int
}

// Watch returns the transitions and announcements of the engine from now on; it
// announces only if it was made to ([flow.Config]). The loop never waits for a watcher: what does not
// fit is lost, and the next that does says how many were. The channel is closed
// when ctx or the loop ends.
func (l *Loop) Watch(ctx context.Context) (<-chan Announcement, error) {
	w := &watcher{to: make(chan Announcement, maxUnread)}
	if err := l.inbox.submit(entry{watch: w}); err != nil {
		return nil, err
	}
	// The entry is behind the one that subscribes.
	context.AfterFunc(ctx, func() { l.inbox.put(entry{unwatch: w}) })
	return w.to, nil
}

func (l *Loop) announce(a Announcement) {
	for w := range l.watchers {
		a.Lost = w.lost
		select {
		case w.to <- a:
			w.lost = 0
		default:
			w.lost++
		}
	}
}

// unwatch ends a subscription, once.
func (l *Loop) unwatch(w *watcher) {
	if l.watchers[w] {
		delete(l.watchers, w)
		close(w.to)
	}
}
