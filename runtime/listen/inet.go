package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// endpoint is the address of a tcp or udp socket.
type endpoint struct {
	addr netip.Addr // with the zone's number instead of its name
	port uint16     // 0 in a wish: any
	zone int        // interface of a link-local address
	dual bool       // IPv6 wildcard that takes IPv4 as well
}

// expectInet reads the address and the options of a tcp or udp socket.
func (e *expectation) expectInet(w Want) error {
	e.inet = true
	v6only, err := option(w, "v6only")
	if err != nil {
		return err
	}
	if e.freebind, err = option(w, "freebind"); err != nil {
		return err
	}
	reusePort, err := option(w, "reuse-port")
	if err != nil {
		return err
	}
	e.reusePort = reusePort != nil && *reusePort
	transparent, err := option(w, "transparent")
	if err != nil {
		return err
	}
	e.transparent = transparent != nil && *transparent

	address := w.Address
	port, both := strings.CutPrefix(address, "*:")
	if both {
		address = "[::]:" + port
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	e.endpoint = endpoint{addr: ap.Addr().WithZone(""), port: ap.Port()}
	if zone := ap.Addr().Zone(); zone != "" {
		if e.endpoint.zone, err = zoneIndex(zone); err != nil {
			return err
		}
	}
	if e.endpoint.addr == netip.IPv6Unspecified() {
		e.endpoint.dual = both || v6only != nil && !*v6only
	}
	return nil
}

// checkInet checks the address and the options of a tcp or udp socket.
func (e *expectation) checkInet(fd int, facts *Facts) error {
	got, err := localEndpoint(fd)
	if err != nil {
		return err
	}
	if got.port == 0 {
		return mismatch("the plugin returned a socket that is not bound, want %s", e.endpoint)
	}
	if err := e.endpoint.compare(got, haveIPv6); err != nil {
		return err
	}
	facts.Local = got.String()
	if err := e.checkDevice(fd, got.zone); err != nil {
		return err
	}
	// Two udp sockets with SO_REUSEADDR share an endpoint, and the later one
	// gets every datagram. For tcp it only permits what TIME_WAIT forbids.
	if e.typ == unix.SOCK_DGRAM {
		if err := checkFlag(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, "SO_REUSEADDR", false); err != nil {
			return err
		}
	}
	if got.addr.Is4() {
		return e.checkIP(fd, unix.SOL_IP, unix.IP_TRANSPARENT, unix.IP_FREEBIND)
	}
	return e.checkIP(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, unix.IPV6_FREEBIND)
}

func (e *expectation) checkIP(fd, level, transparent, freebind int) error {
	if err := checkFlag(fd, level, transparent, "IP_TRANSPARENT", e.transparent); err != nil {
		return err
	}
	if e.freebind == nil {
		return nil
	}
	return checkFlag(fd, level, freebind, "IP_FREEBIND", *e.freebind)
}

// compare checks that got is what e asks for. A machine without IPv6 serves a
// wish for dual stack with IPv4 alone; have6 says whether it has IPv6.
func (e endpoint) compare(got endpoint, have6 func() (bool, error)) error {
	want := e
	if want.dual && got.addr == netip.IPv4Unspecified() {
		six, err := have6()
		if err != nil {
			return err
		}
		if !six {
			want.addr, want.dual = got.addr, false
		}
	}
	if want.port == 0 {
		want.port = got.port
	}
	if got.addr != want.addr || got.port != want.port || got.zone != want.zone {
		return mismatch("the returned socket is bound to %s, want %s", got, e)
	}
	if got.dual != want.dual {
		return mismatch("IPV6_V6ONLY of the returned socket is %s, want %s", onOff(!got.dual), onOff(!want.dual))
	}
	return nil
}

// String returns the address as the status shows it.
func (e endpoint) String() string {
	if e.dual {
		return "*:" + strconv.Itoa(int(e.port))
	}
	addr := e.addr
	if e.zone != 0 {
		addr = addr.WithZone(zoneName(e.zone))
	}
	return netip.AddrPortFrom(addr, e.port).String()
}

// localEndpoint returns the address that fd is bound to.
func localEndpoint(fd int) (endpoint, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return endpoint{}, fmt.Errorf("getsockname: %w", err)
	}
	e, ok := endpointOf(sa)
	if !ok {
		return endpoint{}, mismatch("the returned socket has an address of another family, %T", sa)
	}
	if e.addr == netip.IPv6Unspecified() {
		v6only, err := unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return endpoint{}, fmt.Errorf("getsockopt IPV6_V6ONLY: %w", err)
		}
		e.dual = v6only == 0
	}
	return e, nil
}

// endpointOf reads an address of the kernel; false when it is not of IPv4 or
// IPv6.
func endpointOf(sa unix.Sockaddr) (endpoint, bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return endpoint{addr: netip.AddrFrom4(sa.Addr), port: uint16(sa.Port)}, true
	case *unix.SockaddrInet6:
		return endpoint{addr: netip.AddrFrom16(sa.Addr), port: uint16(sa.Port), zone: int(sa.ZoneId)}, true
	}
	return endpoint{}, false
}

// checkDevice checks that the socket is tied to no interface but that of the
// option bind-device, or that of its link-local address, to which the kernel ties
// it by itself.
func (e *expectation) checkDevice(fd, zone int) error {
	if e.device != "" {
		device, err := zoneIndex(e.device)
		if err != nil {
			return err
		}
		zone = device
	}
	index, err := getsockopt(fd, unix.SO_BINDTOIFINDEX, "SO_BINDTOIFINDEX")
	if err != nil {
		return err
	}
	if index != zone {
		return mismatch("SO_BINDTODEVICE of the returned socket is %s, want %s", deviceName(index), deviceName(zone))
	}
	return nil
}

func deviceName(index int) string {
	if index == 0 {
		return "unset"
	}
	return zoneName(index)
}

// zoneIndex returns the number of an interface by its name or number.
func zoneIndex(zone string) (int, error) {
	ifi, err := net.InterfaceByName(zone)
	if err == nil {
		return ifi.Index, nil
	}
	if n, nerr := strconv.ParseUint(zone, 10, 31); nerr == nil && n > 0 {
		return int(n), nil
	}
	return 0, fmt.Errorf("interface %s: %w", zone, err)
}

func zoneName(index int) string {
	if ifi, err := net.InterfaceByIndex(index); err == nil {
		return ifi.Name
	}
	return strconv.Itoa(index)
}

// haveIPv6 reports whether the kernel has IPv6 at all.
func haveIPv6() (bool, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask for IPv6: %w", err)
	}
	return true, unix.Close(fd)
}
