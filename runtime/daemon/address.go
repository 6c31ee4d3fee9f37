package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rind-sockets/rind/plan"
)

const (
	// resolveTimeout bounds the look-up of one host name.
	resolveTimeout = 5 * time.Second

	// maxPath is the longest path that fits into sockaddr_un with its NUL, unix(7).
	maxPath = 107
)

// address returns what the plugin is asked to bind: a uds path made absolute, a
// host name looked up. Of several addresses of a name the first is bound and the
// others are returned for the status.
func (o *opener) address(ctx context.Context, def *plan.Socket) (address string, others []string, err error) {
	if def.Type == "uds" {
		address, err = o.path(def.Listen)
		return address, nil, err
	}
	host, port, named := hostName(def)
	if !named {
		return def.Listen, nil, nil
	}
	return lookup(ctx, host, port)
}

// path makes a uds endpoint absolute.
func (o *opener) path(listen string) (string, error) {
	if strings.HasPrefix(listen, "/") || strings.HasPrefix(listen, "@") {
		return listen, nil
	}
	path := filepath.Join(o.socketDir, listen)
	if len(path) > maxPath {
		return "", fmt.Errorf("the path %s has %d bytes, at most %d fit into a socket address: choose a shorter --socket-dir", path, len(path), maxPath)
	}
	return path, nil
}

// hostName returns the host and port of an endpoint that has to be looked up.
// Whatever else an endpoint is, the plugin knows better.
func hostName(def *plan.Socket) (host, port string, named bool) {
	if def.Type != "tcp" && def.Type != "udp" {
		return "", "", false
	}
	host, port, err := net.SplitHostPort(def.Listen)
	if err != nil || host == "*" || host == "" {
		return "", "", false
	}
	_, err = netip.ParseAddr(host)
	return host, port, err != nil
}

// lookup returns the address that a name is bound at, and the other addresses of
// it. IPv4 comes first, as for net.Listen: who connects to "localhost" tries both,
// but who was told 127.0.0.1 does not.
func lookup(ctx context.Context, host, port string) (first string, others []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		return "", nil, &lookupError{host, err}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", nil, fmt.Errorf("port %q: %w", port, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	for _, ip := range found {
		address := netip.AddrPortFrom(ip, uint16(number)).String()
		other := address + " (not bound)"
		switch {
		case first == "":
			first = address
		case address != first && !slices.Contains(others, other):
			others = append(others, other)
		}
	}
	return first, others, nil
}

// lookupError says that a name has no address, maybe not yet.
type lookupError struct {
	host string
	err  error
}

func (e *lookupError) Error() string { return fmt.Sprintf("look up %s: %v", e.host, e.err) }
func (e *lookupError) Unwrap() error { return e.err }

// temporary reports whether the name may have an address later. That nobody
// answers, or that there is no network yet, says nothing about the name.
func (e *lookupError) temporary() bool {
	dns, ok := errors.AsType[*net.DNSError](e.err)
	return ok && !dns.IsNotFound
}
