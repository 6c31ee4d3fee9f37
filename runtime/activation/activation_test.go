package activation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// moment is an event with its effects, one second after the one before.
type moment struct {
	ev      flow.Event
	effects []flow.Effect
}

// seen is a change without what is the same in all tests.
type seen struct {
	Kind    Kind
	Sockets []plan.Name
	Since   []int // seconds
	PID     int
	Reason  string
}

func TestTracker(t *testing.T) {
	id := flow.ProcessID{Service: "t@svc", Incarnation: 1}
	spawn := flow.Spawn{Process: id, Sockets: []plan.Name{"t@a", "t@b"}}
	active := flow.Transition{Kind: "service", Name: "t@svc", To: "active"}
	begun := seen{Kind: Begun, Sockets: []plan.Name{"t@a"}, Since: []int{0}}
	tests := []struct {
		name    string
		moments []moment
		want    []seen
	}{
		{"ready at once", []moment{
			{flow.Accessed{Socket: "t@a"}, []flow.Effect{spawn}},
			{flow.ProcessStarted{Process: id, PID: 7}, []flow.Effect{active}},
			{flow.ProcessExited{Process: id}, nil},
		}, []seen{
			begun,
			{Kind: Started, Sockets: begun.Sockets, Since: begun.Since, PID: 7},
			{Kind: Ready, Sockets: begun.Sockets, Since: begun.Since},
		}},
		{"the first access of each socket counts", []moment{
			{flow.Accessed{Socket: "t@a"}, nil},
			{flow.Accessed{Socket: "t@b"}, nil},
			{flow.Accessed{Socket: "t@a"}, []flow.Effect{spawn}},
		}, []seen{{Kind: Begun, Sockets: []plan.Name{"t@a", "t@b"}, Since: []int{0, 1}}}},
		{"a start that nobody's access wanted", []moment{
			{flow.Boot{}, []flow.Effect{spawn}},
			{flow.ProcessStarted{Process: id}, []flow.Effect{active}},
		}, nil},
		{"no process", []moment{
			{flow.Accessed{Socket: "t@a"}, []flow.Effect{spawn}},
			{flow.ProcessFailed{Process: id, Reason: "no such file"}, nil},
		}, []seen{begun, {Kind: Failed, Sockets: begun.Sockets, Since: begun.Since, Reason: "no such file"}}},
		{"a crash before it is ready", []moment{
			{flow.Accessed{Socket: "t@a"}, []flow.Effect{spawn}},
			{flow.ProcessExited{Process: id, Status: flow.ExitStatus{Signal: "SIGSEGV"}}, nil},
		}, []seen{begun, {Kind: Failed, Sockets: begun.Sockets, Since: begun.Since, Reason: "it ended before it was ready: SIGSEGV"}}},
		{"an access that was looked after without a start is forgotten", []moment{
			{flow.Accessed{Socket: "t@a"}, nil},
			{flow.Inspected{Socket: "t@a"}, []flow.Effect{flow.Watch{Socket: "t@a"}}},
			{flow.Boot{}, []flow.Effect{spawn}},
		}, nil},
		{"a stop forgets an access", []moment{
			{flow.Accessed{Socket: "t@a"}, nil},
			{flow.StopSocket{Socket: "t@a"}, []flow.Effect{flow.Transition{Kind: "socket", Name: "t@a", To: "stopping"}}},
			{flow.Boot{}, []flow.Effect{spawn}},
		}, nil},
		{"a connection has a process of its own", []moment{
			{flow.Connected{Socket: "t@a", Connection: 3}, []flow.Effect{flow.Spawn{Process: id, Connection: 3}}},
			{flow.ProcessFailed{Process: id, Reason: "no"}, []flow.Effect{flow.Dismiss{Connection: 3}}},
		}, []seen{begun, {Kind: Failed, Sockets: begun.Sockets, Since: begun.Since, Reason: "no"}}},
		{"the state of another instance", []moment{
			{flow.Accessed{Socket: "t@a"}, []flow.Effect{spawn, flow.Transition{Kind: "service", Name: "t@svc", Instance: "x", To: "active"}}},
			{flow.ProcessFailed{Process: id}, nil},
		}, []seen{begun, {Kind: Failed, Sockets: begun.Sockets, Since: begun.Since}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tracker, now := NewTracker(), time.Unix(0, 0)
			var got []seen
			for _, m := range tt.moments {
				for _, c := range tracker.Step(m.ev, m.effects, now) {
					s := seen{Kind: c.Kind, Sockets: c.Sockets, PID: c.PID, Reason: c.Reason}
					for _, since := range c.Since {
						s.Since = append(s.Since, int(since.Unix()))
					}
					if !c.Begin().Equal(c.Since[0]) {
						t.Errorf("it begins at %v, want %v", c.Begin(), c.Since[0])
					}
					got = append(got, s)
				}
				now = now.Add(time.Second)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if n := tracker.Pending(); len(got) > 0 && got[len(got)-1].Kind >= Ready && n != 0 {
				t.Errorf("%d things are remembered of what is over", n)
			}
		})
	}
}
