package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// TestRoom shows that whoever makes a trigger set a state, any number of times,
// cannot make the daemon keep more than so much.
func TestRoom(t *testing.T) {
	e := flow.New(parsePlan(t, "state w@doc json impermanent\nstate w@text string impermanent\nsignal w@said string\n"), flow.Config{})
	e.Step(flow.Boot{})
	reply := func(ev flow.Event) string {
		t.Helper()
		for _, f := range e.Step(ev) {
			if r, ok := f.(flow.Reply); ok {
				return r.Message
			}
		}
		t.Fatalf("%T has no answer", ev)
		return ""
	}
	set := func(id int, text string) string {
		t.Helper()
		v, err := cond.JSONValue(map[string]any{"id": fmt.Sprint(id), "text": text})
		if err != nil {
			t.Fatal(err)
		}
		return reply(flow.SetState{State: "w@doc", Value: v, From: flow.Request{ID: 1}})
	}
	const mebi = 1 << 20
	long := cond.StringValue(strings.Repeat("x", mebi+1))
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("the answer is %q, want %q", got, want)
		}
	}
	check(reply(flow.SetState{State: "w@text", Value: long, From: flow.Request{ID: 1}}), "state w@text: the payload has 1048577 bytes, at most 1048576 are allowed")
	check(reply(flow.EmitSignal{Signal: "w@said", Value: long, From: flow.Request{ID: 1}}), "signal w@said: the payload has 1048577 bytes, at most 1048576 are allowed")
	check(set(0, long.Text()), "state w@doc: the payload has 1048597 bytes, at most 1048576 are allowed")

	// Bytes: 64 of almost 1 MiB each, then one that is only replaced.
	big := strings.Repeat("x", mebi-100)
	for i := range 64 {
		check(set(i, big), "set")
	}
	check(set(64, big), "state w@doc: its branches would have 68152295 bytes, at most 67108864 are allowed: remove some")
	check(set(63, big+"y"), "set")
	check(set(65, ""), "set")
	check(reply(flow.RemoveState{State: "w@doc", From: flow.Request{ID: 1}}), "removed")

	// Branches.
	name := func(i int) string {
		return reply(flow.SetState{State: flow.ActiveState, Value: cond.StringValue(fmt.Sprint("w@", i)), From: flow.Request{ID: 1}})
	}
	for i := range 100_000 {
		if got := name(i); got != "set" {
			t.Fatalf("branch %d: %s", i, got)
		}
	}
	check(name(100_000), "state rind@active: it has 100000 branches already, and no more are allowed: remove some")
	check(reply(flow.RemoveState{State: flow.ActiveState, From: flow.Request{ID: 1}}), "removed")
	check(name(100_000), "set")
}
