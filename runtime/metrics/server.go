package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rind-sockets/rind/runtime/unixsock"
)

// Bounds on what clients can make the daemon keep, wait for or do. Everybody on
// the machine may ask.
const (
	maxConnections = 32
	maxScrapes     = 2
	maxHeader      = 8 << 10

	readTimeout   = 5 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = time.Minute // longer than most scrape intervals are short
	shutdownGrace = time.Second
	aliveTimeout  = 2 * time.Second

	socketMode = 0o666
)

// unixPrefix begins an address that is a path.
const unixPrefix = "unix:"

// CheckAddress says whether metrics may be shown at an address: a loopback address
// with a port, or "unix:" and an absolute path. They have no password.
func CheckAddress(address string) error {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q: the path after unix: must be absolute", address)
		}
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().IsLoopback() {
		return fmt.Errorf("%q: must be a loopback address like 127.0.0.1:9464 or [::1]:9464, or unix:/path, because whoever reaches it may read it", address)
	}
	return nil
}

// Server shows metrics at one address.
type Server struct {
	http   *http.Server
	addr   net.Addr
	remove func() error // of the node
	done   chan error
}

// Serve shows metrics at an address, as [CheckAddress] allows it, until Close: at
// /metrics for Prometheus, and at /healthz and /readyz with status 200 or 503. A
// unix socket that nobody listens on any more is replaced.
func (m *Metrics) Serve(ctx context.Context, address string, log *slog.Logger) (*Server, error) {
	s := &Server{remove: func() error { return nil }, done: make(chan error, 1)}
	l, err := s.listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	s.addr = l.Addr()
	s.http = &http.Server{
		Handler:           m.handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		err := s.http.Serve(&door{Listener: l})
		if !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(ctx, "metrics are not shown any more", slog.String("address", address), slog.Any("error", err))
		}
		s.done <- err
	}()
	return s, nil
}

// Addr returns where the server listens.
func (s *Server) Addr() net.Addr { return s.addr }

// listen opens the address.
func (s *Server) listen(ctx context.Context, address string) (net.Listener, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(address, unixPrefix)
	if !ok {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false) // a scraper has one path to this machine
		return lc.Listen(ctx, "tcp", address)
	}
	l, err := unixsock.Listen(ctx, path, socketMode)
	switch {
	case errors.Is(err, unixsock.ErrNotSocket):
		return nil, fmt.Errorf("%s is not a socket: remove it or choose another path", path)
	case errors.Is(err, unixsock.ErrInUse):
		return nil, fmt.Errorf("%s answers: another program listens there, choose another path", path)
	case err != nil:
		return nil, err
	}
	s.remove = l.Remove
	return l, nil
}

// Close ends the server. Requests in progress get a moment to be answered.
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
	return errors.Join(err, s.remove())
}

// door turns away who comes while there are too many connections.
type door struct {
	net.Listener

	mu     sync.Mutex
	inside int
}

// Accept implements [net.Listener].
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.admit() {
			return &conn{Conn: c, door: d}, nil
		}
		c.Close()
	}
}

func (d *door) admit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside >= maxConnections {
		return false
	}
	d.inside++
	return true
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
}

// conn is a connection through a door.
type conn struct {
	net.Conn

	door *door
	left sync.Once
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.left.Do(c.door.leave)
	return c.Conn.Close()
}

// handler answers requests.
func (m *Metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), aliveTimeout)
		defer cancel()
		if err := m.opts.Alive(ctx); err != nil {
			say(w, http.StatusServiceUnavailable, "the loop does not answer: "+err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.opts.Ready() {
			say(w, http.StatusServiceUnavailable, "not ready: sockets are being opened, or the daemon shuts down")
			return
		}
		say(w, http.StatusOK, "ok")
	})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever has gone does not read it
}
