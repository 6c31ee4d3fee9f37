// Command rind-transport-uds binds unix sockets for rindrun.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport"
)

//go:embed uds.rindplugin.toml
var manifest []byte

func main() {
	unix.Umask(0) // every mode here is one that somebody chose
	transport.Serve(manifest, uds{})
}

type uds struct{}

// Check implements [transport.Checker].
func (uds) Check(ep transport.Endpoint) (string, error) {
	canonical, err := transport.CheckUnix(ep.Address)
	if err != nil || !strings.HasPrefix(canonical, "@") {
		return canonical, err
	}
	for _, option := range []string{
		"mode", "user", "group", "dir-mode", "dir-user", "dir-group", "symlinks",
	} {
		if _, ok := ep.Options[option]; ok {
			return "", &transport.Error{
				Code: transport.InvalidOption, Field: option,
				Message: fmt.Sprintf("option %s has no meaning for the abstract socket %s, which is not a file", option, canonical),
				Hint:    "remove the option, or listen on a path",
			}
		}
	}
	return canonical, nil
}

// Bind implements [transport.Transport].
func (uds) Bind(ctx context.Context, ep transport.Endpoint) (*transport.Socket, error) {
	return transport.BindUnix(ctx, ep.Address, ep.UnixOptions())
}
