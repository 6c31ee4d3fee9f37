package listen

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// readable is an option that the kernel can be asked about.
type readable struct {
	option string
	check  func(fd int, e *expectation, text string) error
}

// readBack lists the options that are checked after the fact, whatever the
// transport: an option that the plugin forgot is not what the unit file says.
// Those that decide who gets the traffic are checked in any case, see
// [Verify].
var readBack = []readable{
	{"priority", equal(unix.SOL_SOCKET, unix.SO_PRIORITY, plainNumber)},
	{"timestamping", checkTimestamps},
	{"tos", equalClass(unix.SOL_IP, unix.IP_TOS)},
	{"traffic-class", equalClass(unix.SOL_IPV6, unix.IPV6_TCLASS)},
	{"ttl", equalPerFamily(unix.IP_TTL, unix.IPV6_UNICAST_HOPS, plainNumber)},
	{"keepalive.time", checkKeepalive(unix.TCP_KEEPIDLE, inSeconds)},
	{"keepalive.interval", checkKeepalive(unix.TCP_KEEPINTVL, inSeconds)},
	{"keepalive.probes", checkKeepalive(unix.TCP_KEEPCNT, plainNumber)},
	{"no-delay", equal(unix.SOL_TCP, unix.TCP_NODELAY, onOrOff)},
	// The kernel counts in retransmissions, and cuts the queue to somaxconn.
	{"defer-accept", positive(unix.SOL_TCP, unix.TCP_DEFER_ACCEPT)},
	{"fast-open", positive(unix.SOL_TCP, unix.TCP_FASTOPEN)},
	{"user-timeout", equal(unix.SOL_TCP, unix.TCP_USER_TIMEOUT, inMilliseconds)},
	{"congestion", checkCongestion},
	{"broadcast", equal(unix.SOL_SOCKET, unix.SO_BROADCAST, onOrOff)},
	{"packet-info", equalPerFamily(unix.IP_PKTINFO, unix.IPV6_RECVPKTINFO, onOrOff)},
	{"pass-credentials", equal(unix.SOL_SOCKET, unix.SO_PASSCRED, onOrOff)},
	{"pass-security", equal(unix.SOL_SOCKET, unix.SO_PASSSEC, onOrOff)},
}

// checkReadBack checks the options of readBack that the wish has.
func checkReadBack(fd int, e *expectation, w Want) error {
	for _, r := range readBack {
		text, ok := w.Options[r.option]
		if !ok {
			continue
		}
		err := r.check(fd, e, text)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOPROTOOPT) {
			continue // it can be set but not asked for, as some of multipath TCP
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", r.option, err)
		}
	}
	return nil
}

func plainNumber(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return int(int32(n)), nil // as getsockopt returns it
}

func onOrOff(text string) (int, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not true or false", text)
	}
	if v {
		return 1, nil
	}
	return 0, nil
}

func inSeconds(text string) (int, error)      { return in(time.Second, text) }
func inMilliseconds(text string) (int, error) { return in(time.Millisecond, text) }

func in(unit time.Duration, text string) (int, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration", text)
	}
	return int(d / unit), nil
}

type checker = func(fd int, e *expectation, text string) error

// ask compares a number of the kernel with the text of an option.
func ask(level, name int, read func(string) (int, error), same func(got, want int) bool) checker {
	return func(fd int, _ *expectation, text string) error {
		want, err := read(text)
		if err != nil {
			return err
		}
		got, err := unix.GetsockoptInt(fd, level, name)
		if err != nil {
			return fmt.Errorf("getsockopt: %w", err)
		}
		if !same(got, want) {
			return mismatch("the returned socket has %d, want %d", got, want)
		}
		return nil
	}
}

func equal(level, name int, read func(string) (int, error)) checker {
	return ask(level, name, read, func(got, want int) bool { return got == want })
}

func positive(level, name int) checker {
	return ask(level, name, func(string) (int, error) { return 1, nil }, func(got, want int) bool { return got >= want })
}

// equalClass leaves out the bits of congestion notification, which are the
// kernel's on TCP.
func equalClass(level, name int) checker {
	exact := equal(level, name, plainNumber)
	const notification = 0x03
	class := ask(level, name, plainNumber, func(got, want int) bool { return got&^notification == want&^notification })
	return func(fd int, e *expectation, text string) error {
		if e.typ == unix.SOCK_STREAM {
			return class(fd, e, text)
		}
		return exact(fd, e, text)
	}
}

// equalPerFamily asks for the option of the socket's own family.
func equalPerFamily(four, six int, read func(string) (int, error)) checker {
	of4, of6 := equal(unix.SOL_IP, four, read), equal(unix.SOL_IPV6, six, read)
	return func(fd int, e *expectation, text string) error {
		domain, err := getsockopt(fd, unix.SO_DOMAIN, "SO_DOMAIN")
		if err != nil {
			return err
		}
		if domain == unix.AF_INET6 {
			return of6(fd, e, text)
		}
		return of4(fd, e, text)
	}
}

func checkKeepalive(name int, read func(string) (int, error)) checker {
	value := equal(unix.SOL_TCP, name, read)
	return func(fd int, e *expectation, text string) error {
		if err := value(fd, e, text); err != nil {
			return err
		}
		return checkFlag(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, "SO_KEEPALIVE", true)
	}
}

func checkTimestamps(fd int, _ *expectation, text string) error {
	if err := checkFlag(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, "SO_TIMESTAMPNS", text == "ns"); err != nil {
		return err
	}
	return checkFlag(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMP, "SO_TIMESTAMP", text == "us")
}

func checkCongestion(fd int, _ *expectation, text string) error {
	got, err := unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION)
	if err != nil {
		return fmt.Errorf("getsockopt: %w", err)
	}
	if got = strings.TrimRight(got, "\x00"); got != text {
		return mismatch("the returned socket has %s, want %s", got, text)
	}
	return nil
}

// Shortfalls says which options the kernel has taken and not fulfilled, for
// people: "option receive-buffer: the kernel gave 212992 of 8388608 bytes (raise
// net.core.rmem_max, or give rindrun CAP_NET_ADMIN)". A size that is less than it
// takes at least is no shortfall. Call it after [Publish], with the backlog given
// to that.
func Shortfalls(fd int, options map[string]string, backlog int) []string {
	var notes []string
	for _, buffer := range []struct {
		option, sysctl string
		name           int
	}{
		{"receive-buffer", "net.core.rmem_max", unix.SO_RCVBUF},
		{"send-buffer", "net.core.wmem_max", unix.SO_SNDBUF},
	} {
		want, err := strconv.Atoi(options[buffer.option])
		if err != nil {
			continue // not given
		}
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, buffer.name)
		// The kernel doubles what is asked for, for its own records (socket(7)).
		if err == nil && got/2 < want {
			notes = append(notes, fmt.Sprintf("option %s: the kernel gave %d of %d bytes (raise %s, or give rindrun CAP_NET_ADMIN)",
				buffer.option, got/2, want, buffer.sysctl))
		}
	}
	if _, given := options["backlog"]; given {
		if most, ok := sysctl("net/core/somaxconn"); ok && backlog > most {
			notes = append(notes, fmt.Sprintf("option backlog: the kernel cuts %d to %d (raise net.core.somaxconn)", backlog, most))
		}
	}
	const servers = 2 // TFO_SERVER_ENABLE
	if _, given := options["fast-open"]; given {
		if allowed, ok := sysctl("net/ipv4/tcp_fastopen"); ok && allowed&servers == 0 {
			notes = append(notes, fmt.Sprintf("option fast-open: without effect, because net.ipv4.tcp_fastopen is %d (set it to %d)", allowed, allowed|servers))
		}
	}
	return notes
}

func sysctl(path string) (int, bool) {
	text, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}
