package check

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var _ = register(Rule{
	Code:     "A4108",
	Severity: diag.Error,
	Title:    "transport that the lock file lacks",
	Text: `The transports tcp, udp and uds come with every release. Another one is a plugin, and is only known when it
is locked: rindc never runs a plugin, so what it knows of one is the manifest in the lock file rind.lock.toml, and
rindrun starts only the executables whose checksums are there. Write it with rindc plugins lock and the directory in
which the plugin and its manifest are, for every platform that the plan is to run on.`,
	Example: `
[[socket]]
name = "vm"
type = "vsock"
listen = "any:1234"
`,
	Right: `
[[socket]]
name = "vm"
type = "tcp"
listen = "127.0.0.1:1234"
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			if s.Scheme != nil || !p.looksLocked(s.Unit.Type.Value) {
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("socket %q has the type %q, which the lock file lacks", s.Name, s.Unit.Type.Value),
				At:      s.Unit.Type.At,
				Help: "lock the plugin with `rindc plugins lock DIRECTORY`, where the directory has rind-transport-" +
					s.Unit.Type.Value + " and its manifest; known types are " + strings.Join(p.Types(), ", "),
			})
		}
	},
})

// looksLocked reports whether an unknown type can only be meant as the name of a
// plugin, and not as a type that is known.
func (p *Program) looksLocked(name string) bool {
	if !manifest.IsName(name) {
		return false
	}
	_, other := otherTypes[name]
	_, near := diag.Nearest(name, p.Types())
	return !other && !near
}
