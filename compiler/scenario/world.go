package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// maxEvents bounds what follows from one step: units that keep starting each
// other never come to rest.
const maxEvents = 20_000

// world is everything around the engine. Unless a scenario says otherwise,
// sockets open, processes start, take who waits, say that they are ready, and
// end when they are asked to, all at once.
type world struct {
	plan   *plan.Plan
	engine *flow.Engine

	now     time.Duration
	timers  map[flow.TimerID]alarm
	armed   int // how many times: of two that are due, the one that was armed first fires first
	events  []flow.Event
	lastPID int

	sockets   map[plan.Name]*listener
	processes map[flow.ProcessID]*plan.Service
	queued    uint64 // connections so far

	cannotOpen  map[plan.Name]string
	cannotStart map[plan.Name]string
	ignored     map[plan.Name]map[string]bool // signals
	silent      map[plan.Name]bool
	prints      map[string]string
	fails       map[string]string

	happened []happening
}

// alarm is a timer that runs.
type alarm struct {
	at    time.Duration
	order int
}

// listener is a socket that is open.
type listener struct {
	def     *plan.Socket
	open    bool
	watched bool
	each    bool // every arrival is reported
	waiting []connection
}

type connection struct {
	id     uint64
	access flow.Access
}

// happening is one thing that happened, as an expectation may want it.
type happening struct {
	what     kind
	unit     string // "socket web@http": what it is about, for its place in the unit files
	name     plan.Name
	text     string
	argv     []string
	value    cond.Value
	removed  bool
	expected bool
}

// kind is the kind of a happening.
type kind uint8

const (
	changed  kind = iota // a socket, service or timer is in another state
	fact                 // a state was set or removed
	emitted              // a signal
	denied               // an access
	refused              // an access to a socket that is not open
	ran                  // a program
	problem              // what the daemon would log as a warning
	answered             // a command that failed
)

func newWorld(p *plan.Plan, cover *Coverage) *world {
	w := &world{
		plan:   p,
		engine: flow.New(p, flow.Config{Announce: true, Observe: cover.observer()}),
		timers: map[flow.TimerID]alarm{}, lastPID: 999,
		sockets: map[plan.Name]*listener{}, processes: map[flow.ProcessID]*plan.Service{},
		cannotOpen: map[plan.Name]string{}, cannotStart: map[plan.Name]string{},
		ignored: map[plan.Name]map[string]bool{}, silent: map[plan.Name]bool{},
		prints: map[string]string{}, fails: map[string]string{},
	}
	for i := range p.Sockets {
		w.sockets[p.Sockets[i].Name] = &listener{def: &p.Sockets[i]}
	}
	return w
}

// apply applies an event and everything that follows from it.
func (w *world) apply(ev flow.Event) error {
	w.events = append(w.events, ev)
	for n := 0; len(w.events) > 0; n++ {
		if n == maxEvents {
			return fmt.Errorf("the units never come to rest: %d events follow from this step", maxEvents)
		}
		ev := w.events[0]
		w.events = w.events[1:]
		for _, f := range w.engine.Step(ev) {
			w.carryOut(f)
		}
	}
	w.events = nil
	return nil
}

// pass lets time pass: the timers that are due fire, each at its time.
func (w *world) pass(d time.Duration) error {
	end := w.now + d
	for n := 0; ; n++ {
		id, next, ok := w.nextTimer()
		if !ok || next.at > end {
			break
		}
		if n == maxEvents {
			return fmt.Errorf("more than %d timers fire in %v", maxEvents, d)
		}
		w.now = next.at
		delete(w.timers, id)
		if err := w.apply(flow.TimerFired{Timer: id}); err != nil {
			return err
		}
	}
	w.now = end
	return nil
}

func (w *world) nextTimer() (id flow.TimerID, next alarm, ok bool) {
	for candidate, a := range w.timers {
		if !ok || cmp.Or(cmp.Compare(a.at, next.at), cmp.Compare(a.order, next.order)) < 0 {
			id, next, ok = candidate, a, true
		}
	}
	return id, next, ok
}

func (w *world) later(ev flow.Event) { w.events = append(w.events, ev) }

func (w *world) note(h happening) { w.happened = append(w.happened, h) }

// carryOut does what the engine wants, and answers.
func (w *world) carryOut(f flow.Effect) {
	switch f := f.(type) {
	case flow.OpenSocket:
		w.open(f.Socket)
	case flow.CloseSocket:
		w.sockets[f.Socket].close()
		w.later(flow.Closed(f))
	case flow.Watch:
		s := w.sockets[f.Socket]
		s.watched, s.each = true, f.EachArrival
		w.look(s)
	case flow.Unwatch:
		w.sockets[f.Socket].watched = false
	case flow.Inspect:
		w.later(flow.Inspected{Socket: f.Socket, Waiting: w.sockets[f.Socket].ids()})
	case flow.Screen: // access has turned the others away
		w.later(flow.Screened{Socket: f.Socket, Admitted: len(w.sockets[f.Socket].waiting)})
	case flow.Serve:
		w.serve(w.sockets[f.Socket])
	case flow.Accept:
		w.accept(w.sockets[f.Socket], f.Most)
	case flow.Flush:
		w.sockets[f.Socket].waiting = nil
		w.later(flow.Flushed(f))
	case flow.Spawn:
		w.spawn(f)
	case flow.Kill:
		w.kill(f)
	case flow.RunCommand:
		w.note(happening{what: ran, argv: f.Argv, text: "run " + quoteAll(f.Argv) + " (" + f.Cause + ")"})
	case flow.Evaluate:
		w.evaluate(f)
	case flow.ArmTimer:
		w.armed++
		w.timers[f.Timer] = alarm{at: w.now + f.D, order: w.armed}
	case flow.CancelTimer:
		delete(w.timers, f.Timer)
	case flow.Reply:
		if f.Outcome == flow.Failed || f.Outcome == flow.Unknown {
			w.note(happening{what: answered, text: "answer: " + f.Message})
		}
	case flow.Transition:
		w.transition(f)
	case flow.Announce:
		w.announce(f)
	case flow.Report:
		w.note(happening{what: problem, text: "problem: " + strings.Join(slices.DeleteFunc([]string{f.Message, f.Name, f.Detail}, isEmpty), ": ")})
	case flow.Dismiss, flow.Persist, flow.Exit, flow.TakePlan, flow.TakeService: // no scenario reloads
	}
}

func isEmpty(s string) bool { return s == "" }

func (w *world) open(name plan.Name) {
	s := w.sockets[name]
	if reason, cannot := w.cannotOpen[name]; cannot {
		w.later(flow.OpenFailed{Socket: name, Reason: cmp.Or(reason, "it cannot be opened")})
		return
	}
	s.open = true
	w.later(flow.Opened{Socket: name, Addresses: []string{s.def.Listen}})
}

// close resets whoever waits.
func (s *listener) close() { *s = listener{def: s.def} }

func (s *listener) ids() []uint64 {
	ids := make([]uint64, len(s.waiting))
	for i, c := range s.waiting {
		ids[i] = c.id
	}
	return ids
}

// look reports an access, if somebody waits and it is looked at.
func (w *world) look(s *listener) {
	if s.watched && len(s.waiting) > 0 {
		s.watched = s.each
		w.later(flow.Accessed{Socket: s.def.Name})
	}
}

// serve hands over who waits at a socket without owner.
func (w *world) serve(s *listener) {
	for _, c := range s.waiting {
		w.later(flow.Arrived{Socket: s.def.Name, Access: c.access})
	}
	s.waiting = nil
	w.later(flow.Served{Socket: s.def.Name})
}

// accept takes some of those who wait at a socket whose owner gets each of them.
func (w *world) accept(s *listener, most int) {
	n := min(most, len(s.waiting))
	for _, c := range s.waiting[:n] {
		source := ""
		if c.access.UID >= 0 {
			source = "uid " + strconv.Itoa(c.access.UID)
		}
		w.later(flow.Connected{Socket: s.def.Name, Connection: c.id, Source: source, Access: c.access})
	}
	s.waiting = s.waiting[n:]
	w.later(flow.Served{Socket: s.def.Name})
}

// access is somebody who connects, or sends a datagram.
func (w *world) access(st step, who plan.Peer) error {
	s := w.sockets[st.name]
	unit := "socket " + string(st.name)
	switch {
	case !s.open:
		w.note(happening{what: refused, unit: unit, name: st.name, text: "refused " + unit + ": it is not open"})
		return nil
	case !w.plan.Allows(s.def.Permissions, who):
		w.note(happening{what: denied, unit: unit, name: st.name, text: fmt.Sprintf("denied %s: %s has none of its permissions", unit, describe(who))})
		return nil
	}
	w.queued++
	from, data := st.Args[0], st.Args[1]
	access := flow.Access{Local: s.def.Listen, Remote: from, UID: -1, GID: -1, PID: -1, Data: []byte(data)}
	if st.As != nil && who.UID != nobody {
		access.UID = int(who.UID)
	}
	s.waiting = append(s.waiting, connection{w.queued, access})
	if owner := w.ownerRuns(s.def); owner && !s.def.Accept {
		s.waiting = nil // it takes everybody at once
		return nil
	}
	w.look(s)
	return w.rest()
}

// rest applies what is on its way.
func (w *world) rest() error {
	if len(w.events) == 0 {
		return nil
	}
	ev := w.events[0]
	w.events = w.events[1:]
	return w.apply(ev)
}

func describe(who plan.Peer) string {
	if who.User != "" {
		return "user " + who.User
	}
	return "uid " + strconv.FormatUint(uint64(who.UID), 10)
}

func (w *world) ownerRuns(s *plan.Socket) bool {
	for id := range w.processes {
		if id.Service == s.Owner && s.Owner != "" {
			return true
		}
	}
	return false
}

func (w *world) service(name plan.Name) *plan.Service {
	i := slices.IndexFunc(w.plan.Services, func(s plan.Service) bool { return s.Name == name })
	return &w.plan.Services[i]
}

func (w *world) spawn(f flow.Spawn) {
	name := f.Process.Service
	if reason, cannot := w.cannotStart[name]; cannot {
		w.later(flow.ProcessFailed{Process: f.Process, Reason: cmp.Or(reason, "it cannot be started")})
		return
	}
	def := w.service(name)
	w.processes[f.Process] = def
	w.lastPID++
	w.later(flow.ProcessStarted{Process: f.Process, PID: w.lastPID})
	for _, s := range f.Sockets {
		w.sockets[s].waiting = nil
	}
	if def.Notify && !w.silent[name] {
		w.later(flow.Notified{Process: f.Process, Notice: flow.Notice{Ready: true}})
	}
}

func (w *world) kill(f flow.Kill) {
	if _, runs := w.processes[f.Process]; !runs || w.ignored[f.Process.Service][f.Signal] {
		return
	}
	w.end(f.Process, flow.ExitStatus{Signal: f.Signal})
}

func (w *world) end(id flow.ProcessID, status flow.ExitStatus) {
	delete(w.processes, id)
	w.later(flow.ProcessExited{Process: id, Status: status})
}

// running returns the processes of a service in the order in which they began.
func (w *world) running(name plan.Name) []flow.ProcessID {
	var ids []flow.ProcessID
	for id := range w.processes {
		if id.Service == name {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b flow.ProcessID) int { return cmp.Compare(a.Incarnation, b.Incarnation) })
	return ids
}

func (w *world) evaluate(f flow.Evaluate) {
	ev := flow.Evaluated{Eval: f.Eval, Output: []byte(w.prints[f.Exec])}
	if reason, fails := w.fails[f.Exec]; fails {
		ev = flow.Evaluated{Eval: f.Eval, Reason: reason}
	} else if _, known := w.prints[f.Exec]; !known {
		ev.Reason = fmt.Sprintf("the scenario does not say what it prints: write `program %q prints \"…\"`", f.Exec)
	}
	w.note(happening{what: ran, argv: append([]string{f.Exec}, f.Args...), text: "run " + quoteAll(append([]string{f.Exec}, f.Args...)) + " (" + f.Cause + ")"})
	w.later(ev)
}

func (w *world) transition(f flow.Transition) {
	name := string(f.Name)
	if f.Instance != "" {
		name += " (" + f.Instance + ")"
	}
	w.note(happening{
		what: changed, unit: f.Kind + " " + string(f.Name), name: f.Name,
		text: fmt.Sprintf("%s %s: %s -> %s (%s)", f.Kind, name, f.From, f.To, f.Cause),
	})
}

func (w *world) announce(f flow.Announce) {
	h := happening{what: emitted, unit: "signal " + string(f.Name), name: f.Name, value: f.Value, removed: f.Removed}
	h.text = h.unit + payloadText(f.Value)
	if f.Kind == cond.State {
		h.what, h.unit = fact, "state "+string(f.Name)
		h.text = h.unit + " set" + payloadText(f.Value)
		if f.Removed {
			h.text = h.unit + " removed" + payloadText(f.Value)
		}
	}
	if f.Cause != "" {
		h.text += " (" + f.Cause + ")"
	}
	w.note(h)
}

// payloadText shows a payload behind a name.
func payloadText(v cond.Value) string {
	switch v.Kind() {
	case cond.String, cond.Bytes:
		return " " + strconv.Quote(v.Text())
	case cond.JSON:
		return " " + v.Text()
	case cond.None:
	}
	return ""
}

func quoteAll(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = strconv.Quote(a)
	}
	return strings.Join(quoted, " ")
}
