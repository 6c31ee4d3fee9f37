package plugins_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plugins"
)

func TestBuiltin(t *testing.T) {
	got := map[string][]string{}
	for _, m := range plugins.Builtin() {
		for _, s := range m.Schemes {
			if s.Name != m.Name {
				t.Errorf("the manifest of %s has a scheme %s", m.Name, s.Name)
			}
			for _, o := range s.Options {
				got[s.Name] = append(got[s.Name], o.Name)
				if o.Doc == "" {
					t.Errorf("%s: option %s has no doc", s.Name, o.Name)
				}
			}
			for _, e := range s.Examples {
				// What only the plugin knows, it may refuse; what it takes, the
				// pattern must let through.
				if err := s.CheckAddress(e.Listen); e.OK && err != nil {
					t.Errorf("%s: example %q: %v", s.Name, e.Listen, err)
				}
			}
		}
	}
	want := map[string][]string{
		"tcp": {"backlog", "v6only", "freebind", "reuse-port"},
		"udp": {"v6only", "freebind", "reuse-port"},
		"uds": {"backlog", "kind", "mode", "user", "group", "dir-mode", "remove-on-stop"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
