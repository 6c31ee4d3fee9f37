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
	d := &daemon{opts: Options{}}
	named := func(names ...string) *plan.Plan {
		p := &plan.Plan{}
		for _, name := range names {
			p.Services = append(p.Services, plan.Service{Name: plan.Name(name)})
		}
		return p
	}
	p := &processes{runner: &runner{last: newLastLines()}, daemon: d, defs: map[plan.Name]*plan.Service{}}
	first := named("w@stays", "w@waits", "w@goes", "w@ends")
	p.define(first, nil)
	p.last.add("w@goes", 1, []byte("x"))
	next := named("w@stays", "w@waits", "w@comes")
	p.define(next, []plan.Name{"w@waits", "w@ends"})
	if diff := cmp.Diff([]plan.Name{"w@comes", "w@ends", "w@stays", "w@waits"}, slices.Sorted(maps.Keys(p.defs))); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
	if p.defs["w@waits"] != &first.Services[1] || p.defs["w@stays"] != &next.Services[0] {
		t.Error("a service that waits for its end has the new definition, or another one has the old one")
	}
	d.opts.Plan = next
	p.takeService("w@waits")
	p.takeService("w@ends")
	if diff := cmp.Diff([]plan.Name{"w@comes", "w@stays", "w@waits"}, slices.Sorted(maps.Keys(p.defs))); diff != "" || p.defs["w@waits"] != &next.Services[1] {
		t.Errorf("definitions when both are down (-want +got):\n%s", diff)
	}
	if len(p.last.of) != 0 {
		t.Error("lines of a service that is gone are kept")
	}
}
