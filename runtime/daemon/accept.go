package daemon

import (
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/proc"
)

// connection is one that was accepted for a process of its own. It is the
// daemon's until it is dismissed.
type connection struct {
	fd  int
	def *plan.Socket
	env []string
}

// Accept implements [loop.Sockets].
func (s *sockets) Accept(name plan.Name, most int) {
	li := s.open[name]
	li.serving = true
	s.daemon.tasks.Go(func() {
		err := li.server.Accept(li.life, most, func(c listen.Connection) {
			s.daemon.loop.Deliver(
				func() flow.Event { return s.connected(li, c) },
				func() { _ = unix.Close(c.FD) }, // nothing was written
			)
		})
		s.daemon.loop.Deliver(func() flow.Event { return s.served(li, err) }, nil)
	})
}

// connected takes over a connection that a worker accepted.
func (s *sockets) connected(li *listener, c listen.Connection) flow.Event {
	s.lastConnection++
	s.connections[s.lastConnection] = &connection{fd: c.FD, def: li.def, env: c.Env}
	return flow.Connected{Socket: li.name, Connection: s.lastConnection, Source: c.Source, Access: access(c.Access)}
}

// Dismiss implements [loop.Sockets]. A connection with data that nobody has read
// may be told so by the kernel, which is no wait.
func (s *sockets) Dismiss(id uint64) {
	c := s.connections[id]
	if c == nil {
		s.complain("", fmt.Errorf("connection %d: it is dismissed already", id))
		return
	}
	delete(s.connections, id)
	_ = unix.Close(c.fd) // nothing was written
}

// Flush implements [loop.Sockets]. The worker gets a descriptor of its own.
func (s *sockets) Flush(name plan.Name) {
	f, release, err := s.duplicate(name)
	if err != nil {
		s.complain(name, err)
		s.daemon.loop.Post(flow.Flushed{Socket: name})
		return
	}
	li := s.open[name]
	s.daemon.tasks.Go(func() {
		n, err := listen.Flush(s.ctx, f.FD, li.facts.Stream)
		s.complain(name, err)
		release()
		s.daemon.log.LogAttrs(s.ctx, slog.LevelInfo, "what waited was thrown away", slog.String("socket", string(name)), slog.Int("count", n))
		s.daemon.loop.Deliver(func() flow.Event {
			if s.open[name] != li {
				return nil // nobody waits for it any more
			}
			return flow.Flushed{Socket: name}
		}, nil)
	})
}

// copyOf returns a copy of a connection for one process of its owner, and what the
// process learns of it.
func (s *sockets) copyOf(id uint64) (c *handedConnection, err error) {
	from := s.connections[id]
	if from == nil {
		return nil, fmt.Errorf("connection %d is not there any more", id)
	}
	// It is nobody else's: what the flag is stays what it is.
	if err := unix.SetNonblock(from.fd, from.def.NonBlocking); err != nil {
		return nil, fmt.Errorf("connection of socket %s: set O_NONBLOCK: %w", from.def.Name, err)
	}
	fd, err := unix.FcntlInt(uintptr(from.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate a connection of socket %s: %w", from.def.Name, err)
	}
	return &handedConnection{connection{fd, from.def, from.env}}, nil
}

// handedConnection is the copy of a connection that one start of a process has.
type handedConnection struct{ connection }

// file is the connection as descriptor 3.
func (c *handedConnection) file() proc.File {
	return proc.File{FD: c.fd, Name: c.def.FDName, NonBlock: c.def.NonBlocking}
}

func (c *handedConnection) release() { _ = unix.Close(c.fd) }

// dismissAll closes what is left when the loop has ended.
func (s *sockets) dismissAll() {
	for id := range s.connections {
		s.Dismiss(id)
	}
}
