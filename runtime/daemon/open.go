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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/pluginhost"
)

// resolveTimeout bounds the look-up of one host name.
const resolveTimeout = 5 * time.Second

// opener opens sockets: endpoint → plugin → verified → published. It blocks and
// runs in workers.
type opener struct {
	host      *pluginhost.Host
	socketDir string
}

// opened is what became of one socket. Without an error the descriptor is the
// receiver's.
type opened struct {
	fd        int
	facts     listen.Facts
	addresses []string
	err       error
	retry     bool // it may work later without anybody's doing
}

// discard closes a socket that nobody wants any more.
func (o opened) discard() {
	if o.facts.Path != "" {
		_ = listen.RemoveNode(o.facts.Path, o.facts.Dev, o.facts.Ino)
	}
	_ = unix.Close(o.fd)
}

// open binds all sockets of one transport and calls done for each.
func (o *opener) open(ctx context.Context, transport, manifest string, defs []*plan.Socket, done func(*plan.Socket, opened)) {
	var (
		asked  []*plan.Socket
		eps    []pluginhost.Endpoint
		others [][]string // further results of the same name
	)
	for _, def := range defs {
		address, more, err := o.address(ctx, def)
		if err != nil {
			done(def, failure(def, err))
			continue
		}
		asked = append(asked, def)
		others = append(others, more)
		eps = append(eps, pluginhost.Endpoint{
			ID: string(def.Name), Scheme: def.Type, Address: address, Options: def.Options, Backlog: backlog(def),
		})
	}
	results := o.host.Bind(ctx, transport, manifest, eps)
	kept := o.keptBy(transport)
	for i, r := range results {
		done(asked[i], o.publish(asked[i], eps[i].Address, r, others[i], kept))
	}
}

// keptBy returns the sockets that the plugin of a transport has open after it
// has answered: one that it handed over must not be among them, since it could
// accept from it. Where /proc does not show them, which it does to root and to
// the same user, nothing can be said.
func (o *opener) keptBy(transport string) map[uint64]bool {
	kept := map[uint64]bool{}
	for _, st := range o.host.Status() {
		if st.Name != transport || st.PID == 0 {
			continue
		}
		inodes, err := peer.Sockets(st.PID)
		if err != nil {
			return nil
		}
		for _, inode := range inodes {
			kept[inode] = true
		}
	}
	return kept
}

// publish verifies what the plugin handed over and makes it reachable.
func (o *opener) publish(def *plan.Socket, address string, r pluginhost.Result, others []string, kept map[uint64]bool) opened {
	if r.Err != nil {
		return failure(def, withHolder(r.Err, def.Type, address))
	}
	facts, err := listen.Verify(r.FD, listen.Want{Type: def.Type, Address: address, Options: def.Options})
	if err == nil && kept[facts.Inode] {
		err = errors.New("the plugin kept a copy of the socket")
	}
	if err != nil {
		_ = unix.Close(r.FD)
		return failure(def, fmt.Errorf("bind %s: refused: %w", address, err))
	}
	out := opened{fd: r.FD, facts: facts, addresses: append([]string{facts.Local}, others...)}
	if err := listen.Publish(r.FD, facts.Stream, backlog(def)); err != nil {
		out.discard()
		return failure(def, withHolder(err, def.Type, address))
	}
	return out
}

// address returns what the plugin is asked to bind: a uds path made absolute, a
// host name looked up. Of several addresses of a name the first is bound and the
// others are returned for the status.
func (o *opener) address(ctx context.Context, def *plan.Socket) (address string, others []string, err error) {
	if len(def.Permissions) > 0 && !slices.Contains(def.Permissions, plan.AnyPermission) {
		return "", nil, errors.New("access permissions are not enforced by this version of rindrun, so the socket stays closed; remove permissions or use the permission any")
	}
	if def.Type == "uds" {
		if strings.HasPrefix(def.Listen, "/") || strings.HasPrefix(def.Listen, "@") {
			return def.Listen, nil, nil
		}
		path := filepath.Join(o.socketDir, def.Listen)
		if len(path) > maxPath {
			return "", nil, fmt.Errorf("the path %s has %d bytes, at most %d fit into a socket address: choose a shorter --socket-dir", path, len(path), maxPath)
		}
		return path, nil, nil
	}
	host, port, err := net.SplitHostPort(def.Listen)
	if err != nil || host == "*" || host == "" {
		return def.Listen, nil, nil // the plugin knows better what it is
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return def.Listen, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", nil, &lookupError{host, err}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", nil, fmt.Errorf("port %q: %w", port, err)
	}
	all := make([]string, len(found))
	for i, ip := range found {
		all[i] = netip.AddrPortFrom(ip.Unmap(), uint16(number)).String()
	}
	return all[0], all[1:], nil
}

// maxPath is the longest path that fits into sockaddr_un with its NUL, unix(7).
const maxPath = 107

// lookupError says that a name has no address, maybe not yet.
type lookupError struct {
	host string
	err  error
}

func (e *lookupError) Error() string { return fmt.Sprintf("look up %s: %v", e.host, e.err) }
func (e *lookupError) Unwrap() error { return e.err }

// failure names the socket and decides whether another attempt makes sense
// without anybody's doing. An address in use is somebody else's, so that waits
// for the operator.
func failure(def *plan.Socket, err error) opened {
	return opened{fd: -1, err: fmt.Errorf("socket %s: %w", def.Name, err), retry: temporary(err)}
}

func temporary(err error) bool {
	if be, ok := errors.AsType[*pluginhost.BindError](err); ok {
		return be.Temporary() && be.Code != transportv1.BindError_ADDRESS_IN_USE && be.Code != transportv1.BindError_INTERNAL
	}
	if pe, ok := errors.AsType[*pluginhost.PluginError](err); ok {
		return pe.Temporary()
	}
	if le, ok := errors.AsType[*lookupError](err); ok {
		dns, ok := errors.AsType[*net.DNSError](le.err)
		return ok && dns.Temporary()
	}
	return false
}

// withHolder adds to "address already in use" who uses it.
func withHolder(err error, transport, address string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	holder, herr := peer.Holder(transport, address)
	if herr != nil || holder == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, holder)
}

// backlog is the option of that name; the compiler has checked it.
func backlog(def *plan.Socket) int {
	n, err := strconv.Atoi(def.Options["backlog"])
	if err != nil {
		return 0 // the default
	}
	return n
}
