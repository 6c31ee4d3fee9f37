package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/check/graph"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// event is something that triggers and conditions can cause: the start or stop
// of a unit, a payload that a state is set to, its removal, a signal.
type event struct {
	do      plan.Op
	name    plan.Name
	payload string // text of set-state and emit; see unknownPayload
}

// unknownPayload is the payload of an event that is known only when it happens.
// It is no text that [payloadText] returns.
const unknownPayload = "?"

func (e event) String() string {
	switch e.do {
	case plan.OpStartSocket, plan.OpStartService, plan.OpStopSocket, plan.OpStopService:
		verb, kind, _ := strings.Cut(string(e.do), "-")
		return fmt.Sprintf("%s of %s %q", verb, kind, e.name)
	case plan.OpSetState:
		return fmt.Sprintf("state %q", e.name)
	case plan.OpRemoveState:
		return fmt.Sprintf("removal of state %q", e.name)
	case plan.OpEmit:
		return fmt.Sprintf("signal %q", e.name)
	case plan.OpScript, plan.OpExec, plan.OpStartTimer, plan.OpStopTimer:
	}
	return string(e.do)
}

// opposites lists what must happen before an event can happen again: a unit that
// runs is not started, and a state that has a value is not set to it.
var opposites = map[plan.Op][]plan.Op{
	plan.OpStartSocket:  {plan.OpStopSocket},
	plan.OpStopSocket:   {plan.OpStartSocket},
	plan.OpStartService: {plan.OpStopService},
	plan.OpStopService:  {plan.OpStartService},
	plan.OpSetState:     {plan.OpSetState, plan.OpRemoveState}, // to another value
	plan.OpRemoveState:  {plan.OpSetState},
}

// opposite reports whether other makes it possible for e to happen again.
func (e event) opposite(other event) bool {
	return e.name == other.name && slices.Contains(opposites[e.do], other.do) && e != other
}

// again reports whether e can happen again among events, which are counted
// without their payloads.
func (e event) again(counts map[event]int) bool {
	if e.do == plan.OpEmit || e.do == plan.OpSetState && e.payload == unknownPayload {
		return true
	}
	for _, do := range opposites[e.do] {
		n := counts[event{do: do, name: e.name}]
		if do == e.do {
			n-- // e itself
		}
		if n > 0 {
			return true
		}
	}
	return false
}

// derivedText is the payload of a state or signal that follows from others. It
// is not known, but it is no reason for the state to change over and over.
const derivedText = "derived"

// maxCauses is how many edges the graph of events may have. Every payload that
// is set meets every condition on its state, so they can be many more than the
// units.
const maxCauses = 2_000_000

// events is the graph of what causes what within one step of the engine, or
// right after it: hooks and conditions. A timer, an access and the end of a
// process are causes from outside, so nothing goes through them.
type events struct {
	graph.Graph

	list   []event
	number map[event]int
	values map[int]cond.Value // of set-state and emit, unless unknown
	hooks  map[[2]int]source.Place
	causes int
}

// collectEvents builds the graph; ok is not set when it would be too large.
func (p *Program) collectEvents() (g *events, ok bool) {
	g = &events{number: map[event]int{}, values: map[int]cond.Value{}, hooks: map[[2]int]source.Place{}}
	for _, h := range p.flow.hooks {
		if cause, ok := h.cause(); ok {
			g.hook(g.node(cause), h)
		}
	}
	for n := 0; n < len(g.list) && g.causes <= maxCauses; n++ {
		p.followConditions(g, n)
	}
	return g, g.causes <= maxCauses
}

// cause returns the event that runs a hook; ok is not set when that is none that
// triggers can cause.
func (h *hook) cause() (e event, ok bool) {
	switch h.kind + " " + h.field {
	case "socket on-start":
		return event{do: plan.OpStartSocket, name: h.name}, true
	case "socket on-stop":
		return event{do: plan.OpStopSocket, name: h.name}, true
	case "service on-start":
		return event{do: plan.OpStartService, name: h.name}, true
	case "service on-stop":
		return event{do: plan.OpStopService, name: h.name}, true
	}
	return event{}, false
}

func (g *events) node(e event) int {
	n, ok := g.number[e]
	if !ok {
		n = g.Node()
		g.number[e] = n
		g.list = append(g.list, e)
	}
	return n
}

func (g *events) hook(from int, h *hook) {
	for i := range h.actions {
		a := &h.actions[i]
		if _, ok := targetOf(a); !ok || a.Do == plan.OpStartTimer || a.Do == plan.OpStopTimer {
			continue
		}
		e := event{do: a.Do, name: a.Target}
		if a.Do == plan.OpSetState || a.Do == plan.OpEmit {
			e.payload = payloadText(a.Payload)
		}
		to := g.node(e)
		if a.Payload != nil {
			g.values[to] = *a.Payload
		}
		if _, again := g.hooks[[2]int{from, to}]; !again {
			g.hooks[[2]int{from, to}] = h.at(i)
			g.Edge(from, to)
			g.causes++
		}
	}
}

func payloadText(v *cond.Value) string {
	if v == nil {
		return unknownPayload
	}
	return v.Kind().String() + " " + v.Text()
}

// followConditions adds what the conditions of units make of event n.
func (p *Program) followConditions(g *events, n int) {
	e := g.list[n]
	var ref reference
	switch e.do {
	case plan.OpSetState, plan.OpRemoveState:
		ref = reference{"state", e.name}
	case plan.OpEmit:
		ref = reference{"signal", e.name}
	case plan.OpScript, plan.OpExec, plan.OpStartService, plan.OpStopService,
		plan.OpStartSocket, plan.OpStopSocket, plan.OpStartTimer, plan.OpStopTimer:
		return
	}
	waiters := p.flow.uses.waiters[ref]
	g.causes += len(waiters)
	if g.causes > maxCauses {
		return
	}
	value, known := g.values[n]
	keys := p.keysOf(ref, value)
	for _, w := range waiters {
		matches := w.guard.Match(value, keys)
		if w.field == "after" {
			for _, to := range follows(w, e.do, known, matches) {
				g.Edge(n, g.node(to))
			}
			continue
		}
		if to, ok := p.reaction(w, e.do, known, matches); ok {
			g.Edge(n, g.node(to))
		}
	}
	for _, s := range p.flow.uses.absent[ref] {
		to := event{do: plan.OpRemoveState, name: s}
		if e.do == plan.OpRemoveState {
			to = event{do: plan.OpSetState, name: s, payload: derivedText}
		}
		g.Edge(n, g.node(to))
		g.causes++
	}
}

// follows is what becomes of a state or signal that follows from others, when
// one of them changes.
func follows(w waiter, do plan.Op, known, matches bool) []event {
	holds := matches != w.negated
	if do == plan.OpRemoveState {
		known, holds = true, w.negated
	}
	if w.kind == "signal" {
		if known && !holds || do == plan.OpRemoveState {
			return nil // a removal is no edge
		}
		return []event{{do: plan.OpEmit, name: w.name, payload: derivedText}}
	}
	set, removed := event{do: plan.OpSetState, name: w.name, payload: derivedText}, event{do: plan.OpRemoveState, name: w.name}
	switch {
	case !known:
		return []event{set, removed}
	case holds:
		return []event{set}
	}
	return []event{removed}
}

// reaction is what a condition makes of an event whose payload is known or not,
// and passes the test of the condition or not.
func (p *Program) reaction(w waiter, do plan.Op, known, matches bool) (event, bool) {
	switch {
	case do == plan.OpRemoveState:
		if !w.negated {
			return event{}, false // a removal is no edge
		}
	case known && w.negated == matches:
		return event{}, false
	}
	starts := w.field == "start-on"
	if starts && (w.negated || p.flow.disabled[w.name] && w.kind == "socket") {
		return event{}, false // a level that comes about is no edge
	}
	e := event{do: plan.OpStopSocket, name: w.name}
	switch {
	case w.kind == "socket" && starts:
		e.do = plan.OpStartSocket
	case w.kind == "service" && starts:
		e.do = plan.OpStartService
	case w.kind == "service":
		e.do = plan.OpStopService
	}
	return e, true
}

// keysOf returns the branch keys of a payload.
func (p *Program) keysOf(ref reference, v cond.Value) map[string]any {
	if ref.kind != "state" {
		return nil
	}
	shape := p.flow.solver.State(string(ref.name))
	if shape.Values {
		return map[string]any{shape.Keys[0]: v.Text()}
	}
	fields, ok := v.Tree().(map[string]any)
	if !ok {
		return nil
	}
	keys := map[string]any{}
	for _, k := range shape.Keys {
		if field, there := fields[k]; there {
			keys[k] = field
		}
	}
	return keys
}
