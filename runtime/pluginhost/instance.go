package pluginhost

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// Bounds of what a plugin may send over gRPC.
const (
	maxMessage = 4 << 20
	maxHeaders = 64 << 10
)

// featureBatch is what a plugin lists in Describe when it has BindBatch.
const featureBatch = "batch"

// instance is one process of a plugin and the connection to it. Everything in
// it is for one launch: go-plugin's client cannot be used again.
type instance struct {
	plugin  *plugin
	proc    *process
	client  *goplugin.Client
	conns   conns
	started time.Time

	rpc      transportv1.TransportClient
	version  string
	manifest string // "sha256:" and hex; empty when the plugin names none
	checksum string // of the executable, in the same form; empty when nobody asked
	batch    bool

	stopOnce sync.Once
	stop     chan struct{} // closed to ask it to end
	done     chan struct{} // closed when nothing of it is left
}

func newInstance(p *plugin, prog program, dir string) *instance {
	in := &instance{plugin: p, started: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	in.proc = &process{
		path:        prog.path,
		program:     prog,
		dir:         dir,
		starter:     p.host.starter,
		sink:        newLogSink(p.log),
		stdout:      newHandshake(),
		ended:       make(chan struct{}),
		exited:      make(chan struct{}),
		done:        make(chan struct{}),
		onViolation: func(err error, last bool) { p.violated(in, err, last) },
	}
	return in
}

// start starts the process and waits for its handshake and the connection.
func (in *instance) start(ctx context.Context) error {
	opts := in.plugin.host.opts
	sctx, cancel := context.WithTimeoutCause(ctx, opts.StartTimeout, &lateError{"print its handshake", opts.StartTimeout})
	defer cancel()
	// go-plugin takes no context.
	stop := context.AfterFunc(sctx, func() { in.proc.fail(context.Cause(sctx)) })
	defer stop()

	in.client = goplugin.NewClient(in.config(ctx))
	protocol, err := in.client.Client()
	if err != nil && in.proc.reason() == nil {
		wait(in.proc.exited, lag) // go-plugin may see the end of the output before
	}
	if reason := in.proc.reason(); reason != nil {
		return reason // says more than go-plugin does
	}
	if err != nil {
		return fmt.Errorf("go-plugin: %s", clean(err.Error(), maxText))
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return fmt.Errorf("go-plugin: %w", err)
	}
	rpc, ok := raw.(transportv1.TransportClient)
	if !ok {
		return fmt.Errorf("go-plugin: %T is not a transport client", raw)
	}
	in.rpc = rpc
	return nil
}

// config is go-plugin's, for one launch.
func (in *instance) config(ctx context.Context) *goplugin.ClientConfig {
	opts := in.plugin.host.opts
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			MagicCookieKey:   wire.CookieKey,
			MagicCookieValue: wire.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: clientPlugin{}},
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			in.proc.env = environ(cmd.Env, in.proc.dir, opts.Env)
			return in.proc, nil
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: in.proc.dir},
		// Ours comes first and gives the reason; this is only so that go-plugin
		// does not take its minute.
		StartTimeout: opts.StartTimeout + time.Second,
		Logger:       hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
		// What a plugin in Go prints after its start comes by gRPC.
		SyncStdout: newLineWriter(ctx, in.proc.sink),
		SyncStderr: newLineWriter(ctx, in.proc.sink),
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithContextDialer(in.dial),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithMaxHeaderListSize(maxHeaders),
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: time.Second}),
			grpc.WithDisableRetry(),
			grpc.WithDisableServiceConfig(),
			grpc.WithStreamInterceptor(in.conns.intercept),
		},
	}
}

// environ is the whole environment of a plugin: of what go-plugin proposes, what
// the protocol lists; our directory for the socket, whose path is shorter than
// that of the one which go-plugin has made; and of what the operator adds, that
// which is not the protocol's.
func environ(proposed []string, dir string, extra []string) []string {
	env := []string{goplugin.EnvUnixSocketDir + "=" + dir, wire.FDKey + "=" + strconv.Itoa(channelFD)}
	for _, kv := range proposed {
		switch key, _, _ := strings.Cut(kv, "="); key {
		case wire.CookieKey, "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS":
			env = append(env, kv)
		}
	}
	for _, kv := range extra {
		key, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(key, "PLUGIN_") && key != wire.CookieKey && key != wire.FDKey {
			env = append(env, kv)
		}
	}
	return env
}

// describe asks the plugin who it is.
func (in *instance) describe(ctx context.Context) error {
	opts := in.plugin.host.opts
	dctx, cancel := context.WithTimeout(ctx, opts.DescribeTimeout)
	defer cancel()
	resp, err := in.rpc.Describe(dctx, &transportv1.DescribeRequest{HostName: "rindrun", HostVersion: opts.Version})
	switch {
	case err == nil:
	case dctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded:
		return &lateError{"answer Describe", opts.DescribeTimeout}
	case status.Code(err) == codes.Unavailable && !wait(in.proc.exited, lag):
		return errors.New("it does not serve the socket that it announced")
	default:
		return rpcError("Describe", err) // if it has ended, its own reason comes first
	}
	if resp.GetName() != in.plugin.name {
		return fmt.Errorf("it says that it is the plugin of %q: install the right program under this name", clean(resp.GetName(), maxName))
	}
	in.version = clean(resp.GetVersion(), maxName)
	if sum := resp.GetManifestSha256(); len(sum) > 0 {
		in.manifest = clean("sha256:"+hex.EncodeToString(sum), maxName)
	}
	in.batch = slices.Contains(resp.GetFeatures(), featureBatch)
	return nil
}

// checkManifest compares the manifest with the plan's.
func (in *instance) checkManifest(want string) error {
	if want == "" || want == in.manifest {
		return nil
	}
	has := in.manifest
	if has == "" {
		has = "none"
	}
	return &PluginError{
		Transport: in.plugin.name,
		Path:      in.proc.path,
		Err: fmt.Errorf("version %s was built with another manifest (%s) than the plan (%s): recompile the plan with the rindc of this release",
			in.version, has, clean(want, maxName)),
	}
}

// supervise is the owner of a started process and its connection. It ends when
// nothing of them is left.
func (in *instance) supervise() {
	defer close(in.done)
	select {
	case <-in.proc.exited:
	case <-in.stop:
	}
	wanted := in.stopping()
	// Kill sends Shutdown without a deadline; with the process, it ends.
	grace := time.AfterFunc(in.plugin.host.opts.StopGrace, in.proc.kill)
	in.client.Kill()
	grace.Stop()
	<-in.proc.done
	in.conns.close()
	in.plugin.ended(in, wanted, os.RemoveAll(in.proc.dir))
}

// quit asks the process to end.
func (in *instance) quit() {
	in.stopOnce.Do(func() { close(in.stop) })
}

func (in *instance) stopping() bool {
	select {
	case <-in.stop:
		return true
	default:
		return false
	}
}

// whyEnded is the reason with the last words of the process.
func (in *instance) whyEnded() error {
	why := in.proc.reason()
	if why == nil {
		why = errors.New("it has not ended")
	}
	if last := in.proc.sink.lastLine(); last != "" {
		return fmt.Errorf("%w; the last line of its output: %q", why, clean(last, maxText))
	}
	return why
}

// clientPlugin is go-plugin's description of the client side.
type clientPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer implements goplugin.GRPCPlugin; a host serves nothing.
func (clientPlugin) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the plugin host does not serve plugins")
}

// GRPCClient implements goplugin.GRPCPlugin.
func (clientPlugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return transportv1.NewTransportClient(conn), nil
}
