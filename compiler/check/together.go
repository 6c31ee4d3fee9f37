package check

import (
	"fmt"
	"reflect"

	"github.com/rind-sockets/rind/compiler/check/sat"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// coexistence is whether two sockets may be open at the same time.
type coexistence uint8

const (
	apart    coexistence = iota // never, or it is not known: nothing is reported
	possible                    // there is a world in which both are
	certain                     // from the start of the plan, or whenever one of them is
)

// together finds out whether two sockets may be open at the same time, and says
// when.
//
// A socket that has been started stays open until its stop-on matches, so it is
// not enough that two start conditions exclude each other. What must not be is
// that one socket starts in a step that leaves the other one open. The stop-on
// of an open socket does not hold: it would have been stopped when that came
// about. So b starts beside a if its start-on holds, and neither stop-on does.
func (p *Program) together(a, b *Socket) (how coexistence, when string) {
	switch {
	case a.alwaysOpen() && b.alwaysOpen():
		return certain, ""
	case !a.understood() || !b.understood():
		return apart, ""
	case !a.enabled() && !b.enabled():
		return apart, "" // who opens one by hand knows about the other
	case !a.enabled():
		return p.commanded(b, a)
	case !b.enabled():
		return p.commanded(a, b)
	case p.handled(a) || p.handled(b):
		return apart, "" // a trigger may see to it
	}
	if p.flow.gaveUp || !p.opens(a) || !p.opens(b) {
		return apart, ""
	}
	at, what := b.Unit.Listen.At, fmt.Sprintf("whether sockets %q and %q are open at the same time", a.Name, b.Name)
	if a.StartOn != nil && reflect.DeepEqual(a.StartOn, b.StartOn) && reflect.DeepEqual(a.StopOn, b.StopOn) {
		return certain, "the same conditions open both"
	}
	derived, known := p.derivations(a.StartOn, a.StopOn, b.StartOn, b.StopOn)
	if !known {
		return apart, ""
	}
	neither := sat.All(sat.Not(of(a.StopOn, sat.False())), sat.Not(of(b.StopOn, sat.False())), derived)
	for _, pair := range [][2]*Socket{{a, b}, {b, a}} {
		first, last := pair[0], pair[1]
		if last.StartOn == nil {
			continue // it only starts with the plan, which is asked below
		}
		if r := p.solve(sat.All(sat.Edge(*last.StartOn), neither), at, what); r.Verdict == sat.Satisfiable {
			return possible, fmt.Sprintf("when %s, %q opens and nothing closes %q", r.World, last.Name, first.Name)
		}
	}
	boot := sat.All(
		quiet(a.StartOn, sat.True()), sat.Not(quiet(a.StopOn, sat.False())),
		quiet(b.StartOn, sat.True()), sat.Not(quiet(b.StopOn, sat.False())),
		derived,
	)
	if r := p.solve(boot, at, what); r.Verdict == sat.Satisfiable {
		while := ""
		if w := r.World.String(); w != "" {
			while = " while " + w
		}
		return possible, fmt.Sprintf("when the plan starts%s, both open", while)
	}
	return apart, ""
}

// opens reports whether the conditions of s ever open it. That they do not is
// another rule's business.
func (p *Program) opens(s *Socket) bool {
	opens, known := p.flow.opens[s]
	if !known {
		f := sat.All(of(s.StartOn, sat.True()), sat.Not(of(s.StopOn, sat.False())))
		opens = p.flow.solver.Solve(f).Verdict != sat.Unsatisfiable
		p.flow.opens[s] = opens
	}
	return opens
}

// commanded is about a socket that conditions open and one that only a command
// or a trigger does.
func (p *Program) commanded(s, other *Socket) (how coexistence, when string) {
	if s.StopOn != nil || p.handled(s) {
		return apart, "" // it depends on when the other one is opened
	}
	return possible, fmt.Sprintf("%q is opened by a command or a trigger, and nothing closes %q", other.Name, s.Name)
}

// handled reports whether some trigger closes s, or may do so.
func (p *Program) handled(s *Socket) bool {
	return p.flow.switched || p.flow.unread || p.flow.acted[target{plan.OpStopSocket, s.Name}]
}

// enabled reports whether conditions, or the start of the plan, open s.
func (s *Socket) enabled() bool { return !s.Unit.Enabled.Set() || s.Unit.Enabled.Value }

// alwaysOpen reports whether s opens with the plan and only a command or a
// trigger closes it.
func (s *Socket) alwaysOpen() bool {
	return s.enabled() && !s.Unit.StartOn.Set() && len(s.Unit.StopOn.Items) == 0
}

// understood reports whether the conditions of s have no mistakes.
func (s *Socket) understood() bool {
	return (s.StartOn != nil || !s.Unit.StartOn.Set()) && (s.StopOn != nil || len(s.Unit.StopOn.Items) == 0)
}

// quiet is [sat.Quiet] of a condition that need not be there: at the start of
// the plan there is no signal.
func quiet(e *cond.Expr, absent sat.Formula) sat.Formula {
	if e == nil {
		return absent
	}
	return sat.Quiet(*e)
}
