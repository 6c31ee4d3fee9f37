package control

import (
	"context"
	"net"
	"net/http"

	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

// NewClient returns a client of the daemon whose control socket is at path. It
// connects with the first call.
func NewClient(path string) controlv1connect.ControlServiceClient {
	var d net.Dialer
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}
	return controlv1connect.NewControlServiceClient(&http.Client{Transport: transport}, "http://rindrun")
}
