// Command badplugin is a transport plugin that gives the wrong thing. It takes
// the place of rind-transport-tcp; what it does wrong is the content of the file
// "mode" beside it, read anew for each call, because nothing of the daemon's
// environment reaches a plugin.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/rind-sockets/rind/internal/fdpass"
	"github.com/rind-sockets/rind/plugins"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

func main() {
	channel, err := strconv.Atoi(os.Getenv(wire.FDKey))
	if err != nil {
		fmt.Fprintln(os.Stderr, "badplugin: not started by a host:", err)
		os.Exit(1)
	}
	unix.CloseOnExec(channel)
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: plugin{server: &server{channel: channel}}},
		},
		GRPCServer: goplugin.DefaultGRPCServer,
	})
}

type plugin struct {
	goplugin.NetRPCUnsupportedPlugin

	server *server
}

//nolint:unparam // the result is that of the interface
func (p plugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	transportv1.RegisterTransportServer(s, p.server)
	return nil
}

func (plugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this end of the protocol is the plugin")
}

type server struct {
	transportv1.UnimplementedTransportServer

	channel int
}

// Describe says that this is the tcp plugin of this release.
func (*server) Describe(context.Context, *transportv1.DescribeRequest) (*transportv1.DescribeResponse, error) {
	m := plugins.Builtin()[0]
	return &transportv1.DescribeResponse{
		Name: m.Name, Version: m.Version, ManifestSha256: m.Digest(),
	}, nil
}

// Bind does one thing wrong and says that all is well.
func (s *server) Bind(ctx context.Context, req *transportv1.BindRequest) (*transportv1.BindResponse, error) {
	mode, err := mode()
	if err != nil {
		return nil, err
	}
	if mode == "hang" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if mode == "exit" {
		os.Exit(7)
	}
	fds, err := bind(mode, req.GetEndpoint().GetAddress())
	if err == nil {
		err = s.send(mode, req.GetToken(), fds)
	}
	fdpass.Close(fds...)
	if err != nil {
		return nil, err
	}
	return &transportv1.BindResponse{Result: &transportv1.BindResult{BoundAddress: req.GetEndpoint().GetAddress()}}, nil
}

func mode() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "mode"))
	return strings.TrimSpace(string(text)), err
}

// send passes the descriptors on, in the right frame or in a wrong one.
func (s *server) send(mode string, token []byte, fds []int) error {
	frame := wire.Frame{Count: 1, Token: wire.Token(token)}
	message := frame.Bytes()
	switch mode {
	case "no descriptor":
		return nil
	case "wrong token":
		frame.Token[0]++
		message = frame.Bytes()
	case "truncated frame":
		message = message[:wire.FrameSize-1]
	case "wrong count":
		frame.Count = 2
		message = frame.Bytes()
	}
	return fdpass.Send(s.channel, message, 0, fds...)
}

// bind opens what the mode says; the address is that of the request.
func bind(mode, address string) ([]int, error) {
	host, port, ok := strings.Cut(address, ":")
	var ip [4]byte
	if _, err := fmt.Sscanf(host, "%d.%d.%d.%d", &ip[0], &ip[1], &ip[2], &ip[3]); err != nil || !ok {
		return nil, fmt.Errorf("address %q is not one of the test's", address)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	right := &unix.SockaddrInet4{Addr: ip, Port: int(number)}
	switch mode {
	case "not a socket":
		fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		return []int{fd}, err
	case "wrong family":
		return socket(unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: "@" + address})
	case "wrong type":
		return socket(unix.AF_INET, unix.SOCK_DGRAM, right)
	case "wrong port":
		return socket(unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: ip})
	case "wrong address":
		return socket(unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Port: int(number)})
	case "not bound":
		return socket(unix.AF_INET, unix.SOCK_STREAM, nil)
	case "listening":
		fds, err := socket(unix.AF_INET, unix.SOCK_STREAM, right)
		if err == nil {
			err = unix.Listen(fds[0], 1)
		}
		return fds, err
	case "connected":
		return connected(ip, right)
	case "two descriptors":
		fds, err := socket(unix.AF_INET, unix.SOCK_STREAM, right)
		if err != nil {
			return fds, err
		}
		more, err := socket(unix.AF_INET, unix.SOCK_STREAM, nil)
		return append(fds, more...), err
	}
	// Every other mode goes wrong later.
	return socket(unix.AF_INET, unix.SOCK_STREAM, right)
}

// socket returns one socket. Also with an error, what it returns is to be
// closed.
func socket(domain, typ int, addr unix.Sockaddr) ([]int, error) {
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if addr == nil {
		return []int{fd}, nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil && domain == unix.AF_INET {
		return []int{fd}, err
	}
	return []int{fd}, unix.Bind(fd, addr)
}

// connected returns a socket at the right address that is a connection to a
// listener, which stays as long as this process.
func connected(ip [4]byte, right unix.Sockaddr) ([]int, error) {
	listener, err := socket(unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: ip})
	if err != nil {
		return listener, err
	}
	if err := unix.Listen(listener[0], 1); err != nil {
		return nil, err
	}
	addr, err := unix.Getsockname(listener[0])
	if err != nil {
		return nil, err
	}
	fds, err := socket(unix.AF_INET, unix.SOCK_STREAM, right)
	if err != nil {
		return fds, err
	}
	return fds, unix.Connect(fds[0], addr)
}
