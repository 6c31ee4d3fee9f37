package daemon

import (
	"errors"
	"log/slog"

	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/peer"
)

// noticeNodes begins to notice when the node of a uds socket goes, and returns what
// ends it. A machine that cannot tell is told about; everything else works there.
func (s *sockets) noticeNodes() (end func() error) {
	nodes, err := listen.NewNodes()
	if err != nil {
		s.daemon.log.Warn("a uds node that is deleted will not be noticed", slog.Any("error", err))
		return func() error { return nil }
	}
	s.nodes = nodes
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := nodes.Run(s.ctx, s.gone); err != nil {
			s.daemon.log.Error("a uds node that is deleted is not noticed any more", slog.Any("error", err))
		}
	}()
	return func() error {
		<-ended
		return nodes.Close()
	}
}

// watchNode watches the node of a socket that was opened. It is called in the worker
// that opened it, before the loop hears of it; checkNode follows.
func (s *sockets) watchNode(r opened) {
	if s.nodes == nil || r.err != nil {
		return
	}
	if err := s.nodes.Add(r.facts); err != nil && s.ctx.Err() == nil {
		s.daemon.log.Warn("a uds node that is deleted will not be noticed",
			slog.String("path", r.facts.Path), slog.Any("error", err))
	}
}

// checkNode looks whether the node has gone while nobody knew the listener.
func (s *sockets) checkNode(r opened) {
	if s.nodes != nil && r.err == nil {
		s.nodes.Check(r.facts.Cookie, s.gone)
	}
}

// forgetNode ends watchNode.
func (s *sockets) forgetNode(f *listen.Facts) {
	if s.nodes != nil {
		s.nodes.Remove(f.Cookie)
	}
}

// gone runs on the goroutine of the nodes, or in a worker.
func (s *sockets) gone(g listen.Gone) {
	s.daemon.loop.Deliver(func() flow.Event {
		li := s.byCookie[g.Cookie]
		if li == nil || li.lost {
			return nil // closed meanwhile, or known already
		}
		li.lost = true
		return flow.Unreachable{Socket: li.name, Reason: g.Reason}
	}, nil)
}

// succeeds lets a listener take over what waits in the one that had its path before.
// It is called on the loop.
func (s *sockets) succeeds(li, old *listener) {
	if old.lost && old.facts.Path == li.facts.Path {
		old.successor = li
		li.copies.Add(1) // until carry has ended
	}
}

// carry takes what waits in a listener whose node is gone to its successor. A worker
// calls it once nobody else takes from the listener.
func (s *sockets) carry(old *listener) {
	defer old.successor.copies.Done()
	old.copies.Wait() // of the last look at who waits
	carried, lost := 0, 0
	var err error
	switch {
	case old.server != nil && !old.def.Accept:
		err = old.server.Drain(s.ctx, func(a listen.Access) {
			carried++
			s.daemon.loop.Post(flow.Arrived{Socket: old.name, Access: access(a)})
		})
		old.server.Wait() // those who are heard have until then
	case old.facts.Stream:
		carried, lost, err = listen.Carry(s.ctx, old.successor.closed, old.fd, &old.successor.forwarder)
		s.mourn(old) // those that there was no time for
	default:
		// Sent by anybody else, a datagram would be from that one.
		lost, err = listen.Flush(s.ctx, old.fd, false)
	}
	if carried+lost == 0 && err == nil {
		return
	}
	level := slog.LevelInfo
	if lost > 0 || err != nil {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("socket", string(old.name)), slog.Int("kept", carried), slog.Int("lost", lost)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.daemon.log.LogAttrs(s.ctx, level, "what waited when the node was gone", attrs...)
}

// mourn says what is closed with a listener whose node is gone and that has no
// successor.
func (s *sockets) mourn(old *listener) {
	waiting, err := peer.Waiting(old.fd)
	if err != nil && !errors.Is(err, peer.ErrNoQueue) {
		s.complain(old.name, err)
	}
	if len(waiting) > 0 {
		s.daemon.log.LogAttrs(s.ctx, slog.LevelWarn, "what waited is closed with a socket that nobody could reach",
			slog.String("socket", string(old.name)), slog.Int("lost", len(waiting)))
	}
}
