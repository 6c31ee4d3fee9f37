package daemon

import (
	"context"
	"slices"

	"github.com/rind-sockets/rind/plan"
)

// A listener that was replaced by another one of its socket is closed a moment later,
// when nobody serves it any more. The engine does not wait for that, so what is opened
// meanwhile on its address does.

// retire waits, with whatever is opened from now on, for the end of a listener.
func (s *sockets) retire(li *listener) {
	s.retiring = append(s.retiring, li)
}

// retirees returns what has to be gone before sockets of one transport are opened. A
// path has its next node already, so only whoever wants the same one waits.
func (s *sockets) retirees(defs []*plan.Socket) []*listener {
	s.retiring = slices.DeleteFunc(s.retiring, func(li *listener) bool {
		select {
		case <-li.gone:
			return true
		default:
			return false
		}
	})
	var out []*listener
	for _, li := range s.retiring {
		if slices.ContainsFunc(defs, func(def *plan.Socket) bool {
			return def.Type == li.bound.Type && (def.Type != "uds" || def.Listen == li.bound.Listen)
		}) {
			out = append(out, li)
		}
	}
	return out
}

// awaitRetired waits for the end of listeners, but not for ever: who opens a socket says
// what is in the way.
func awaitRetired(ctx context.Context, listeners []*listener) {
	ctx, cancel := context.WithTimeout(ctx, 2*settleTimeout)
	defer cancel()
	for _, li := range listeners {
		select {
		case <-li.gone:
		case <-ctx.Done():
			return
		}
	}
}
