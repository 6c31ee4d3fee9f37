package resolve

import (
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// ActiveState is the builtin state that names what runs. It is the only state
// of kind string that has branches: one per value.
const ActiveState plan.Name = plan.BuiltinGroup + "@active"

// builtinStates are the states of the group rind (SPEC §2 rule 7). The runtime
// sets them; all but active describe the running system and do not outlive it.
var builtinStates = []struct {
	name    string
	payload cond.Kind
	branch  string
}{
	{"active", cond.String, ""},
	{"online", cond.None, ""},
	{"net-interface", cond.JSON, "name"},
	{"net-configured", cond.JSON, "name"},
	{"net-dns_ready", cond.None, ""},
	{"maintenance-mode", cond.None, ""},
	{"user_session", cond.JSON, "session_id"},
	{"firewall", cond.None, ""},
}

// builtinSignals are the signals of the group rind.
var builtinSignals = []struct {
	name    string
	payload cond.Kind
}{
	{"activate", cond.String},
	{"deactivate", cond.String},
	{"request_login", cond.JSON},
	{"request_logout", cond.JSON},
}

// declareBuiltins enters the builtin definitions first, so that a unit file that
// redefines one is the one that is reported.
func (t *Table) declareBuiltins() {
	for _, b := range builtinStates {
		d := &State{State: plan.State{
			Name:        plan.MakeName(plan.BuiltinGroup, b.name),
			Payload:     b.payload,
			Impermanent: b.name != ActiveState.Short(),
			Builtin:     true,
		}}
		if b.branch != "" {
			d.Branch = []plan.BranchKey{{Target: b.branch}}
		}
		t.States = append(t.States, d)
		t.states.add(d.Name, d, source.Place{})
	}
	for _, b := range builtinSignals {
		d := &Signal{Signal: plan.Signal{Name: plan.MakeName(plan.BuiltinGroup, b.name), Payload: b.payload, Builtin: true}}
		t.Signals = append(t.Signals, d)
		t.signals.add(d.Name, d, source.Place{})
	}
	for _, name := range slices.Sorted(maps.Keys(plan.BuiltinPermissions)) {
		d := &Permission{
			Name: plan.MakeName(plan.BuiltinGroup, name), Group: plan.BuiltinGroup,
			ID: plan.BuiltinPermissions[name], HasID: true, Builtin: true,
		}
		t.Permissions = append(t.Permissions, d)
		t.permissions.add(d.Name, d, source.Place{})
	}
}

func (t *Table) moveBuiltinsLast() {
	t.States = definedFirst(t.States, func(s *State) bool { return s.Builtin })
	t.Signals = definedFirst(t.Signals, func(s *Signal) bool { return s.Builtin })
	t.Permissions = definedFirst(t.Permissions, func(p *Permission) bool { return p.Builtin })
}

func definedFirst[T any](list []*T, builtin func(*T) bool) []*T {
	n := slices.IndexFunc(list, func(d *T) bool { return !builtin(d) })
	if n < 0 {
		return list
	}
	return slices.Concat(list[n:], list[:n])
}

// builtin lists the builtin definitions of a kind.
func (t *Table) builtin(kind string) []string {
	var names []string
	if strings.Contains(kind, "state") {
		for _, s := range t.States {
			if s.Builtin {
				names = append(names, "`"+string(s.Name)+"`")
			}
		}
	}
	if strings.Contains(kind, "signal") {
		for _, s := range t.Signals {
			if s.Builtin {
				names = append(names, "`"+string(s.Name)+"`")
			}
		}
	}
	if kind == "permission" {
		for _, p := range t.Permissions {
			if p.Builtin {
				names = append(names, "`"+string(p.Name)+"`")
			}
		}
	}
	return names
}
