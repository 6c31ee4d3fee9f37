// Package transporttest is the conformance kit for transport plugins. It runs a
// plugin as a host would, by docs/plugin-protocol.md alone, and looks at what
// comes back with the kernel's eyes. It works for plugins in any language.
package transporttest

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rind-sockets/rind/plugins/manifest"
	"github.com/rind-sockets/rind/plugins/transport"
	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// Plugin is what the kit needs to know of a plugin. The conformance of what it
// does not say is not checked, and reported as skipped.
type Plugin struct {
	// Path is the executable.
	Path string

	// Manifest is the plugin's manifest. Empty asks the plugin for it with
	// -rind-manifest.
	Manifest []byte

	// Binds are endpoints that this machine can bind again and again. At least
	// one is required; there should be one for every family of addresses.
	Binds []Bind

	// Many returns the i-th of any number of endpoints that can be bound at the
	// same time; the same i may return the same endpoint.
	Many func(i int) *transportv1.Endpoint

	// Options are values to try of those options for which the kit cannot make any:
	// strings and lists without a default. Those that the kernel refuses here are
	// as good.
	Options map[string][]string

	// Refusals are endpoints that the plugin must not bind.
	Refusals []Refusal
}

// Bind is an endpoint and what its socket must look like. Zero is not checked.
type Bind struct {
	Name                   string
	Endpoint               *transportv1.Endpoint
	Domain, Type, Protocol int
	ReusePort              bool // SO_REUSEPORT was asked for
	Shared                 bool // any number of sockets may be bound to it

	// Check looks at the bound socket, if it is not nil. The descriptor stays
	// the kit's.
	Check func(t *testing.T, fd int)
}

// Refusal is an endpoint that cannot be bound and the code that says so.
type Refusal struct {
	Name     string
	Endpoint *transportv1.Endpoint
	Code     transport.Code
}

// Run runs every check as a subtest of t. The subtests carry the numbers of
// docs/plugin-protocol.md, "Conformance".
func Run(t *testing.T, p Plugin) {
	t.Helper()
	if len(p.Binds) == 0 {
		t.Fatal("transporttest: the plugin has no Binds: name at least one endpoint that can be bound here")
	}
	k := kit{Plugin: p, manifest: readManifest(t, p)}
	t.Run("process", k.process)
	t.Run("contract", k.contract)
	t.Run("validate", k.validate)
	t.Run("bind", k.bind)
	t.Run("options", k.options)
	t.Run("batch", k.batch)
}

// Build builds the plugin in a Go package and returns the path of its
// executable, which lasts as long as the test.
func Build(t *testing.T, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return path
}

type kit struct {
	Plugin

	manifest *manifest.Manifest
}

func readManifest(t *testing.T, p Plugin) *manifest.Manifest {
	t.Helper()
	text := p.Manifest
	if len(text) == 0 {
		var err error
		if text, err = exec.CommandContext(t.Context(), p.Path, transport.ManifestFlag).Output(); err != nil {
			t.Fatalf("%s %s: %v", p.Path, transport.ManifestFlag, err)
		}
	}
	m, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// check is one numbered check on a plugin that was started for it.
type check struct {
	name string
	run  func(*session)
}

// each runs every check on a plugin of its own.
func (k *kit) each(t *testing.T, checks []check) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(k.start(t)) })
	}
}
