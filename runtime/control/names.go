package control

import (
	"context"
	"fmt"
	"strings"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Names implements the service.
func (h *handler) Names(ctx context.Context, _ *controlv1.NamesRequest) (*controlv1.NamesResponse, error) {
	v, who := h.view.Load(), callerOf(ctx)
	resp := &controlv1.NamesResponse{}
	for i := range v.plan.Sockets {
		resp.Sockets = append(resp.Sockets, string(v.plan.Sockets[i].Name))
	}
	for i := range v.plan.Services {
		resp.Services = append(resp.Services, string(v.plan.Services[i].Name))
	}
	for i := range v.plan.Timers {
		resp.Timers = append(resp.Timers, string(v.plan.Timers[i].Name))
	}
	for i := range v.plan.States {
		if name := v.plan.States[i].Name; v.mayRead(who, cond.State, name) {
			resp.States = append(resp.States, string(name))
		}
	}
	for i := range v.plan.Signals {
		if name := v.plan.Signals[i].Name; v.mayRead(who, cond.Signal, name) {
			resp.Signals = append(resp.Signals, string(name))
		}
	}
	if v.manages(who) {
		for _, q := range v.plan.AllPermissions() {
			resp.Permissions = append(resp.Permissions, string(q.Name))
		}
	}
	return resp, nil
}

// unit is one definition that a name led to.
type unit struct {
	kind     controlv1.UnitKind
	name     plan.Name
	instance string // of a service; "" is all of it
}

// title is the full name of what was meant.
func (u unit) title() string {
	if u.instance == "" {
		return string(u.name)
	}
	return string(u.name) + "[" + u.instance + "]"
}

// nameError says why a name does not lead to exactly one definition.
type nameError struct {
	outcome controlv1.Outcome
	text    string
}

func (e *nameError) Error() string { return e.text }

// names leads from full and from unqualified names to the definitions of one kind.
type names map[string][]plan.Name

func (ns names) add(n plan.Name) {
	ns[string(n)] = append(ns[string(n)], n)
	if _, last, ok := strings.Cut(string(n), "@"); ok {
		ns[last] = append(ns[last], n)
	}
}

// directory finds the definitions of a plan by name.
type directory struct {
	sockets, services, states, signals names
}

func newDirectory(p *plan.Plan) *directory {
	d := &directory{names{}, names{}, names{}, names{}}
	for i := range p.Sockets {
		d.sockets.add(p.Sockets[i].Name)
	}
	for i := range p.Services {
		d.services.add(p.Services[i].Name)
	}
	for i := range p.States {
		d.states.add(p.States[i].Name)
	}
	if active := flow.ActiveState; d.states[string(active)] == nil { // there all the same
		d.states[string(active)] = []plan.Name{active}
	}
	for i := range p.Signals {
		d.signals.add(p.Signals[i].Name)
	}
	return d
}

// unit finds a socket or a service, or with "NAME[INSTANCE]" an instance of one.
// Without a kind the name must belong to one of them only.
func (d *directory) unit(kind controlv1.UnitKind, name string) (unit, error) {
	of, rest, _ := strings.Cut(name, "[")
	instance, ok := strings.CutSuffix(rest, "]")
	if !ok || instance == "" || kind == controlv1.UnitKind_UNIT_KIND_SOCKET {
		return d.whole(kind, name)
	}
	u, err := d.whole(controlv1.UnitKind_UNIT_KIND_SERVICE, of)
	if err == nil {
		u.instance = instance
	}
	return u, err
}

func (d *directory) whole(kind controlv1.UnitKind, name string) (unit, error) {
	var found []unit
	if kind != controlv1.UnitKind_UNIT_KIND_SERVICE {
		for _, n := range d.sockets[name] {
			found = append(found, unit{kind: controlv1.UnitKind_UNIT_KIND_SOCKET, name: n})
		}
	}
	if kind != controlv1.UnitKind_UNIT_KIND_SOCKET {
		for _, n := range d.services[name] {
			found = append(found, unit{kind: controlv1.UnitKind_UNIT_KIND_SERVICE, name: n})
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

// one finds the only definition that name means.
func one(ns names, kind, name string) (plan.Name, error) {
	found := ns[name]
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
