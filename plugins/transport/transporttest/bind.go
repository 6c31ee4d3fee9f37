package transporttest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// bind checks single binds: first every endpoint, then what no endpoint changes.
func (k *kit) bind(t *testing.T) {
	for _, b := range k.Binds {
		t.Run(b.Name, func(t *testing.T) {
			k.each(t, []check{
				{"26 the socket is what was asked for", func(s *session) { k.rightSocket(s, b) }},
				{"35 no copy is kept, and the endpoint is free again", func(s *session) { keepsNoCopy(s, b) }},
				{"40 a second socket is refused while the first is open", func(s *session) { k.inUse(s, b) }},
			})
		})
	}
	k.each(t, []check{
		{"34 a token has 16 bytes", k.tokenLength},
		{"40 errors have the right codes", k.codes},
	})
}

// rightSocket asks what a host asks: fstat, the socket options, both names.
func (k *kit) rightSocket(s *session, b Bind) {
	t := s.t
	result, fd := s.mustBind(t, b.Endpoint)
	facts, want := factsOf(t, fd), k.wanted(b)
	if facts != want {
		t.Errorf("the socket is %+v, want %+v", facts, want)
	}
	if facts.Type == unix.SOCK_DGRAM {
		if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR); err != nil || v != 0 {
			t.Errorf("SO_REUSEADDR of a datagram socket is %d (%v), want 0: a second socket could take its datagrams", v, err)
		}
	}
	if facts.Domain == unix.AF_INET || facts.Domain == unix.AF_INET6 || facts.Domain == unix.AF_UNIX {
		if _, err := unix.Getpeername(fd); err == nil { // netlink always has one
			t.Error("the socket is connected")
		}
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("the flags of the socket are %#o (%v), want O_NONBLOCK", flags, err)
	}
	if names := spellings(t, fd); len(names) > 0 && !slices.Contains(names, result.GetBoundAddress()) {
		t.Errorf("bound_address is %q, want one of %q", result.GetBoundAddress(), names)
	}
	if b.Check != nil {
		b.Check(t, fd)
	}
}

// socketFacts are what must be equal.
type socketFacts struct {
	Domain, Type, Protocol int
	Listening, ReusePort   bool
}

func factsOf(t *testing.T, fd int) socketFacts {
	t.Helper()
	get := func(opt int) int {
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
		if err != nil {
			t.Fatalf("what was sent is not a socket, or has no option %d: %v", opt, err)
		}
		return v
	}
	f := socketFacts{
		Domain: get(unix.SO_DOMAIN), Type: get(unix.SO_TYPE), Protocol: get(unix.SO_PROTOCOL),
		Listening: get(unix.SO_ACCEPTCONN) != 0,
	}
	if f.Domain == unix.AF_INET || f.Domain == unix.AF_INET6 {
		f.ReusePort = get(unix.SO_REUSEPORT) != 0
	}
	return f
}

// wanted takes from the manifest what the Bind leaves open.
func (k *kit) wanted(b Bind) socketFacts {
	f := socketFacts{Domain: b.Domain, Type: b.Type, Protocol: b.Protocol, ReusePort: b.ReusePort}
	scheme, ok := k.manifest.Scheme(b.Endpoint.GetScheme())
	if !ok {
		return f
	}
	if f.Domain == 0 {
		f.Domain = int(scheme.Shape.Domain)
	}
	if f.Type == 0 {
		f.Type = int(scheme.Shape.Type)
	}
	if f.Protocol == 0 && len(scheme.Shape.Protocols) == 1 {
		f.Protocol = int(scheme.Shape.Protocols[0])
	}
	return f
}

// spellings returns what bound_address may be; nothing for a family that the
// kit does not know.
func spellings(t *testing.T, fd int) []string {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil // a family of its own
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return []string{netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()}
	case *unix.SockaddrInet6:
		if sa.ZoneId != 0 {
			return nil // by number or by name
		}
		ip := netip.AddrFrom16(sa.Addr)
		names := []string{netip.AddrPortFrom(ip, uint16(sa.Port)).String()}
		if ip.IsUnspecified() {
			names = append(names, fmt.Sprintf("*:%d", sa.Port))
		}
		return names
	case *unix.SockaddrUnix:
		return []string{sa.Name}
	}
	return nil
}

// freeTries is how often keepsNoCopy tries: a port that the kernel has chosen is free for
// every process of the machine between the close and the second bind.
const freeTries = 3

// keepsNoCopy looks for the socket in the plugin after the answer, and binds
// the same address again after the host's close.
func keepsNoCopy(s *session, b Bind) {
	t := s.t
	for try := 1; ; try++ {
		result, fd := s.mustBind(t, b.Endpoint)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		if link := fmt.Sprintf("socket:[%d]", st.Ino); slices.Contains(s.openFiles(t), link) {
			t.Errorf("after the answer the plugin still has %s", link)
		}
		// The test closes fd at its end; free the endpoint now, by another socket
		// in the place of this one.
		if err := freeEndpoint(fd); err != nil {
			t.Fatal(err)
		}
		again := at(b.Endpoint, result.GetBoundAddress())
		if t.Failed() || try == freeTries {
			s.mustBind(t, again)
			return
		}
		if second, fds := s.bindOne(t, again); second.GetError() == nil && len(fds) == 1 {
			return
		}
	}
}

// freeEndpoint closes the socket of a descriptor and keeps its number in use.
func freeEndpoint(fd int) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	rc, err := null.SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	err = rc.Control(func(n uintptr) { dupErr = unix.Dup3(int(n), fd, unix.O_CLOEXEC) })
	return errors.Join(err, dupErr)
}

// at returns the endpoint with another address, such as one with the port that
// the kernel chose.
func at(ep *transportv1.Endpoint, address string) *transportv1.Endpoint {
	ep = proto.CloneOf(ep)
	if address != "" {
		ep.Address = address
	}
	return ep
}

func (k *kit) inUse(s *session, b Bind) {
	t := s.t
	if b.ReusePort || b.Shared {
		t.Skip("skipped: the endpoint may be shared")
	}
	result, fd := s.mustBind(t, b.Endpoint)
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		t.Fatal(err)
	}
	if typ == unix.SOCK_STREAM || typ == unix.SOCK_SEQPACKET {
		// With SO_REUSEADDR, two TCP sockets may be bound, but not beside one
		// that listens.
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
	}
	s.mustRefuse(t, Refusal{Endpoint: at(b.Endpoint, result.GetBoundAddress()), Code: transport.AddressInUse})
}

// mustRefuse also wants a message that a person can use.
func (s *session) mustRefuse(t *testing.T, r Refusal) {
	t.Helper()
	result, fds := s.bindOne(t, r.Endpoint)
	e := result.GetError()
	switch {
	case e == nil:
		t.Fatalf("Bind %v is OK, want %s", r.Endpoint, r.Code)
	case e.GetCode() != r.Code:
		t.Errorf("Bind %v: %s: %s, want %s", r.Endpoint, e.GetCode(), e.GetMessage(), r.Code)
	case e.GetMessage() == "" || strings.Contains(e.GetMessage(), "\n"):
		t.Errorf("Bind %v: the message is %q, want one line", r.Endpoint, e.GetMessage())
	}
	if len(fds) > 0 {
		t.Errorf("Bind %v failed, and %d descriptors were sent", r.Endpoint, len(fds))
	}
}

func (k *kit) tokenLength(s *session) {
	t := s.t
	for _, n := range []int{0, 5, 15, 17} {
		_, err := s.Bind(callContext(t), &transportv1.BindRequest{Token: make([]byte, n), Endpoint: k.Binds[0].Endpoint})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("Bind with a token of %d bytes gives %v, want InvalidArgument", n, err)
		}
	}
	if got := s.receive(t); len(got) > 0 {
		t.Errorf("%d frames were sent for bad tokens", len(got))
	}
}

func (k *kit) codes(s *session) {
	t := s.t
	good := k.Binds[0].Endpoint
	option := proto.CloneOf(good)
	option.Options = map[string]string{"no-plugin-has-this": "1"}
	refusals := append([]Refusal{
		{Name: "unknown scheme", Endpoint: &transportv1.Endpoint{Scheme: "nosuch", Address: good.GetAddress()}, Code: transport.Unsupported},
		{Name: "no endpoint", Code: transport.Unsupported},
		{Name: "unknown option", Endpoint: option, Code: transport.InvalidOption},
	}, k.Refusals...)
	for _, scheme := range k.manifest.Schemes {
		for _, e := range scheme.Examples {
			if e.OK {
				continue
			}
			refusals = append(refusals, Refusal{
				Name:     "example " + e.Listen,
				Endpoint: &transportv1.Endpoint{Scheme: scheme.Name, Address: e.Listen},
				Code:     transport.Code(transportv1.BindError_Code_value[e.Code]),
			})
		}
	}
	for _, r := range refusals {
		t.Run(strings.ReplaceAll(r.Name, "/", "_"), func(t *testing.T) { s.mustRefuse(t, r) })
	}
}
