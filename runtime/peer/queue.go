package peer

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Queue is what waits in one socket.
type Queue struct {
	// Listening says that connections wait in it, and not data.
	Listening bool

	// Length is the number of connections that wait to be accepted, or of bytes
	// that wait to be received, as the kernel accounts for them: of udp with their
	// overhead, of a unix socket those of the first datagram.
	Length uint32
}

const (
	inetStateAt  = 1  // inet_diag_msg.idiag_state
	inetRqueueAt = 56 // inet_diag_msg.idiag_rqueue: of a listener the accept queue

	unixTypeAt   = 1    // unix_diag_msg.udiag_type
	unixStateAt  = 2    // unix_diag_msg.udiag_state
	unixCookieAt = 8    // unix_diag_msg.udiag_cookie
	unixShowLen  = 0x10 // UDIAG_SHOW_RQLEN
	unixAttrLen  = 4    // UNIX_DIAG_RQLEN: struct unix_diag_rqlen

	// States of sockets of every family.
	tcpEstablished = 1  // TCP_ESTABLISHED
	tcpListen      = 10 // TCP_LISTEN
)

// Queues returns what waits in every tcp listener, udp socket and unix socket of
// this network namespace, by SO_COOKIE. Listeners of mptcp are not among them. Nobody has to have a descriptor of them,
// and nothing is taken out.
func Queues() (map[uint64]Queue, error) {
	queues := map[uint64]Queue{}
	dumps := []struct {
		family, protocol uint8
		states           uint32
	}{
		{unix.AF_INET, unix.IPPROTO_TCP, stateListen},
		{unix.AF_INET6, unix.IPPROTO_TCP, stateListen},
		{unix.AF_INET, unix.IPPROTO_UDP, stateClose | stateEstablished},
		{unix.AF_INET6, unix.IPPROTO_UDP, stateClose | stateEstablished},
	}
	for _, d := range dumps {
		request := make([]byte, inetRequestSize)
		request[0], request[1] = d.family, d.protocol
		native.PutUint32(request[4:], d.states)
		err := ask(request, unix.NLM_F_DUMP, func(body []byte) error {
			s, err := parseInet(body)
			if err != nil {
				return err
			}
			queues[s.cookie] = Queue{Listening: body[inetStateAt] == tcpListen, Length: native.Uint32(body[inetRqueueAt:])}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("queues of sockets: %w", err)
		}
	}
	request := unixRequest(unixShowLen)
	// A datagram socket that somebody has connected to counts as established.
	native.PutUint32(request[4:], stateListen|stateClose|stateEstablished)
	err := ask(request, unix.NLM_F_DUMP, func(body []byte) error { return unixQueue(body, queues) })
	if err != nil {
		return nil, fmt.Errorf("queues of sockets: %w", err)
	}
	return queues, nil
}

// unixQueue adds what one unix_diag_msg says of its socket.
func unixQueue(b []byte, to map[uint64]Queue) error {
	if _, err := parseUnix(b); err != nil {
		return err
	}
	listening := b[unixStateAt] == tcpListen
	if !listening && b[unixTypeAt] != unix.SOCK_DGRAM {
		return nil // a connection
	}
	return attributes(b[unixMessageSize:], func(kind uint16, value []byte) {
		if kind == unixAttrLen && len(value) >= 4 {
			to[native.Uint64(b[unixCookieAt:])] = Queue{Listening: listening, Length: native.Uint32(value)}
		}
	})
}
