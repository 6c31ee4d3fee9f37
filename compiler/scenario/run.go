package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Result is what became of one scenario.
type Result struct {
	*Scenario

	Failures []Failure
	Trace    []Moment // every step that was taken
}

// Failure is something that is not as it was expected.
type Failure struct {
	Line    int
	Message string
}

// Moment is a step and what happened by it.
type Moment struct {
	Line     int
	Text     string // of the step
	Happened []Happening
}

// Happening is one thing that happened, and the unit that it is about, such as
// "socket web@http".
type Happening struct{ Text, Unit string }

// Failed reports whether anything was not as expected.
func (r *Result) Failed() bool { return len(r.Failures) > 0 }

// Run runs a scenario. It ends at the first expectations that are not met.
func Run(p *plan.Plan, s *Scenario, cover *Coverage) Result {
	r := runner{world: newWorld(p, cover), result: Result{Scenario: s}}
	r.run()
	return r.result
}

// runner runs one scenario.
type runner struct {
	*world

	result   Result
	booted   bool
	expected bool // the last step was an expectation: what happened is forgotten with the next
	shown    int  // of what happened, in the trace
}

func (r *runner) run() {
	s := r.result.Scenario
	for i := range s.given {
		st := &s.given[i]
		if st.Verb != "given state" {
			r.conduct(st)
		} else if err := r.request(r.setState(st)); err != nil {
			r.fail(st, "%v", err)
			return
		}
	}
	r.happened = nil
	for i := range s.steps {
		st := &s.steps[i]
		switch {
		case st.expects():
			r.boot()
			r.expect(st)
			r.expected = true
			continue
		case r.expected && r.result.Failed():
			return // everything that was expected at one time has been looked at
		case st.acts():
			if !r.settle(st.line) {
				return
			}
		}
		if err := r.take(st); err != nil {
			r.fail(st, "%v", err)
			return
		}
	}
	if !r.result.Failed() {
		r.settle(s.Line)
	}
}

// boot starts the plan, if that has not been done.
func (r *runner) boot() {
	if r.booted {
		return
	}
	r.booted = true
	if err := r.apply(flow.Boot{}); err != nil {
		r.result.Failures = append(r.result.Failures, Failure{r.result.Line, err.Error()})
	}
	r.trace(r.result.Line, "the plan starts")
}

// settle forgets what happened, unless something did that has to be expected.
func (r *runner) settle(line int) bool {
	for _, h := range r.happened {
		if !h.expected && (h.what == denied || h.what == refused) {
			r.result.Failures = append(r.result.Failures, Failure{line, "before this, somebody was " + h.text})
			return false
		}
	}
	r.happened, r.shown, r.expected = nil, 0, false
	return true
}

func (r *runner) fail(st *step, format string, args ...any) {
	r.result.Failures = append(r.result.Failures, Failure{st.line, fmt.Sprintf(format, args...)})
}

// trace adds a step and what has happened since the last one.
func (r *runner) trace(line int, text string) {
	m := Moment{Line: line, Text: text}
	for _, h := range r.happened[r.shown:] {
		m.Happened = append(m.Happened, Happening{h.text, h.unit})
	}
	r.shown = len(r.happened)
	r.result.Trace = append(r.result.Trace, m)
}

// take takes a step that is no expectation.
func (r *runner) take(st *step) error {
	if st.acts() && st.Verb != "boot" && !r.booted {
		r.boot()
		r.happened, r.shown = nil, 0 // nobody asked what it does
	}
	err := r.act(st)
	if st.acts() {
		r.trace(st.line, r.result.text(*st))
	}
	return err
}

func (r *runner) act(st *step) error {
	switch st.Verb {
	case "boot":
		if r.booted {
			return fmt.Errorf("the plan has started already")
		}
		r.booted = true
		return r.apply(flow.Boot{})
	case "set state":
		return r.request(r.setState(st))
	case "remove state":
		return r.request(flow.RemoveState{State: st.name, Filter: st.guard, From: request})
	case "emit signal":
		return r.request(flow.EmitSignal{Signal: st.name, Value: *st.value, From: request})
	case "access socket":
		return r.access(*st, st.peer())
	case "start socket":
		return r.apply(flow.StartSocket{Socket: st.name, From: request})
	case "stop socket":
		return r.apply(flow.StopSocket{Socket: st.name, From: request})
	case "start service":
		return r.apply(flow.StartService{Service: st.name, From: request})
	case "stop service":
		return r.apply(flow.StopService{Service: st.name, From: request})
	case "exit service", "exit service signal":
		return r.exit(st)
	case "ready service":
		return r.ready(st)
	case "wait":
		return r.pass(st.wait())
	case "shutdown":
		return r.apply(flow.Shutdown{Cause: "shutdown"})
	}
	r.conduct(st)
	return nil
}

// request is who asks for what a scenario does.
var request = flow.Request{ID: 1, By: "the scenario"}

// request applies an event whose refusal is a mistake of the scenario.
func (r *runner) request(ev flow.Event) error {
	before := len(r.happened)
	if err := r.apply(ev); err != nil {
		return err
	}
	for _, h := range r.happened[before:] {
		if h.what == answered {
			return fmt.Errorf("%s", strings.TrimPrefix(h.text, "answer: "))
		}
	}
	return nil
}

func (r *runner) setState(st *step) flow.Event {
	return flow.SetState{State: st.name, Value: *st.value, From: request}
}

func (r *runner) exit(st *step) error {
	var status flow.ExitStatus
	switch {
	case st.Verb == "exit service signal":
		status.Signal = st.Words[0].Text
	case len(st.Words) > 0:
		n, err := strconv.Atoi(st.Words[0].Text)
		if err != nil {
			return err
		}
		status.Code = n
	}
	running := r.running(st.name)
	if len(running) == 0 {
		return fmt.Errorf("service %s does not run, so it cannot exit", st.name)
	}
	for _, id := range running {
		r.end(id, status)
	}
	return r.rest()
}

func (r *runner) ready(st *step) error {
	running := r.running(st.name)
	if len(running) == 0 {
		return fmt.Errorf("service %s does not run, so it cannot say that it is ready", st.name)
	}
	for _, id := range running {
		r.later(flow.Notified{Process: id, Notice: flow.Notice{Ready: true}})
	}
	return r.rest()
}

// conduct changes how the world behaves from now on.
func (r *runner) conduct(st *step) {
	switch st.Verb {
	case "socket can open":
		delete(r.cannotOpen, st.name)
	case "socket cannot open":
		r.cannotOpen[st.name] = st.Text
	case "service can start":
		delete(r.cannotStart, st.name)
	case "service cannot start":
		r.cannotStart[st.name] = st.Text
	case "service is silent":
		r.silent[st.name] = true
	case "service ignores":
		if r.ignored[st.name] == nil {
			r.ignored[st.name] = map[string]bool{}
		}
		r.ignored[st.name][st.Words[0].Text] = true
	case "service heeds":
		delete(r.ignored[st.name], st.Words[0].Text)
	case "program prints":
		delete(r.fails, st.Text)
		r.prints[st.Text] = st.Args[0]
	case "program fails":
		r.fails[st.Text] = st.Args[0]
	}
}

// expect compares what is, or has happened since the last expectations, with
// what should.
func (r *runner) expect(st *step) {
	unit := st.kindOf() + " " + string(st.name)
	switch st.Verb {
	case "expect socket", "expect service", "expect timer":
		r.mark(func(h *happening) bool { return h.what == changed && h.unit == unit })
		if is := r.status(unit); is != st.Words[0].Text {
			r.fail(st, "%s is %s, not %s", unit, is, st.Words[0].Text)
		}
	case "expect state":
		r.mark(func(h *happening) bool { return h.what == fact && h.unit == unit })
		r.expectState(st, unit)
	case "expect signal":
		n := r.mark(func(h *happening) bool { return h.what == emitted && h.unit == unit && st.matches(h.value) })
		switch {
		case st.No && n > 0:
			r.fail(st, "%s was emitted", unit)
		case !st.No && n == 0:
			r.fail(st, "%s was not emitted%s", unit, withThat(st))
		}
	case "expect denied":
		r.must(st, r.mark(func(h *happening) bool { return h.what == denied && h.unit == unit }), "nobody was denied access to "+unit)
	case "expect refused":
		r.must(st, r.mark(func(h *happening) bool { return h.what == refused && h.unit == unit }), "no access to "+unit+" was refused")
	case "expect run":
		n := r.mark(func(h *happening) bool { return h.what == ran && runs(h.argv, st.Args) })
		r.must(st, n, "nothing ran "+quoteAll(st.Args))
	case "expect problem":
		n := r.mark(func(h *happening) bool {
			return (h.what == problem || h.what == answered) && strings.Contains(h.text, st.Text)
		})
		r.must(st, n, "there was no problem with "+strconv.Quote(st.Text))
	case "expect nothing", "expect nothing else":
		r.expectNothing(st)
	}
}

// mark marks what happened as expected, and returns how much it was.
func (r *runner) mark(is func(*happening) bool) int {
	n := 0
	for i := range r.happened {
		if h := &r.happened[i]; is(h) {
			h.expected = true
			n++
		}
	}
	return n
}

func (r *runner) must(st *step, n int, otherwise string) {
	if n == 0 {
		r.fail(st, "%s", otherwise)
	}
}

// runs reports whether a program was run as it is expected: with these first
// arguments, or as this line of the shell.
func runs(argv, want []string) bool {
	if len(want) == 1 && len(argv) == 3 && argv[1] == "-c" && argv[2] == want[0] {
		return true
	}
	return len(argv) >= len(want) && slices.Equal(argv[:len(want)], want)
}

func withThat(st *step) string {
	if st.Value == nil && st.guard == nil {
		return ""
	}
	return " with that payload"
}

// matches reports whether a payload is the one that a step wants.
func (st *step) matches(v cond.Value) bool {
	if st.guard != nil {
		return st.guard.Match(v, nil)
	}
	return st.value == nil || v.Equal(*st.value)
}

func (r *runner) expectState(st *step, unit string) {
	var have []string
	found := false
	for _, s := range r.engine.Snapshot().States {
		if s.Name != st.name {
			continue
		}
		for _, v := range s.Branches {
			found = found || st.matches(v)
			have = append(have, strings.TrimSpace(payloadText(v)))
		}
	}
	is := "not set"
	if len(have) > 0 {
		is = strings.TrimSpace("set " + strings.Join(have, ", "))
	}
	if found == st.No {
		r.fail(st, "%s is %s", unit, is)
	}
}

func (r *runner) expectNothing(st *step) {
	for _, h := range r.happened {
		if !h.expected {
			r.fail(st, "not expected: %s", h.text)
		}
	}
}

// status returns the state of a unit as the status of the daemon shows it.
func (r *runner) status(unit string) string {
	kind, name, _ := strings.Cut(unit, " ")
	snap := r.engine.Snapshot()
	switch kind {
	case "socket":
		for _, s := range snap.Sockets {
			if string(s.Def.Name) == name {
				return string(s.State)
			}
		}
	case "service":
		for _, s := range snap.Services {
			if string(s.Def.Name) == name {
				return string(s.State)
			}
		}
	case "timer":
		for _, s := range snap.Timers {
			if string(s.Def.Name) == name {
				return string(s.State)
			}
		}
	}
	return "not there"
}
