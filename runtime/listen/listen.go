// Package listen has the listening sockets of the daemon: it verifies what a
// transport plugin handed over, publishes it, watches it without accepting, and
// serves the sockets that have no owner.
//
// A socket passes through it in this order: [Verify] → [Publish] → [Set.Add] →
// [Set.Arm] → an [Event] → either the owner gets a duplicate and the socket is
// simply not armed again until the owner is gone, or a [Server] answers and the
// socket is armed again → [Set.Remove] → [RemoveNode] → close.
//
// Descriptors stay the caller's throughout: nothing in this package closes one
// that it was given. The package rests on socket(7), ip(7), ipv6(7), unix(7)
// and epoll(7).
package listen

import "fmt"

// Want is what a transport plugin was asked to bind.
type Want struct {
	// Type is the transport: tcp, udp or uds, or another one with a Shape.
	Type string

	// Shape is what every socket of another transport looks like; nil for tcp, udp
	// and uds.
	Shape *Shape

	// Address is the text that the plugin got: "127.0.0.1:80",
	// "[fe80::1%eth0]:80", "*:80" (IPv4 and IPv6), "[::]:80" (IPv6 only unless
	// the option v6only is false), a port of 0, "/abs/path" or "@abstract".
	Address string

	// Options are the transport options in their text form, without those that
	// were refused. Those that the kernel can be asked about are checked.
	Options map[string]string
}

// Shape is what a socket looks like to the kernel, in the numbers of Linux. Zero,
// and no protocols, mean that it depends on the address or the options.
type Shape struct {
	Domain, Type uint32
	Protocols    []uint32
	Listening    bool // connections are accepted, unless the type is one of datagrams
}

// Facts is what the kernel says of a verified socket.
type Facts struct {
	// Local is the address for people, with the port that the kernel chose when
	// 0 was asked for: "127.0.0.1:8081", "*:80" for dual stack, "/abs/path".
	Local string

	Stream bool   // connections are accepted: tcp, uds stream and seqpacket
	Cookie uint64 // SO_COOKIE: no other socket has it until the next boot
	Inode  uint64 // of the socket itself, "socket:[123]" in /proc/PID/fd

	// Path, Dev and Ino are of the node in the file system, for [RemoveNode];
	// zero for tcp, udp and abstract names.
	Path     string
	Dev, Ino uint64

	Links []Link // to the node, of the option symlinks
}

// MismatchError says that a descriptor is not what was asked for. The plugin
// that sent it is at fault, not the unit file and not the machine.
type MismatchError struct {
	Reason string // "the plugin returned a udp socket, want tcp"
}

func (e *MismatchError) Error() string { return e.Reason }

func mismatch(format string, args ...any) error {
	return &MismatchError{Reason: fmt.Sprintf(format, args...)}
}

// Claims finds a socket that was handed over twice: one socket for two requests
// would serve both addresses from one queue. The zero Claims is empty and ready
// to use; it is not safe for concurrent use.
type Claims struct {
	holders map[uint64]string
}

// Claim records that the socket with this cookie belongs to holder, the name of
// a listener. A socket that is claimed already is a [*MismatchError].
func (c *Claims) Claim(cookie uint64, holder string) error {
	if other, ok := c.holders[cookie]; ok {
		return mismatch("the plugin returned the same socket again, it belongs to %s", other)
	}
	if c.holders == nil {
		c.holders = map[uint64]string{}
	}
	c.holders[cookie] = holder
	return nil
}

// Release forgets the socket with this cookie, once it is closed.
func (c *Claims) Release(cookie uint64) { delete(c.holders, cookie) }
