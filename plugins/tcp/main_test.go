package main

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transporttest"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

func endpoint(address string, options ...string) *transportv1.Endpoint {
	ep := &transportv1.Endpoint{Id: "test@tcp", Scheme: "tcp", Address: address, Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		ep.Options[options[i]] = options[i+1]
	}
	return ep
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Plugin{
		Path:     transporttest.Build(t, "."),
		Manifest: manifest,
		Binds: []transporttest.Bind{
			{Name: "IPv4", Endpoint: endpoint("127.0.0.1:0"), Domain: unix.AF_INET},
			{Name: "IPv6", Endpoint: endpoint("[::1]:0"), Domain: unix.AF_INET6},
			{
				Name: "every address", Endpoint: endpoint("*:0"), Domain: unix.AF_INET6,
				Check: wantV6Only(0),
			},
			{
				Name: "every IPv6 address", Endpoint: endpoint("[::]:0"), Domain: unix.AF_INET6,
				Check: wantV6Only(1),
			},
			{
				Name: "both families by option", Endpoint: endpoint("[::]:0", "v6only", "false"), Domain: unix.AF_INET6,
				Check: wantV6Only(0),
			},
			{Name: "shared port", Endpoint: endpoint("127.0.0.1:0", "reuse-port", "true"), Domain: unix.AF_INET, ReusePort: true},
			{Name: "S148 an address that is not there yet", Endpoint: endpoint("192.0.2.1:0"), Domain: unix.AF_INET},
		},
		Many: func(i int) *transportv1.Endpoint {
			return endpoint(fmt.Sprintf("127.1.%d.%d:0", i/250%250, 1+i%250))
		},
		Options: map[string][]string{
			"bind-device": {"lo"},
			"congestion":  {"reno", "nosuch"},
		},
		Refusals: []transporttest.Refusal{
			{Name: "address elsewhere", Endpoint: endpoint("192.0.2.1:0", "freebind", "false"), Code: transport.AddressNotAvailable},
			{Name: "no such interface", Endpoint: endpoint("[fe80::1%nosuch0]:0"), Code: transport.AddressNotAvailable},
			{Name: "link-local without interface", Endpoint: endpoint("[fe80::1]:0"), Code: transport.InvalidAddress},
			{Name: "v6only on every address", Endpoint: endpoint("*:0", "v6only", "true"), Code: transport.InvalidOption},
			{Name: "v6only on IPv4", Endpoint: endpoint("127.0.0.1:0", "v6only", "true"), Code: transport.InvalidOption},
			{Name: "option of another type", Endpoint: endpoint("127.0.0.1:0", "freebind", "yes"), Code: transport.InvalidOption},
		},
	})
}

func wantV6Only(want int) func(*testing.T, int) {
	return func(t *testing.T, fd int) {
		t.Helper()
		got, err := unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
		if err != nil || got != want {
			t.Errorf("IPV6_V6ONLY is %d (%v), want %d", got, err, want)
		}
	}
}
