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
	if i, ok := s.table.variables.full[plan.Name(ref.Value)]; ok {
		return s.table.variables.defs[i].decl, nil
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
	if near, ok := s.table.nearest(ref.Value, s.table.variables.names); ok {
		d.Help = fmt.Sprintf("did you mean %q?", near)
		d.Fix = s.misspelt(ref.Value, near, s.table.variables.names)
	}
	return nil, d
}

// SignalNamed returns the signal with that full name, nil if there is none.
func (t *Table) SignalNamed(name plan.Name) *Signal {
	if i, ok := t.signals.full[name]; ok {
		return t.signals.defs[i].decl
	}
	return nil
}

// StateNamed returns the state with that full name, nil if there is none.
func (t *Table) StateNamed(name plan.Name) *State {
	if i, ok := t.states.full[name]; ok {
		return t.states.defs[i].decl
	}
	return nil
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
	if s.table.idsLost {
		return nil, nil
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
			signals.defs = nil
		} else {
			states.defs = nil
		}
	}
	switch {
	case len(states.defs) == 1 && len(signals.defs) == 0:
		return Flow{State: states.defs[0].decl}, nil
	case len(signals.defs) == 1 && len(states.defs) == 0:
		return Flow{Signal: signals.defs[0].decl}, nil
	case len(states.defs)+len(signals.defs) > 0:
		return Flow{}, ambiguousFlow(ref, states.defs, signals.defs)
	case s.hidden("state", a) || s.hidden("signal", a):
		return Flow{}, nil
	}
	if s.quiet {
		return Flow{}, &notShown
	}
	return Flow{}, s.unknown(ref, a, "state or signal", slices.Concat(s.table.states.words(a), s.table.signals.words(a)))
}

func ambiguousFlow(ref unit.String, states []definition[State], signals []definition[Signal]) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code:     AmbiguousName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("%q names both a state and a signal", ref.Value),
		At:       ref.At,
		Help:     fmt.Sprintf("say which one: `state %s` or `signal %s`", ref.Value, ref.Value),
	}
	if len(states) == 0 || len(signals) == 0 {
		d.Message = fmt.Sprintf("%q is defined in several groups", ref.Value)
		d.Help = "write the full address: " + list(slices.Concat(namesOf(states), namesOf(signals)))
	}
	d.Labels = slices.Concat(labels("state", states), labels("signal", signals))
	return d
}

// labels shows where units are defined that are not builtin.
func labels[T any](kind string, defs []definition[T]) []diag.Label {
	var all []diag.Label
	for _, d := range defs {
		if !d.at.IsZero() {
			all = append(all, diag.Label{At: d.at, Message: fmt.Sprintf("%s %q", kind, d.name)})
		}
	}
	return all
}

// found is the definitions that an address may mean. Of many, it has the first few.
type found[T any] struct {
	defs []definition[T]
	near bool // the one in the group itself, or the one with the full name
}

// maxFound is more than a diagnostic lists.
const maxFound = maxListed + 1

func (s *space[T]) candidates(group string, a grammar.Address) found[T] {
	if a.Group != "" {
		group = a.Group
	}
	if i, ok := s.full[plan.MakeName(group, a.Name)]; ok {
		return found[T]{defs: s.defs[i : i+1], near: true}
	}
	first, ok := s.short[a.Name]
	switch {
	case !ok || a.Group != "":
		return found[T]{}
	case s.defs[first].next == none:
		return found[T]{defs: s.defs[first : first+1]}
	}
	var f found[T]
	for i := first; i != none && len(f.defs) < maxFound; i = s.defs[i].next {
		f.defs = append(f.defs, s.defs[i])
	}
	return f
}

func find[T any](s Scope, in *space[T], ref unit.String) (*T, *diag.Diagnostic) {
	a, bad := s.parse(ref)
	if bad != nil {
		return nil, bad
	}
	defs := in.candidates(s.group, a).defs
	switch {
	case len(defs) == 1:
		return defs[0].decl, nil
	case len(defs) > 1:
		return nil, ambiguous(in.kind, ref, defs)
	case s.hidden(in.kind, a):
		return nil, nil
	}
	if s.quiet {
		return nil, &notShown
	}
	return nil, s.unknown(ref, a, in.kind, in.words(a))
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

func ambiguous[T any](kind string, ref unit.String, defs []definition[T]) *diag.Diagnostic {
	return &diag.Diagnostic{
		Code:     AmbiguousName,
		Severity: diag.Error,
		Message:  fmt.Sprintf("%s %q is defined in several groups", kind, ref.Value),
		At:       ref.At,
		Help:     "write the full address: " + list(namesOf(defs)),
		Labels:   labels(kind, defs),
	}
}

func namesOf[T any](defs []definition[T]) []plan.Name {
	names := make([]plan.Name, len(defs))
	for i, d := range defs {
		names[i] = d.name
	}
	return names
}

// notShown is what a quiet scope says of a name that nobody has.
var notShown = diag.Diagnostic{Code: UnknownName, Severity: diag.Error, Message: "unknown name"}

func (s Scope) unknown(ref unit.String, a grammar.Address, kind string, words [][]string) *diag.Diagnostic {
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
	if near, ok := s.table.nearestTo(ref.Value, a, words); ok && (kind != "permission" || !opens(ref.Value, near)) {
		d.Help = fmt.Sprintf("did you mean %q?", near)
		if kind != "permission" { // a guess must not decide who may do what
			d.Fix = s.misspelt(ref.Value, near, words...)
		}
		return d
	}
	if swapped := a.Name + "@" + a.Group; a.Group != "" && slices.ContainsFunc(words, func(list []string) bool { return slices.Contains(list, swapped) }) {
		d.Help = fmt.Sprintf("did you mean %q?", swapped)
		return d
	}
	if id, err := strconv.ParseUint(ref.Value, 10, 16); err == nil && kind == "permission" {
		d.Help = fmt.Sprintf("write %d, without quotes, for the permission with that id", id)
		return d
	}
	group := s.group
	if a.Group != "" {
		group = a.Group
	}
	if names := s.table.builtin(kind); group == plan.BuiltinGroup && len(names) > 0 {
		d.Help = fmt.Sprintf("the builtin ones are %s", strings.Join(names, ", "))
		return d
	}
	if other := s.otherKind(grammar.Address{Name: a.Group}); a.Group != "" && other != "" && other != "permission" {
		d.Help = fmt.Sprintf("in front of the @ is a group of units, and %q is a %s: name a %s here", a.Group, other, kind)
		if other == "timer" {
			d.Help += ", which the `finish` of the timer sets or emits"
		}
		return d
	}
	first, _, _ := strings.Cut(kind, " ")
	d.Help = fmt.Sprintf("define it: `[[%s]]` with `name = %q` in the file of group %q", first, a.Name, group)
	return d
}

// misspelt returns the fix for a name, unless that would take too long to find out.
func (s Scope) misspelt(written, near string, words ...[]string) *diag.Fix {
	for _, list := range words {
		if !s.table.mayCompare(list) {
			return nil
		}
	}
	if near == withoutSuffix(written) {
		return &diag.Fix{Old: written, New: near}
	}
	return diag.MisspeltName(written, near, words...)
}

// opens reports whether near is the permission that everybody has, and is not plainly
// what is written: who writes "adm" does not want to let everybody in.
func opens(written, near string) bool {
	everybody := near == "any" || plan.Name(near) == plan.MakeName(plan.BuiltinGroup, "any")
	return everybody && !strings.EqualFold(written, near)
}

// otherKind returns a kind that does define what a names, "" if none does.
func (s Scope) otherKind(a grammar.Address) string {
	t := s.table
	switch {
	case defines(&t.sockets, s.group, a):
		return "socket"
	case defines(&t.services, s.group, a):
		return "service"
	case defines(&t.states, s.group, a):
		return "state"
	case defines(&t.signals, s.group, a):
		return "signal"
	case defines(&t.timers, s.group, a):
		return "timer"
	case defines(&t.permissions, s.group, a):
		return "permission"
	}
	return ""
}

func defines[T any](in *space[T], group string, a grammar.Address) bool {
	return len(in.candidates(group, a).defs) > 0
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
	return near, ok && (near == withoutSuffix(written) || diag.NearAddress(written, near))
}

// maxCompared bounds the work for names that nobody has: it is the product of
// how many are written and how many are defined.
const maxCompared = 1_000_000

func (t *Table) mayCompare(words []string) bool {
	t.compared += len(words)
	return t.compared <= maxCompared
}

// nearest is [diag.Nearest] over several lists, but for a name with the suffix of
// systemd. After too many comparisons it finds nothing.
func (t *Table) nearest(written string, words ...[]string) (string, bool) {
	best, found := "", false
	var near []string
	stem := withoutSuffix(written)
	for _, list := range words {
		if !t.mayCompare(list) {
			return "", false
		}
		if stem != "" && slices.Contains(list, stem) {
			return stem, true
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

// withoutSuffix returns a name as it is written in a unit of systemd, such as
// web.service, without the kind; "" if that is not how it is written.
func withoutSuffix(name string) string {
	for _, suffix := range []string{".service", ".socket", ".target", ".timer"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return stem
		}
	}
	return ""
}

// words lists the names that a misspelt address is compared with: full ones for
// an address with a group, both forms otherwise.
func (s *space[T]) words(a grammar.Address) [][]string {
	if a.Group != "" {
		return [][]string{s.names}
	}
	return [][]string{s.shorts, s.names}
}

// maxListed is how many names a diagnostic lists.
const maxListed = 10

func list(names []plan.Name) string {
	shown := make([]string, 0, len(names))
	for i, n := range names {
		if i == maxListed {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, strconv.Quote(string(n)))
	}
	return strings.Join(shown, ", ")
}
