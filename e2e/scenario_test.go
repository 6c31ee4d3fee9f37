package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan/cond"
)

const scenarioUnits = `
-- web.toml --
[[socket]]
name = "door"
type = "uds"
listen = "door.sock"
owner = "app"
lifecycle = "owned"
start-on = ["open"]
stop-on = ["closed"]
on-start = [{ state = "sign", payload = "come in" }]
on-stop = [{ state = "sign", payload = "come back" }]

[[service]]
name = "app"
run.exec = "$PROBE"
run.args = ["-id", "app"]
on-start = [{ state = "visitors", payload = { id = "today", busy = true } }]
on-stop = [{ state = "visitors", remove = true }]

[[socket]]
name = "link"
type = "uds"
listen = "link.sock"
start-on = ['state net(target/speed >= 100)']
stop-on = ['not state net']

[[service]]
name = "helper"
run.exec = "$PROBE"
run.args = ["-id", "helper"]
start-on = ["open", "net"]
stop-on = [{ signal = "rest", target = "now" }]
restart = { max_retries = 1 }

[[state]]
name = "open"
payload = "none"

[[state]]
name = "closed"
payload = "string"

[[state]]
name = "sign"
payload = "string"

[[state]]
name = "visitors"
payload = "json"

[[state]]
name = "net"
payload = "json"
branch = ["name"]

[[state]]
name = "ready"
payload = "none"
after = ["open", "net"]

[[signal]]
name = "rest"
payload = "string"
`

const scenarioText = `
scenario "the same in both"
  boot
  expect socket web@door inactive
  expect service web@app inactive

  set state web@open
  expect socket web@door listening
  expect state web@sign "come in"
  expect service web@helper inactive
  expect no state web@ready

  set state web@net { name: "eth0", speed: 10 }
  expect socket web@link inactive
  expect service web@helper active
  expect state web@ready

  set state web@net { name: "eth0", speed: 1000 }
  expect socket web@link listening
  expect state web@net { name: "eth0", speed: 1000 }

  access socket web@door
  expect service web@app active
  expect socket web@door held
  expect state web@visitors { id: "today", busy: true }

  exit service web@app signal SIGKILL
  expect socket web@door listening
  expect no state web@visitors

  emit signal web@rest "later"
  expect service web@helper active
  emit signal web@rest "now"
  expect service web@helper inactive

  set state web@net { name: "wlan0", speed: 1 }
  remove state web@net where (target/name == "eth0")
  expect socket web@link listening
  expect state web@net { name: "wlan0", speed: 1 }
  expect state web@ready
  remove state web@net
  expect socket web@link inactive
  expect no state web@net
  expect no state web@ready

  start service web@app
  expect service web@app active
  expect socket web@door held
  set state web@closed "for lunch"
  expect socket web@door inactive
  expect service web@app active
  expect state web@sign "come back"
  stop service web@app
  expect service web@app inactive
  start socket web@door
  expect socket web@door listening
`

// One scenario is run by rindc test, and again, statement by statement, by a
// daemon with real sockets and processes.
func TestS166ScenarioInBoth(t *testing.T) {
	t.Parallel()
	b := newBed(t, scenarioUnits)
	b.write("web.scenario", scenarioText)
	out, err := exec.CommandContext(t.Context(), program("rindc"), "test", b.file("units"), "--", b.file("web.scenario")).CombinedOutput()
	if err != nil {
		t.Fatalf("rindc test: %v\n%s", err, out)
	}
	b.compile()
	b.start("RIND_RECORD=" + b.file("record.jsonl"))
	statements, bad := grammar.ParseScenario(scenarioText)
	if len(bad) > 0 || len(statements) < 40 {
		t.Fatalf("%d statements: %v", len(statements), bad)
	}
	for _, s := range statements {
		b.play(&s)
	}
	b.stop(syscall.SIGTERM)

	// What the daemon did is what the engine does again.
	out, err = b.command(t.Context(), "replay", b.file("plan.json"), b.file("record.jsonl")).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "ok: ") {
		t.Errorf("rindrun replay: %v\n%s", err, out)
	}
}

// play does what a statement of a scenario says.
func (b *bed) play(s *grammar.Statement) {
	b.t.Helper()
	name := s.Unit.Text
	switch s.Verb {
	case "scenario", "boot":
	case "set state":
		b.do(append([]string{"set-state", name}, b.payload("state", name, s.Value)...)...)
	case "emit signal":
		b.do(append([]string{"emit", name}, b.payload("signal", name, s.Value)...)...)
	case "remove state":
		args := []string{"remove-state", name}
		if s.Guard != nil {
			filter, err := cond.Canonical(map[string]any{s.Guard.Pred.Path[0]: s.Guard.Pred.Lit})
			if err != nil {
				b.t.Fatal(err)
			}
			args = append(args, filter)
		}
		b.do(args...)
	case "access socket":
		if _, err := b.dial("unix", b.addr(name)); err != nil {
			b.t.Fatal(err)
		}
	case "exit service signal":
		for _, pid := range b.service(name).GetPids() {
			if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
				b.t.Fatal(err)
			}
		}
	case "start socket", "start service", "stop socket", "stop service":
		b.do(append(strings.Fields(s.Verb), name)...)
	case "expect socket":
		b.awaitSocket(name, s.Words[0].Text)
	case "expect service":
		b.awaitService(name, s.Words[0].Text)
	case "expect state":
		want := strings.Join(b.payload("state", name, s.Value), "")
		b.await(s.Verb+" "+name, func(st *controlv1.StatusResponse) bool {
			have := stateOf(st, name)
			return s.No != (slices.Contains(have, want) || s.Value == nil && len(have) > 0)
		})
	default:
		b.t.Fatalf("a daemon cannot play %q", s.Verb)
	}
}

// payload returns a value as the command line and the status have it.
func (b *bed) payload(kind, name string, value *grammar.Literal) []string {
	b.t.Helper()
	if value == nil {
		return nil
	}
	if text, ok := value.Tree.(string); ok {
		return []string{text}
	}
	text, err := cond.Canonical(value.Tree)
	if err != nil {
		b.t.Fatalf("%s %s: %v", kind, name, err)
	}
	return []string{text}
}
