package listen

import (
	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/runtime/peer"
)

// Gate decides about connections to a socket that is not for everybody. Allow
// says whether who is at the other end may; denied gets whoever may not, and
// somebody whom the kernel does not know, with a UID of -1.
type Gate struct {
	Allow  func(peer.Cred) bool
	Denied func(Access)
}

// SetGate makes Serve close connections at once that the gate does not allow:
// they are not reported, and the others do not notice. It is for sockets that
// accept; call it before the first Serve.
func (s *Server) SetGate(g Gate) { s.gate = &g }

// admits reports whether a connection may stay, and tells the gate if not.
func (s *Server) admits(fd int, a *Access) bool {
	if s.gate == nil {
		return true
	}
	cred, err := credOf(fd)
	if err == nil {
		a.UID, a.GID = int(cred.UID), int(cred.GID)
		if s.gate.Allow(cred) {
			return true
		}
	}
	s.gate.Denied(*a)
	return false
}

// credOf returns who is at the other end of an accepted connection.
func credOf(fd int) (peer.Cred, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return peer.Cred{}, err
	}
	if domain == unix.AF_UNIX {
		return peer.Of(fd)
	}
	return peer.OfLocal(fd)
}
