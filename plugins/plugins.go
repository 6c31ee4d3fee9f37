// Package plugins has the manifests of the transports that come with every
// release, so that the compiler knows them without running anything.
package plugins

import (
	_ "embed"
	"sync"

	"github.com/rind-sockets/rind/plugins/manifest"
)

//go:embed tcp/tcp.rindplugin.toml
var tcp []byte

//go:embed udp/udp.rindplugin.toml
var udp []byte

//go:embed uds/uds.rindplugin.toml
var uds []byte

// Builtin returns the manifests of tcp, udp and uds, in this order. They are
// shared and read-only.
func Builtin() []*manifest.Manifest { return builtin() }

var builtin = sync.OnceValue(func() []*manifest.Manifest {
	var all []*manifest.Manifest
	for _, text := range [][]byte{tcp, udp, uds} {
		m, err := manifest.Parse(text)
		if err != nil {
			panic(err) // the texts are part of this program; a test parses them
		}
		all = append(all, m)
	}
	return all
})
