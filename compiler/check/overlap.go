package check

import (
	"net/netip"
	"strconv"

	"github.com/rind-sockets/rind/grammar"
)

// conflict is a pair of sockets that the kernel does not bind together, in the
// order of definition.
type conflict struct {
	first, second *Socket
	how           coexistence
	when          string // both are open; "" if that needs no words
}

// real reports whether the kernel refuses the second one. Two definitions of one
// name are one socket by mistake, which is reported as that.
func (c conflict) real() bool {
	shared := c.first.sharesPort() && c.second.sharesPort()
	return !shared && c.first.Name != c.second.Name && overlap(c.first, c.second)
}

// findConflicts returns one conflict of every socket that has any with an
// earlier one: a certain one if there is one. More would say the same again.
func (p *Program) findConflicts() []conflict {
	var out []conflict
	all := map[string]*rivals{}
	for _, s := range p.Sockets {
		key, ok := s.contested()
		if !ok {
			continue
		}
		r := all[key]
		if r == nil {
			r = &rivals{narrow: map[part][]*Socket{}}
			all[key] = r
		}
		if c := p.conflict(r, s); c.how != apart {
			out = append(out, c)
		}
		r.add(s)
	}
	return out
}

// rivals are the sockets of one port or path. Those of one address are kept
// apart, so that a port that is open on ten thousand addresses is no fifty
// million pairs.
type rivals struct {
	every  []*Socket
	wide   []*Socket          // may meet more than one address
	narrow map[part][]*Socket // by their address
}

func (r *rivals) add(s *Socket) {
	r.every = append(r.every, s)
	if at, ok := s.narrow(); ok {
		r.narrow[at] = append(r.narrow[at], s)
	} else {
		r.wide = append(r.wide, s)
	}
}

// maxPairs is how many pairs of sockets on one port are looked at.
const maxPairs = 2_000_000

// conflict returns a conflict of s with one of the rivals: the first certain
// one, else the first.
func (p *Program) conflict(r *rivals, s *Socket) conflict {
	candidates := [][]*Socket{r.every}
	if at, ok := s.narrow(); ok {
		candidates = [][]*Socket{r.narrow[at], r.wide}
	}
	var found conflict
	for _, list := range candidates {
		for _, first := range list {
			if p.flow.pairs++; p.flow.pairs > maxPairs {
				p.exhausted(s.Unit.Listen.At)
				return found
			}
			c := conflict{first: first, second: s}
			if !c.real() || found.how != apart && !first.alwaysOpen() {
				continue
			}
			c.how, c.when = p.together(first, s)
			switch {
			case c.how == certain || c.how == possible && !s.alwaysOpen():
				return c
			case found.how == apart:
				found = c
			}
		}
	}
	return found
}

// narrow returns the only address that s takes.
func (s *Socket) narrow() (part, bool) {
	if s.Endpoint.Kind != grammar.Inet {
		return part{}, true // there is nothing but the path
	}
	r := s.reach()
	switch {
	case r.unknown || r.v4.all || r.v6.all:
		return part{}, false
	case r.v4 == part{}:
		return r.v6, true
	}
	return r.v4, true
}

// contested returns what two sockets must have in common to be in conflict; ok
// is not set if s is in conflict with nobody.
func (s *Socket) contested() (key string, ok bool) {
	if s.Unit.Lost.Any("type", "listen", "options", "enabled", "start-on", "stop-on") {
		return "", false // what is lost may be what keeps it apart from others
	}
	if len(s.optionErrors) > 0 {
		return "", false // the same
	}
	switch s.Endpoint.Kind {
	case grammar.Inet:
		return s.Scheme.Name + " " + strconv.Itoa(int(s.Endpoint.Port)), s.Endpoint.Port != 0
	case grammar.Path, grammar.Abstract, grammar.Other:
		return s.Scheme.Name + " " + s.Endpoint.String(), true
	}
	return "", false
}

func (s *Socket) sharesPort() bool { return s.Options["reuse-port"] == "true" }

func overlap(a, b *Socket) bool {
	if a.Endpoint.Kind != grammar.Inet {
		return true // the key says that they are equal
	}
	if x, y := a.device(), b.device(); x != "" && y != "" && x != y {
		return false // the kernel compares sk_bound_dev_if before addresses: inet_csk_bind_conflict
	}
	if a.Endpoint.IsHostname() && a.Endpoint.Host == b.Endpoint.Host {
		return true
	}
	x, y := a.reach(), b.reach()
	return x.v4.meets(y.v4) || x.v6.meets(y.v6) || x.unknown && y.every() || y.unknown && x.every()
}

// device returns the network interface that an inet socket is bound to, "" if there is
// none: that of the option (SO_BINDTODEVICE), or the zone of a link-local address, for
// which bind(2) does the same.
func (s *Socket) device() string {
	if device := s.Options["bind-device"]; device != "" {
		return device
	}
	return s.Endpoint.Addr.Zone()
}

// reach is the addresses of each family that an inet socket takes. Those of a
// host name are only known when the socket starts, and may be of either family.
type reach struct {
	v4, v6  part
	unknown bool
}

func (r reach) every() bool { return r.v4.all && r.v6.all }

// part is none (the zero part), all, or one address of a family.
type part struct {
	all  bool
	addr netip.Addr
}

func (p part) meets(q part) bool {
	if p == (part{}) || q == (part{}) {
		return false
	}
	return p.all || q.all || p.addr == q.addr
}

func (s *Socket) reach() reach {
	e := s.Endpoint
	all := part{all: true}
	switch {
	case e.Host == "localhost": // always a loopback address, RFC 6761 §6.3
		return reach{v4: part{addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, unknown: true}
	case e.IsHostname():
		return reach{unknown: true}
	case e.Wildcard && s.Options["v6only"] == "true":
		return reach{v6: all}
	case e.Wildcard:
		return reach{v4: all, v6: all}
	case e.Addr == netip.IPv4Unspecified():
		return reach{v4: all}
	case e.Addr == netip.IPv6Unspecified() && s.Options["v6only"] == "false":
		return reach{v4: all, v6: all}
	case e.Addr == netip.IPv6Unspecified():
		return reach{v6: all}
	case e.Addr.Is4():
		return reach{v4: part{addr: e.Addr}}
	}
	return reach{v6: part{addr: e.Addr}}
}
