package resolve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plan"
)

// Scope is a group as the place where a name is written: an unqualified name
// means the definition of that group first, else the only one in all groups
// (SPEC §2 rule 6).
//
// A lookup that fails returns the diagnostic to report; it is nil as well when
// the definition may be in a [Gap].
type Scope struct {
	table *Table
	group string
	quiet bool
}

// In returns the scope of a group.
func (t *Table) In(group string) Scope { return Scope{table: t, group: group} }

// Quiet returns the same scope for somebody who does not show unknown names: the
// diagnostic is the same for all of them, read-only, and says nothing.
func (s Scope) Quiet() Scope {
	s.quiet = true
	return s
}

// Socket returns the socket that ref names.
func (s Scope) Socket(ref unit.String) (*Socket, *diag.Diagnostic) {
	return find(s, &s.table.sockets, ref)
}

// Service returns the service that ref names.
func (s Scope) Service(ref unit.String) (*Service, *diag.Diagnostic) {
	return find(s, &s.table.services, ref)
}

// State returns the state that ref names.
func (s Scope) State(ref unit.String) (*State, *diag.Diagnostic) {
	return find(s, &s.table.states, ref)
}

// Signal returns the signal that ref names.
func (s Scope) Signal(ref unit.String) (*Signal, *diag.Diagnostic) {
	return find(s, &s.table.signals, ref)
}

// Timer returns the timer that ref names.
func (s Scope) Timer(ref unit.String) (*Timer, *diag.Diagnostic) {
	return find(s, &s.table.timers, ref)
}

// Variable returns the variable that ref names, which has no group.
func (s Scope) Variable(ref unit.String) (*Variable, *diag.Diagnostic) {
	if e, ok := s.table.variables.full[plan.Name(ref.Value)]; ok {
		return e.decl, nil
	}
	if slices.ContainsFunc(s.table.gaps, func(g Gap) bool { return g.Kind == "" || g.Kind == "variable" }) {
		return nil, nil
	}
	d := &diag.Diagnostic{
		Code:     UnknownName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("no variable is named %q", ref.Value),
		At:       ref.At,
		Help:     fmt.Sprintf("define it: `[[variable]]` with `name = %q`", ref.Value),
	}
	if near, ok := s.table.nearest(ref.Value, s.table.variables.words(true)); ok {
		d.Help = fmt.Sprintf("did you mean %q?", near)
		d.Fix = &diag.Fix{Old: ref.Value, New: near}
	}
	return nil, d
}

// Permission returns the permission that ref names or whose id it is.
func (s Scope) Permission(ref unit.PermissionRef) (*Permission, *diag.Diagnostic) {
	if !ref.ID.Set() {
		return find(s, &s.table.permissions, ref.Name)
	}
	if 0 <= ref.ID.Value && ref.ID.Value <= 0xFFFF {
		if p, ok := s.table.ids[uint16(ref.ID.Value)]; ok {
			return p, nil
		}
	}
	return nil, &diag.Diagnostic{
		Code:     UnknownName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("no permission has the id %d", ref.ID.Value),
		At:       ref.At,
		Help:     "define it with `[[permission]]`, or use a name; " + s.table.knownIDs(),
	}
}

func (t *Table) knownIDs() string {
	const most = 10
	var known []string
	for _, id := range slices.Sorted(maps.Keys(t.ids)) {
		if len(known) == most {
			known = append(known, "…")
			break
		}
		known = append(known, fmt.Sprintf("%d (%s)", id, t.ids[id].Name))
	}
	return "defined are " + strings.Join(known, ", ")
}

// Flow is what a bare condition names: one of the two is set.
type Flow struct {
	State  *State
	Signal *Signal
}

// Flow returns the state or signal that ref names. A name that is both, as near
// in both kinds, is ambiguous.
func (s Scope) Flow(ref unit.String) (Flow, *diag.Diagnostic) {
	a, bad := s.parse(ref)
	if bad != nil {
		return Flow{}, bad
	}
	states, signals := s.table.states.candidates(s.group, a), s.table.signals.candidates(s.group, a)
	if states.near != signals.near { // what the own group has hides the rest
		if states.near {
			signals.names = nil
		} else {
			states.names = nil
		}
	}
	switch {
	case len(states.names) == 1 && len(signals.names) == 0:
		return Flow{State: s.table.states.full[states.names[0]].decl}, nil
	case len(signals.names) == 1 && len(states.names) == 0:
		return Flow{Signal: s.table.signals.full[signals.names[0]].decl}, nil
	case len(states.names)+len(signals.names) > 0:
		return Flow{}, s.ambiguousFlow(ref, states.names, signals.names)
	case s.hidden("state", a) || s.hidden("signal", a):
		return Flow{}, nil
	}
	if s.quiet {
		return Flow{}, &notShown
	}
	full := a.Group != ""
	return Flow{}, s.unknown(ref, a, "state or signal", s.table.states.words(full), s.table.signals.words(full))
}

func (s Scope) ambiguousFlow(ref unit.String, states, signals []plan.Name) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code:     AmbiguousName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("%q names both a state and a signal", ref.Value),
		At:       ref.At,
		Help:     fmt.Sprintf("say which one: `state %s` or `signal %s`", ref.Value, ref.Value),
	}
	if len(states) == 0 || len(signals) == 0 {
		d.Message = fmt.Sprintf("%q is defined in several groups", ref.Value)
		d.Help = "write the full address: " + list(slices.Concat(states, signals))
	}
	for _, n := range states {
		d.Labels = append(d.Labels, diag.Label{At: s.table.states.full[n].at, Message: fmt.Sprintf("state %q", n)})
	}
	for _, n := range signals {
		d.Labels = append(d.Labels, diag.Label{At: s.table.signals.full[n].at, Message: fmt.Sprintf("signal %q", n)})
	}
	d.Labels = slices.DeleteFunc(d.Labels, func(l diag.Label) bool { return l.At.IsZero() })
	return d
}

// found is the definitions that an address may mean.
type found struct {
	names []plan.Name
	near  bool // the one in the group itself, or the one with the full name
}

func (s *space[T]) candidates(group string, a grammar.Address) found {
	if a.Group != "" {
		group = a.Group
	}
	if own := plan.MakeName(group, a.Name); s.full[own].decl != nil {
		return found{names: []plan.Name{own}, near: true}
	}
	if a.Group != "" {
		return found{}
	}
	return found{names: s.short[a.Name]}
}

func find[T any](s Scope, in *space[T], ref unit.String) (*T, *diag.Diagnostic) {
	a, bad := s.parse(ref)
	if bad != nil {
		return nil, bad
	}
	names := in.candidates(s.group, a).names
	switch {
	case len(names) == 1:
		return in.full[names[0]].decl, nil
	case len(names) > 1:
		return nil, ambiguous(in, ref, names)
	case s.hidden(in.kind, a):
		return nil, nil
	}
	if s.quiet {
		return nil, &notShown
	}
	return nil, s.unknown(ref, a, in.kind, in.words(a.Group != ""))
}

func (s Scope) parse(ref unit.String) (grammar.Address, *diag.Diagnostic) {
	a, err := grammar.ParseAddress(ref.Value)
	if err == nil {
		return a, nil
	}
	d := &diag.Diagnostic{
		Code:     InvalidAddress,
		Severity: diag.Error,
		Message:  err.Message,
		At:       ref.At.Within(err.From, err.To),
		Help:     err.Help,
		Fix:      err.Fix(ref.Value),
	}
	return a, d
}

// hidden reports whether the definition of a may be in a gap.
func (s Scope) hidden(kind string, a grammar.Address) bool {
	return slices.ContainsFunc(s.table.gaps, func(g Gap) bool {
		return (g.Kind == "" || g.Kind == kind) && (a.Group == "" || g.covers(a.Group))
	})
}

func (g Gap) covers(group string) bool {
	return g.Group == "/" || g.Group == group || strings.HasSuffix(g.Group, "/") && strings.HasPrefix(group, g.Group)
}

func ambiguous[T any](in *space[T], ref unit.String, names []plan.Name) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code:     AmbiguousName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("%s %q is defined in several groups", in.kind, ref.Value),
		At:       ref.At,
		Help:     "write the full address: " + list(names),
	}
	for _, n := range names {
		if at := in.full[n].at; !at.IsZero() {
			d.Labels = append(d.Labels, diag.Label{At: at, Message: fmt.Sprintf("%s %q", in.kind, n)})
		}
	}
	return d
}

// notShown is what a quiet scope says of a name that nobody has.
var notShown = diag.Diagnostic{Code: UnknownName, Severity: diag.Error, Message: "unknown name"}

func (s Scope) unknown(ref unit.String, a grammar.Address, kind string, words ...[]string) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code:     UnknownName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("no %s is named %q", kind, ref.Value),
		At:       ref.At,
	}
	if other := s.otherKind(a); other != "" {
		d.Help = fmt.Sprintf("%q is a %s: name a %s here", ref.Value, other, kind)
		return d
	}
	if near, ok := s.table.nearestTo(ref.Value, a, words); ok {
		d.Help = fmt.Sprintf("did you mean %q?", near)
		d.Fix = &diag.Fix{Old: ref.Value, New: near}
		return d
	}
	group := s.group
	if a.Group != "" {
		group = a.Group
	}
	first, _, _ := strings.Cut(kind, " ")
	d.Help = fmt.Sprintf("define it: `[[%s]]` with `name = %q` in the file of group %q", first, a.Name, group)
	return d
}

// otherKind returns a kind that does define what a names, "" if none does.
func (s Scope) otherKind(a grammar.Address) string {
	t := s.table
	for _, k := range []struct {
		kind  string
		found found
	}{
		{"socket", t.sockets.candidates(s.group, a)},
		{"service", t.services.candidates(s.group, a)},
		{"state", t.states.candidates(s.group, a)},
		{"signal", t.signals.candidates(s.group, a)},
		{"timer", t.timers.candidates(s.group, a)},
		{"permission", t.permissions.candidates(s.group, a)},
	} {
		if len(k.found.names) > 0 {
			return k.kind
		}
	}
	return ""
}

// nearestTo finds the word that an address was meant to be. The right name with
// the wrong group wins over everything that is merely spelt alike.
func (t *Table) nearestTo(written string, a grammar.Address, words [][]string) (string, bool) {
	if a.Group == "" {
		return t.nearest(written, words...)
	}
	for _, list := range words {
		if !t.mayCompare(list) {
			return "", false
		}
		for _, w := range list {
			if plan.Name(w).Short() == a.Name {
				return w, true
			}
		}
	}
	near, ok := t.nearest(written, words...)
	return near, ok && diag.NearAddress(written, near)
}

// maxCompared bounds the work for names that nobody has: it is the product of
// how many are written and how many are defined.
const maxCompared = 2_000_000

func (t *Table) mayCompare(words []string) bool {
	t.compared += len(words)
	return t.compared <= maxCompared
}

// nearest is [diag.Nearest] over several lists. After too many comparisons it
// finds nothing.
func (t *Table) nearest(written string, words ...[]string) (string, bool) {
	best, found := "", false
	var near []string
	for _, list := range words {
		if !t.mayCompare(list) {
			return "", false
		}
		if w, ok := diag.Nearest(written, list); ok {
			near = append(near, w)
		}
	}
	if len(near) > 0 {
		best, found = diag.Nearest(written, near)
	}
	return best, found
}

// words lists the names that a misspelt address is compared with: full ones for
// an address with a group, both forms otherwise.
func (s *space[T]) words(full bool) []string {
	if s.fullWords == nil {
		s.fullWords = make([]string, 0, len(s.order))
		s.allWords = make([]string, 0, len(s.order)+len(s.short))
		for _, n := range s.order {
			s.fullWords = append(s.fullWords, string(n))
			if short := n.Short(); s.short[short][0] == n {
				s.allWords = append(s.allWords, short)
			}
		}
		s.allWords = append(s.allWords, s.fullWords...)
	}
	if full {
		return s.fullWords
	}
	return s.allWords
}

func list(names []plan.Name) string {
	const most = 10
	shown := make([]string, 0, len(names))
	for i, n := range names {
		if i == most {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, strconv.Quote(string(n)))
	}
	return strings.Join(shown, ", ")
}
