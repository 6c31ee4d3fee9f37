package check

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var _ = register(Rule{
	Code:     "A4109",
	Severity: diag.Error,
	Title:    "option that the endpoint contradicts",
	Text: `Some options have a meaning for some endpoints only: an IPv4 address has no traffic class and is never for IPv6
only, an abstract socket is no file and has no mode, owner or links, and a multicast group must be of the family of the
address. The transport would refuse to start the socket.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { traffic-class = 8 }
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { tos = 8 }
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			for _, o := range s.Unit.Options {
				text, ok := s.Options[o.Key.Value]
				if !ok {
					continue
				}
				if why, help := s.contradicts(o.Key.Value, text); why != "" {
					p.Report(diag.Diagnostic{Message: fmt.Sprintf("option `%s` %s", o.Key.Value, why), At: o.Key.At, Help: help})
				}
			}
		}
	},
})

// contradicts says why an option cannot go with the endpoint, and what to do; ""
// if it can.
func (s *Socket) contradicts(option, text string) (why, help string) {
	switch s.Endpoint.Kind {
	case grammar.Inet:
		if s.Endpoint.Host == "" { // else the family is only known at the start
			return s.contradictsFamily(option, text)
		}
	case grammar.Abstract:
		switch option {
		case "mode", "user", "group", "dir-mode", "dir-user", "dir-group", "symlinks":
			return fmt.Sprintf("has no meaning for the abstract socket %s, which is not a file", s.Endpoint), "remove the option, or listen on a path"
		}
	case grammar.Path, grammar.Other:
	}
	return "", ""
}

func (s *Socket) contradictsFamily(option, text string) (why, help string) {
	four := s.Endpoint.Addr.Is4()
	// An IPv6 wildcard takes IPv4 too when it is told to.
	six := s.Endpoint.Addr.Is6() && (s.Endpoint.Addr != netip.IPv6Unspecified() || s.Options["v6only"] != "false")
	switch {
	case option == "v6only" && text == "true" && s.Endpoint.Wildcard:
		return fmt.Sprintf("contradicts the endpoint %s, which means IPv4 and IPv6", s.Endpoint), fmt.Sprintf("write `[::]:%d` for IPv6 only", s.Endpoint.Port)
	case option == "v6only" && text == "true" && four:
		return fmt.Sprintf("has no meaning for the IPv4 address %s", s.Endpoint.Addr), "remove the option"
	case option == "traffic-class" && four:
		return fmt.Sprintf("has no meaning for the IPv4 address %s", s.Endpoint.Addr), "IPv4 calls it `tos`"
	case option == "tos" && six:
		return fmt.Sprintf("has no meaning for the IPv6 address %s", s.Endpoint.Addr), "IPv6 calls it `traffic-class`"
	case option == "multicast":
		return contradictsGroups(text, four, six)
	}
	return "", ""
}

func contradictsGroups(text string, four, six bool) (why, help string) {
	groups, err := manifest.ParseList(text)
	if err != nil {
		return "", "" // it comes from the manifest's own reading
	}
	for _, group := range groups {
		address, _, zone := strings.Cut(group, "%")
		ip, err := netip.ParseAddr(address)
		switch {
		case err != nil || !ip.IsMulticast():
			return fmt.Sprintf("has %q, which is no multicast address", group), "write one such as `239.1.2.3`, or `ff02::1:3%eth0` through one interface"
		case ip.Is6() && !zone && (ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast()):
			return fmt.Sprintf("has the link-local group %s without an interface", group), fmt.Sprintf("write `%s%%eth0` for the interface eth0", group)
		case ip.Is6() && four || ip.Is4() && six:
			return fmt.Sprintf("has %s, of another family than the address", group), "listen on `*:PORT` for both families"
		}
	}
	return "", ""
}
