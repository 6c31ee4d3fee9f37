package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/peer"
	"github.com/rind-sockets/rind/runtime/pluginhost"
)

// opener opens sockets: address → plugin → verified → published. It blocks and
// runs in workers.
type opener struct {
	host      *pluginhost.Host
	plan      *plan.Plan
	rules     rules
	socketDir string
}

// opened is what became of one socket. Without an error the descriptor is the
// receiver's.
type opened struct {
	fd        int
	facts     listen.Facts
	addresses []string
	options   []string // what became of options, for people
	err       error
	retry     bool // it may work later without anybody's doing
	absent    bool // its address or interface is not there
}

// discard closes a socket that nobody wants any more, and removes its path.
func (o opened) discard() error {
	if o.fd < 0 {
		return nil
	}
	return errors.Join(o.facts.Remove(), unix.Close(o.fd))
}

// open binds sockets of one transport and calls done for each.
func (o *opener) open(ctx context.Context, defs []*plan.Socket, done func(*plan.Socket, opened)) {
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
			ID: string(def.Name), Scheme: def.Type, Address: address, Options: o.options(def, address), Prefer: def.Prefer, Backlog: backlog(def),
		})
	}
	if len(asked) == 0 {
		return
	}
	transport := o.transport(asked[0].Type)
	plugin, err := pluginOf(transport)
	if err != nil {
		for _, def := range asked {
			done(def, failure(def, err))
		}
		return
	}
	results := o.host.Bind(ctx, plugin, eps)
	kept := o.keptBy(plugin.Name)
	for i, r := range results {
		done(asked[i], o.publish(asked[i], transport, eps[i].Address, r, others[i], kept))
	}
}

// options returns the transport options that a socket is bound with.
func (o *opener) options(def *plan.Socket, address string) map[string]string {
	return guarded(def, o.rules[def.Name], def.Type == "uds" && strings.HasPrefix(address, "/"))
}

// transport returns what the plan says of a socket type.
func (o *opener) transport(name string) *plan.Transport {
	i := slices.IndexFunc(o.plan.Transports, func(t plan.Transport) bool { return t.Name == name })
	if i < 0 {
		return &plan.Transport{Name: name}
	}
	return &o.plan.Transports[i]
}

// pluginOf says which plugin binds a transport and which executable that must be.
func pluginOf(t *plan.Transport) (pluginhost.Transport, error) {
	const platform = runtime.GOOS + "-" + runtime.GOARCH
	sum, ok := t.Checksum(platform)
	if !ok {
		return pluginhost.Transport{}, fmt.Errorf(
			"transport %s: the plan has no checksum of its plugin for %s (lock the plugin's build for it with rindc plugins lock and compile again)",
			t.Name, platform)
	}
	return pluginhost.Transport{Name: t.PluginName(), Manifest: t.Manifest, Checksum: sum}, nil
}

// shapeOf returns what sockets of a transport look like, nil for tcp, udp and uds.
func shapeOf(t *plan.Transport) *listen.Shape {
	if t.Shape == nil {
		return nil
	}
	return &listen.Shape{Domain: t.Shape.Domain, Type: t.Shape.Type, Protocols: t.Shape.Protocols, Listening: t.Shape.Listening}
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

// publish verifies what the plugin handed over and makes it reachable. After a
// failure nothing is left of it.
func (o *opener) publish(
	def *plan.Socket, transport *plan.Transport, address string, r pluginhost.Result, others []string, kept map[uint64]bool,
) opened {
	if r.Err != nil {
		return failure(def, withHolder(r.Err, def.Type, address))
	}
	want := listen.Want{Type: def.Type, Shape: shapeOf(transport), Address: address, Options: o.options(def, address)}
	var notes []string
	if len(r.Refused) > 0 {
		want.Options = maps.Clone(want.Options)
		for _, refused := range r.Refused {
			delete(want.Options, refused.Option)
			notes = append(notes, fmt.Sprintf("option %s refused: %s", refused.Option, refused.Reason))
		}
	}
	facts, err := listen.Verify(r.FD, want)
	if err == nil && kept[facts.Inode] {
		err = errors.New("the plugin kept a copy of the socket")
	}
	if err != nil {
		err = fmt.Errorf("bind %s: refused: %w", address, err)
		return failure(def, also(err, abandon(def, r.FD, address)))
	}
	if want.Shape != nil && r.Bound != "" {
		facts.Local = r.Bound // how its addresses are written only the plugin knows
	}
	out := opened{fd: r.FD, facts: facts, addresses: append([]string{facts.Local}, others...)}
	guarded, err := guard(def, o.rules[def.Name], r.FD, &facts)
	if err != nil {
		return failure(def, also(fmt.Errorf("bind %s: %w", address, err), out.discard()))
	}
	notes = append(notes, guarded...)
	if err := listen.Publish(r.FD, facts.Stream, backlog(def)); err != nil {
		return failure(def, also(withHolder(err, def.Type, address), out.discard()))
	}
	out.options = append(notes, listen.Shortfalls(r.FD, want.Options, backlog(def))...)
	return out
}

// abandon closes a socket that was refused, and removes the node at its address
// and the links to it if the kernel says that it is the node of this very socket.
func abandon(def *plan.Socket, fd int, address string) error {
	var err error
	if st, ok := nodeOf(fd, address); ok && def.Type == "uds" {
		facts := listen.Facts{Path: address, Dev: st.Dev, Ino: st.Ino, Links: listen.LinksTo(address, def.Options)}
		err = facts.Remove()
	}
	return errors.Join(err, unix.Close(fd))
}

// nodeOf returns what is at path, if it is the node of the unix socket fd.
func nodeOf(fd int, path string) (st unix.Stat_t, ok bool) {
	ino, err := peer.Node(fd)
	ok = err == nil && ino != 0 && unix.Lstat(path, &st) == nil && uint32(st.Ino) == ino
	return st, ok
}

// failure names the socket and decides whether another attempt makes sense
// without anybody's doing. An address in use is somebody else's, so that waits
// for the operator.
func failure(def *plan.Socket, err error) opened {
	be, ok := errors.AsType[*pluginhost.BindError](err)
	return opened{
		fd: -1, err: fmt.Errorf("socket %s: %w", def.Name, err), retry: temporary(err),
		absent: ok && be.Code == transportv1.BindError_ADDRESS_NOT_AVAILABLE,
	}
}

func temporary(err error) bool {
	if be, ok := errors.AsType[*pluginhost.BindError](err); ok {
		return be.Temporary() && be.Code != transportv1.BindError_ADDRESS_IN_USE && be.Code != transportv1.BindError_INTERNAL
	}
	if pe, ok := errors.AsType[*pluginhost.PluginError](err); ok {
		return pe.Temporary()
	}
	if le, ok := errors.AsType[*lookupError](err); ok {
		return le.temporary()
	}
	return false
}

// withHolder adds to "address already in use" who uses it. That this cannot be found
// out is no other failure.
func withHolder(err error, transport, address string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	holder, herr := peer.Holder(transport, address)
	if herr != nil {
		holder = "held by a process that cannot be seen from here"
	}
	if holder == "" {
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
