// Command rind-transport-tcp binds TCP sockets for rindrun.
package main

import (
	"context"
	_ "embed"

	"github.com/rind-sockets/rind/plugins/transport"
)

//go:embed tcp.rindplugin.toml
var manifest []byte

func main() { transport.Serve(manifest, tcp{}) }

type tcp struct{}

// Check implements [transport.Checker].
func (tcp) Check(ep transport.Endpoint) (string, error) {
	return transport.CheckInet(ep.Address, ep.InetOptions())
}

// Bind implements [transport.Transport].
func (tcp) Bind(ctx context.Context, ep transport.Endpoint) (*transport.Socket, error) {
	return transport.BindInet(ctx, "tcp", ep.Address, ep.InetOptions())
}
