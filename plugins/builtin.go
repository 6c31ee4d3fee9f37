// Code generated from the manifests of tcp, udp and uds by make golden. DO NOT EDIT.

package plugins

import (
	"math"

	"github.com/rind-sockets/rind/plugins/manifest"
)

func builtin() []*manifest.Manifest {
	return []*manifest.Manifest{
		{Name: "tcp", Version: "0.1.0", Protocol: []int{1}, Features: []string{"batch"}, Sandbox: manifest.Sandbox{Capabilities: []string{"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"}, AddressFamilies: []string{"AF_INET", "AF_INET6"}},
			Schemes: []manifest.Scheme{
				{Name: "tcp", Address: `(?P<host>\*|[0-9.]+|\[[0-9A-Fa-f:.]+(%[^\]%/ ]{1,15})?\]):(?P<port>[0-9]{1,5})`, Ranges: map[string]manifest.Range{"port": {Max: 65535}}, Shape: manifest.Shape{Type: 1, Protocols: []uint32{6}, Listening: true},
					Options: []manifest.Option{
						{Name: "backlog", Type: "int", Min: 1, Max: 1000000, Doc: "length of the queue of connections that wait to be accepted, capped by net.core.somaxconn"},
						{Name: "v6only", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "an IPv6 socket takes no IPv4 connections; on by default, except for *:port"},
						{Name: "freebind", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "bind an address that the machine does not have yet; on by default for a specific address"},
						{Name: "reuse-port", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Default: "false", Doc: "let several sockets of one user share the endpoint (SO_REUSEPORT)"},
						{Name: "receive-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the receive buffer (SO_RCVBUF); above net.core.rmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "send-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the send buffer (SO_SNDBUF); above net.core.wmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "priority", Type: "int", Max: 2147483647, Doc: "priority of what is sent (SO_PRIORITY); above 6 it takes CAP_NET_ADMIN"},
						{Name: "mark", Type: "int", Max: 4294967295, Doc: "mark of what is sent, for routing and filters (SO_MARK); it takes CAP_NET_ADMIN"},
						{Name: "timestamping", Type: "enum", Min: math.MinInt64, Max: math.MaxInt64, Enum: []string{"off", "us", "ns"}, Doc: "time of arrival with each message, in microseconds or nanoseconds (SO_TIMESTAMP, SO_TIMESTAMPNS)"},
						{Name: "transparent", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "take what is for addresses of others (IP_TRANSPARENT); it takes CAP_NET_ADMIN"},
						{Name: "bind-device", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^/\x00-\x20]{1,15}`, Doc: "take only what comes in through this network interface (SO_BINDTODEVICE)"},
						{Name: "tos", Type: "int", Max: 255, Doc: "type of service of what is sent over IPv4 (IP_TOS)"},
						{Name: "traffic-class", Type: "int", Max: 255, Doc: "traffic class of what is sent over IPv6 (IPV6_TCLASS)"},
						{Name: "ttl", Type: "int", Min: 1, Max: 255, Doc: "time to live, or hop limit, of what is sent (IP_TTL, IPV6_UNICAST_HOPS)"},
						{Name: "keepalive.time", Type: "duration", Min: 1000000000, Max: 32767000000000, Step: 1000000000, Doc: "silence after which a dead peer is looked for (TCP_KEEPIDLE); turns keep-alive on"},
						{Name: "keepalive.interval", Type: "duration", Min: 1000000000, Max: 32767000000000, Step: 1000000000, Doc: "time between two probes (TCP_KEEPINTVL); turns keep-alive on"},
						{Name: "keepalive.probes", Type: "int", Min: 1, Max: 127, Doc: "how many probes may stay without an answer (TCP_KEEPCNT); turns keep-alive on"},
						{Name: "no-delay", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "send small segments at once (TCP_NODELAY)"},
						{Name: "defer-accept", Type: "duration", Min: 1000000000, Max: 3600000000000, Step: 1000000000, Doc: "a connection is an access only when data has come, or after about this time (TCP_DEFER_ACCEPT)"},
						{Name: "fast-open", Type: "int", Min: 1, Max: 65535, Doc: "how many connections may carry data before the handshake is over (TCP_FASTOPEN); net.ipv4.tcp_fastopen must allow servers"},
						{Name: "user-timeout", Type: "duration", Min: 1000000, Max: 1800000000000000, Step: 1000000, Doc: "how long sent data may stay unacknowledged (TCP_USER_TIMEOUT)"},
						{Name: "congestion", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: "[a-z0-9_-]{1,15}", Doc: "algorithm of congestion control (TCP_CONGESTION)"},
						{Name: "mptcp", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Default: "false", Doc: "multipath TCP, see mptcp(7)"},
					},
					Examples: []manifest.Example{
						{Listen: "127.0.0.1:8081", OK: true},
						{Listen: "[::1]:8081", OK: true},
						{Listen: "[fe80::1%eth0]:80", OK: true},
						{Listen: "*:0", OK: true},
						{Listen: "localhost:80", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.1:65536", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.256:80", Code: "INVALID_ADDRESS"},
						{Listen: "[::ffff:127.0.0.1]:80", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.1", Code: "INVALID_ADDRESS"},
					}},
			}, SHA256: "sha256:54c513c04ce6cb5385f294c2dcf10aa34415d27254dad860a9b95e8b6e843bb4"},
		{Name: "udp", Version: "0.1.0", Protocol: []int{1}, Features: []string{"batch"}, Sandbox: manifest.Sandbox{Capabilities: []string{"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"}, AddressFamilies: []string{"AF_INET", "AF_INET6"}},
			Schemes: []manifest.Scheme{
				{Name: "udp", Address: `(?P<host>\*|[0-9.]+|\[[0-9A-Fa-f:.]+(%[^\]%/ ]{1,15})?\]):(?P<port>[0-9]{1,5})`, Ranges: map[string]manifest.Range{"port": {Max: 65535}}, Shape: manifest.Shape{Type: 2, Protocols: []uint32{17}},
					Options: []manifest.Option{
						{Name: "backlog", Type: "int", Min: 1, Max: 1000000, Doc: "of other transports: datagrams wait in receive-buffer, so it changes nothing here"},
						{Name: "v6only", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "an IPv6 socket takes no IPv4 datagrams; on by default, except for *:port"},
						{Name: "freebind", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "bind an address that the machine does not have yet; on by default for a specific address"},
						{Name: "reuse-port", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Default: "false", Doc: "let several sockets of one user share the endpoint (SO_REUSEPORT)"},
						{Name: "receive-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the receive buffer (SO_RCVBUF); above net.core.rmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "send-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the send buffer (SO_SNDBUF); above net.core.wmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "priority", Type: "int", Max: 2147483647, Doc: "priority of what is sent (SO_PRIORITY); above 6 it takes CAP_NET_ADMIN"},
						{Name: "mark", Type: "int", Max: 4294967295, Doc: "mark of what is sent, for routing and filters (SO_MARK); it takes CAP_NET_ADMIN"},
						{Name: "timestamping", Type: "enum", Min: math.MinInt64, Max: math.MaxInt64, Enum: []string{"off", "us", "ns"}, Doc: "time of arrival with each message, in microseconds or nanoseconds (SO_TIMESTAMP, SO_TIMESTAMPNS)"},
						{Name: "transparent", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "take what is for addresses of others (IP_TRANSPARENT); it takes CAP_NET_ADMIN"},
						{Name: "bind-device", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^/\x00-\x20]{1,15}`, Doc: "take only what comes in through this network interface (SO_BINDTODEVICE)"},
						{Name: "tos", Type: "int", Max: 255, Doc: "type of service of what is sent over IPv4 (IP_TOS)"},
						{Name: "traffic-class", Type: "int", Max: 255, Doc: "traffic class of what is sent over IPv6 (IPV6_TCLASS)"},
						{Name: "ttl", Type: "int", Min: 1, Max: 255, Doc: "time to live, or hop limit, of what is sent (IP_TTL, IPV6_UNICAST_HOPS)"},
						{Name: "broadcast", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "allow to send to broadcast addresses (SO_BROADCAST)"},
						{Name: "multicast", Type: "list", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[0-9A-Fa-f:.]{2,45}(%[^%/\x00-\x20]{1,15})?`, Doc: "groups to join, such as 239.1.2.3, or 239.1.2.3%eth0 through one interface; the socket gets no other groups"},
						{Name: "packet-info", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "the address and interface that each datagram came to (IP_PKTINFO, IPV6_RECVPKTINFO)"},
					},
					Examples: []manifest.Example{
						{Listen: "127.0.0.1:8081", OK: true},
						{Listen: "[::1]:8081", OK: true},
						{Listen: "[fe80::1%eth0]:80", OK: true},
						{Listen: "*:0", OK: true},
						{Listen: "localhost:80", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.1:65536", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.256:80", Code: "INVALID_ADDRESS"},
						{Listen: "[::ffff:127.0.0.1]:80", Code: "INVALID_ADDRESS"},
						{Listen: "127.0.0.1", Code: "INVALID_ADDRESS"},
					}},
			}, SHA256: "sha256:5c5e28405aaf22b9560da96a90368e11fee25cb22108f89f72f689acf0629535"},
		{Name: "uds", Version: "0.1.0", Protocol: []int{1}, Features: []string{"batch"}, Sandbox: manifest.Sandbox{Capabilities: []string{"CAP_CHOWN", "CAP_NET_ADMIN"}, AddressFamilies: []string{"AF_UNIX", "AF_NETLINK"}},
			Schemes: []manifest.Scheme{
				{Name: "uds", Address: `/[^\x00]+|@[^\x00]+`, Shape: manifest.Shape{Domain: 1, Listening: true},
					Options: []manifest.Option{
						{Name: "backlog", Type: "int", Min: 1, Max: 1000000, Doc: "length of the queue of connections that wait to be accepted, capped by net.core.somaxconn; not for dgram"},
						{Name: "kind", Type: "enum", Min: math.MinInt64, Max: math.MaxInt64, Enum: []string{"stream", "dgram", "seqpacket"}, Default: "stream", Doc: "type of the socket"},
						{Name: "mode", Type: "mode", Min: math.MinInt64, Max: math.MaxInt64, Default: "0666", Doc: "permissions of the socket's node; who may write to it may connect"},
						{Name: "user", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^\x00:/]{1,255}`, Doc: "owner of the socket's node: a name or a decimal id"},
						{Name: "group", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^\x00:/]{1,255}`, Doc: "group of the socket's node: a name or a decimal id"},
						{Name: "dir-mode", Type: "mode", Min: math.MinInt64, Max: 2047, Default: "0755", Doc: "permissions of the directories that are created for the socket's path"},
						{Name: "remove-on-stop", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Default: "true", Doc: "remove the socket's node when the socket stops"},
						{Name: "receive-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the receive buffer (SO_RCVBUF); above net.core.rmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "send-buffer", Type: "bytes", Min: 1, Max: 1073741823, Doc: "size of the send buffer (SO_SNDBUF); above net.core.wmem_max it takes CAP_NET_ADMIN, and the status tells what the kernel gave"},
						{Name: "priority", Type: "int", Max: 2147483647, Doc: "priority of what is sent (SO_PRIORITY); above 6 it takes CAP_NET_ADMIN"},
						{Name: "mark", Type: "int", Max: 4294967295, Doc: "mark of what is sent, for routing and filters (SO_MARK); it takes CAP_NET_ADMIN"},
						{Name: "timestamping", Type: "enum", Min: math.MinInt64, Max: math.MaxInt64, Enum: []string{"off", "us", "ns"}, Doc: "time of arrival with each message, in microseconds or nanoseconds (SO_TIMESTAMP, SO_TIMESTAMPNS)"},
						{Name: "dir-user", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^\x00:/]{1,255}`, Doc: "owner of the directories that are created: a name or a decimal id"},
						{Name: "dir-group", Type: "string", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `[^\x00:/]{1,255}`, Doc: "group of the directories that are created: a name or a decimal id"},
						{Name: "symlinks", Type: "list", Min: math.MinInt64, Max: math.MaxInt64, Pattern: `/[^\x00]+`, Doc: "absolute paths of symbolic links to the node; removed with it"},
						{Name: "pass-credentials", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "the credentials of the sender with each message (SO_PASSCRED)"},
						{Name: "pass-security", Type: "bool", Min: math.MinInt64, Max: math.MaxInt64, Doc: "the security context of the sender with each message (SO_PASSSEC)"},
					},
					Examples: []manifest.Example{
						{Listen: "/run/web/http.sock", OK: true},
						{Listen: "@web", OK: true},
						{Listen: "http.sock", Code: "INVALID_ADDRESS"},
						{Listen: "/run/web/../http.sock", Code: "INVALID_ADDRESS"},
						{Listen: "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789", Code: "INVALID_ADDRESS"},
					}},
			}, SHA256: "sha256:a9ba45b651ec5d27fdd44310ba126b8e7eafc82366d7163a587805f7e3295bdc"},
	}
}
