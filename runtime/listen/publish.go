package listen

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DefaultBacklog is the queue of a socket that asks for none. The kernel
// silently cuts it to net.core.somaxconn.
const DefaultBacklog = 4096

// Publish makes a verified socket reachable: it calls listen(2) with the backlog
// when stream is true, which is [Facts.Stream]. A backlog of 0 is
// [DefaultBacklog]. Clients then see the daemon's credentials, not the plugin's.
//
// Two tcp sockets with SO_REUSEADDR can be bound to one address, so it is here
// that the second one fails with EADDRINUSE.
//
// A datagram socket has no such gate: it is reachable from the moment it is
// bound, so mode, user and group of a unix one must be right before that, which
// is the plugin's duty; [Verify] sees only the result.
func Publish(fd int, stream bool, backlog int) error {
	if !stream {
		return nil
	}
	if backlog < 0 {
		return fmt.Errorf("listen: backlog %d, want 0 for the default or more", backlog)
	}
	if backlog == 0 {
		backlog = DefaultBacklog
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fmt.Errorf("listen on %s: %w", localName(fd), err)
	}
	return nil
}

// localName returns the address of a socket for an error.
func localName(fd int) string {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return "an unknown address"
	}
	if domain == unix.AF_UNIX {
		if name, err := unixName(fd); err == nil {
			return name
		}
		return "an unknown path"
	}
	e, err := localEndpoint(fd)
	if err != nil {
		return "an unknown address"
	}
	return e.String()
}
