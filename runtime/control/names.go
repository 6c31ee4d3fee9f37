package control

import (
	"fmt"
	"slices"
	"strings"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
)

// unit is one definition that a name led to.
type unit struct {
	kind controlv1.UnitKind
	name plan.Name
}

// nameError says why a name does not lead to exactly one definition.
type nameError struct {
	outcome controlv1.Outcome
	text    string
}

func (e *nameError) Error() string { return e.text }

// directory finds the definitions of a plan by full or unqualified name.
type directory struct {
	sockets, services, states, signals []plan.Name
}

func newDirectory(p *plan.Plan) *directory {
	var d directory
	for i := range p.Sockets {
		d.sockets = append(d.sockets, p.Sockets[i].Name)
	}
	for i := range p.Services {
		d.services = append(d.services, p.Services[i].Name)
	}
	for i := range p.States {
		d.states = append(d.states, p.States[i].Name)
	}
	for i := range p.Signals {
		d.signals = append(d.signals, p.Signals[i].Name)
	}
	return &d
}

// unit finds a socket or a service. Without a kind the name must belong to one
// of them only.
func (d *directory) unit(kind controlv1.UnitKind, name string) (unit, error) {
	var found []unit
	if kind != controlv1.UnitKind_UNIT_KIND_SERVICE {
		for _, n := range matching(d.sockets, name) {
			found = append(found, unit{controlv1.UnitKind_UNIT_KIND_SOCKET, n})
		}
	}
	if kind != controlv1.UnitKind_UNIT_KIND_SOCKET {
		for _, n := range matching(d.services, name) {
			found = append(found, unit{controlv1.UnitKind_UNIT_KIND_SERVICE, n})
		}
	}
	switch len(found) {
	case 0:
		return unit{}, &nameError{
			controlv1.Outcome_OUTCOME_UNKNOWN_UNIT,
			fmt.Sprintf("no such %s: %s", kindName(kind), name),
		}
	case 1:
		return found[0], nil
	}
	var candidates []string
	for _, u := range found {
		candidates = append(candidates, kindName(u.kind)+" "+string(u.name))
	}
	return unit{}, &nameError{
		controlv1.Outcome_OUTCOME_AMBIGUOUS,
		fmt.Sprintf("%s is ambiguous: it may be %s", name, strings.Join(candidates, " or ")),
	}
}

func (d *directory) state(name string) (plan.Name, error) { return one(d.states, "state", name) }

func (d *directory) signal(name string) (plan.Name, error) { return one(d.signals, "signal", name) }

// one finds the only definition among names that name means.
func one(names []plan.Name, kind, name string) (plan.Name, error) {
	found := matching(names, name)
	switch len(found) {
	case 0:
		return "", &nameError{
			controlv1.Outcome_OUTCOME_UNKNOWN_UNIT,
			fmt.Sprintf("no such %s: %s", kind, name),
		}
	case 1:
		return found[0], nil
	}
	candidates := make([]string, len(found))
	for i, n := range found {
		candidates[i] = string(n)
	}
	return "", &nameError{
		controlv1.Outcome_OUTCOME_AMBIGUOUS,
		fmt.Sprintf("%s is ambiguous: it may be %s", name, strings.Join(candidates, " or ")),
	}
}

// matching returns the full name itself if it is there, else every definition
// whose last part is name.
func matching(names []plan.Name, name string) []plan.Name {
	if strings.Contains(name, "@") {
		if slices.Contains(names, plan.Name(name)) {
			return []plan.Name{plan.Name(name)}
		}
		return nil
	}
	var found []plan.Name
	for _, n := range names {
		if _, last, ok := strings.Cut(string(n), "@"); ok && last == name {
			found = append(found, n)
		}
	}
	return found
}

func kindName(k controlv1.UnitKind) string {
	switch k {
	case controlv1.UnitKind_UNIT_KIND_SOCKET:
		return "socket"
	case controlv1.UnitKind_UNIT_KIND_SERVICE:
		return "service"
	case controlv1.UnitKind_UNIT_KIND_UNSPECIFIED:
	}
	return "socket or service"
}
