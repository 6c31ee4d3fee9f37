package flow

import (
	"cmp"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// change is one thing that is delivered. It is an edge if it is a signal, or the
// branch of a state that appeared or really changed; a removal is none.
type change struct {
	kind    cond.AtomKind
	name    string
	value   cond.Value
	keys    map[string]any
	removal bool

	state    *state // of a branch
	branch   branch
	interest *interest
	cause    string
}

// describe names a change as the cause of what it does.
func (c *change) describe() string {
	switch {
	case c.kind == cond.Signal:
		return "signal " + c.name
	case c.removal:
		return "state " + c.name + " removed"
	}
	return "state " + c.name
}

// propagate delivers the changes that were recorded, and everything that follows
// from them:
//
//  1. States that follow are brought up to date, sources first. From then on
//     every level is what it will be in the end, so that no unit reacts to
//     something that is true only halfway.
//  2. Each change is delivered: units are marked for what it wants of them, and
//     signals that follow are appended to the changes.
//  3. Units stop and start: stops before starts, because they may make room;
//     sockets before services, so that an owner inherits what opens now; and
//     where both were wanted, stop wins (SPEC §4.2).
func (e *Engine) propagate(w why) {
	e.settleStates()
	e.emitted = e.emitted[:0]
	for n := 0; n < len(e.changes); n++ {
		if c := &e.changes[n]; e.config.Announce || !c.interest.none() || isSwitch(c) {
			e.deliver(*c, w)
		}
	}
	e.react()
	for n := 0; n < len(e.changes) && e.changes[n].state != nil; n++ { // signals come last
		c := &e.changes[n]
		e.branchChanged(c.state, c.branch, c.removal, w.because(c))
	}
	e.discard()
}

// discard forgets the changes that were recorded.
func (e *Engine) discard() {
	e.changes = emptied(e.changes)
	for _, r := range e.noted {
		r.noted = false
	}
	e.noted = e.noted[:0]
}

// emptied returns a list without anything in it, to be filled again. What it
// pointed to may go, and so may the list itself when it was unusually long.
func emptied[T any](list []T) []T {
	const usual = 4096
	if cap(list) > usual {
		return nil
	}
	clear(list)
	return list[:0]
}

// because is the cause of what a change does that w has led to.
func (w why) because(c *change) why {
	return why{text: "condition " + c.describe(), depth: w.depth}
}

// deliver shows one change to everybody who is interested.
func (e *Engine) deliver(c change, w why) {
	e.changed = c
	e.announce(&c)
	for _, r := range c.interest.units {
		if e.observe(r.stopOn, e.edge(r.stopOn)) {
			e.mark(r, true, &c, w)
		}
		if e.observe(r.startOn, e.edge(r.startOn)) && (r.service == nil || !r.service.follows(c.state)) {
			e.mark(r, false, &c, w)
		}
	}
	for _, r := range c.interest.inverted {
		if !r.held && e.holds(r.stopOn) {
			e.mark(r, true, &c, w)
		}
	}
	if isSwitch(&c) {
		e.operate(&c, w)
	}
	for _, s := range c.interest.signals {
		if e.observe(s.def.After, e.edge(s.def.After)) {
			e.follow(s)
		}
	}
	e.changed = change{}
}

// announce tells those who look on, if there are any.
func (e *Engine) announce(c *change) {
	if e.config.Announce {
		e.emit(Announce{Kind: c.kind, Name: plan.Name(c.name), Value: c.value, Removed: c.removal, Cause: c.cause})
	}
}

// mark puts a unit on the list of those that are to start or stop. Its cause is
// the first change that wants what will be done.
func (e *Engine) mark(r *reactor, stop bool, c *change, w why) {
	if !r.marked {
		r.marked = true
		e.marked = append(e.marked, r)
	}
	switch {
	case stop && !r.stop:
		r.stop, r.cause = true, w.because(c)
	case !stop && !r.start:
		r.start = true
		if !r.stop {
			r.cause = w.because(c)
		}
	}
}

// react lets the marked units do what the changes want of them.
func (e *Engine) react() {
	if len(e.marked) > 1 {
		slices.SortFunc(e.marked, func(a, b *reactor) int { return cmp.Compare(a.order, b.order) })
	}
	for _, r := range e.marked {
		if r.socket != nil && r.stop {
			e.stopSocket(r.socket, r.cause)
		}
	}
	for _, r := range e.marked {
		starts := r.start && !r.stop && !e.holds(r.stopOn)
		switch {
		case r.socket != nil && starts:
			e.startSocket(r.socket, r.cause)
		case r.service != nil && r.stop:
			e.stopService(r.service, r.cause)
		case r.service != nil && starts && r.named:
			e.startNamed(r.service, r.cause)
		case r.service != nil && starts:
			e.startService(r.service, r.cause)
		}
		r.marked, r.start, r.stop, r.named, r.cause = false, false, false, false, why{}
	}
	e.marked = emptied(e.marked)
}

// note remembers, before a state changes, which stop conditions hold that turn
// on what it is not. They begin to hold without any edge.
func (e *Engine) note(st *state) {
	for _, r := range st.interest.inverted {
		if e.booted && !r.noted {
			r.noted, r.held = true, e.level(r.stopOn)
			e.noted = append(e.noted, r)
		}
	}
}
