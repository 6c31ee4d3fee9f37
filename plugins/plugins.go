// Package plugins has the manifests of the transports that come with every
// release, so that the compiler knows them without running anything.
package plugins

import (
	"sync"

	"github.com/rind-sockets/rind/plugins/manifest"
)

// Builtin returns the manifests of tcp, udp and uds, in this order. They are
// shared and read-only.
func Builtin() []*manifest.Manifest { return ready() }

// The manifests are part of the program as values, not as text: to parse them takes
// as long as to compile a hundred units.
var ready = sync.OnceValue(func() []*manifest.Manifest {
	all := builtin()
	for _, m := range all {
		m.Ready()
	}
	return all
})
