package peer

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Layout of inet_diag_req_v2 and inet_diag_msg, <linux/inet_diag.h>.
const (
	inetRequestSize = 56
	inetMessageSize = 72

	inetDiagV6Only = 11 // INET_DIAG_SKV6ONLY

	// States that hold an address: TCP_CLOSE is every udp socket that is not
	// connected, TCP_BOUND_INACTIVE a tcp socket that is bound and no more
	// (since Linux 6.8, unknown bits are ignored before).
	stateEstablished   = 1 << 1
	stateClose         = 1 << 7
	stateCloseWait     = 1 << 8
	stateListen        = 1 << 10
	stateBoundInactive = 1 << 13
)

// inetSocket is one tcp or udp socket as inet_diag shows it.
type inetSocket struct {
	local  netip.AddrPort // without zone
	remote netip.AddrPort // the same; zero for a socket that is not connected
	v6only bool
	uid    uint32
	inode  uint32 // 0 for a connection that nobody has accepted yet
	cookie uint64 // the same as SO_COOKIE
}

// inetSockets calls visit with every socket of the family and protocol that is
// bound to port, until visit returns errStop.
func inetSockets(family, protocol uint8, port uint16, visit func(inetSocket) error) error {
	states := uint32(stateListen | stateBoundInactive)
	if protocol == unix.IPPROTO_UDP {
		states = stateClose | stateEstablished
	}
	return inetDump(family, protocol, states, port, visit)
}

// inetDump calls visit with every socket of the family, protocol and states whose
// local port it is, until visit returns errStop.
func inetDump(family, protocol uint8, states uint32, port uint16, visit func(inetSocket) error) error {
	request := make([]byte, inetRequestSize)
	request[0], request[1] = family, protocol
	native.PutUint32(request[4:], states)
	binary.BigEndian.PutUint16(request[8:], port)
	return ask(request, unix.NLM_F_DUMP, func(body []byte) error {
		s, err := parseInet(body)
		if err != nil {
			return err
		}
		if s.local.Port() != port {
			return nil // the port is a hint to the kernel, not a promise
		}
		return visit(s)
	})
}

// parseInet reads one inet_diag_msg with its attributes.
func parseInet(b []byte) (inetSocket, error) {
	if len(b) < inetMessageSize {
		return inetSocket{}, fmt.Errorf("%w: an inet socket of %d bytes, want %d", errAnswer, len(b), inetMessageSize)
	}
	var ip, far netip.Addr
	switch family := b[0]; family {
	case unix.AF_INET:
		ip, far = netip.AddrFrom4([4]byte(b[8:12])), netip.AddrFrom4([4]byte(b[24:28]))
	case unix.AF_INET6:
		ip, far = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	default:
		return inetSocket{}, fmt.Errorf("%w: an inet socket of family %d", errAnswer, family)
	}
	s := inetSocket{
		local:  netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[4:])),
		uid:    native.Uint32(b[64:]),
		inode:  native.Uint32(b[68:]),
		cookie: uint64(native.Uint32(b[44:])) | uint64(native.Uint32(b[48:]))<<32,
	}
	if port := binary.BigEndian.Uint16(b[6:]); port != 0 {
		s.remote = netip.AddrPortFrom(far, port)
	}
	err := attributes(b[inetMessageSize:], func(kind uint16, value []byte) {
		if kind == inetDiagV6Only && len(value) == 1 {
			s.v6only = value[0] != 0
		}
	})
	if err != nil {
		return inetSocket{}, err
	}
	return s, nil
}
