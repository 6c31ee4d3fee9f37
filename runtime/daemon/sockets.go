package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
)

// sockets carries out the effects on sockets. Its fields belong to the loop's
// goroutine; workers give results back with [loop.Loop.Deliver].
type sockets struct {
	ctx    context.Context //nolint:containedctx // of the workers: it ends with the daemon, not with a call
	daemon *Daemon
	set    *listen.Set
	defs   map[plan.Name]*plan.Socket

	open   map[plan.Name]*listener
	byID   map[listen.ID]*listener
	claims listen.Claims
	lastID listen.ID
}

// listener is one open socket. Its descriptor is the daemon's until close.
type listener struct {
	name  plan.Name
	def   *plan.Socket
	id    listen.ID
	fd    int
	facts listen.Facts

	server  *listen.Server // without owner
	cancel  context.CancelFunc
	life    context.Context //nolint:containedctx // of the connections that server finishes
	serving bool
	closing bool // close it as soon as nobody serves it
}

func newSockets(ctx context.Context, d *Daemon, set *listen.Set) *sockets {
	s := &sockets{
		ctx: ctx, daemon: d, set: set, defs: map[plan.Name]*plan.Socket{},
		open: map[plan.Name]*listener{}, byID: map[listen.ID]*listener{},
	}
	for i := range d.opts.Plan.Sockets {
		def := &d.opts.Plan.Sockets[i]
		s.defs[def.Name] = def
	}
	return s
}

// Open implements [loop.Sockets]: one call of the plugin for all sockets of a
// transport.
func (s *sockets) Open(names []plan.Name) {
	groups := map[string][]*plan.Socket{}
	for _, name := range names {
		def := s.defs[name]
		groups[def.Type] = append(groups[def.Type], def)
	}
	for transport, defs := range groups {
		s.daemon.tasks.Go(func() {
			o := opener{host: s.daemon.host, socketDir: s.daemon.opts.SocketDir}
			o.open(s.ctx, transport, manifestOf(s.daemon.opts.Plan, transport), defs, func(def *plan.Socket, r opened) {
				if !s.daemon.loop.Deliver(func() flow.Event { return s.opened(def, r) }) && r.err == nil {
					r.discard()
				}
			})
		})
	}
}

// opened takes over what a worker opened.
func (s *sockets) opened(def *plan.Socket, r opened) flow.Event {
	if r.err != nil {
		return flow.OpenFailed{Socket: def.Name, Reason: r.err.Error(), Retry: r.retry}
	}
	s.lastID++
	li := &listener{name: def.Name, def: def, id: s.lastID, fd: r.fd, facts: r.facts}
	if err := s.adopt(li); err != nil {
		r.discard()
		return flow.OpenFailed{Socket: def.Name, Reason: err.Error()}
	}
	s.open[def.Name], s.byID[li.id] = li, li
	return flow.Opened{Socket: def.Name, Addresses: r.addresses}
}

func (s *sockets) adopt(li *listener) error {
	if err := s.claims.Claim(li.facts.Cookie, string(li.name)); err != nil {
		return err
	}
	if li.def.Owner == "" {
		server, err := listen.NewServer(li.fd, li.facts)
		if err != nil {
			s.claims.Release(li.facts.Cookie)
			return err
		}
		li.server = server
		li.life, li.cancel = context.WithCancel(s.ctx)
	}
	if err := s.set.Add(li.id, li.fd); err != nil {
		s.claims.Release(li.facts.Cookie)
		if li.cancel != nil {
			li.cancel()
		}
		return err
	}
	return nil
}

// Close implements [loop.Sockets].
func (s *sockets) Close(name plan.Name) {
	li := s.open[name]
	delete(s.open, name)
	delete(s.byID, li.id)
	s.claims.Release(li.facts.Cookie)
	s.complain(name, s.set.Remove(li.id))
	if li.cancel != nil {
		li.cancel()
	}
	if li.serving {
		li.closing = true
		return
	}
	s.finish(li)
}

// finish closes a listener that nobody uses any more.
func (s *sockets) finish(li *listener) {
	s.daemon.tasks.Go(func() {
		if li.server != nil {
			li.server.Stop()
		}
		// The node goes first: while the socket is open, its inode number cannot
		// be given to somebody else's node.
		var err error
		if li.facts.Path != "" && li.def.Options["remove-on-stop"] != "false" {
			err = listen.RemoveNode(li.facts.Path, li.facts.Dev, li.facts.Ino)
		}
		s.complain(li.name, errors.Join(err, unix.Close(li.fd)))
		s.daemon.loop.Post(flow.Closed{Socket: li.name})
		if li.server != nil {
			li.server.Wait()
		}
	})
}

// Watch implements [loop.Sockets].
func (s *sockets) Watch(name plan.Name, eachArrival bool) {
	li := s.open[name]
	if eachArrival {
		s.complain(name, s.set.ArmEach(li.id))
		return
	}
	s.complain(name, s.set.Arm(li.id))
}

// Unwatch implements [loop.Sockets].
func (s *sockets) Unwatch(name plan.Name) {
	if li := s.open[name]; li != nil {
		s.complain(name, s.set.Disarm(li.id))
	}
}

// report runs on the set's goroutine.
func (s *sockets) report(ev listen.Event) {
	s.daemon.loop.Deliver(func() flow.Event {
		li := s.byID[ev.ID]
		switch {
		case li == nil:
			return nil // closed meanwhile
		case ev.Hangup:
			return flow.Broken{Socket: li.name, Reason: "a process that has the socket shut it down"}
		}
		return flow.Accessed{Socket: li.name}
	})
}

// Serve implements [loop.Sockets].
func (s *sockets) Serve(name plan.Name) {
	li := s.open[name]
	li.serving = true
	s.daemon.tasks.Go(func() {
		err := li.server.Serve(li.life, func(a listen.Access) {
			s.daemon.loop.Post(flow.Arrived{Socket: name, Access: flow.Access(a)})
		})
		s.daemon.loop.Deliver(func() flow.Event { return s.served(li, err) })
	})
}

// served takes a listener back from the worker that served it.
func (s *sockets) served(li *listener, err error) flow.Event {
	li.serving = false
	retry, ok := errors.AsType[*listen.RetryError](err)
	switch {
	case li.closing:
		s.finish(li)
		return nil
	case err == nil:
		return flow.Served{Socket: li.name}
	case ok:
		return flow.Served{Socket: li.name, Reason: retry.Error()}
	}
	return flow.Broken{Socket: li.name, Reason: err.Error()}
}

// duplicate returns a copy of a listener's descriptor for one start of its
// owner: the listener may be closed while the start is under way.
func (s *sockets) duplicate(name plan.Name) (fd int, def *plan.Socket, err error) {
	li := s.open[name]
	if li == nil {
		return -1, nil, fmt.Errorf("socket %s is not open", name)
	}
	fd, err = unix.FcntlInt(uintptr(li.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, nil, fmt.Errorf("duplicate the descriptor of socket %s: %w", name, err)
	}
	return fd, li.def, nil
}

// complain logs what should not happen and leaves everything in order.
func (s *sockets) complain(name plan.Name, err error) {
	if err != nil {
		s.daemon.opts.Log.LogAttrs(s.ctx, slog.LevelError, "socket operation failed",
			slog.String("socket", string(name)), slog.Any("error", err))
	}
}
