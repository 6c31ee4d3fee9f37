package peer

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Client is one connection that waits to be accepted, by what the kernel tells of
// it without accepting it.
type Client struct {
	// ID is the number of the connection for [Waiting]; 0 is one whose client has
	// closed its socket.
	ID uint64

	// Known says that UID is the user that opened the client's socket. That is
	// usually, but not always, the one that [Of] tells of the accepted connection:
	// somebody else may have called connect(2).
	Known bool
	UID   uint32

	socket        uint32         // inode of the client's socket; 0 if it is closed
	local, remote netip.AddrPort // of tcp, as the listener's side has them
}

// Clients returns who waits to be accepted from fd, a listening tcp or unix socket.
// Nobody is accepted. Those of a unix socket are in the order in which they will be
// accepted; the kernel does not tell the order for tcp.
//
// The answer is a snapshot, and asks the kernel once for each client: never call it
// on the loop.
func Clients(fd int) ([]Client, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	if listening == 0 {
		return nil, fmt.Errorf("who waits: %w", ErrNoQueue)
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	var clients []Client
	switch domain {
	case unix.AF_UNIX:
		clients, err = unixClients(fd)
	case unix.AF_INET, unix.AF_INET6:
		clients, err = inetClients(fd, uint8(domain))
	default:
		err = ErrNoQueue
	}
	if err != nil {
		return nil, fmt.Errorf("who waits: %w", err)
	}
	return clients, nil
}

func unixClients(fd int) ([]Client, error) {
	listener, err := unixSocketOf(fd, unixShowIcon)
	if err != nil {
		return nil, err
	}
	clients := make([]Client, len(listener.waiting))
	for i, inode := range listener.waiting {
		if inode == 0 {
			continue // it gave up, but is still in the queue
		}
		client, err := unixSocketAt(inode, unixShowUID)
		switch {
		case errors.Is(err, unix.ENOENT): // it has given up since
		case err != nil:
			return nil, err
		default:
			clients[i] = Client{ID: uint64(inode), Known: true, UID: client.uid, socket: inode}
		}
	}
	return clients, nil
}

// unixSocketAt asks for what show names of the unix socket with that inode number;
// ENOENT is that there is none.
func unixSocketAt(inode, show uint32) (unixSocket, error) {
	request := unixRequest(show)
	native.PutUint32(request[8:], inode)
	native.PutUint64(request[16:], 1<<64-1) // whatever its cookie is
	var found unixSocket
	err := ask(request, 0, func(body []byte) error {
		var err error
		found, err = parseUnix(body)
		return err
	})
	return found, err
}

func inetClients(fd int, family uint8) ([]Client, error) {
	local, err := localAddress(fd)
	if err != nil {
		return nil, err
	}
	var clients []Client
	err = inetDump(family, unix.IPPROTO_TCP, stateEstablished|stateCloseWait, local.Port(), func(s inetSocket) error {
		if s.inode == 0 && (local.Addr().IsUnspecified() || s.local.Addr() == local.Addr()) {
			clients = append(clients, Client{ID: s.cookie, local: s.local, remote: s.remote})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range clients {
		c := &clients[i]
		theirs := unmapped(c.remote)
		s, err := inetSocketAt(theirs, unmapped(c.local))
		switch {
		case errors.Is(err, unix.ENOENT): // on another machine, or gone
		case err != nil:
			return nil, err
		case s.inode != 0 && unmapped(s.local) == theirs:
			c.Known, c.UID, c.socket = true, s.uid, s.inode
		}
	}
	return clients, nil
}

// ErrCannotDisconnect is wrapped by the error of [Disconnect] where the kernel does
// not let us: it was built without INET_DIAG_DESTROY, or we lack CAP_NET_ADMIN.
var ErrCannotDisconnect = errors.New("the kernel does not disconnect it")

// sockDestroy is SOCK_DESTROY of <linux/sock_diag.h>.
const sockDestroy = 21

// Disconnect resets the connection of a tcp client that waits (sock_diag(7),
// SOCK_DESTROY), and no other: its number says which it is. Whoever accepts next
// gets it as one that is reset. One that is gone already is no error.
func Disconnect(c *Client) error {
	if !c.remote.IsValid() {
		return fmt.Errorf("disconnect a client: %w: only tcp can be", ErrCannotDisconnect)
	}
	request := inetRequest(c.local, c.remote)
	native.PutUint32(request[4:], 1<<32-1) // whatever state it is in by now
	native.PutUint64(request[48:], c.ID)
	err := askAs(sockDestroy, request, unix.NLM_F_ACK, func([]byte) error { return nil })
	switch {
	case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESTALE):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("disconnect the client %s: %w: %w", c.remote, ErrCannotDisconnect, err)
	}
	return fmt.Errorf("disconnect the client %s: %w", c.remote, err)
}

// Remote returns the address of a tcp client, "" of a unix client.
func (c *Client) Remote() string {
	if !c.remote.IsValid() {
		return ""
	}
	return unmapped(c.remote).String()
}
