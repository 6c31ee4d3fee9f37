package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// ManifestFlag makes a plugin print its manifest and exit.
const ManifestFlag = "-rind-manifest"

// Serve runs the process as a transport plugin and does not return. text is the
// plugin's manifest, which it should embed.
//
// The process ends when the host asks for it, and at once when the host is
// gone. What the transport writes to standard output, standard error or the
// default logger of log/slog reaches the host's log.
func Serve(text []byte, t Transport) {
	p := process{args: os.Args[1:], getenv: os.Getenv, exit: os.Exit}
	p.exit(p.run(text, t))
}

// process is what Serve needs of the process.
type process struct {
	args   []string
	getenv func(string) string
	exit   func(int)
}

// run returns the exit status.
func (p process) run(text []byte, t Transport) int {
	m, err := manifest.Parse(text)
	if err != nil {
		return fail("%s", err)
	}
	if len(p.args) > 0 && (p.args[0] == ManifestFlag || p.args[0] == "-"+ManifestFlag) {
		if _, err := os.Stdout.Write(text); err != nil {
			return fail("%s", err)
		}
		return 0
	}
	if p.getenv(wire.CookieKey) != wire.CookieValue {
		return fail("this is %s %s, a transport plugin of Rind sockets: rindrun starts it when a socket needs it, "+
			"it is not run by hand (%s prints what it can do)", m.Name, m.Version, ManifestFlag)
	}
	ch, err := openChannel(p.getenv(wire.FDKey))
	if err != nil {
		return fail("%s %s: %s", m.Name, m.Version, err)
	}
	stderr := os.Stderr // go-plugin replaces the variable
	log := newLogger(stderr)
	slog.SetDefault(log)
	go p.watch(ch, log)
	serve(&server{manifest: m, transport: t, channel: ch, log: log}, stderr)
	return 0
}

// watch ends the process together with the host, however that ended. It does
// not end before the process.
func (p process) watch(ch *channel, log *slog.Logger) {
	if err := ch.wait(); !errors.Is(err, io.EOF) {
		log.Error("the descriptor channel broke", slog.Any("error", err))
		p.exit(1)
	}
	p.exit(0)
}

// serve returns when the host has asked the plugin to stop.
func serve(s *server, stderr *os.File) {
	// go-plugin makes its socket with the umask of the process. Nobody else has
	// business there, even if the transport wants another umask for its own.
	umask := unix.Umask(0o077)
	once := sync.OnceFunc(func() { keepStdout(s.log, stderr) })
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: grpcPlugin{server: s}},
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			unix.Umask(umask) // the socket is there
			return grpc.NewServer(append(opts,
				grpc.MaxRecvMsgSize(maxRequest),
				grpc.UnaryInterceptor(func(
					ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
				) (any, error) {
					once()
					return s.intercept(ctx, req, info, handle)
				}))...)
		},
	})
}

// keepStdout leads standard output to standard error. The first call of the
// host is the time: the handshake line is out, and nothing else may be printed
// there. Without it, go-plugin would send both through pipes that block the
// plugin when the host does not ask for them.
func keepStdout(log *slog.Logger, stderr *os.File) {
	os.Stdout, os.Stderr = stderr, stderr
	if err := unix.Dup3(unix.Stderr, unix.Stdout, 0); err != nil {
		log.Error("lead standard output to standard error", slog.Any("error", err))
	}
}

// fail tells a human and returns the exit status.
func fail(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 1
}

// grpcPlugin registers the server with go-plugin.
type grpcPlugin struct {
	goplugin.NetRPCUnsupportedPlugin

	server *server
}

// GRPCServer implements [goplugin.GRPCPlugin].
func (p grpcPlugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	transportv1.RegisterTransportServer(s, p.server)
	return nil
}

// GRPCClient implements [goplugin.GRPCPlugin] for the host, which this is not.
func (grpcPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this end of the transport protocol is the plugin")
}
