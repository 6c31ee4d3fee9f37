// Command faulty is a transport plugin with one fault per address, for the test
// of the conformance kit.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport"
)

const manifest = `manifest = 1
name = "faulty"
version = "0.1.0"
protocol = [1]
features = ["batch", "watch"]
[[scheme]]
name = "faulty"
shape = { type = "SOCK_STREAM", protocols = [6], listening = true }
example = [{ listen = "example", code = "INVALID_ADDRESS" }]
`

func main() {
	if os.Getenv("FAULTY") == "stdout" && len(os.Args) == 1 {
		fmt.Println("hello")
	}
	transport.Serve([]byte(manifest), faulty{})
}

type faulty struct{}

func (faulty) Bind(ctx context.Context, ep transport.Endpoint) (*transport.Socket, error) {
	switch ep.Address {
	case "example":
		return transport.BindInet(ctx, "tcp", "127.0.0.1:0", transport.InetOptions{})
	case "udp":
		return transport.BindInet(ctx, "udp", "127.0.0.1:0", transport.InetOptions{})
	case "reuse-port":
		return transport.BindInet(ctx, "tcp", "127.0.0.1:0", transport.InetOptions{ReusePort: true})
	case "name":
		s, err := transport.BindInet(ctx, "tcp", "127.0.0.1:0", transport.InetOptions{})
		if err == nil {
			s.Bound = "elsewhere"
		}
		return s, err
	case "listener":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		return transport.FromConn(l.(*net.TCPListener))
	case "print": // no fault: more than a pipe holds
		fmt.Println(strings.Repeat("x", 128<<10))
		return transport.BindInet(ctx, "tcp", "127.0.0.1:0", transport.InetOptions{})
	case "copy":
		s, err := transport.BindInet(ctx, "tcp", "127.0.0.1:0", transport.InetOptions{})
		if err == nil {
			_, err = unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, 0)
		}
		return s, err
	}
	s, err := transport.BindInet(ctx, "tcp", ep.Address, transport.InetOptions{})
	if err != nil {
		return nil, errors.New("it did not work") // loses the errno
	}
	return s, nil
}
