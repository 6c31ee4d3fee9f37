package manifest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/plugins/manifest"
)

const head = `manifest = 1
name = "vsock"
version = "1.4.2"
protocol = [1]
`

const vsock = head + `features = ["batch"]

[sandbox]
capabilities = ["CAP_NET_ADMIN"]
address-families = ["AF_VSOCK"]

[[scheme]]
name = "vsock"
address = '(?P<cid>[0-9]+|any):(?P<port>[0-9]{1,10})'
  [scheme.range]
  cid = [0, 4294967295]
  port = [1, 4294967295]
  [scheme.shape]
  domain = "AF_VSOCK"
  type = "SOCK_STREAM"
  protocols = [0]
  listening = true
  [[scheme.option]]
  name = "min-size"
  type = "bytes"
  max = 1048576
  default = "64K"
  doc = "smallest buffer"
  [[scheme.example]]
  listen = "any:1234"
  ok = true
  [[scheme.example]]
  listen = "any:http"
  code = "INVALID_ADDRESS"
`

func TestParse(t *testing.T) {
	got, err := manifest.Parse([]byte(vsock))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(vsock))
	want := &manifest.Manifest{
		Name: "vsock", Version: "1.4.2", Protocol: []int{1}, Features: []string{"batch"},
		Sandbox: manifest.Sandbox{Capabilities: []string{"CAP_NET_ADMIN"}, AddressFamilies: []string{"AF_VSOCK"}},
		SHA256:  "sha256:" + hex.EncodeToString(sum[:]),
		Schemes: []manifest.Scheme{{
			Name: "vsock", Address: "(?P<cid>[0-9]+|any):(?P<port>[0-9]{1,10})",
			Ranges: map[string]manifest.Range{"cid": {Min: 0, Max: math.MaxUint32}, "port": {Min: 1, Max: math.MaxUint32}},
			Shape:  manifest.Shape{Domain: 40, Type: 1, Protocols: []uint32{0}, Listening: true},
			Options: []manifest.Option{{
				Name: "min-size", Type: manifest.Bytes, Min: 0, Max: 1 << 20, Default: "65536", Doc: "smallest buffer",
			}},
			Examples: []manifest.Example{{Listen: "any:1234", OK: true}, {Listen: "any:http", Code: "INVALID_ADDRESS"}},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(manifest.Scheme{}, manifest.Option{})); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if string(got.Digest()) != string(sum[:]) {
		t.Errorf("Digest() = %x, want %x", got.Digest(), sum)
	}
	if s, ok := got.Scheme("vsock"); !ok || s.Name != "vsock" {
		t.Errorf("Scheme(vsock) = %v, %t", s, ok)
	}
	if s, ok := got.Scheme("tcp"); ok {
		t.Errorf("Scheme(tcp) = %v, want none", s)
	}
}

func TestParseErrors(t *testing.T) {
	scheme := head + "[[scheme]]\nname = \"vsock\"\n"
	option := scheme + "[[scheme.option]]\nname = \"x\"\n"
	tests := []struct {
		name, text string
		want       string // a part of the error
	}{
		{"empty", "", "manifest = 0, want 1"},
		{"not TOML", "manifest = ", "transport manifest: toml:"},
		{"later format", "manifest = 2", "manifest = 2, want 1"},
		{"wrong type", "manifest = 1\nname = 5", "incompatible types"},
		{"bad name", "manifest = 1\nname = \"../x\"", "the name must match"},
		{"bad version", "manifest = 1\nname = \"x\"\nversion = \"v1\"", `version "v1" is not a semantic version`},
		{"no protocol", "manifest = 1\nname = \"x\"\nversion = \"1.0.0\"", "protocol must list at least one version"},
		{"no scheme", head, "it has no [[scheme]]"},
		{"unknown key", head + "colour = 1\n[[scheme]]\nname = \"x\"", "unknown key colour"},
		{"unknown key in a scheme", scheme + "addr = 'x'", "unknown key scheme.addr"},
		{"capital letter", head + "[[Scheme]]\nname = \"x\"", "unknown key Scheme: keys are lower case"},
		{"scheme twice", scheme + "[[scheme]]\nname = \"vsock\"", `scheme "vsock" is there twice`},
		{"bad scheme name", head + "[[scheme]]\nname = \"\"", "the name must match"},
		{"bad pattern", scheme + "address = '('", `scheme "vsock": address: error parsing regexp`},
		{"range of the whole", scheme + "address = '[0-9]+'\nrange = { \"\" = [1, 2] }", "range : the address pattern has no group"},
		{"range without group", scheme + "range = { port = [1, 2] }", "range port: the address pattern has no group"},
		{"range upside down", scheme + "address = '(?P<port>[0-9]+)'\nrange = { port = [2, 1] }", "range port: want [least, most]"},
		{"unknown domain", scheme + "shape = { domain = \"AF_IMAGINARY\" }", `unknown domain "AF_IMAGINARY"`},
		{"unknown type", scheme + "shape = { type = \"STREAM\" }", `unknown type "STREAM"`},
		{"example with ok and code", scheme + "example = [{ listen = \"x\", ok = true, code = \"X\" }]", `example "x": want either ok = true or a code`},
		{"option without type", option, `option "x": unknown type ""`},
		{"option twice", option + "type = \"int\"\n[[scheme.option]]\nname = \"x\"\ntype = \"int\"", `option "x" is there twice`},
		{"option with a bad name", scheme + "option = [{ name = \"X\", type = \"int\" }]", "the name must match"},
		{"min above max", option + "type = \"int\"\nmin = 2\nmax = 1", "min 2 is greater than max 1"},
		{"min of a string", option + "type = \"string\"\nmin = 2", "min: want an integer for the types int and bytes"},
		{"enum without values", option + "type = \"enum\"", "enum lists the values of the type enum"},
		{"values without enum", option + "type = \"int\"\nenum = [\"a\"]", "enum lists the values of the type enum"},
		{"pattern of an int", option + "type = \"int\"\npattern = 'x'", "pattern is for the types string and list"},
		{"bad pattern of an option", option + "type = \"string\"\npattern = '['", "pattern: error parsing regexp"},
		{"default of another type", option + "type = \"int\"\ndefault = \"5\"", "default: must be an integer, got a string"},
		{"default out of range", option + "type = \"int\"\nmax = 4\ndefault = 5", "default: must be an integer of at most 4, got 5"},
		{"too long", strings.Repeat("#", manifest.MaxSize+1), "want at most 65536"},
		{"deep nesting", "name = " + strings.Repeat("[", 60_000), "transport manifest: toml:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := manifest.Parse([]byte(tt.text))
			if err == nil {
				t.Fatalf("Parse = %v, want an error with %q", m, tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestCheckAddress(t *testing.T) {
	m, err := manifest.Parse([]byte(vsock))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, address, want string }{
		{"number", "3:1234", ""},
		{"word", "any:1234", ""},
		{"too large", "4294967296:1", "cid must be from 0 to 4294967295, got 4294967296"},
		{"too large for any integer", "99999999999999999999:1", "cid must be from 0 to 4294967295, got 99999999999999999999"},
		{"too small", "3:0", "port must be from 1 to 4294967295, got 0"},
		{"not the whole", "3:1234 ", "it does not match (?P<cid>[0-9]+|any):(?P<port>[0-9]{1,10})"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := m.Schemes[0].CheckAddress(tt.address); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("CheckAddress(%q) = %q, want %q", tt.address, got, tt.want)
			}
		})
	}
	if err := (&manifest.Scheme{}).CheckAddress("anything"); err != nil {
		t.Errorf("a scheme without a pattern: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(vsock))
	f.Add([]byte(head + "[[scheme]]\nname = \"x\"\n[[scheme.option]]\nname = \"o\"\ntype = \"mode\"\ndefault = \"0660\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := manifest.Parse(text)
		if err != nil {
			return
		}
		for _, s := range m.Schemes {
			for _, o := range s.Options {
				// What comes out of a default must pass on the other side.
				if o.Default == "" {
					continue
				}
				if err := o.CheckText(o.Default); err != nil {
					t.Errorf("default %q of %s: %v", o.Default, o.Name, err)
				}
			}
		}
	})
}
