// Package manifest has transport manifests: what a transport plugin says about
// itself without being run. The compiler checks endpoints and options against
// it, and the plugin embeds the same text, so that both ends judge alike.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// Format is the only value of the key manifest that this package reads.
const Format = 1

// MaxSize is the largest manifest in bytes: far more than any plugin needs, and
// small enough that no nesting in it can exhaust the parser.
const MaxSize = 64 << 10

// Manifest is one parsed manifest. It is read-only.
type Manifest struct {
	Name     string
	Version  string // semantic version, without a leading v
	Protocol []int  // versions of the transport protocol that the plugin speaks, ascending
	Features []string
	Sandbox  Sandbox
	Schemes  []Scheme

	// SHA256 is "sha256:" and the hex digest of the manifest's text.
	SHA256 string

	// Executables has the checksums of the plugin by platform when the manifest
	// comes from a lock file; nil for the transports of the release.
	Executables map[string]string
}

// Sandbox is what the plugin needs from the system. A host may give less, and
// never gives more.
type Sandbox struct {
	Capabilities    []string `toml:"capabilities"`     // CAP_NET_BIND_SERVICE, …
	AddressFamilies []string `toml:"address-families"` // AF_INET, …
}

// Scheme is one kind of endpoint that the plugin binds; in unit files it is the
// type of a socket.
type Scheme struct {
	Name     string
	Address  string           // RE2 pattern of the whole address; empty allows any
	Ranges   map[string]Range // bounds of the pattern's named groups
	Shape    Shape
	Options  []Option
	Examples []Example

	address func() *regexp.Regexp // nil: any address
}

// Range is an inclusive range of integers.
type Range struct{ Min, Max int64 }

// Shape is what every socket of a scheme looks like to the kernel, in the
// numbers of Linux. Zero means that it depends on the address or the options.
type Shape struct {
	Domain    uint32
	Type      uint32
	Protocols []uint32 // allowed values of SO_PROTOCOL; empty means not checked
	Listening bool     // the host calls listen(2), unless the type is one of datagrams
}

// Example is an address and what becomes of it. The conformance kit compares it
// with the plugin's own judgement.
type Example struct {
	Listen string `toml:"listen"`
	OK     bool   `toml:"ok"`
	Code   string `toml:"code"` // BindError code, when not OK
}

// Scheme returns the scheme of that name.
func (m *Manifest) Scheme(name string) (*Scheme, bool) {
	i := slices.IndexFunc(m.Schemes, func(s Scheme) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &m.Schemes[i], true
}

// Ready makes a manifest usable that does not come from [Parse] but was written as a
// value, such as Parse returns. It panics, when they are first used, at patterns that
// Parse would refuse.
func (m *Manifest) Ready() {
	for i := range m.Schemes {
		s := &m.Schemes[i]
		if s.Address != "" {
			s.address = pattern(whole(s.Address))
		}
		for j := range s.Options {
			if o := &s.Options[j]; o.Pattern != "" {
				o.pattern = pattern(whole(o.Pattern))
			}
		}
	}
}

// Digest returns the digest of SHA256 as bytes, as Describe answers it.
func (m *Manifest) Digest() []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(m.SHA256, "sha256:"))
	if err != nil {
		return nil // not made by Parse
	}
	return b
}

// Option returns the option of that name.
func (s *Scheme) Option(name string) (Option, bool) {
	i := slices.IndexFunc(s.Options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		return Option{}, false
	}
	return s.Options[i], true
}

// Table returns the options that are keys of the option table of that name,
// without the name: for "keepalive", "time" of "keepalive.time".
func (s *Scheme) Table(name string) []string {
	var keys []string
	for i := range s.Options {
		if key, ok := strings.CutPrefix(s.Options[i].Name, name+"."); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// CheckAddress matches an address with the pattern and the ranges. The error
// does not repeat the address.
func (s *Scheme) CheckAddress(address string) error {
	if s.address == nil {
		return nil
	}
	groups := s.address().FindStringSubmatch(address)
	if groups == nil {
		return fmt.Errorf("it does not match %s", s.Address)
	}
	for i, name := range s.address().SubexpNames() {
		r, ok := s.Ranges[name]
		if !ok || groups[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(groups[i], 10, 64)
		if errors.Is(err, strconv.ErrSyntax) {
			continue // another branch of the pattern: a word in place of a number
		}
		if err != nil || n < r.Min || n > r.Max {
			return fmt.Errorf("%s must be from %d to %d, got %s", name, r.Min, r.Max, groups[i])
		}
	}
	return nil
}

// file is a manifest as written.
type file struct {
	Manifest int      `toml:"manifest"`
	Name     string   `toml:"name"`
	Version  string   `toml:"version"`
	Protocol []int    `toml:"protocol"`
	Features []string `toml:"features"`
	Sandbox  Sandbox  `toml:"sandbox"`
	Scheme   []scheme `toml:"scheme"`
}

type scheme struct {
	Name    string             `toml:"name"`
	Address string             `toml:"address"`
	Range   map[string][]int64 `toml:"range"`
	Shape   shape              `toml:"shape"`
	Option  []option           `toml:"option"`
	Example []Example          `toml:"example"`
}

type shape struct {
	Domain    string   `toml:"domain"`
	Type      string   `toml:"type"`
	Protocols []uint32 `toml:"protocols"`
	Listening bool     `toml:"listening"`
}

// Parse reads a manifest. It is strict: a key that it does not know is an error,
// because a misspelt limit would be no limit.
func Parse(text []byte) (*Manifest, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("transport manifest: %d bytes, want at most %d", len(text), MaxSize)
	}
	var f file
	md, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&f)
	if err != nil {
		return nil, fmt.Errorf("transport manifest: %w", err)
	}
	if err := unknownKey(md); err != nil {
		return nil, fmt.Errorf("transport manifest: %w", err)
	}
	m, err := f.manifest()
	if err != nil {
		return nil, fmt.Errorf("transport manifest %q: %w", f.Name, err)
	}
	sum := sha256.Sum256(text)
	m.SHA256 = "sha256:" + hex.EncodeToString(sum[:])
	return m, nil
}

// unknownKey also refuses the capital letters that the decoder would forgive.
func unknownKey(md toml.MetaData) error {
	for _, k := range md.Undecoded() {
		return fmt.Errorf("unknown key %s", k)
	}
	for _, k := range md.Keys() {
		if s := k.String(); s != strings.ToLower(s) {
			return fmt.Errorf("unknown key %s: keys are lower case", k)
		}
	}
	return nil
}

// The patterns are made when the first manifest is read, which most runs of a
// program that knows the package never do.
var (
	nameRE    = pattern(`^[a-z][a-z0-9+.-]{0,30}$`)
	versionRE = pattern(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// IsName reports whether a transport may have that name.
func IsName(s string) bool { return nameRE().MatchString(s) }

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// anchored checks an expression for the whole of a string. It returns the names of
// its groups, and what compiles it when the first string is matched: that is work, and
// most units use few options.
func anchored(text string) (match func() *regexp.Regexp, groups []string, err error) {
	text = whole(text)
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, nil, err
	}
	return pattern(text), re.CapNames(), nil
}

// whole makes an expression one for the whole of a string.
func whole(text string) string { return `^(?:` + text + `)$` }

func (f *file) manifest() (*Manifest, error) {
	switch {
	case f.Manifest != Format:
		return nil, fmt.Errorf("manifest = %d, want %d", f.Manifest, Format)
	case !IsName(f.Name):
		return nil, fmt.Errorf("the name must match %s", nameRE())
	case !versionRE().MatchString(f.Version):
		return nil, fmt.Errorf("version %q is not a semantic version such as 1.4.2", f.Version)
	case len(f.Protocol) == 0:
		return nil, errors.New("protocol must list at least one version, for example [1]")
	case len(f.Scheme) == 0:
		return nil, errors.New("it has no [[scheme]]")
	}
	slices.Sort(f.Protocol)
	m := &Manifest{
		Name: f.Name, Version: f.Version, Protocol: f.Protocol, Features: f.Features, Sandbox: f.Sandbox,
	}
	for _, s := range f.Scheme {
		if _, ok := m.Scheme(s.Name); ok {
			return nil, fmt.Errorf("scheme %q is there twice", s.Name)
		}
		got, err := s.scheme()
		if err != nil {
			return nil, fmt.Errorf("scheme %q: %w", s.Name, err)
		}
		m.Schemes = append(m.Schemes, got)
	}
	return m, nil
}

func (s *scheme) scheme() (Scheme, error) {
	if !IsName(s.Name) {
		return Scheme{}, fmt.Errorf("the name must match %s", nameRE())
	}
	out := Scheme{Name: s.Name, Address: s.Address, Examples: s.Example}
	var groups []string
	if s.Address != "" {
		var err error
		if out.address, groups, err = anchored(s.Address); err != nil {
			return Scheme{}, fmt.Errorf("address: %w", err)
		}
	}
	for group, r := range s.Range {
		if group == "" || !slices.Contains(groups, group) {
			return Scheme{}, fmt.Errorf("range %s: the address pattern has no group of that name", group)
		}
		if len(r) != 2 || r[0] > r[1] {
			return Scheme{}, fmt.Errorf("range %s: want [least, most]", group)
		}
		if out.Ranges == nil {
			out.Ranges = make(map[string]Range, len(s.Range))
		}
		out.Ranges[group] = Range{Min: r[0], Max: r[1]}
	}
	var err error
	if out.Shape, err = s.Shape.shape(); err != nil {
		return Scheme{}, err
	}
	for _, o := range s.Option {
		if _, ok := out.Option(o.Name); ok {
			return Scheme{}, fmt.Errorf("option %q is there twice", o.Name)
		}
		got, err := o.option()
		if err != nil {
			return Scheme{}, fmt.Errorf("option %q: %w", o.Name, err)
		}
		if table, _, inside := strings.Cut(o.Name, "."); inside && hasOption(s.Option, table) {
			return Scheme{}, fmt.Errorf("option %q: there is also an option %q, which can be no table then", o.Name, table)
		}
		out.Options = append(out.Options, got)
	}
	for _, e := range s.Example {
		if e.OK == (e.Code != "") {
			return Scheme{}, fmt.Errorf("example %q: want either ok = true or a code", e.Listen)
		}
	}
	return out, nil
}

func hasOption(list []option, name string) bool {
	return slices.ContainsFunc(list, func(o option) bool { return o.Name == name })
}

// The numbers are those of Linux on every architecture, so that a plan compiled
// elsewhere means the same.
var (
	domains = map[string]uint32{
		"": 0, "AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17,
		"AF_CAN": 29, "AF_TIPC": 30, "AF_BLUETOOTH": 31, "AF_VSOCK": 40, "AF_QIPCRTR": 42,
	}
	types = map[string]uint32{
		"": 0, "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_RDM": 4, "SOCK_SEQPACKET": 5,
	}
)

func (s shape) shape() (Shape, error) {
	domain, ok := domains[s.Domain]
	if !ok {
		return Shape{}, fmt.Errorf("shape: unknown domain %q, want for example AF_INET", s.Domain)
	}
	typ, ok := types[s.Type]
	if !ok {
		return Shape{}, fmt.Errorf("shape: unknown type %q, want for example SOCK_STREAM", s.Type)
	}
	return Shape{Domain: domain, Type: typ, Protocols: s.Protocols, Listening: s.Listening}, nil
}
