package transport

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/manifest"
)

// Settings are options of a socket as texts of the wire, and which of them the
// kernel may refuse. [BindInet] and [BindUnix] know the options of the transports
// tcp, udp and uds by name, and leave the others to whoever calls them.
type Settings struct {
	Values map[string]string
	Prefer []string
}

// Settings returns the options of the endpoint, with the manifest's defaults.
func (ep Endpoint) Settings() Settings {
	s := Settings{Values: map[string]string{}, Prefer: ep.Prefer}
	if ep.scheme != nil {
		for i := range ep.scheme.Options {
			if o := &ep.scheme.Options[i]; o.Default != "" {
				s.Values[o.Name] = o.Default
			}
		}
	}
	maps.Copy(s.Values, ep.Options)
	return s
}

// Refusal is a preferred option that the kernel refused. The socket was bound
// without it.
type Refusal struct {
	Option string
	Err    *Error
}

// sockopts sets options of one socket and remembers those that were refused.
type sockopts struct {
	fd      int
	domain  int
	typ     int
	both    bool // an IPv6 socket that takes IPv4 as well
	given   Settings
	refused []Refusal
}

// sockopt is how one option is set.
type sockopt struct {
	name string
	set  func(s *sockopts, text string) error
	need string                            // what EPERM and EACCES say is missing
	hint func(text string, e error) string // for other errors; may be nil
}

// Options in the order in which they are set: IP_TOS changes SO_PRIORITY.
var (
	unixOptions = []sockopt{
		{name: "pass-credentials", set: setBool(unix.SOL_SOCKET, unix.SO_PASSCRED)},
		{name: "pass-security", set: setBool(unix.SOL_SOCKET, unix.SO_PASSSEC)},
	}
	inetOptions = []sockopt{
		{name: "transparent", set: perFamily(unix.IP_TRANSPARENT, unix.IPV6_TRANSPARENT, setBool), need: "CAP_NET_ADMIN"},
		{name: "bind-device", set: setDevice, need: "CAP_NET_RAW", hint: missingDevice},
		{name: "tos", set: setInt(unix.SOL_IP, unix.IP_TOS), need: "CAP_NET_ADMIN"},
		{name: "traffic-class", set: setInt(unix.SOL_IPV6, unix.IPV6_TCLASS), need: "CAP_NET_ADMIN"},
		{name: "ttl", set: perFamily(unix.IP_TTL, unix.IPV6_UNICAST_HOPS, setInt)},
	}
	tcpOptions = []sockopt{
		{name: "keepalive.time", set: setKeepalive(unix.TCP_KEEPIDLE, seconds)},
		{name: "keepalive.interval", set: setKeepalive(unix.TCP_KEEPINTVL, seconds)},
		{name: "keepalive.probes", set: setKeepalive(unix.TCP_KEEPCNT, number)},
		{name: "no-delay", set: setBool(unix.SOL_TCP, unix.TCP_NODELAY)},
		{name: "defer-accept", set: setNumber(unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, seconds)},
		{name: "fast-open", set: setInt(unix.SOL_TCP, unix.TCP_FASTOPEN)},
		{name: "user-timeout", set: setNumber(unix.SOL_TCP, unix.TCP_USER_TIMEOUT, milliseconds)},
		{name: "congestion", set: setCongestion, need: "CAP_NET_ADMIN, or the algorithm in net.ipv4.tcp_allowed_congestion_control", hint: missingCongestion},
	}
	udpOptions = []sockopt{
		{name: "broadcast", set: setBool(unix.SOL_SOCKET, unix.SO_BROADCAST)},
		{name: "packet-info", set: perFamily(unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO, setBool)},
	}
	everyOption = []sockopt{
		{name: "receive-buffer", set: setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)},
		{name: "send-buffer", set: setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)},
		{name: "priority", set: setInt(unix.SOL_SOCKET, unix.SO_PRIORITY), need: "CAP_NET_ADMIN for priorities above 6"},
		{name: "mark", set: setInt(unix.SOL_SOCKET, unix.SO_MARK), need: "CAP_NET_ADMIN"},
		{name: "timestamping", set: setTimestamps},
	}
	boundOptions = []sockopt{ // after bind(2)
		{name: "multicast", set: joinGroups, hint: missingRoute},
	}
)

// apply sets those of the options that were given. The error is an [*Error].
func (s *sockopts) apply(lists ...[]sockopt) error {
	for _, list := range lists {
		for _, o := range list {
			text, ok := s.given.Values[o.name]
			if !ok {
				continue
			}
			if err := s.try(o, func() error { return o.set(s, text) }, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// try sets one option. That the kernel refuses it is an error unless it is
// preferred only.
func (s *sockopts) try(o sockopt, set func() error, text string) error {
	err := set()
	if err == nil {
		return nil
	}
	e := optionError(o, text, err)
	if !slices.Contains(s.given.Prefer, o.name) {
		return e
	}
	s.refused = append(s.refused, Refusal{Option: o.name, Err: e})
	return nil
}

// optionError is what the kernel says about an option: "option mark: operation
// not permitted (needs CAP_NET_ADMIN)".
func optionError(o sockopt, text string, err error) *Error {
	e := &Error{Code: InvalidOption, Field: o.name, Message: fmt.Sprintf("option %s: %s", o.name, err)}
	if errors.As(err, &e.Errno) {
		e.Code = CodeOf(e.Errno)
	}
	switch e.Errno { //nolint:exhaustive // the message says enough of the others
	case unix.EINVAL, unix.EDOM, unix.ERANGE:
		e.Code = InvalidOption
		e.Hint = fmt.Sprintf("this kernel does not take %s", clip(text))
	case unix.ENOENT:
		e.Code = Unsupported
	case unix.EPERM, unix.EACCES:
		if o.need != "" {
			e.Hint = "needs " + o.need
		}
	case unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		e.Hint = "this kernel cannot do it for such a socket: remove the option, or write { prefer = VALUE } to do without it where need be"
	}
	if o.hint != nil {
		if hint := o.hint(text, err); hint != "" {
			e.Hint = hint
		}
	}
	return e
}

// number, seconds and milliseconds read the text of an option as the kernel
// counts it. The manifest has checked it; what it let through is refused here.
func number(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 {
		return 0, fmt.Errorf("%q is not a number of 32 bits", clip(text))
	}
	return int(n), nil
}

func seconds(text string) (int, error)      { return counted(text, time.Second) }
func milliseconds(text string) (int, error) { return counted(text, time.Millisecond) }

func counted(text string, unit time.Duration) (int, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration", clip(text))
	}
	if d < 0 || d%unit != 0 || d/unit >= 1<<31 {
		return 0, fmt.Errorf("%s is not a number of %s", d, unit)
	}
	return int(d / unit), nil
}

func setNumber(level, name int, read func(string) (int, error)) func(*sockopts, string) error {
	return func(s *sockopts, text string) error {
		n, err := read(text)
		if err != nil {
			return err
		}
		return unix.SetsockoptInt(s.fd, level, name, n)
	}
}

func setInt(level, name int) func(*sockopts, string) error { return setNumber(level, name, number) }

func setBool(level, name int) func(*sockopts, string) error {
	return setNumber(level, name, func(text string) (int, error) { return boolInt(text == "true"), nil })
}

// perFamily sets an option that IPv4 and IPv6 have each for themselves. An IPv6
// socket that takes IPv4 gets both.
func perFamily(four, six int, setter func(level, name int) func(*sockopts, string) error) func(*sockopts, string) error {
	set4, set6 := setter(unix.SOL_IP, four), setter(unix.SOL_IPV6, six)
	return func(s *sockopts, text string) error {
		if s.domain == unix.AF_INET6 {
			if err := set6(s, text); err != nil || !s.both {
				return err
			}
		}
		return set4(s, text)
	}
}

func setKeepalive(name int, read func(string) (int, error)) func(*sockopts, string) error {
	set := setNumber(unix.SOL_TCP, name, read)
	return func(s *sockopts, text string) error {
		if err := set(s, text); err != nil {
			return err
		}
		return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// setBuffer exceeds the limit of the system where it may; elsewhere the kernel
// gives less without a word, and the host tells people.
func setBuffer(force, plain int) func(*sockopts, string) error {
	return func(s *sockopts, text string) error {
		n, err := number(text)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, n); err == nil {
			return nil
		}
		return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, plain, n)
	}
}

func setTimestamps(s *sockopts, text string) error {
	name := unix.SO_TIMESTAMP
	if text == "ns" {
		name = unix.SO_TIMESTAMPNS
	}
	return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, name, boolInt(text != "off"))
}

func setDevice(s *sockopts, text string) error { return unix.BindToDevice(s.fd, text) }

func missingDevice(text string, err error) string {
	if errors.Is(err, unix.ENODEV) {
		return "there is no interface " + clip(text)
	}
	return ""
}

func setCongestion(s *sockopts, text string) error {
	return unix.SetsockoptString(s.fd, unix.SOL_TCP, unix.TCP_CONGESTION, text)
}

func missingCongestion(_ string, err error) string {
	if !errors.Is(err, unix.ENOENT) {
		return ""
	}
	const sysctl = "net.ipv4.tcp_available_congestion_control"
	text, rerr := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if rerr != nil {
		return "see " + sysctl
	}
	return sysctl + " has " + clip(strings.TrimSpace(string(text)))
}

// joinGroups joins the multicast groups of a list: "239.1.2.3" or, through one
// interface, "239.1.2.3%eth0". From then on the socket gets the datagrams of these
// groups and of no others: by default Linux passes on those of every group that
// any socket of the machine has joined (ip(7), IP_MULTICAST_ALL).
func joinGroups(s *sockopts, text string) error {
	groups, err := manifest.ParseList(text)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := s.joinGroup(group); err != nil {
			return fmt.Errorf("join %s: %w", clip(group), err)
		}
	}
	if s.domain == unix.AF_INET || s.both {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
			return err
		}
	}
	if s.domain == unix.AF_INET6 {
		err := unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_MULTICAST_ALL, 0)
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) { // before Linux 4.20
			return err
		}
	}
	return nil
}

func (s *sockopts) joinGroup(group string) error {
	ip, index, err := parseGroup(group)
	if err != nil {
		return err
	}
	if ip.Is4() {
		return unix.SetsockoptIPMreqn(s.fd, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: ip.As4(), Ifindex: int32(index)})
	}
	return unix.SetsockoptIPv6Mreq(s.fd, unix.SOL_IPV6, unix.IPV6_JOIN_GROUP,
		&unix.IPv6Mreq{Multiaddr: ip.As16(), Interface: index})
}

func missingRoute(_ string, err error) string {
	if errors.Is(err, unix.ENODEV) {
		return "name an interface that is there, for example 239.1.2.3%eth0"
	}
	return ""
}
