package daemon

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
)

// What a reload leaves behind must not grow with the number of reloads.
func TestDefinitionsOfAReload(t *testing.T) {
	named := func(names ...string) *plan.Plan {
		p := &plan.Plan{}
		for _, name := range names {
			p.Services = append(p.Services, plan.Service{Name: plan.Name(name)})
		}
		return p
	}
	p := &processes{runner: &runner{last: newLastLines()}, defs: map[plan.Name]*plan.Service{}}
	first := named("w@stays", "w@waits", "w@goes")
	p.define(first, nil)
	p.last.add("w@goes", 1, []byte("x"))
	next := named("w@stays", "w@waits", "w@comes")
	p.define(next, []plan.Name{"w@waits"})
	if diff := cmp.Diff([]plan.Name{"w@comes", "w@stays", "w@waits"}, slices.Sorted(maps.Keys(p.defs))); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
	if p.defs["w@waits"] != &first.Services[1] || p.defs["w@stays"] != &next.Services[0] {
		t.Error("a service that waits for its end has the new definition, or another one has the old one")
	}
	if len(p.last.of) != 0 {
		t.Error("lines of a service that is gone are kept")
	}
}
