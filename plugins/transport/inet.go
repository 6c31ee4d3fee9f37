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
	"github.com/rind-sockets/rind/plugins/manifest"
)

// InetOptions are options of an internet socket. A nil pointer stands for the
// default.
type InetOptions struct {
	V6Only    *bool // default: on, except for *:port
	FreeBind  *bool // default: on for a specific address
	ReusePort bool
	MPTCP     bool // of tcp: multipath TCP, mptcp(7)

	// Settings has everything else: receive-buffer, tos, keepalive.time, … It may
	// have the options above too, which only matters for what is preferred.
	Settings Settings
}

// InetOptions returns the options of the endpoint, which have the names that they
// have in the manifests of tcp and udp.
func (ep Endpoint) InetOptions() InetOptions {
	return InetOptions{
		V6Only:    ep.OptionalBool("v6only"),
		FreeBind:  ep.OptionalBool("freebind"),
		ReusePort: ep.Bool("reuse-port"),
		MPTCP:     ep.Bool("mptcp"),
		Settings:  ep.Settings(),
	}
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
	contradiction := func(option, why, hint string) error {
		return &Error{Code: InvalidOption, Field: option, Message: fmt.Sprintf("option %s %s", option, why), Hint: hint}
	}
	only6 := opts.V6Only != nil && *opts.V6Only
	_, class := opts.Settings.Values["traffic-class"]
	_, tos := opts.Settings.Values["tos"]
	six := a.ip.IsValid() && a.ip.Is6()
	switch {
	case only6 && !a.ip.IsValid():
		return contradiction("v6only", fmt.Sprintf("contradicts the address %s, which means IPv4 and IPv6", a),
			fmt.Sprintf("write [::]:%d for IPv6 only", a.port))
	case only6 && a.ip.Is4():
		return contradiction("v6only", fmt.Sprintf("has no meaning for the IPv4 address %s", a), "remove the option")
	case class && a.ip.Is4():
		return contradiction("traffic-class", fmt.Sprintf("has no meaning for the IPv4 address %s", a), "IPv4 calls it tos")
	case tos && six && (a.specific() || opts.V6Only == nil || *opts.V6Only):
		return contradiction("tos", fmt.Sprintf("has no meaning for the IPv6 address %s", a), "IPv6 calls it traffic-class")
	}
	groups, err := manifest.ParseList(opts.Settings.Values["multicast"])
	if err != nil {
		return contradiction("multicast", err.Error(), "")
	}
	for _, group := range groups {
		ip, _, found := strings.Cut(group, "%")
		addr, err := netip.ParseAddr(ip)
		switch {
		case err != nil || !addr.IsMulticast():
			return contradiction("multicast", fmt.Sprintf("has %q, which is no multicast address", clip(group)), "want one such as 239.1.2.3 or ff02::1:3%eth0")
		case !found && addr.Is6() && (addr.IsLinkLocalMulticast() || addr.IsInterfaceLocalMulticast()):
			return contradiction("multicast", "has the link-local group "+group+" without an interface", "write "+group+"%eth0 for the interface eth0")
		case a.ip.IsValid() && a.ip.Is4() != addr.Is4() && (a.ip.Is4() || opts.V6Only == nil || *opts.V6Only):
			return contradiction("multicast", fmt.Sprintf("has %s, of another family than the address %s", group, a), "listen on *:"+strconv.Itoa(int(a.port))+" for both families")
		}
	}
	return nil
}

// parseGroup reads a multicast address with the index of its interface, 0 for
// the one that the routing table chooses.
func parseGroup(group string) (netip.Addr, uint32, error) {
	text, zone, _ := strings.Cut(group, "%")
	ip, err := netip.ParseAddr(text)
	if err != nil || zone == "" {
		return ip, 0, err
	}
	index, err := zoneID(zone)
	return ip, index, err
}

// BindInet binds a socket of the network "tcp" or "udp" and does not listen. A
// tcp socket has SO_REUSEADDR, so that connections in TIME_WAIT keep nobody from
// the port, and is plain TCP unless MPTCP is asked for; a udp socket never has it,
// because there it would let a second socket steal every datagram.
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
	s := sockopts{given: opts.Settings}
	proto := unix.IPPROTO_TCP
	switch network {
	case "tcp":
		s.typ = unix.SOCK_STREAM
		if opts.MPTCP {
			proto = unix.IPPROTO_MPTCP
		}
	case "udp":
		s.typ, proto = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	default:
		return nil, &Error{Code: Unsupported, Message: fmt.Sprintf("bind %s: unknown network %q", a, network)}
	}
	sa, err := a.sockaddr()
	if err != nil {
		return nil, err
	}
	if sa, err = s.open(a, sa, proto); err != nil {
		return nil, err
	}
	if err := a.bind(&s, sa, opts); err != nil {
		fdpass.Close(s.fd)
		return nil, err
	}
	return &Socket{FD: s.fd, Bound: localAddress(s.fd), Refused: s.refused}, nil
}

// open opens the socket: for IPv4 alone if it is for every address of a machine
// without IPv6, and as plain TCP if multipath TCP is refused and only preferred.
func (s *sockopts) open(a inetAddress, sa unix.Sockaddr, proto int) (unix.Sockaddr, error) {
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	socket := func() (err error) {
		s.domain = domainOf(sa)
		s.fd, err = unix.Socket(s.domain, s.typ|flags, proto)
		if !a.ip.IsValid() && errors.Is(err, unix.EAFNOSUPPORT) {
			sa, s.domain = &unix.SockaddrInet4{Port: int(a.port)}, unix.AF_INET
			s.fd, err = unix.Socket(s.domain, s.typ|flags, proto)
		}
		return err
	}
	if proto == unix.IPPROTO_MPTCP {
		err := s.try(sockopt{name: "mptcp", hint: noMPTCP}, socket, "true")
		if err != nil || len(s.refused) == 0 {
			return sa, err
		}
		proto = unix.IPPROTO_TCP
	}
	if err := socket(); err != nil {
		return nil, sysError("open a socket for", a.String(), err, "")
	}
	return sa, nil
}

func noMPTCP(_ string, err error) string {
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return "sysctl net.mptcp.enabled=1"
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return "this kernel has no multipath TCP (CONFIG_MPTCP)"
	}
	return ""
}

func (a inetAddress) bind(s *sockopts, sa unix.Sockaddr, opts InetOptions) error {
	v6only := a.ip.IsValid()
	if opts.V6Only != nil {
		v6only = *opts.V6Only
	}
	freebind := a.specific()
	if opts.FreeBind != nil {
		freebind = *opts.FreeBind
	}
	six := s.domain == unix.AF_INET6
	s.both = six && !v6only
	for _, o := range []struct {
		use                bool
		option             string
		level, name, value int
	}{
		{s.typ == unix.SOCK_STREAM, "SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{six, "v6only", unix.SOL_IPV6, unix.IPV6_V6ONLY, boolInt(v6only)},
		{freebind && six, "freebind", unix.SOL_IPV6, unix.IPV6_FREEBIND, 1},
		{freebind && !six, "freebind", unix.SOL_IP, unix.IP_FREEBIND, 1},
		{opts.ReusePort, "reuse-port", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
	} {
		if !o.use {
			continue
		}
		set := func() error { return unix.SetsockoptInt(s.fd, o.level, o.name, o.value) }
		if err := s.try(sockopt{name: o.option}, set, strconv.Itoa(o.value)); err != nil {
			return err
		}
	}
	own := tcpOptions
	if s.typ == unix.SOCK_DGRAM {
		own = udpOptions
	}
	if err := s.apply(inetOptions, own, everyOption); err != nil {
		return err
	}
	if err := unix.Bind(s.fd, sa); err != nil {
		return sysError("bind", a.String(), err, a.hint(err))
	}
	return s.apply(boundOptions)
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
