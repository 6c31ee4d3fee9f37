package daemon

import (
	"sync"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
)

// moments knows since when each unit is in its state. The engine cannot: it sees no
// clock. Step is called on the loop's goroutine, since on any.
type moments struct {
	mu    sync.Mutex
	since map[control.Unit]time.Time
	plan  map[plan.Name]bool // names of the units that are in the plan
}

func newMoments(p *plan.Plan) *moments {
	return &moments{since: map[control.Unit]time.Time{}, plan: unitNames(p)}
}

// Step implements [loop.Recorder].
func (m *moments) Step(ev flow.Event, effects []flow.Effect) {
	for _, f := range effects {
		if t, ok := f.(flow.Transition); ok {
			m.note(control.Unit{Kind: t.Kind, Name: t.Name, Instance: t.Instance}, t.To)
			continue
		}
		r, reload := ev.(flow.Reload)
		if _, ok := f.(flow.TakePlan); ok && reload {
			m.take(r.Plan)
		}
	}
}

// note keeps the moment, unless it is that of the end of something that may not come
// again, an instance or what the plan does not have: what is kept must not grow with
// time.
func (m *moments) note(u control.Unit, state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := state == string(flow.ServiceInactive) || state == string(flow.ServiceFailed)
	if over && (u.Instance != "" || !m.plan[u.Name]) {
		delete(m.since, u)
		return
	}
	m.since[u] = time.Now()
}

// take forgets the units that another plan does not have. Those of them that still
// have to be stopped are noted once more.
func (m *moments) take(p *plan.Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan = unitNames(p)
	for u := range m.since {
		if !m.plan[u.Name] {
			delete(m.since, u)
		}
	}
}

// at returns when a unit came into its state, the zero time if it has never been in
// another one.
func (m *moments) at(u control.Unit) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.since[u]
}

func unitNames(p *plan.Plan) map[plan.Name]bool {
	names := map[plan.Name]bool{}
	for i := range p.Sockets {
		names[p.Sockets[i].Name] = true
	}
	for i := range p.Services {
		names[p.Services[i].Name] = true
	}
	for i := range p.Timers {
		names[p.Timers[i].Name] = true
	}
	return names
}
