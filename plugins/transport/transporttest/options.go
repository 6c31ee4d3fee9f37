package transporttest

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// options checks every option of the manifest: that it can be set, as far as this
// machine allows it, and that a wrong value is refused before anything is bound.
func (k *kit) options(t *testing.T) {
	n := 0
	for i := range k.manifest.Schemes {
		scheme := &k.manifest.Schemes[i]
		for j := range scheme.Options {
			o := &scheme.Options[j]
			n++
			t.Run(scheme.Name+"."+o.Name, func(t *testing.T) {
				k.each(t, []check{
					{"27 the option can be set", func(s *session) { k.settable(s, scheme.Name, o) }},
					{"28 wrong values are refused", func(s *session) { k.wrongValues(s, scheme.Name, o) }},
				})
			})
		}
	}
	if n == 0 {
		t.Skip("skipped: the manifest has no [[scheme.option]]")
	}
}

// settable wants one of the endpoints of the scheme to take each value. The kernel
// may refuse it, of which the plugin has to tell: the option is preferred.
func (k *kit) settable(s *session, scheme string, o *manifest.Option) {
	t := s.t
	values := k.goodValues(o)
	if len(values) == 0 {
		t.Skipf("skipped: Options of the plugin has no value of %s", o.Name)
	}
	for _, value := range values {
		if err := o.CheckText(value); err != nil {
			t.Errorf("%s = %q: %v", o.Name, value, err)
			continue
		}
		var last *transportv1.BindError
		taken := false
		for _, b := range k.Binds {
			if b.Endpoint.GetScheme() != scheme || taken {
				continue
			}
			result := k.bindWith(s, b, o.Name, value)
			last, taken = result.GetError(), result.GetError() == nil
			for _, r := range result.GetRefused() {
				if r.GetOption() != o.Name || r.GetMessage() == "" || strings.Contains(r.GetMessage(), "\n") {
					t.Errorf("%s = %q: refused is %v, want the option and one line", o.Name, value, r)
				}
			}
		}
		if !taken {
			t.Errorf("%s = %q: no endpoint takes it; the last says %s: %s", o.Name, value, last.GetCode(), last.GetMessage())
		}
	}
}

// bindWith binds an endpoint with one more option, and frees it.
func (k *kit) bindWith(s *session, b Bind, option, value string) *transportv1.BindResult {
	ep := proto.CloneOf(b.Endpoint)
	if ep.Options == nil {
		ep.Options = map[string]string{}
	}
	ep.Options[option], ep.Prefer = value, []string{option}
	result, fds := s.bindOne(s.t, ep)
	for _, fd := range fds {
		if name, err := unix.Getsockname(fd); err == nil {
			if sa, ok := name.(*unix.SockaddrUnix); ok && strings.HasPrefix(sa.Name, "/") {
				_ = unix.Unlink(sa.Name) // the next bind would find a dead node otherwise
			}
		}
		if err := freeEndpoint(fd); err != nil {
			s.t.Fatal(err)
		}
	}
	return result
}

// goodValues returns values that every plugin with the option must take.
func (k *kit) goodValues(o *manifest.Option) []string {
	if values, ok := k.Options[o.Name]; ok {
		return values
	}
	switch o.Type {
	case manifest.Bool:
		return []string{"true", "false"}
	case manifest.Enum:
		return o.Enum
	case manifest.Mode:
		return []string{"0600", "0777"}
	case manifest.Int, manifest.Bytes:
		if o.Min == math.MinInt64 {
			return []string{"1"}
		}
		return []string{strconv.FormatInt(o.Min, 10)}
	case manifest.Duration:
		return []string{time.Duration(max(o.Min, o.Step, 1)).String()}
	case manifest.String, manifest.List:
	}
	if o.Default != "" {
		return []string{o.Default}
	}
	return nil
}

func (k *kit) wrongValues(s *session, scheme string, o *manifest.Option) {
	t := s.t
	for _, value := range wrongValues(o) {
		for _, b := range k.Binds {
			if b.Endpoint.GetScheme() != scheme {
				continue
			}
			ep := proto.CloneOf(b.Endpoint)
			if ep.Options == nil {
				ep.Options = map[string]string{}
			}
			ep.Options[o.Name] = value
			if code := firstError(s.validateOne(t, ep)); code != transport.InvalidOption.String() {
				t.Errorf("Validate says %q of %s = %q, want %s", code, o.Name, value, transport.InvalidOption)
			}
			s.mustRefuse(t, Refusal{Endpoint: ep, Code: transport.InvalidOption})
			break
		}
	}
}

// wrongValues returns texts that the manifest forbids.
func wrongValues(o *manifest.Option) []string {
	var out []string
	for _, value := range []string{
		"\x00", "hardly a value", "-1", "7.5", "yes", "[]", `["",""]`, strings.Repeat("9", 30), "-1s", "0999",
		strconv.FormatInt(o.Min-1, 10), strconv.FormatInt(o.Max, 10) + "0",
	} {
		if o.CheckText(value) != nil {
			out = append(out, value)
		}
	}
	return out
}
