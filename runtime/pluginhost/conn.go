package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dial connects to the plugin, and to nobody else. It must not call any method
// of goplugin.Client, which dials with its mutex held.
func (in *instance) dial(ctx context.Context, _ string) (net.Conn, error) {
	if err := in.proc.reason(); err != nil {
		return nil, err
	}
	in.proc.mu.Lock()
	addr, pid := in.proc.addr, in.proc.pid
	in.proc.mu.Unlock()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", addr)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn, pid); err != nil {
		conn.Close()
		in.proc.fail(err)
		return nil, err
	}
	return in.conns.add(conn)
}

// checkPeer asks the kernel whether a process, of our user, is at the other end.
func checkPeer(conn net.Conn, pid int) error {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%T is not a unix connection", conn)
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return fmt.Errorf("peer of the plugin's socket: %w", err)
	}
	var cred *unix.Ucred
	var cerr error
	err = raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, cerr); err != nil {
		return fmt.Errorf("peer of the plugin's socket: %w", err)
	}
	if int(cred.Pid) != pid || int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("its socket belongs to process %d of user %d, not to process %d of user %d",
			cred.Pid, cred.Uid, pid, os.Geteuid())
	}
	return nil
}

// conns are the connections to one process. go-plugin loses the gRPC connection
// when the process dies at the wrong moment, and gRPC may still be closing one
// after its Close has returned.
type conns struct {
	mu     sync.Mutex
	closed bool
	grpc   *grpc.ClientConn
	open   map[*conn]struct{}
}

// conn is a connection whose Close, by whomever, returns when it is closed.
type conn struct {
	net.Conn

	once  sync.Once
	err   error
	conns *conns
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.conns.mu.Lock()
		defer c.conns.mu.Unlock()
		delete(c.conns.open, c)
	})
	return c.err
}

// add takes a connection over.
func (cs *conns) add(nc net.Conn) (net.Conn, error) {
	c := &conn{Conn: nc, conns: cs}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		nc.Close()
		return nil, net.ErrClosed
	}
	if cs.open == nil {
		cs.open = make(map[*conn]struct{})
	}
	cs.open[c] = struct{}{}
	return c, nil
}

// intercept implements grpc.StreamClientInterceptor. It refuses the broker of
// go-plugin, which the protocol does not use and which would start a goroutine
// for each message of the plugin.
func (cs *conns) intercept(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	cs.mu.Lock()
	cs.grpc = cc
	cs.mu.Unlock()
	if strings.HasPrefix(method, "/plugin.GRPCBroker/") {
		return nil, status.Error(codes.Unimplemented, "the host has no broker")
	}
	return streamer(ctx, desc, cc, method, opts...)
}

// close closes everything and returns when it is closed.
func (cs *conns) close() {
	cs.mu.Lock()
	cc := cs.grpc
	cs.mu.Unlock()
	if cc != nil {
		_ = cc.Close() // the only error is that it is closed already
	}
	cs.mu.Lock()
	cs.closed = true
	open := slices.Collect(maps.Keys(cs.open))
	cs.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // it was only read from and written to
	}
}
