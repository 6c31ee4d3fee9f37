package unit_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

// tables returns every table with a value that its rows fill.
func tables() map[*unit.Table]any {
	m := map[*unit.Table]any{
		&unit.RunTable:            &unit.Run{},
		&unit.RestartTable:        &unit.Restart{},
		&unit.ConditionTable:      &unit.Condition{},
		&unit.TestTable:           &unit.Test{},
		&unit.TriggerTable:        &unit.Trigger{},
		&unit.SocketLimitsTable:   &unit.SocketLimits{},
		&unit.BurstTable:          &unit.Burst{},
		&unit.ResourceLimitsTable: &unit.ResourceLimits{},
		&unit.ResourceTable:       &unit.ResourceLimit{},
		&unit.SpaceTable:          &unit.Space{},
		&unit.UserSourceTable:     &unit.UserSource{},
		&unit.StopTable:           &unit.Stop{},
		&unit.WatchdogTable:       &unit.Watchdog{},
		&unit.BranchingTable:      &unit.Branching{},
		&unit.OutputTable:         &unit.Output{},
		&unit.AbsenceTable:        &unit.Absence{},
		&unit.AutoPayloadTable:    &unit.AutoPayload{},
	}
	for i := range unit.Kinds {
		if k := &unit.Kinds[i]; k.Support == unit.Supported {
			item, _ := k.Begin(&unit.File{}, source.Place{})
			m[&k.Table] = item
		}
	}
	return m
}

// targets has the type of field that each type of value fills; what the types
// with an inner table of their own fill is the table's.
var targets = map[unit.Type]any{
	unit.TypeString:      new(unit.String),
	unit.TypeBool:        new(unit.Bool),
	unit.TypeInt:         new(unit.Int),
	unit.TypeDuration:    new(unit.Duration),
	unit.TypeAny:         new(unit.Any),
	unit.TypeList:        new(unit.List),
	unit.TypeWords:       new(unit.List),
	unit.TypeConditions:  new(unit.Conditions),
	unit.TypeCondition:   new(*unit.Condition),
	unit.TypeTriggers:    new(unit.Triggers),
	unit.TypePermissions: new(unit.PermissionRefs),
	unit.TypeAbsences:    new(unit.Absences),
	unit.TypeTest:        new(unit.Test),
	unit.TypeRestart:     new(unit.Restart),
	unit.TypeRun:         new([]unit.Run),
	unit.TypeEnv:         new([]unit.EnvVar),
	unit.TypeOptions:     new([]unit.Option),
	unit.TypeResource:    new(unit.ResourceLimit),
}

func TestTables(t *testing.T) {
	key := regexp.MustCompile(`^[a-z][a-z_-]*$`)
	all := tables()
	for table, item := range all {
		t.Run(table.Name, func(t *testing.T) {
			seen, filled := map[string]bool{}, map[any]bool{}
			for _, f := range table.Fields {
				if !key.MatchString(f.Key) || f.Doc == "" || strings.HasPrefix(f.Type.String(), "an invalid") {
					t.Errorf("row %+v has no proper key, type or doc", f)
				}
				if seen[f.Key] || seen[f.Newer] && f.Newer != "" || slices.Contains(table.Foreign, f.Key) {
					t.Errorf("key %q is there twice", f.Key)
				}
				seen[f.Key], seen[f.Newer] = true, true
				into, want := f.Into(item), targets[f.Type]
				if f.Type == unit.TypeTable || f.Type == unit.TypeChoice {
					if want = all[f.Inner]; want == nil {
						t.Errorf("the keys of %q are not in the list of this test", f.Key)
					}
				} else if f.Inner != nil {
					t.Errorf("key %q of type %q has a table of its own", f.Key, f.Type)
				}
				if got := fmt.Sprintf("%T", into); got != fmt.Sprintf("%T", want) {
					t.Errorf("key %q of type %q fills a %s, want %T", f.Key, f.Type, got, want)
				}
				if filled[into] {
					t.Errorf("key %q fills the field of another", f.Key)
				}
				filled[into] = true
				if f.Into("something else") != nil {
					t.Errorf("key %q fills anything", f.Key)
				}
				if (f.Type == unit.TypeChoice) != (f.Inner != nil && f.Values != nil) {
					t.Errorf("key %q of type %q has the words %q", f.Key, f.Type, f.Values)
				}
			}
		})
	}
}

func TestKinds(t *testing.T) {
	for _, k := range unit.Kinds {
		if (k.Begin != nil) != (k.Support == unit.Supported) {
			t.Errorf("kind %s: only supported kinds can be bound", k.Name)
		}
		if got, ok := unit.KindOf(k.Name); !ok || got.Name != k.Name {
			t.Errorf("KindOf(%q) = %v, %t", k.Name, got, ok)
		}
		if got, ok := unit.KindOfNewer(k.Newer); ok != (k.Newer != "") || ok && got.Name != k.Name {
			t.Errorf("KindOfNewer(%q) = %v, %t", k.Newer, got, ok)
		}
	}
	if _, ok := unit.KindOf("sokcet"); ok {
		t.Error("KindOf finds a kind that does not exist")
	}
}

func TestBegin(t *testing.T) {
	f := &unit.File{}
	kind, _ := unit.KindOf("state")
	bind := func(name string, lost unit.Lost) {
		item, done := kind.Begin(f, source.UnitPlace(nil, "state", len(f.States)))
		s, ok := item.(*unit.State)
		if !ok {
			t.Fatalf("a state is bound to a %T", item)
		}
		s.Name = unit.String{Value: name}
		done(lost)
	}
	bind("sound", nil)
	bind("broken", unit.Lost{"payload": true})
	bind("", unit.Lost{"name": true})
	want := []*unit.State{
		{At: source.UnitPlace(nil, "state", 0), Name: unit.String{Value: "sound"}},
		{At: source.UnitPlace(nil, "state", 1), Lost: unit.Lost{"payload": true}, Name: unit.String{Value: "broken"}},
	}
	if diff := cmp.Diff(want, f.States); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestShareEnv(t *testing.T) {
	env := func(pairs ...string) (list []unit.EnvVar) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, unit.EnvVar{Name: unit.String{Value: pairs[i]}, Value: unit.String{Value: pairs[i+1]}})
		}
		return list
	}
	f := &unit.File{}
	kind, _ := unit.KindOf("service")
	item, done := kind.Begin(f, source.Place{})
	s, ok := item.(*unit.Service)
	if !ok {
		t.Fatalf("a service is bound to a %T", item)
	}
	s.Env = env("B", "service", "C", "service")
	s.Run = []unit.Run{{Env: env("A", "own", "C", "own")}, {}}
	done(nil)
	want := []unit.Run{{Env: env("A", "own", "B", "service", "C", "own")}, {Env: env("B", "service", "C", "service")}}
	if diff := cmp.Diff(want, f.Services[0].Run); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}
