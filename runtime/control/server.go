// Package control is the control interface: Connect, gRPC and plain JSON over a
// unix socket, and the client of it. A caller is who the kernel says it is.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/peer"
)

// Bounds on what a client can make the daemon keep, wait for or do.
const (
	maxMessage   = 1 << 20
	maxQuestion  = 16 << 10 // a message of somebody who may only ask
	maxHeader    = 16 << 10
	maxStreams   = 16 // calls at a time over one HTTP/2 connection
	maxAsking    = 8  // calls at a time of those who may only ask
	maxAskingOne = 4  // of these, of one user

	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second // of one write
	idleTimeout   = 2 * time.Minute
	shutdownGrace = time.Second
)

const (
	socketMode = 0o666 // who may do what is decided by credentials
	dirMode    = 0o755

	// maxPath is the longest path that fits into sockaddr_un with its NUL,
	// unix(7).
	maxPath = 107
)

// Options say what a server offers. All fields but Reload and Logs are required.
type Options struct {
	Plan     *plan.Plan
	Engine   Engine
	Facts    func() Facts
	Shutdown func(cause string) // begins the shutdown and returns
	Log      *slog.Logger

	// Reload applies another plan, or says what would happen, and returns what
	// changes. Nil refuses.
	Reload func(ctx context.Context, r Reload) (Reloaded, error)

	// Grant changes who holds a permission. Nil refuses.
	Grant func(ctx context.Context, g Grant) (Granted, error)

	// Logs returns the last lines that these services have printed, at most so many
	// of each; 0 is all that is kept. Nil has none.
	Logs func(services []string, lines int) []*controlv1.LogLine
}

// Server is one control socket.
type Server struct {
	http    *http.Server
	door    *door
	handler *handler
	done    chan error

	mu      sync.Mutex
	closing bool           // no further calls
	calls   sync.WaitGroup // Add only under mu and while not closing
}

// Listen opens the control socket at path, whose directory it makes if need be.
// A socket that is left from a crash is replaced; a live one is somebody else's
// daemon.
func Listen(ctx context.Context, path string, o Options) (*Server, error) {
	d, err := openDoor(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	h := newHandler(o, os.Getpid(), os.Getuid())
	mux := http.NewServeMux()
	mux.Handle(controlv1connect.NewControlServiceHandler(h, connect.WithReadMaxBytes(maxMessage)))
	mux.HandleFunc("GET "+eventsPath, h.events)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC
	s := &Server{door: d, handler: h, done: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           s.bounded(mux, h),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       identify,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		err := s.http.Serve(d)
		if !errors.Is(err, http.ErrServerClosed) {
			o.Log.ErrorContext(ctx, "control socket failed", slog.String("path", path), slog.Any("error", err))
		}
		s.done <- err
	}()
	return s, nil
}

// SetPlan looks up whom the permissions of a plan mean, which may take time, and
// returns what tells the server that this is the plan from now on, which does not.
func (s *Server) SetPlan(p *plan.Plan) (now func()) {
	v := newView(p, s.handler.own)
	return func() { s.handler.view.Store(v) }
}

// bounded keeps those who may only ask from keeping the daemon busy: they wait
// for each other, and not for whoever may change things.
func (s *Server) bounded(next http.Handler, h *handler) http.Handler {
	asking := newQueue()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			http.Error(w, "the daemon is shutting down", http.StatusServiceUnavailable)
			return
		}
		defer s.calls.Done()
		turn := &turn{leave: func() {}, conn: http.NewResponseController(w)}
		if v, who := h.view.Load(), callerOf(r.Context()); !v.manages(who) {
			if !v.known(who) {
				r = readAhead(w, r)
			}
			leave, ok := asking.enter(r.Context(), who.countedAs())
			if !ok { // nobody is there who reads it, or the request never came whole
				w.Header().Set("Connection", "close")
				http.Error(w, "the request did not arrive in time", http.StatusRequestTimeout)
				return
			}
			defer leave()
			turn.leave = leave
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), turnKey{}, turn)))
	})
}

// turn is one call being answered.
type turn struct {
	leave func() // the queue of those who may only ask
	conn  *http.ResponseController
}

type turnKey struct{}

// takeTime is said by a call that has been read and may be made: what it does takes
// as long as it takes. Others shall not wait for that, and the limit for sending a
// request is no limit for its answer: net/http would end the context of the call.
func takeTime(ctx context.Context) {
	if t, ok := ctx.Value(turnKey{}).(*turn); ok {
		t.leave()
		_ = t.conn.SetReadDeadline(time.Time{}) // not every connection has one
	}
}

// begin counts a call in, unless the server is being closed.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.calls.Add(1)
	}
	return !s.closing
}

// Close ends the server and removes its socket. Calls in progress get a moment
// to be answered; when Close returns, none is left.
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
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.calls.Wait() // without their connections they end
	return errors.Join(err, s.door.Remove())
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

// countedAs is whose connection it is for the limits: a caller that the kernel
// does not tell shares those of nobody.
func (c caller) countedAs() uint32 {
	if c.err != nil {
		return math.MaxUint32
	}
	return c.cred.UID
}

type callerKey struct{}

// identify records who is at the other end of a connection.
func identify(ctx context.Context, nc net.Conn) context.Context {
	c, ok := nc.(*conn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, c.caller)
}

func callerOf(ctx context.Context) caller {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return caller{err: errors.New("no connection")}
	}
	return c
}
