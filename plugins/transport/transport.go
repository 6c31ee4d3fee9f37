// Package transport is what the author of a transport plugin imports. A plugin
// binds sockets of one kind, or a few, and hands them to the daemon; [Serve] is
// its whole main function. docs/writing-a-transport.md has a complete plugin,
// docs/plugin-protocol.md has what goes over the wire.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// Transport binds endpoints. Its methods are called from several goroutines.
type Transport interface {
	// Bind opens a socket and binds it to the endpoint, whose address and
	// options have passed the manifest and Check. It must not listen: the
	// daemon does, so that clients see its identity. When ctx ends it should
	// return soon.
	//
	// The error may be an [*Error]; any other error is given a code by the
	// errno it wraps, see [CodeOf].
	Bind(ctx context.Context, ep Endpoint) (*Socket, error)
}

// Checker is a Transport that knows more about endpoints than a manifest can
// say.
type Checker interface {
	// Check returns the canonical spelling of the endpoint's address, or why it
	// cannot be bound on any machine. It must be pure: no socket, no file, the
	// same answer everywhere, because compilers ask too. Canonical spellings
	// are fixed points: they are their own canonical spelling.
	Check(ep Endpoint) (canonical string, err error)
}

// Endpoint is what a socket is to be bound to.
type Endpoint struct {
	ID      string // the host's name for the listener, for logs
	Scheme  string
	Address string            // never a host name
	Options map[string]string // as given, without defaults; see Text
	Prefer  []string          // of Options: the kernel may refuse these, see Socket.Refused
	Backlog int               // for information: the host calls listen(2)

	scheme *manifest.Scheme
}

// NewEndpoint returns an endpoint that has passed the manifest. The error is an
// [*Error] with the code InvalidAddress or InvalidOption.
func NewEndpoint(scheme *manifest.Scheme, address string, options map[string]string) (Endpoint, error) {
	if err := scheme.CheckAddress(address); err != nil {
		return Endpoint{}, &Error{
			Code: InvalidAddress, Message: fmt.Sprintf("%s address %q: %s", scheme.Name, clip(address), err),
		}
	}
	for _, name := range sortedKeys(options) {
		o, ok := scheme.Option(name)
		if !ok {
			return Endpoint{}, &Error{
				Code: InvalidOption, Field: name,
				Message: fmt.Sprintf("option %q is unknown to the transport %s", clip(name), scheme.Name),
			}
		}
		if err := o.CheckText(options[name]); err != nil {
			return Endpoint{}, &Error{
				Code: InvalidOption, Field: name, Message: fmt.Sprintf("option %s %s", name, err),
			}
		}
	}
	return Endpoint{Scheme: scheme.Name, Address: address, Options: options, scheme: scheme}, nil
}

// Text returns the text of an option: what was given, or the manifest's
// default, or nothing.
func (ep Endpoint) Text(option string) string {
	if text, ok := ep.Options[option]; ok || ep.scheme == nil {
		return text
	}
	o, _ := ep.scheme.Option(option)
	return o.Default
}

// Bool returns an option of type bool; without text it is false.
func (ep Endpoint) Bool(option string) bool { return ep.Text(option) == "true" }

// OptionalBool returns an option of type bool, or nil when it has no text.
func (ep Endpoint) OptionalBool(option string) *bool {
	text := ep.Text(option)
	if text == "" {
		return nil
	}
	return new(text == "true")
}

// Int returns an option of type int or bytes; without text it is 0.
func (ep Endpoint) Int(option string) int64 {
	n, err := strconv.ParseInt(ep.Text(option), 10, 64)
	if err != nil {
		return 0 // no text: every other has passed the manifest
	}
	return n
}

// Mode returns an option of type mode; without text it is 0.
func (ep Endpoint) Mode(option string) uint32 {
	mode, err := manifest.ParseMode(ep.Text(option))
	if err != nil {
		return 0 // no text: every other has passed the manifest
	}
	return mode
}

// Socket is a bound socket on its way to the host. Whoever returns one gives it
// away: Serve closes FD.
type Socket struct {
	// FD is bound, not listening and not connected. Serve makes it close-on-exec
	// and non-blocking.
	FD int

	// Bound is the address with what the kernel chose, for people. Empty lets
	// Serve ask the kernel.
	Bound string

	// Refused are the preferred options that the socket does not have, because
	// the kernel refused them.
	Refused []Refusal

	// Discard undoes what closing FD does not, such as a file. It is called
	// while FD is open, and only when the socket does not reach the host. It may
	// be nil.
	Discard func()
}

// close closes the plugin's copy of a socket that the host has.
func (s *Socket) close() { fdpass.Close(s.FD) }

// discard takes back a socket that the host will not get.
func (s *Socket) discard() {
	if s.Discard != nil {
		s.Discard()
	}
	s.close()
}

// errListening is for the transport's author.
var errListening = errors.New("the socket is listening: bind it without listen(2), " +
	"for example with BindInet or BindUnix; the host listens")

// FromConn takes the socket out of a connection of package net, or of anything
// else with a file descriptor, and closes the connection. The socket keeps its
// flags and stays bound.
//
// A [net.Listener] is refused, because it listens and Linux cannot undo that:
// use [BindInet] or [BindUnix], or bind a raw socket. A [net.PacketConn] will do.
func FromConn(c syscall.Conn) (*Socket, error) {
	if closer, ok := c.(io.Closer); ok {
		defer func() { _ = closer.Close() }() // the socket lives on in the copy
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("take the socket out of a %T: %w", c, err)
	}
	fd := -1
	var dupErr error
	err = rc.Control(func(s uintptr) {
		// Not File: its descriptor is blocking, and so is every copy of it.
		fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("take the socket out of a %T: %w", c, err)
	}
	s := &Socket{FD: fd}
	if err := s.finish(); err != nil {
		s.close()
		return nil, fmt.Errorf("take the socket out of a %T: %w", c, err)
	}
	return s, nil
}

// finish checks what an author returned, as far as the author can have got it
// wrong, and puts the last touches to it. The host checks everything.
func (s *Socket) finish() error {
	listening, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("descriptor %d is not a socket: %w", s.FD, err)
	}
	if listening != 0 {
		return errListening
	}
	unix.CloseOnExec(s.FD)
	if err := unix.SetNonblock(s.FD, true); err != nil {
		return fmt.Errorf("set O_NONBLOCK: %w", err)
	}
	if s.Bound == "" {
		s.Bound = localAddress(s.FD)
	}
	return nil
}

// List returns an option of type list; without text it is empty.
func (ep Endpoint) List(option string) []string {
	items, err := manifest.ParseList(ep.Text(option))
	if err != nil {
		return nil // no text: every other has passed the manifest
	}
	return items
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
