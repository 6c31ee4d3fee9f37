package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/internal/fdpass"
)

// InetOptions are options of an internet socket. A nil pointer stands for the
// default.
type InetOptions struct {
	V6Only    *bool // default: on, except for *:port
	FreeBind  *bool // default: on for a specific address
	ReusePort bool
}

// inetAddress is "IP:port", "[IPv6%zone]:port" or "*:port".
type inetAddress struct {
	ip   netip.Addr // invalid for *
	port uint16
}

func (a inetAddress) String() string {
	if !a.ip.IsValid() {
		return "*:" + strconv.Itoa(int(a.port))
	}
	return netip.AddrPortFrom(a.ip, a.port).String()
}

// specific reports whether the address is one of the machine's, or should be.
func (a inetAddress) specific() bool { return a.ip.IsValid() && !a.ip.IsUnspecified() }

// CheckInet returns the canonical spelling of an internet address with a port,
// or an [*Error]. Host names are refused: the host resolves them.
func CheckInet(address string, opts InetOptions) (string, error) {
	a, err := parseInet(address)
	if err != nil {
		return "", err
	}
	if err := a.check(opts); err != nil {
		return "", err
	}
	return a.String(), nil
}

func parseInet(address string) (inetAddress, error) {
	if text, ok := strings.CutPrefix(address, "*:"); ok {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return inetAddress{}, invalidInet(address, "the port must be from 0 to 65535")
		}
		return inetAddress{port: uint16(port)}, nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return inetAddress{}, invalidInet(address, "want IP:port, [IPv6]:port, [IPv6%zone]:port or *:port")
	}
	ip := ap.Addr()
	local := ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast()
	switch {
	case ip.Is4In6():
		return inetAddress{}, invalidInet(address, "write the IPv4 address "+ip.Unmap().String())
	case ip.Is6() && local && ip.Zone() == "":
		return inetAddress{}, invalidInet(address, fmt.Sprintf("a link-local address needs its interface, for example %s%%eth0", ip))
	case ip.Zone() != "" && !local:
		return inetAddress{}, invalidInet(address, "only a link-local address has a zone")
	}
	return inetAddress{ip: ip, port: ap.Port()}, nil
}

func invalidInet(address, hint string) *Error {
	return &Error{Code: InvalidAddress, Message: fmt.Sprintf("address %q is not valid", clip(address)), Hint: hint}
}

// check finds options that contradict the address.
func (a inetAddress) check(opts InetOptions) error {
	if opts.V6Only == nil || !*opts.V6Only {
		return nil
	}
	e := &Error{Code: InvalidOption, Field: "v6only"}
	switch {
	case !a.ip.IsValid():
		e.Message = fmt.Sprintf("option v6only contradicts the address %s, which means IPv4 and IPv6", a)
		e.Hint = fmt.Sprintf("write [::]:%d for IPv6 only", a.port)
	case a.ip.Is4():
		e.Message = fmt.Sprintf("option v6only has no meaning for the IPv4 address %s", a)
		e.Hint = "remove the option"
	default:
		return nil
	}
	return e
}

// BindInet binds a socket of the network "tcp" or "udp" and does not listen. A
// tcp socket is plain TCP with SO_REUSEADDR, so that connections in TIME_WAIT
// keep nobody from the port; a udp socket never has it, because there it would
// let a second socket steal every datagram.
//
// The address *:port takes IPv4 and IPv6, or IPv4 alone on a machine without
// IPv6. The error is an [*Error].
func BindInet(ctx context.Context, network, address string, opts InetOptions) (*Socket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := parseInet(address)
	if err != nil {
		return nil, err
	}
	if err := a.check(opts); err != nil {
		return nil, err
	}
	typ, proto := unix.SOCK_STREAM, unix.IPPROTO_TCP
	switch network {
	case "tcp":
	case "udp":
		typ, proto = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	default:
		return nil, &Error{Code: Unsupported, Message: fmt.Sprintf("bind %s: unknown network %q", a, network)}
	}

	sa, err := a.sockaddr()
	if err != nil {
		return nil, err
	}
	domain := domainOf(sa)
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if !a.ip.IsValid() && errors.Is(err, unix.EAFNOSUPPORT) {
		sa, domain = &unix.SockaddrInet4{Port: int(a.port)}, unix.AF_INET
		fd, err = unix.Socket(domain, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	}
	if err != nil {
		return nil, sysError("open a socket for", a.String(), err, "")
	}
	if err := a.bind(fd, domain, typ, sa, opts); err != nil {
		fdpass.Close(fd)
		return nil, err
	}
	return &Socket{FD: fd, Bound: localAddress(fd)}, nil
}

func (a inetAddress) bind(fd, domain, typ int, sa unix.Sockaddr, opts InetOptions) error {
	v6only := a.ip.IsValid()
	if opts.V6Only != nil {
		v6only = *opts.V6Only
	}
	freebind := a.specific()
	if opts.FreeBind != nil {
		freebind = *opts.FreeBind
	}
	six := domain == unix.AF_INET6
	sockopts := []struct {
		use                bool
		option             string
		level, name, value int
	}{
		{typ == unix.SOCK_STREAM, "SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{six, "v6only", unix.SOL_IPV6, unix.IPV6_V6ONLY, boolInt(v6only)},
		{freebind && six, "freebind", unix.SOL_IPV6, unix.IPV6_FREEBIND, 1},
		{freebind && !six, "freebind", unix.SOL_IP, unix.IP_FREEBIND, 1},
		{opts.ReusePort, "reuse-port", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
	}
	for _, o := range sockopts {
		if !o.use {
			continue
		}
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			e := sysError("set option "+o.option+" for", a.String(), err, "")
			e.Field = o.option
			return e
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return sysError("bind", a.String(), err, a.hint(err))
	}
	return nil
}

func (a inetAddress) hint(err error) string {
	switch {
	case errors.Is(err, unix.EACCES):
		if first := firstUnprivilegedPort(); a.port != 0 && int(a.port) < first {
			return fmt.Sprintf("needs CAP_NET_BIND_SERVICE for ports below %d", first)
		}
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no interface of this machine has the address"
	}
	return ""
}

// firstUnprivilegedPort reads the sysctl each time: it differs between network
// namespaces and may change.
func firstUnprivilegedPort() int {
	const usual = 1024
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return usual
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return usual
	}
	return n
}

func (a inetAddress) sockaddr() (unix.Sockaddr, error) {
	switch {
	case !a.ip.IsValid():
		return &unix.SockaddrInet6{Port: int(a.port)}, nil
	case a.ip.Is4():
		return &unix.SockaddrInet4{Port: int(a.port), Addr: a.ip.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(a.port), Addr: a.ip.As16()}
	if zone := a.ip.Zone(); zone != "" {
		id, err := zoneID(zone)
		if err != nil {
			return nil, sysError("bind", a.String(), err, "there is no interface "+zone)
		}
		sa.ZoneId = id
	}
	return sa, nil
}

// zoneID returns the index of an interface by its name, or by its number.
func zoneID(zone string) (uint32, error) {
	if n, err := strconv.ParseUint(zone, 10, 31); err == nil && n > 0 {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, unix.ENODEV
	}
	return uint32(ifi.Index), nil
}

func domainOf(sa unix.Sockaddr) int {
	if _, ok := sa.(*unix.SockaddrInet4); ok {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// localAddress returns the address of a bound socket in the spelling of this
// package, or nothing for a family that it does not know.
func localAddress(fd int) string {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return ""
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return inetAddress{ip: netip.AddrFrom4(sa.Addr), port: uint16(sa.Port)}.String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			ip = ip.WithZone(zoneName(sa.ZoneId))
		}
		only, err := unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
		if err == nil && only == 0 && ip == netip.IPv6Unspecified() {
			ip = netip.Addr{}
		}
		return inetAddress{ip: ip, port: uint16(sa.Port)}.String()
	case *unix.SockaddrUnix:
		return sa.Name
	}
	return ""
}

func zoneName(id uint32) string {
	if ifi, err := net.InterfaceByIndex(int(id)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(id), 10)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
