package grammar

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

type inetTree struct {
	Address string `parser:"(  @Bracketed"`
	Star    bool   `parser:" | @Star"`
	Host    string `parser:" | @Word )?"`
	Port    string `parser:"Colon @Word"`
}

const (
	bracketedToken = iota
	starToken
	wordToken
	colonToken
	otherToken
)

var inetParser = lazily[inetTree](
	participle.Lexer(define(func() scanFunc { return scanInet }, "Bracketed", "Star", "Word", "Colon", "Strange")),
)

func scanInet(rest string) (lexer.TokenType, int) {
	switch rest[0] {
	case '[':
		if i := strings.IndexByte(rest, ']'); i > 0 {
			return tokenType(bracketedToken), i + 1
		}
	case '*':
		return tokenType(starToken), 1
	case ':':
		return tokenType(colonToken), 1
	}
	if n := segmentLen(rest); n > 0 {
		return tokenType(wordToken), n
	}
	return tokenType(otherToken), runeLen(rest)
}

func parseInet(s string) (Endpoint, *Error) {
	tree, plain := acceptInet(s)
	if !plain {
		parsed, err := inetParser().ParseString("", s)
		if err != nil {
			return Endpoint{}, explainInet(s, offsetOf(err))
		}
		tree = *parsed
	}
	e := Endpoint{Kind: Inet, Wildcard: tree.Star}
	var bad *Error
	switch {
	case tree.Address != "":
		e.Addr, bad = parseIPv6(tree.Address)
	case tree.Host != "":
		e.Addr, e.Host, bad = parseHost(tree.Host)
	default:
		e.Wildcard = true
	}
	if bad != nil {
		return Endpoint{}, bad
	}
	at := len(s) - len(tree.Port)
	if e.Port, bad = parsePort(tree.Port, at); bad != nil {
		return Endpoint{}, bad
	}
	return e, nil
}

func parsePort(s string, at int) (uint16, *Error) {
	const form = "write a port from 0 to 65535; 0 lets the kernel choose"
	port := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, errorAt(at, at+len(s), form, "port %q is not a number", s)
		}
		if port = 10*port + int(c-'0'); port > 65535 {
			return 0, errorAt(at, at+len(s), form, "port %s is out of range", s)
		}
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, errorAt(at, at+len(s), form+", without leading zeros", "port %s has a leading zero", s)
	}
	return uint16(port), nil
}

// parseIPv6 parses "[address]" or "[address%zone]".
func parseIPv6(bracketed string) (netip.Addr, *Error) {
	text := bracketed[1 : len(bracketed)-1]
	bare, zone, zoned := strings.Cut(text, "%")
	addr, err := netip.ParseAddr(bare)
	if err != nil {
		return netip.Addr{}, errorAt(1, 1+len(bare), "write an IPv6 address between the brackets, such as `[::1]:8081`",
			"%q is not an IPv6 address", bare)
	}
	if addr.Is4() {
		return netip.Addr{}, errorAt(0, len(bracketed), "leave the brackets out", "brackets are for IPv6 addresses")
	}
	if !zoned {
		return addr.Unmap(), nil
	}
	from, to := 1+len(bare), 1+len(text)
	if bad := checkZone(zone); bad != "" {
		return netip.Addr{}, errorAt(from, to, "write the name or the number of a network interface, such as `%eth0`",
			"zone %q %s", zone, bad)
	}
	if !addr.IsLinkLocalUnicast() && !addr.IsLinkLocalMulticast() && !addr.IsInterfaceLocalMulticast() {
		return netip.Addr{}, errorAt(from, to, "remove the zone", "only link-local addresses have a zone")
	}
	return addr.WithZone(zone), nil
}

// checkZone says why zone cannot be an interface: dev_valid_name of the kernel
// allows 15 bytes without "/", ":" and white space.
func checkZone(zone string) string {
	switch {
	case zone == "":
		return "is empty"
	case len(zone) > 15:
		return "is longer than the 15 bytes of an interface name"
	case zone == "." || zone == ".." || strings.ContainsAny(zone, "/: %[]"):
		return "is no interface name"
	}
	return ""
}

// parseHost parses an IPv4 address or a host name. As in the URL standard, a
// name whose last label is a number is meant to be an address.
func parseHost(s string) (netip.Addr, string, *Error) {
	name := strings.TrimSuffix(s, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if isNumber(last) {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Addr{}, "", errorAt(0, len(s), "write four numbers from 0 to 255 without leading zeros, such as `127.0.0.1`",
				"%q is not an IPv4 address", s)
		}
		return addr, "", nil
	}
	const form = "write letters, digits and inner dashes, in parts of at most 63 characters with dots between them"
	if len(name) > 253 {
		return netip.Addr{}, "", errorAt(0, len(s), form, "a host name of %d bytes is too long, at most 253 are allowed", len(name))
	}
	at := 0
	for label := range strings.SplitSeq(name, ".") {
		if bad := checkLabel(label); bad != "" {
			return netip.Addr{}, "", errorAt(at, max(at+len(label), at+1), form, "%q is not a host name: a part %s", s, bad)
		}
		at += len(label) + 1
	}
	return netip.Addr{}, strings.ToLower(s), nil
}

// isNumber reports whether s is what inet_aton(3) takes for a number: host names
// that end in one would be resolved as some address.
func isNumber(s string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// checkLabel says why s cannot be a part of a host name (RFC 1123 §2.1). Underscores are
// none there, but resolvers know names of containers that have them.
func checkLabel(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > 63:
		return "is longer than 63 bytes"
	case s[0] == '-' || s[len(s)-1] == '-':
		return "starts or ends with a dash"
	}
	return ""
}

// explainInet says what is wrong with s, which the grammar refused at the byte
// stopped.
func explainInet(s string, stopped int) *Error {
	form := endpointForm("tcp")
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		if strings.Contains(s, ":") {
			help := "write `[" + s + "]:PORT`"
			if host, port, ok := splitIPv6(s); ok {
				help = "write `[" + host + "]:" + port + "`, or " + strings.TrimPrefix(help, "write ")
			}
			return errorAt(0, len(s), help, "an IPv6 address needs brackets and a port")
		}
		return errorAt(0, len(s), "write `"+s+":PORT`", "the port is missing")
	}
	if port, bad := parsePort(s, 0); bad == nil && port > 0 {
		return errorAt(0, len(s), "write `:"+s+"` for all addresses, or `127.0.0.1:"+s+"` for this host only",
			"a port alone is not an endpoint")
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok && isSegment(scheme) {
		return explainURL(scheme, rest)
	}
	colon := strings.LastIndexByte(s, ':')
	if colon > 0 {
		host, port := s[:colon], s[colon+1:]
		if _, err := netip.ParseAddr(host); err == nil && strings.Contains(host, ":") && !strings.Contains(host, "]") {
			return errorAt(0, colon, "write `["+host+"]:"+port+"`", "an IPv6 address needs brackets").instead("[" + host + "]")
		}
	}
	switch {
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@"):
		return errorAt(0, len(s), form+"; paths need `type = \"uds\"`", "a path is not an inet endpoint")
	case strings.HasPrefix(s, "[") && !strings.Contains(s, "]"):
		return errorAt(0, 1, "close it with `]`", "a bracket is not closed")
	case s == "*", colon == len(s)-1, colon < 0 && isSegment(s), strings.HasSuffix(s, "]"):
		help := form
		if host := strings.TrimSuffix(s, ":"); host != "" {
			help = fmt.Sprintf("write `%.80s:PORT`, such as `%.80s:8080`", host, host)
		}
		return errorAt(0, len(s), help, "the port is missing")
	}
	stopped = min(stopped, len(s))
	if at := strings.IndexAny(s, "${"); at >= 0 || strings.Contains(s, "var:") {
		return errorAt(max(at, 0), len(s), form, "an endpoint has no variables")
	}
	return errorAt(stopped, len(s), form, "%s is not expected here", show(s[stopped:]))
}

// splitIPv6 splits an IPv6 address whose last part may be a port: "::1:8080".
func splitIPv6(s string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	host, port = s[:colon], s[colon+1:]
	if _, err := netip.ParseAddr(host); err != nil {
		return "", "", false
	}
	_, bad := parsePort(port, 0)
	return host, port, bad == nil
}

// explainURL says that an endpoint is not a URL, whose scheme and the rest behind
// the slashes it gets.
func explainURL(scheme, rest string) *Error {
	size := len(scheme) + len("://") + len(rest)
	authority, _, _ := strings.Cut(rest, "/")
	if _, bad := parseInet(authority); bad != nil {
		return errorAt(0, size, endpointForm("tcp"), "an endpoint is an address and a port, not a URL")
	}
	return errorAt(0, size, "write `"+authority+"`", "an endpoint is an address and a port, not a URL").instead(authority)
}
