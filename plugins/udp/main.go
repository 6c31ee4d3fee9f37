// Command rind-transport-udp binds UDP sockets for rindrun.
package main

import (
	"context"
	_ "embed"

	"github.com/rind-sockets/rind/plugins/transport"
)

//go:embed udp.rindplugin.toml
var manifest []byte

func main() { transport.Serve(manifest, udp{}) }

type udp struct{}

// Check implements [transport.Checker].
func (udp) Check(ep transport.Endpoint) (string, error) {
	return transport.CheckInet(ep.Address, ep.InetOptions())
}

// Bind implements [transport.Transport].
func (udp) Bind(ctx context.Context, ep transport.Endpoint) (*transport.Socket, error) {
	return transport.BindInet(ctx, "udp", ep.Address, ep.InetOptions())
}
