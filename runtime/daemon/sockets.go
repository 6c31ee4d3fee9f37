package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/loop"
	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/proc"
)

// sockets carries out the effects on sockets. Its fields belong to the loop's
// goroutine; workers give results back with [loop.Loop.Deliver].
type sockets struct {
	ctx    context.Context // of the workers: it ends with the daemon, not with a call
	daemon *daemon
	set    *listen.Set
	defs   map[plan.Name]*plan.Socket

	// opening ends when a shutdown begins, which nothing is opened for.
	opening     context.Context
	stopOpening context.CancelFunc

	open   map[plan.Name]*listener
	byID   map[listen.ID]*listener
	claims listen.Claims

	retiring []*listener // see retiring.go

	nodes    *listen.Nodes // nil: the machine cannot tell, or none is watched yet
	byCookie map[uint64]*listener

	lastID listen.ID

	connections    map[uint64]*connection // of sockets that accept, until a process has them
	lastConnection uint64
}

// settleTimeout bounds the wait for processes that are between clone and exec
// when a listener is closed.
const settleTimeout = 5 * time.Second

// listener is one open socket. Its descriptor is the daemon's until close.
type listener struct {
	name  plan.Name
	def   *plan.Socket
	bound *plan.Socket // the definition that it was opened with
	id    listen.ID
	fd    int
	facts listen.Facts

	server  *listen.Server // without owner, or with one that gets connections
	cancel  context.CancelFunc
	life    context.Context // of the connections that server finishes
	serving bool
	closing bool // close it as soon as nobody serves it

	// Of sockets whose permissions are checked while clients wait.
	rule        atomic.Pointer[peer.Rule] // who may now; nil: everybody. The loop stores it
	restricting sync.Mutex                // one change of the list of its path at a time

	denied    func(listen.Access)
	forwarder listen.Forwarder
	admitted  map[uint64]bool // who waited and may, at the last look; the loop's

	replaced  bool      // another one has its name, so nobody waits for its end
	lost      bool      // its node is gone: nobody can reach it
	successor *listener // that has its path now, and gets what waits in it

	closed chan struct{} // closed when close is called
	gone   chan struct{} // closed when its address is free

	copies sync.WaitGroup // of the descriptor, that workers have
}

func newSockets(ctx context.Context, d *daemon, set *listen.Set) *sockets {
	s := &sockets{
		ctx: ctx, daemon: d, set: set, defs: map[plan.Name]*plan.Socket{},
		open: map[plan.Name]*listener{}, byID: map[listen.ID]*listener{}, byCookie: map[uint64]*listener{}, connections: map[uint64]*connection{},
	}
	s.opening, s.stopOpening = context.WithCancel(ctx)
	s.define(d.opts.Plan)
	return s
}

// openGrace is how long a shutdown waits for plugins that are binding. A bind that
// is called off may leave the node of a unix socket behind, and takes a moment.
const openGrace = time.Second

// finishOpening calls off what is still being opened after that time.
func (s *sockets) finishOpening() {
	s.daemon.tasks.Go(func() {
		grace := time.NewTimer(openGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			s.stopOpening()
		case <-s.opening.Done(): // everything is over
		}
	})
}

// Open implements [loop.Sockets]: one call of the plugin for all sockets of a
// transport, but for those with a host name, whose look-up may take long.
func (s *sockets) Open(names []plan.Name) {
	batches := map[string][]*plan.Socket{}
	for _, name := range names {
		def := s.defs[name]
		if _, _, named := hostName(def); named {
			s.openAll([]*plan.Socket{def})
			continue
		}
		batches[def.Type] = append(batches[def.Type], def)
	}
	for _, defs := range batches {
		s.openAll(defs)
	}
}

// openAll opens sockets of one transport, in a worker.
func (s *sockets) openAll(defs []*plan.Socket) {
	o := opener{host: s.daemon.host, plan: s.daemon.opts.Plan, rules: s.daemon.rules, socketDir: s.daemon.opts.SocketDir}
	before := s.retirees(defs)
	s.daemon.tasks.Go(func() {
		awaitRetired(s.opening, before)
		changes := s.daemon.addresses.changes.Load()
		o.open(s.opening, defs, func(def *plan.Socket, r opened) {
			if r.absent {
				defer s.daemon.addresses.missed(changes)
			}
			s.watchNode(r)
			s.daemon.loop.Deliver(
				func() flow.Event { return s.opened(def, o.rules[def.Name], r) },
				func() { s.discard(def.Name, r) },
			)
			s.checkNode(r)
		})
	})
}

// opened takes over what a worker opened. rule is who may access it as it was opened,
// which may have changed meanwhile.
func (s *sockets) opened(def *plan.Socket, rule *peer.Rule, r opened) flow.Event {
	if r.err != nil {
		return flow.OpenFailed{Socket: def.Name, Reason: r.err.Error(), Retry: r.retry, Absent: r.absent}
	}
	s.lastID++
	li := &listener{name: def.Name, def: def, id: s.lastID, fd: r.fd, facts: r.facts, denied: s.denied(def.Name), bound: def, closed: make(chan struct{}), gone: make(chan struct{})}
	li.rule.Store(rule)
	if err := s.adopt(li); err != nil {
		s.daemon.tasks.Go(func() { s.discard(def.Name, r) })
		return flow.OpenFailed{Socket: def.Name, Reason: fmt.Sprintf("socket %s: %v", def.Name, err)}
	}
	if old := s.open[def.Name]; old != nil {
		old.replaced = true
		s.succeeds(li, old)
		s.retire(old)
		s.close(old)
	}
	s.open[def.Name], s.byID[li.id], s.byCookie[li.facts.Cookie] = li, li, li
	s.followLater(s.followOne(li, s.daemon.rules[def.Name]))
	return flow.Opened{Socket: def.Name, Addresses: r.addresses, Options: r.options}
}

// discard closes what was opened and nobody wants any more.
func (s *sockets) discard(name plan.Name, r opened) {
	s.forgetNode(&r.facts)
	s.complain(name, r.discard())
}

func (s *sockets) adopt(li *listener) error {
	if err := s.claims.Claim(li.facts.Cookie, string(li.name)); err != nil {
		return err
	}
	if li.def.Owner == "" || li.def.Accept {
		server, err := listen.NewServer(li.fd, li.facts)
		if err != nil {
			s.claims.Release(li.facts.Cookie)
			return err
		}
		if !li.def.Accept && wantsData(li.def, li.facts.Stream) {
			server.WantData()
		}
		if li.rule.Load() != nil && li.facts.Stream {
			server.SetGate(listen.Gate{
				Allow:  func(c peer.Cred) bool { return li.rule.Load().Allows(c) },
				Denied: li.denied,
			})
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
func (s *sockets) Close(name plan.Name) { s.close(s.open[name]) }

func (s *sockets) close(li *listener) {
	close(li.closed)
	delete(s.open, li.name)
	delete(s.byID, li.id)
	delete(s.byCookie, li.facts.Cookie)
	s.forgetNode(&li.facts)
	s.claims.Release(li.facts.Cookie)
	s.complain(li.name, s.set.Remove(li.id))
	if li.cancel != nil && li.successor == nil {
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
		if li.successor != nil {
			s.carry(li)
			if li.cancel != nil {
				li.cancel()
			}
		} else if li.lost {
			s.mourn(li)
		}
		if li.server != nil {
			li.server.Stop()
		}
		s.complain(li.name, errors.Join(li.removeNode(), unix.Close(li.fd)))
		// The address is free when the last copy is closed, those that processes
		// being started have until their exec too.
		li.copies.Wait() // no Forward begins any more
		ctx, cancel := context.WithTimeout(s.ctx, settleTimeout)
		s.complain(li.name, proc.Settle(ctx))
		cancel()
		close(li.gone)
		if !li.replaced {
			s.daemon.loop.Post(flow.Closed{Socket: li.name})
		}
		if li.server != nil {
			li.server.Wait()
		}
		li.forwarder.Wait()
	})
}

// removeNode removes what a listener has in the file system, before it is closed:
// while the socket is open, its inode number cannot be given to somebody else's node.
func (li *listener) removeNode() error {
	if li.def.Options["remove-on-stop"] == "false" || li.successor != nil { // which has the links, too
		return nil
	}
	if !li.lost {
		return li.facts.Remove()
	}
	links := li.facts
	links.Path = ""
	err := listen.RemoveNode(li.facts.Path, li.facts.Dev, li.facts.Ino)
	if errors.Is(err, listen.ErrForeignNode) {
		err = nil // that was said when it was found
	}
	return errors.Join(links.Remove(), err)
}

// Watch implements [loop.Sockets].
func (s *sockets) Watch(name plan.Name, what loop.Watching) {
	li := s.open[name]
	if li == nil {
		return // closed by the same step
	}
	var err error
	switch what {
	case loop.Nothing:
		err = s.set.Disarm(li.id)
	case loop.NextAccess:
		err = s.set.Arm(li.id)
	case loop.EachArrival:
		err = s.set.ArmEach(li.id)
	}
	s.complain(name, err)
}

// Inspect implements [loop.Sockets]. The worker gets a descriptor of its own. If
// it cannot find out who waits, the answer is that nobody is known.
func (s *sockets) Inspect(name plan.Name) {
	f, release, err := s.duplicate(name)
	if err != nil {
		s.complain(name, err)
		s.daemon.loop.Post(flow.Inspected{Socket: name})
		return
	}
	s.daemon.tasks.Go(func() {
		waiting, err := peer.Waiting(f.FD)
		if err != nil && !errors.Is(err, peer.ErrNoQueue) {
			s.complain(name, err)
		}
		release()
		s.daemon.loop.Post(flow.Inspected{Socket: name, Waiting: waiting})
	})
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
	}, nil)
}

// Serve implements [loop.Sockets]. Where each access runs a program, those of the
// accesses before come first: what waits, waits in the kernel's bounded queue.
func (s *sockets) Serve(name plan.Name) {
	li := s.open[name]
	li.serving = true
	turn := s.daemon.commands.last
	if !slices.ContainsFunc(li.def.Trigger, runsProgram) {
		turn = nil
	}
	s.daemon.tasks.Go(func() {
		if turn != nil {
			select {
			case <-turn:
			case <-li.life.Done():
			}
		}
		err := li.server.Serve(li.life, func(a listen.Access) {
			s.daemon.loop.Post(flow.Arrived{Socket: name, Access: access(a)})
		})
		s.daemon.loop.Deliver(func() flow.Event { return s.served(li, err) }, nil)
	})
}

func runsProgram(a plan.Action) bool { return a.Do == plan.OpExec || a.Do == plan.OpScript }

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
// owner, or one look at who waits: the listener may be closed meanwhile. The
// copy is closed by release, which may be called on any goroutine, once.
func (s *sockets) duplicate(name plan.Name) (file proc.File, release func(), err error) {
	li := s.open[name]
	if li == nil {
		return proc.File{}, nil, fmt.Errorf("socket %s is not open", name)
	}
	fd, err := unix.FcntlInt(uintptr(li.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return proc.File{}, nil, fmt.Errorf("duplicate the descriptor of socket %s: %w", name, err)
	}
	li.copies.Add(1)
	release = func() {
		_ = unix.Close(fd) // a duplicate: nothing can be lost
		li.copies.Done()
	}
	return proc.File{FD: fd, Name: li.def.FDName, NonBlock: li.def.NonBlocking}, release, nil
}

// complain logs what should not happen and leaves everything in order.
func (s *sockets) complain(name plan.Name, err error) {
	if err != nil {
		s.daemon.log.LogAttrs(s.ctx, slog.LevelError, "socket operation failed",
			slog.String("socket", string(name)), slog.Any("error", err))
	}
}

func access(a listen.Access) flow.Access {
	return flow.Access{Local: a.Local, Remote: a.Remote, UID: a.UID, GID: a.GID, PID: a.PID, Data: a.Data}
}

// wantsData reports whether the triggers of a socket without owner do something
// with what clients send. Of a connection, only who refers to it makes the others
// wait until it has been sent.
func wantsData(def *plan.Socket, stream bool) bool {
	return slices.ContainsFunc(def.Trigger, func(a plan.Action) bool {
		found := !stream && runsProgram(a)
		if a.Template != nil {
			a.Template.References(func(n *plan.Node) { found = found || n.Access == plan.AccessData })
		}
		return found
	})
}
