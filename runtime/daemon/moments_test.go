package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
)

// What is kept is the last change of each unit, and nothing of what does not come
// again.
func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		m := newMoments(&plan.Plan{Sockets: []plan.Socket{{Name: "a@s"}, {Name: "a@gone"}}, Services: []plan.Service{{Name: "a@many"}}})
		move := func(kind string, name plan.Name, instance, to string) {
			m.Step(flow.Boot{}, []flow.Effect{flow.Exit{}, flow.Transition{Kind: kind, Name: name, Instance: instance, To: to}})
		}
		check := func(what string, u control.Unit, want time.Duration) {
			t.Helper()
			at := m.at(u)
			if want < 0 && !at.IsZero() || want >= 0 && at.Sub(begin) != want {
				t.Errorf("%s: %v is kept, want %v after the beginning; below zero: nothing", what, at, want)
			}
		}
		socket, gone := control.Unit{Kind: "socket", Name: "a@s"}, control.Unit{Kind: "socket", Name: "a@gone"}
		instance := control.Unit{Kind: "service", Name: "a@many", Instance: "1"}
		check("at first", socket, -1)
		move("socket", "a@s", "", "starting")
		move("socket", "a@gone", "", "listening")
		<-time.After(time.Second)
		move("socket", "a@s", "", "inactive")
		move("service", "a@many", "1", "active")
		check("a unit of the plan that is down", socket, time.Second)
		check("an instance", instance, time.Second)
		move("service", "a@many", "1", "failed")
		check("an instance that has ended", instance, -1)
		m.Step(flow.Reload{Plan: &plan.Plan{Sockets: []plan.Socket{{Name: "a@s"}}}}, []flow.Effect{
			flow.TakePlan{}, flow.Transition{Kind: "socket", Name: "a@gone", To: "stopping"},
		})
		check("what stays over a reload", socket, time.Second)
		check("what is gone, and still stops", gone, time.Second)
		move("socket", "a@gone", "", "inactive")
		check("what is gone", gone, -1)
		if len(m.since) != 1 {
			t.Errorf("%d moments are kept, want 1", len(m.since))
		}
	})
}
