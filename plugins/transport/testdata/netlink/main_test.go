package main

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport/transporttest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

func TestConformance(t *testing.T) {
	uevent := &transportv1.Endpoint{Scheme: "netlink", Address: "uevent:1"}
	transporttest.Run(t, transporttest.Plugin{
		Path:     transporttest.Build(t, "."),
		Manifest: manifest,
		Binds: []transporttest.Bind{
			{Name: "uevent", Endpoint: uevent, Domain: unix.AF_NETLINK, Type: unix.SOCK_RAW, Shared: true},
		},
		Many: func(int) *transportv1.Endpoint { return uevent },
	})
}
