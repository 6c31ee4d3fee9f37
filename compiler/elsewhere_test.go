package compiler_test

import (
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plugins"
)

// TestOptionsElsewhere: an option that is written as a key of its socket is told where
// it belongs.
func TestOptionsElsewhere(t *testing.T) {
	kind, _ := unit.KindOf("socket")
	for _, m := range plugins.Builtin() {
		for _, s := range m.Schemes {
			for _, o := range s.Options {
				name, _, _ := strings.Cut(o.Name, ".")
				if want := "write `options." + name + "`"; kind.Elsewhere(name) != want {
					t.Errorf("the help for %q is %q, want %q", name, kind.Elsewhere(name), want)
				}
			}
		}
	}
}
