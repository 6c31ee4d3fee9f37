package grammar

import (
	"net/netip"
	"strconv"
)

// MaxUnixPath is how many bytes the path or the abstract name of a unix socket
// may have: sun_path of unix(7) has 108, one of which is the NUL that ends a
// path or starts an abstract name.
const MaxUnixPath = 107

// maxEndpoint bounds what is parsed at all.
const maxEndpoint = 1024

// EndpointKind is the form of an endpoint.
type EndpointKind uint8

// Forms of endpoints. The zero EndpointKind is invalid.
const (
	_        EndpointKind = iota
	Inet                  // an address or host name, and a port
	Path                  // a unix socket in the file system
	Abstract              // a unix socket in the abstract namespace
	Other                 // of a transport whose endpoints only its plugin knows
)

// Endpoint is where a socket listens (SPEC §2.2). Endpoints that mean the same
// are equal.
type Endpoint struct {
	Kind EndpointKind

	// Inet: exactly one of Wildcard (dual stack, "*"), Addr and Host is set.
	Wildcard bool
	Addr     netip.Addr // with its zone; an IPv4 address is never in IPv6 form
	Host     string     // a host name in lower case
	Port     uint16     // 0: the kernel chooses

	// Path: cleaned, below the socket directory unless it starts with "/".
	// Abstract: the name without "@". Other: the text as written.
	Path string
}

// IsHostname reports whether e names a host, so that its addresses are only
// known when the socket starts.
func (e Endpoint) IsHostname() bool { return e.Host != "" }

// String returns the canonical spelling, which parses to e again.
func (e Endpoint) String() string {
	switch e.Kind {
	case Inet:
		return e.host() + ":" + strconv.Itoa(int(e.Port))
	case Abstract:
		return "@" + e.Path
	case Path, Other:
		return e.Path
	}
	return "invalid endpoint"
}

func (e Endpoint) host() string {
	switch {
	case e.Wildcard:
		return "*"
	case e.Host != "":
		return e.Host
	case e.Addr.Is6():
		return "[" + e.Addr.String() + "]"
	}
	return e.Addr.String()
}

// ParseEndpoint parses the endpoint of a transport: tcp and udp take inet
// endpoints, uds takes paths and abstract names. For any other transport, s
// only has to be text without control characters.
func ParseEndpoint(transport, s string) (Endpoint, *Error) {
	if s == "" {
		return Endpoint{}, errorAt(0, 0, endpointForm(transport), "an endpoint must not be empty")
	}
	if len(s) > maxEndpoint {
		return Endpoint{}, errorAt(0, len(s), "shorten it",
			"an endpoint of %d bytes is too long, at most %d are allowed", len(s), maxEndpoint)
	}
	if from, to, found := badRune(s); found {
		return Endpoint{}, errorAt(from, to, "remove the character",
			"an endpoint must not contain the control character %s", show(s[from:]))
	}
	switch transport {
	case "tcp", "udp":
		return parseInet(s)
	case "uds":
		return parseUnix(s)
	}
	return Endpoint{Kind: Other, Path: s}, nil
}

func endpointForm(transport string) string {
	switch transport {
	case "tcp", "udp":
		return "write an address and a port, such as `127.0.0.1:8081`, `[::1]:8081` or `:9000`"
	case "uds":
		return "write an absolute path, a path below the socket directory, or `@name` for an abstract socket"
	}
	return "write what the transport's manual says"
}
