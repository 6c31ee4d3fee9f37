package plugins_test

import (
	"slices"
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
	// SPEC §2.3.
	every := []string{"backlog", "receive-buffer", "send-buffer", "priority", "mark", "timestamping"}
	inet := []string{"v6only", "freebind", "transparent", "reuse-port", "bind-device", "tos", "traffic-class", "ttl"}
	want := map[string][]string{
		"tcp": slices.Concat(every, inet, []string{
			"keepalive.time", "keepalive.interval", "keepalive.probes", "no-delay", "defer-accept", "fast-open",
			"user-timeout", "congestion", "mptcp",
		}),
		"udp": slices.Concat(every, inet, []string{"broadcast", "multicast", "packet-info"}),
		"uds": slices.Concat(every, []string{
			"kind", "mode", "user", "group", "dir-mode", "dir-user", "dir-group", "symlinks", "pass-credentials",
			"pass-security", "remove-on-stop",
		}),
	}
	for _, list := range []map[string][]string{want, got} {
		for _, names := range list {
			slices.Sort(names)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
