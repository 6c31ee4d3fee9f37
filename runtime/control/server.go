// Package control is the control interface: Connect, gRPC and plain JSON over a
// unix socket, and the client of it. A caller is who the kernel says it is.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/peer"
)

// Bounds on what a client can make the daemon keep.
const (
	maxMessage    = 1 << 20
	maxHeader     = 16 << 10
	readTimeout   = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	shutdownGrace = time.Second
	socketMode    = 0o666 // who may do what is decided by credentials
)

// Options say what a server offers. All fields are required.
type Options struct {
	Plan     *plan.Plan
	Engine   Engine
	Facts    func() Facts
	Shutdown func(cause string) // begins the shutdown and returns
	Log      *slog.Logger
}

// Server is one control socket.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan error
}

// Listen opens the control socket at path. A socket that is left from a crash
// is replaced; a live one is somebody else's daemon.
func Listen(ctx context.Context, path string, o Options) (*Server, error) {
	l, err := listenUnix(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	h := &handler{
		plan: o.Plan, names: newDirectory(o.Plan), engine: o.Engine, facts: o.Facts,
		shutdown: o.Shutdown, pid: os.Getpid(), allowed: allowOwner(os.Getuid()),
	}
	mux := http.NewServeMux()
	mux.Handle(controlv1connect.NewControlServiceHandler(h, connect.WithReadMaxBytes(maxMessage)))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC
	s := &Server{
		http: &http.Server{
			Handler:           mux,
			Protocols:         protocols,
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ConnContext:       identify,
			BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		},
		listener: l,
		done:     make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close ends the server and removes its socket. Calls in progress get a moment
// to be answered.
func (s *Server) Close(ctx context.Context) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := s.http.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if serveErr := <-s.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// listenUnix binds path with a mode that lets everybody connect. Between bind
// and chmod the mode is narrower, never wider.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket: remove it or choose another path with --control", path)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s answers: another rindrun is running, stop it or choose another --runtime-dir", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// caller is who made a call.
type caller struct {
	cred peer.Cred
	err  error // why the kernel does not tell
}

func (c caller) String() string {
	if c.err != nil {
		return "unknown"
	}
	return fmt.Sprintf("uid %d", c.cred.UID)
}

type callerKey struct{}

// identify records who is at the other end of a connection.
func identify(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, callerAt(conn))
}

func callerAt(conn net.Conn) caller {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return caller{err: fmt.Errorf("%T is no unix connection", conn)}
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return caller{err: err}
	}
	var c caller
	if err := raw.Control(func(fd uintptr) { c.cred, c.err = peer.Of(int(fd)) }); err != nil {
		c.err = err
	}
	return c
}

func callerOf(ctx context.Context) caller {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return caller{err: errors.New("no connection")}
	}
	return c
}

// allowOwner lets uid 0 and the daemon's own user change things.
func allowOwner(own int) func(caller) error {
	return func(c caller) error {
		switch {
		case c.err != nil:
			return fmt.Errorf("permission denied: the caller is unknown: %w", c.err)
		case c.cred.UID == 0 || int(c.cred.UID) == own:
			return nil
		}
		return fmt.Errorf("permission denied for %v: only uid 0 and the daemon's user (uid %d) may change anything", c, own)
	}
}
