package listen

import (
	"slices"

	"golang.org/x/sys/unix"
)

// checkShape checks family, type and protocol of a socket of another transport
// than tcp, udp and uds.
func (e *expectation) checkShape(domain, typ, protocol int) error {
	s := e.shape
	wrong := func(what string, got int, want any) error {
		return mismatch("the plugin returned a socket of %s %d, want %v for %s", what, got, want, e.name)
	}
	switch {
	case s.Domain != 0 && uint32(domain) != s.Domain:
		return wrong("family", domain, s.Domain)
	case s.Type != 0 && uint32(typ) != s.Type:
		return wrong("type", typ, s.Type)
	case len(s.Protocols) > 0 && !slices.Contains(s.Protocols, uint32(protocol)):
		return wrong("protocol", protocol, s.Protocols)
	}
	e.typ = typ // which the shape may leave open
	return nil
}

// checkOther checks a socket of another transport. How its addresses are written
// only its plugin knows, so there is nothing to compare; that it is bound can be
// told of families whose addresses this package reads.
func (e *expectation) checkOther(fd int, facts *Facts) error {
	facts.Local = e.address
	domain, err := getsockopt(fd, unix.SO_DOMAIN, "SO_DOMAIN")
	if err != nil {
		return err
	}
	switch domain {
	case unix.AF_INET, unix.AF_INET6:
		got, err := localEndpoint(fd)
		if err != nil {
			return err
		}
		if got.port == 0 && e.accepts() {
			return mismatch("the plugin returned a socket that is not bound, want %s", e.address)
		}
	case unix.AF_UNIX:
		name, err := unixName(fd)
		if err != nil {
			return err
		}
		if name == "" {
			return mismatch("the plugin returned a socket that is not bound, want %s", e.address)
		}
	}
	index, err := getsockopt(fd, unix.SO_BINDTOIFINDEX, "SO_BINDTOIFINDEX")
	if err != nil {
		return err
	}
	if e.device == "" && index != 0 {
		return mismatch("SO_BINDTODEVICE of the returned socket is %s, want unset", deviceName(index))
	}
	return nil
}
