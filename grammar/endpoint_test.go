package grammar

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseEndpoint(t *testing.T) {
	inet := func(addr string, port uint16) Endpoint {
		return Endpoint{Kind: Inet, Addr: netip.MustParseAddr(addr), Port: port}
	}
	longest := "/" + strings.Repeat("a", MaxUnixPath-1)
	tests := []struct {
		name, transport, in string
		want                Endpoint
		text                string // canonical; "": as written
	}{
		{name: "ipv4", transport: "tcp", in: "127.0.0.1:8081", want: inet("127.0.0.1", 8081)},
		{name: "ipv4 for udp", transport: "udp", in: "127.0.0.1:53", want: inet("127.0.0.1", 53)},
		{name: "all of ipv4", transport: "tcp", in: "0.0.0.0:9000", want: inet("0.0.0.0", 9000)},
		{name: "ipv6", transport: "tcp", in: "[::1]:8081", want: inet("::1", 8081)},
		{name: "all of ipv6", transport: "tcp", in: "[::]:80", want: inet("::", 80)},
		{name: "ipv6 in long form", transport: "tcp", in: "[2001:DB8:0:0::0001]:80", want: inet("2001:db8::1", 80), text: "[2001:db8::1]:80"},
		{name: "ipv4 in ipv6", transport: "tcp", in: "[::ffff:127.0.0.1]:80", want: inet("127.0.0.1", 80), text: "127.0.0.1:80"},
		{name: "zone", transport: "tcp", in: "[fe80::1%eth0]:80", want: inet("fe80::1%eth0", 80)},
		{name: "zone of a multicast address", transport: "udp", in: "[ff02::fb%2]:5353", want: inet("ff02::fb%2", 5353)},
		{name: "dual stack", transport: "tcp", in: "*:9000", want: Endpoint{Kind: Inet, Wildcard: true, Port: 9000}},
		{name: "dual stack without a star", transport: "tcp", in: ":9000", want: Endpoint{Kind: Inet, Wildcard: true, Port: 9000}, text: "*:9000"},
		{name: "host name", transport: "tcp", in: "LocalHost:80", want: Endpoint{Kind: Inet, Host: "localhost", Port: 80}, text: "localhost:80"},
		{name: "name of a container", transport: "tcp", in: "web_1:80", want: Endpoint{Kind: Inet, Host: "web_1", Port: 80}},
		{name: "absolute host name", transport: "tcp", in: "a-1.example.:80", want: Endpoint{Kind: Inet, Host: "a-1.example.", Port: 80}},
		{name: "port 0", transport: "tcp", in: "127.0.0.1:0", want: inet("127.0.0.1", 0)},
		{name: "highest port", transport: "tcp", in: "127.0.0.1:65535", want: inet("127.0.0.1", 65535)},
		{name: "absolute path", transport: "uds", in: "/var/sock/a b.sock", want: Endpoint{Kind: Path, Path: "/var/sock/a b.sock"}},
		{name: "path that is not clean", transport: "uds", in: "//var/./sock//x", want: Endpoint{Kind: Path, Path: "/var/sock/x"}, text: "/var/sock/x"},
		{name: "relative path", transport: "uds", in: "web/a.sock", want: Endpoint{Kind: Path, Path: "web/a.sock"}},
		{name: "relative path that looks like a home", transport: "uds", in: "./~/x", want: Endpoint{Kind: Path, Path: "./~/x"}},
		{name: "relative path that looks abstract", transport: "uds", in: ".//@x", want: Endpoint{Kind: Path, Path: "./@x"}, text: "./@x"},
		{name: "abstract", transport: "uds", in: "@web/../@x", want: Endpoint{Kind: Abstract, Path: "web/../@x"}},
		{name: "longest path", transport: "uds", in: longest, want: Endpoint{Kind: Path, Path: longest}},
		{name: "longest abstract name", transport: "uds", in: "@" + longest, want: Endpoint{Kind: Abstract, Path: longest}},
		{name: "other transport", transport: "vsock", in: "2:80", want: Endpoint{Kind: Other, Path: "2:80"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseEndpoint(tt.transport, tt.in)
			if err != nil {
				t.Fatalf("ParseEndpoint(%q, %q) error = %+v", tt.transport, tt.in, *err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("ParseEndpoint(%q, %q) (-want +got):\n%s", tt.transport, tt.in, diff)
			}
			text := tt.text
			if text == "" {
				text = tt.in
			}
			if got.String() != text {
				t.Errorf("ParseEndpoint(%q, %q).String() = %q, want %q", tt.transport, tt.in, got, text)
			}
			checkEndpoint(t, tt.transport, tt.in)
		})
	}
}

func TestParseEndpointErrors(t *testing.T) {
	tests := []struct {
		name, transport, in string
		marked              string // what the error points at
		message             string
		help                string // part of it
	}{
		{"empty", "tcp", "", "", "an endpoint must not be empty", "`127.0.0.1:8081`"},
		{"empty path", "uds", "", "", "an endpoint must not be empty", "absolute path"},
		{"no port", "tcp", "127.0.0.1", "127.0.0.1", "the port is missing", "`127.0.0.1:PORT`"},
		{"no port behind the colon", "tcp", "localhost:", "localhost:", "the port is missing", ":PORT`"},
		{"no port behind ipv6", "tcp", "[::1]", "[::1]", "the port is missing", ":PORT`"},
		{"port alone", "tcp", "8080", "8080", "a port alone is not an endpoint", "`:8080`"},
		{"port too high", "tcp", "127.0.0.1:65536", "65536", "port 65536 is out of range", "0 to 65535"},
		{"huge port", "tcp", ":99999999999999999999", "99999999999999999999", "port 99999999999999999999 is out of range", "0 to 65535"},
		{"port with leading zero", "tcp", ":080", "080", "port 080 has a leading zero", "without leading zeros"},
		{"service name", "tcp", "localhost:http", "http", `port "http" is not a number`, "0 to 65535"},
		{"no address", "tcp", "256.0.0.1:80", "256.0.0.1", `"256.0.0.1" is not an IPv4 address`, "from 0 to 255"},
		{"three numbers", "tcp", "127.0.1:80", "127.0.1", `"127.0.1" is not an IPv4 address`, "four numbers"},
		{"hexadecimal number", "tcp", "0x7f000001:80", "0x7f000001", `"0x7f000001" is not an IPv4 address`, "four numbers"},
		{"octal number", "tcp", "127.0.0.010:80", "127.0.0.010", `"127.0.0.010" is not an IPv4 address`, "leading zeros"},
		{"ipv6 without brackets", "tcp", "fe80::1:80", "fe80::1:80", "an IPv6 address needs brackets and a port", "[fe80::1:80]:PORT"},
		{"ipv6 and zone without brackets", "tcp", "fe80::1%eth0:80", "fe80::1%eth0", "an IPv6 address needs brackets", "[fe80::1%eth0]:80"},
		{"ipv4 in brackets", "tcp", "[127.0.0.1]:80", "[127.0.0.1]", "brackets are for IPv6 addresses", "leave the brackets out"},
		{"no ipv6", "tcp", "[::g]:80", "::g", `"::g" is not an IPv6 address`, "`[::1]:8081`"},
		{"open bracket", "tcp", "[::1:80", "[", "a bracket is not closed", "`]`"},
		{"empty zone", "tcp", "[fe80::1%]:80", "%", `zone "" is empty`, "`%eth0`"},
		{"long zone", "tcp", "[fe80::1%abcdefghijklmnop]:80", "%abcdefghijklmnop", `zone "abcdefghijklmnop" is longer than the 15 bytes of an interface name`, "`%eth0`"},
		{"zone that is no name", "tcp", "[fe80::1%a/b]:80", "%a/b", `zone "a/b" is no interface name`, "`%eth0`"},
		{"zone of a global address", "tcp", "[::1%lo]:80", "%lo", "only link-local addresses have a zone", "remove the zone"},
		{"dash at the start", "tcp", "a.-b:80", "-b", `"a.-b" is not a host name: a part starts or ends with a dash`, "inner dashes"},
		{"empty label", "tcp", "a..b:80", ".", `"a..b" is not a host name: a part is empty`, "dots between"},
		{"long label", "tcp", strings.Repeat("a", 64) + ":80", strings.Repeat("a", 64), `"` + strings.Repeat("a", 64) + `" is not a host name: a part is longer than 63 bytes`, "63"},
		{"long host name", "tcp", strings.Repeat("a.", 127) + "a:80", strings.Repeat("a.", 127) + "a", "a host name of 255 bytes is too long, at most 253 are allowed", "63"},
		{"path", "tcp", "/run/x.sock", "/run/x.sock", "a path is not an inet endpoint", "`type = \"uds\"`"},
		{"variable of a shell", "tcp", "127.0.0.1:${PORT}", "${PORT}", "an endpoint has no variables", "address and a port"},
		{"variable", "tcp", "127.0.0.1:var:port", "127.0.0.1:var:port", "an endpoint has no variables", "address and a port"},
		{"url", "tcp", "http://localhost:80", "http://localhost:80", "an endpoint is an address and a port, not a URL", "write `localhost:80`"},
		{"url with a path", "tcp", "tcp://[::1]:80/a", "tcp://[::1]:80/a", "an endpoint is an address and a port, not a URL", "write `[::1]:80`"},
		{"url without a port", "tcp", "http://localhost", "http://localhost", "an endpoint is an address and a port, not a URL", "address and a port"},
		{"ipv6 and port, or ipv6", "tcp", "::1:8080", "::1:8080", "an IPv6 address needs brackets and a port", "write `[::1]:8080`, or `[::1:8080]:PORT`"},
		{"inet endpoint for uds", "uds", "127.0.0.1:80", "127.0.0.1:80", "an address and a port are no path", "`type = \"tcp\"`"},
		{"home directory", "uds", "~/a.sock", "~", "`~` is not replaced by a home directory here", "absolute path"},
		{"url of a path", "uds", "unix:/run/a", "unix:/run/a", "an endpoint is a path, not a URL", "write `/run/a`"},
		{"url of a path with slashes", "uds", "unix:///run/a", "unix:///run/a", "an endpoint is a path, not a URL", "write `/run/a`"},
		{"space", "tcp", "localhost: 80", " 80", `" " is not expected here`, "address and a port"},
		{"control character", "tcp", "localhost\x00:80", "\x00", `an endpoint must not contain the control character "\x00"`, "remove"},
		{"NUL in a path", "uds", "/run/\x00", "\x00", `an endpoint must not contain the control character "\x00"`, "remove"},
		{"half a character", "uds", "/run/\xff", "\xff", `an endpoint must not contain the control character "\xff"`, "remove"},
		{"directory", "uds", "/run/", "/", "a path must not be a directory", "name of the socket"},
		{"root", "uds", "/", "/", "a path must not be a directory", "name of the socket"},
		{"dot", "uds", ".", ".", "a path must not be a directory", "name of the socket"},
		{"dot at the end", "uds", "/run/.", "/run/.", "a path must not be a directory", "name of the socket"},
		{"out of the directory", "uds", "a/../../etc/x", "..", "a path must not contain `..`", "that it leads to"},
		{"abstract without a name", "uds", "@", "@", "an abstract socket needs a name", "`@name`"},
		{
			"path too long", "uds", "/" + strings.Repeat("a", 107), "/" + strings.Repeat("a", 107),
			"the path of a unix socket has 108 bytes, at most 107 are allowed", "no room for more",
		},
		{
			"abstract name too long", "uds", "@" + strings.Repeat("a", 108), "@" + strings.Repeat("a", 108),
			"the abstract name of a unix socket has 108 bytes, at most 107 are allowed", "no room for more",
		},
		{"far too long", "tcp", strings.Repeat("1", 1025), strings.Repeat("1", 1025), "an endpoint of 1025 bytes is too long, at most 1024 are allowed", "shorten"},
		{"control character for another transport", "vsock", "2:\t", "\t", `an endpoint must not contain the control character "\t"`, "remove"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseEndpoint(tt.transport, tt.in)
			if err == nil {
				t.Fatalf("ParseEndpoint(%q, %q) = %+v, want an error", tt.transport, tt.in, got)
			}
			if err.Message != tt.message || !strings.Contains(err.Help, tt.help) {
				t.Errorf("ParseEndpoint(%q, %q) error = %q, help %q; want %q, help with %q",
					tt.transport, tt.in, err.Message, err.Help, tt.message, tt.help)
			}
			checkError(t, tt.in, err)
			if marked := tt.in[err.From:err.To]; marked != tt.marked {
				t.Errorf("ParseEndpoint(%q, %q) points at %q, want %q", tt.transport, tt.in, marked, tt.marked)
			}
		})
	}
}

// checkEndpoint holds for every string: the canonical spelling means the same
// endpoint and is its own canonical spelling; errors point into the string.
func checkEndpoint(t interface{ Errorf(string, ...any) }, transport, s string) {
	e, bad := ParseEndpoint(transport, s)
	if bad != nil {
		checkError(t, s, bad)
		return
	}
	again, bad := ParseEndpoint(transport, e.String())
	if bad != nil || again != e {
		t.Errorf("ParseEndpoint(%q, %q) = %+v, but its canonical spelling %q is %+v, %v", transport, s, e, e, again, bad)
	}
}

func TestEndpointLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		transport := rapid.SampledFrom([]string{"tcp", "uds", "vsock"}).Draw(t, "transport")
		checkEndpoint(t, transport, rapid.StringMatching(`[@/.]{0,2}(\[[0-9:.%a-f]{2,9}\]|[a0-9.*@/-]{0,9})[/:.]{0,2}[0-9]{0,5}`).Draw(t, "endpoint"))
	})
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[fe80::1%eth0]:80", ":0", "*:1", "a.b:80", "/a//b", "a/./b", "./@x", "@x", "[::ffff:1.2.3.4]:5"} {
		f.Add("tcp", s)
		f.Add("uds", s)
	}
	f.Fuzz(func(t *testing.T, transport, s string) { checkEndpoint(t, transport, s) })
}
