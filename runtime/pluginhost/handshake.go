package pluginhost

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// maxHandshake is the largest length of the line with which a plugin begins.
const maxHandshake = 4096

// maxSocketPath is the largest length of the path of a unix socket: sun_path of
// unix(7), without the final zero.
const maxSocketPath = 107

// socketName is as long as the longest name that go-plugin's server gives its
// socket: "plugin" and a random uint32.
const socketName = "plugin4294967295"

// parseHandshake reads the line with which a plugin begins:
//
//	1|<protocol version>|unix|<path>|grpc[|<certificate>[|<multiplexing>]]
//
// It is checked here and not by go-plugin, whose errors name no plugin and who
// takes a TCP address for granted and dies of a certificate that it has not
// asked for.
func parseHandshake(line string) (path string, err error) {
	line = strings.TrimSpace(line)
	f := strings.Split(line, "|")
	if len(f) < 4 || len(f) > 7 {
		return "", fmt.Errorf("it printed %q in place of the go-plugin handshake (is it a transport plugin?)", clean(line, 80))
	}
	if f[0] != strconv.Itoa(goplugin.CoreProtocolVersion) {
		return "", fmt.Errorf("its go-plugin handshake has version %q, not %d: install a plugin built with the SDK of this release",
			clean(f[0], 80), goplugin.CoreProtocolVersion)
	}
	if f[1] != strconv.Itoa(wire.ProtocolVersion) {
		return "", fmt.Errorf("it speaks version %q of the transport protocol, this rindrun speaks [%d]: install the versions of one release",
			clean(f[1], 80), wire.ProtocolVersion)
	}
	if f[2] != "unix" {
		return "", fmt.Errorf("it wants to be called at the %s address %q; only a unix socket in its own directory is allowed",
			clean(f[2], 80), clean(f[3], 80))
	}
	if len(f) < 5 || f[4] != string(goplugin.ProtocolGRPC) {
		return "", errors.New("it does not speak gRPC (the go-plugin protocol net/rpc is not supported)")
	}
	if len(f) > 5 && f[5] != "" {
		return "", errors.New("it sent a TLS certificate without having been asked for one")
	}
	return f[3], nil
}

// formatHandshake returns the line that go-plugin gets to see.
func formatHandshake(path string) string {
	return fmt.Sprintf("%d|%d|unix|%s|%s|\n",
		goplugin.CoreProtocolVersion, wire.ProtocolVersion, path, goplugin.ProtocolGRPC)
}

// checkSocket refuses everything but a socket of this user directly in dir.
func checkSocket(dir, path string) error {
	if filepath.Dir(path) != dir || filepath.Clean(path) != path {
		return fmt.Errorf("it wants to be called at %q, which is not in its directory %s", clean(path, maxText), dir)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("the socket that it announced cannot be used: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("it wants to be called at %q, which is not a socket", clean(path, maxText))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("the socket %q is not of its own user", clean(path, maxText))
	}
	return nil
}

// handshake is the standard output of a plugin as go-plugin sees it: one line
// or none, then the end.
type handshake struct {
	once  sync.Once
	ready chan struct{}
	r     bytes.Reader
}

func newHandshake() *handshake { return &handshake{ready: make(chan struct{})} }

// set ends the wait of the reader. Only the first call counts.
func (h *handshake) set(line string) {
	h.once.Do(func() {
		h.r.Reset([]byte(line))
		close(h.ready)
	})
}

// Read implements io.Reader.
func (h *handshake) Read(b []byte) (int, error) {
	<-h.ready
	return h.r.Read(b)
}

// Close implements io.Closer.
func (h *handshake) Close() error {
	h.set("")
	return nil
}

var _ io.ReadCloser = (*handshake)(nil)
