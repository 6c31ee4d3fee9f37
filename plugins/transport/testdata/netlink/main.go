// Command rind-transport-netlink binds sockets that receive the kernel's
// announcements of devices.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport"
)

//go:embed netlink.rindplugin.toml
var manifest []byte

func main() { transport.Serve(manifest, netlink{}) }

type netlink struct{}

// Bind binds "uevent:GROUPS". The manifest has checked the number.
func (netlink) Bind(_ context.Context, ep transport.Endpoint) (*transport.Socket, error) {
	groups, err := strconv.ParseUint(strings.TrimPrefix(ep.Address, "uevent:"), 10, 32)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	if size := ep.Int("receive-buffer"); size > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, int(size))
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: uint32(groups)})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind %s: %w", ep.Address, err)
	}
	return &transport.Socket{FD: fd, Bound: ep.Address}, nil
}
